package graph

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

// newUser is the body of a creation or, with what isn't to change left out, of a patch.
type newUser struct {
	AccountEnabled    *bool   `json:"accountEnabled"`
	DisplayName       *string `json:"displayName"`
	GivenName         *string `json:"givenName"`
	Surname           *string `json:"surname"`
	MailNickname      *string `json:"mailNickname"`
	UserPrincipalName *string `json:"userPrincipalName"`
	UsageLocation     *string `json:"usageLocation"`
	PreferredLanguage *string `json:"preferredLanguage"`
	PasswordProfile   *struct {
		Password string `json:"password"`
	} `json:"passwordProfile"`
}

func (s *Server) createUser(r *request) (reply, error) {
	var body newUser
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	for name, missing := range map[string]bool{
		"accountEnabled": body.AccountEnabled == nil, "displayName": body.DisplayName == nil,
		"mailNickname": body.MailNickname == nil, "userPrincipalName": body.UserPrincipalName == nil,
		"passwordProfile": body.PasswordProfile == nil,
	} {
		if missing {
			return reply{}, badRequest("A value is required for property '"+name+"' of resource 'User'.", detail{"MissingValue", "A value is required.", name})
		}
	}
	if !strong(body.PasswordProfile.Password, *body.UserPrincipalName) {
		return reply{}, badRequest("The specified password does not comply with password complexity requirements. Please provide a different password.",
			detail{"InvalidPassword", "The password is too weak.", "password"})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkNames(&body, ""); err != nil {
		return reply{}, err
	}
	u := &user{ID: uuid.NewString(), Created: r.now}
	body.apply(u, r.now)
	if err := s.putUser(u); err != nil {
		return reply{}, err
	}
	return reply{http.StatusCreated, s.entity(u, nil, "users/$entity")}, nil
}

// checkNames refuses a name in a domain that isn't verified, and a name or alias that another user has.
func (s *Server) checkNames(body *newUser, self string) error {
	if name := body.UserPrincipalName; name != nil {
		_, host, _ := strings.Cut(*name, "@")
		if d := s.state.domains[fold(host)]; d == nil || !d.Verified {
			return badRequest("The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
				detail{"InvalidValue", "The domain is not verified.", "userPrincipalName"})
		}
		if other := s.state.byName[fold(*name)]; other != nil && other.ID != self {
			return conflict("userPrincipalName")
		}
	}
	if body.MailNickname != nil {
		for _, other := range s.state.users {
			if other.ID != self && strings.EqualFold(other.Nickname, *body.MailNickname) && sameDomain(other.Name, body.UserPrincipalName) {
				return conflict("proxyAddresses")
			}
		}
	}
	return nil
}

func sameDomain(name string, other *string) bool {
	if other == nil {
		return false
	}
	_, a, _ := strings.Cut(name, "@")
	_, b, _ := strings.Cut(*other, "@")
	return strings.EqualFold(a, b)
}

func conflict(property string) error {
	return badRequest("Another object with the same value for property "+property+" already exists.",
		detail{"ObjectConflict", "Another object with the same value for property " + property + " already exists.", property})
}

// strong is the directory's rule: 8 to 256 characters, three of four classes, not the user's name.
func strong(password, name string) bool {
	local, _, _ := strings.Cut(name, "@")
	if len(password) < 8 || len(password) > 256 || strings.Contains(fold(password), fold(local)) && len(local) > 2 {
		return false
	}
	var lower, upper, digit, other int
	for _, c := range password {
		switch {
		case unicode.IsLower(c):
			lower = 1
		case unicode.IsUpper(c):
			upper = 1
		case unicode.IsDigit(c):
			digit = 1
		default:
			other = 1
		}
	}
	return lower+upper+digit+other >= 3
}

func (n *newUser) apply(u *user, now time.Time) {
	set := func(into, from *string) {
		if from != nil {
			*into = *from
		}
	}
	set(&u.Name, n.UserPrincipalName)
	set(&u.DisplayName, n.DisplayName)
	set(&u.Given, n.GivenName)
	set(&u.Surname, n.Surname)
	set(&u.Nickname, n.MailNickname)
	set(&u.Language, n.PreferredLanguage)
	if n.AccountEnabled != nil {
		u.Enabled = *n.AccountEnabled
	}
	if n.UsageLocation != nil && *n.UsageLocation != u.Location {
		u.Location, u.LocationSince = *n.UsageLocation, now
	}
}

// seen finds the user of the path, unless it is so new that this replica hasn't heard of it.
func (s *Server) seen(r *request) (*user, error) {
	id := r.PathValue("user")
	u := s.state.find(id)
	if u == nil || r.now.Before(u.Created.Add(s.Delays.Replication)) {
		return nil, notFound(id)
	}
	return u, nil
}

func (s *Server) getUser(r *request) (reply, error) {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.seen(r)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, s.entity(u, selected(r), "users/$entity")}, nil
}

func (s *Server) patchUser(r *request) (reply, error) {
	var body newUser
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.seen(r)
	switch {
	case err != nil:
		return reply{}, err
	case u.OnPremisesSync:
		return reply{}, badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	case body.PasswordProfile != nil:
		// A reset needs the role of a user administrator, which the app doesn't have.
		return reply{}, &apiError{http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", nil, 0}
	case body.UsageLocation != nil && len(*body.UsageLocation) != 2:
		return reply{}, badRequest("Invalid value specified for property 'usageLocation' of resource 'User'.", detail{"InvalidValue", "Invalid value.", "usageLocation"})
	}
	if err := s.checkNames(&body, u.ID); err != nil {
		return reply{}, err
	}
	changed := *u
	body.apply(&changed, r.now)
	if err := s.putUser(&changed); err != nil {
		return reply{}, err
	}
	return reply{http.StatusNoContent, nil}, nil
}

func (s *Server) listUsers(r *request) (reply, error) {
	s.Provision()
	query := r.URL.Query()
	top := 100
	if text := query.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 999 {
			return reply{}, badRequest("Invalid page size specified: '" + text + "'. Must be between 1 and 999 inclusive.")
		}
		top = n
	}
	matches, err := parseFilter(query.Get("$filter"))
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := []any{}
	after := query.Get("$skiptoken")
	for _, u := range s.state.sorted() {
		if fold(u.Name) <= after && after != "" || r.now.Before(u.Created.Add(s.Delays.Replication)) {
			continue
		}
		all := s.properties(u)
		if !matches(all) {
			continue
		}
		if len(page) == top {
			query.Set("$skiptoken", fold(lastName(page)))
			next := s.Base + r.URL.Path + "?" + query.Encode()
			return reply{http.StatusOK, collection{s.context("users"), next, strip(page)}}, nil
		}
		page = append(page, pageItem{u.Name, pick(all, selected(r))})
	}
	return reply{http.StatusOK, collection{s.context("users"), "", strip(page)}}, nil
}

// pageItem is one entry of a page and the name to go on from.
type pageItem struct {
	name string
	body any
}

func lastName(page []any) string { return page[len(page)-1].(pageItem).name }

func strip(page []any) []any {
	bodies := make([]any, len(page))
	for i := range page {
		bodies[i] = page[i].(pageItem).body
	}
	return bodies
}

// collection is OData's form of a list.
type collection struct {
	Context string `json:"@odata.context"`
	Next    string `json:"@odata.nextLink,omitempty"`
	Value   []any  `json:"value"`
}

func (s *Server) context(of string) string { return s.Base + "/v1.0/$metadata#" + of }

// defaultProperties are what a user shows when nothing is selected.
var defaultProperties = []string{
	"businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation",
	"preferredLanguage", "surname", "userPrincipalName",
}

func selected(r *request) []string {
	text := r.URL.Query().Get("$select")
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *Server) entity(u *user, names []string, context string) map[string]any {
	body := pick(s.properties(u), names)
	body["@odata.context"] = s.context(context)
	return body
}

func pick(all map[string]any, names []string) map[string]any {
	if names == nil {
		names = defaultProperties
	}
	body := map[string]any{}
	for _, name := range names {
		if value, ok := all[strings.TrimSpace(name)]; ok {
			body[strings.TrimSpace(name)] = value
		}
	}
	return body
}

// properties are all that can be selected.
func (s *Server) properties(u *user) map[string]any {
	all := map[string]any{
		"id": u.ID, "userPrincipalName": u.Name, "displayName": u.DisplayName, "mailNickname": u.Nickname,
		"givenName": orNull(u.Given), "surname": orNull(u.Surname), "preferredLanguage": orNull(u.Language),
		"accountEnabled": u.Enabled, "usageLocation": orNull(u.Location), "createdDateTime": u.Created.Format(time.RFC3339),
		"businessPhones": []string{}, "jobTitle": nil, "mobilePhone": nil, "officeLocation": nil, "mail": nil,
		"userType": "Member", "proxyAddresses": []string{}, "onPremisesSyncEnabled": nil, "serviceProvisioningErrors": []any{},
	}
	if u.OnPremisesSync {
		all["onPremisesSyncEnabled"] = true
	}
	if u.MailboxMade {
		all["mail"], all["proxyAddresses"] = u.Name, []string{"SMTP:" + u.Name}
	}
	s.licenceProperties(u, all)
	return all
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
