package m365

import (
	"context"
	"fmt"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mailferry/mailferry/internal/migration"
)

// userProperties are asked for by name: without $select Graph gives neither plans nor usage location.
var userProperties = []string{
	"id", "userPrincipalName", "mail", "usageLocation", "accountEnabled", "onPremisesSyncEnabled",
	"assignedPlans", "assignedLicenses", "licenseAssignmentStates",
}

// EnsureUser has the user exist, with a usage location and a licence whose plans include a mailbox: it creates the
// user or adopts the one that has the address. What an adopted user has already (a location, a mailbox plan, be it
// through a group) stays as it is.
//
// password gives the first password; it is called only when the user has to be created, which is when the licence is
// there to be had. The result is filled as far as things came, with an error too: someone else may have taken the last
// licence after the user was created.
//
// Problems have the kinds of errors.go ("address-taken", "alias-taken", "domain-unverified", "synchronised-user" ...)
// and of licences.go ("licences-exhausted", "licence-unknown" ...).
func (c *Client) EnsureUser(ctx context.Context, u migration.User, password func() (string, error)) (migration.UserResult, error) {
	var result migration.UserResult
	var skus []sku
	user, err := c.findUser(ctx, u.Address)
	if isNotFound(err) {
		// Nobody is created who couldn't be licensed then.
		if skus, err = c.skus(ctx); err != nil {
			return result, err
		}
		if _, err = choose(u, skus); err != nil {
			return result, err
		}
		user, result.Created, err = c.createUser(ctx, u, password)
	}
	if err != nil {
		return result, err
	}
	result.ID = text(user.GetId())
	if result.ID == "" {
		return result, fmt.Errorf("cannot read the user %q: %w", u.Address, errNoAnswer)
	}
	var notes []string
	if !result.Created {
		if result.Live, err = c.holdsMail(ctx, u.Address, result.ID); err != nil {
			return result, err
		}
		notes = adoptionNotes(user, u)
		if err := c.setUsageLocation(ctx, u, user); err != nil {
			return result, err
		}
	}
	licensed, note, err := c.ensureLicence(ctx, u, user, skus)
	result.Licensed = licensed
	if note != "" {
		notes = append(notes, note)
	}
	result.Note = strings.Join(notes, "; ")
	return result, err
}

// findUser reads the user by principal name or ID.
func (c *Client) findUser(ctx context.Context, id string) (models.Userable, error) {
	o := operation{doing: fmt.Sprintf("read the user %q", id), needs: []permission{userPermission}}
	user, err := ask(ctx, c, o, func() (models.Userable, error) {
		return c.users().ByUserId(id).Get(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: userProperties},
		})
	})
	if err == nil && user == nil {
		return nil, fmt.Errorf("cannot %s: %w", o.doing, errNoAnswer)
	}
	return user, err
}

// createUser makes the user. One that someone (or an attempt of ours whose answer was lost) made meanwhile is adopted.
func (c *Client) createUser(ctx context.Context, u migration.User, password func() (string, error)) (models.Userable, bool, error) {
	first, err := password()
	if err != nil {
		return nil, false, fmt.Errorf("cannot create the user %q: its first password cannot be opened: %w", u.Address, err)
	}
	o := operation{
		doing: fmt.Sprintf("create the user %q", u.Address), secret: first,
		needs: []permission{userPermission, licencePermission},
	}
	user, err := ask(ctx, c, o, func() (models.Userable, error) {
		return c.users().Post(ctx, newUser(u, first), nil)
	})
	switch {
	case err == nil && user == nil:
		return nil, true, fmt.Errorf("cannot %s: %w", o.doing, errNoAnswer)
	case err == nil:
		return user, true, nil
	case hasKind(err, kindAddressTaken):
		var found models.Userable
		lookErr := c.patiently(ctx, isNotFound, func() (err error) {
			found, err = c.findUser(ctx, u.Address)
			return err
		})
		if isNotFound(lookErr) {
			return nil, false, err
		}
		return found, false, lookErr
	case hasKind(err, kindDomainUnverified):
		return nil, false, c.explainDomain(ctx, u.Address, err)
	}
	return nil, false, err
}

// explainDomain tells a domain that isn't verified from one that was just verified and that not every replica knows.
func (c *Client) explainDomain(ctx context.Context, address string, refused error) error {
	_, domain, _ := strings.Cut(address, "@")
	found, err := c.findDomain(ctx, domain)
	if err == nil && deref(found.GetIsVerified()) {
		return fmt.Errorf("the domain %q is verified but not everywhere known as such yet: %w", domain, faultOf(refused))
	}
	return refused
}

func newUser(u migration.User, password string) models.Userable {
	user, profile, yes := models.NewUser(), models.NewPasswordProfile(), true
	profile.SetPassword(&password)
	profile.SetForceChangePasswordNextSignIn(&yes)
	local, _, _ := strings.Cut(u.Address, "@")
	name, nickname := u.DisplayName, nicknameFor(local)
	if strings.TrimSpace(name) == "" {
		name = local
	}
	user.SetAccountEnabled(&yes)
	user.SetDisplayName(&name)
	user.SetMailNickname(&nickname)
	user.SetUserPrincipalName(&u.Address)
	user.SetPasswordProfile(profile)
	if u.UsageLocation != "" {
		location := strings.ToUpper(u.UsageLocation)
		user.SetUsageLocation(&location)
	}
	return user
}

// nicknameFor makes a mailNickname (at most 64 ASCII characters, none of them special) of the address's local part.
// Exchange makes the alias that comes of it unique.
func nicknameFor(local string) string {
	nickname := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".-_'", r):
			return r
		}
		return '_'
	}, local)
	return strings.Trim(nickname[:min(len(nickname), 64)], ".")
}

// setUsageLocation gives an adopted user a usage location if it has none.
func (c *Client) setUsageLocation(ctx context.Context, u migration.User, user models.Userable) error {
	if text(user.GetUsageLocation()) != "" || u.UsageLocation == "" {
		return nil
	}
	location, change := strings.ToUpper(u.UsageLocation), models.NewUser()
	change.SetUsageLocation(&location)
	o := operation{doing: fmt.Sprintf("set the usage location of the user %q", u.Address), needs: []permission{userPermission}}
	err := c.patiently(ctx, isNotFound, func() error {
		_, err := ask(ctx, c, o, func() (models.Userable, error) {
			return c.users().ByUserId(text(user.GetId())).Patch(ctx, change, nil)
		})
		return err
	})
	if p, ok := migration.AsProblem(err); ok && deref(user.GetOnPremisesSyncEnabled()) {
		return migration.NeedsPerson("synchronised-user",
			fmt.Sprintf("cannot set the usage location of the user %q, who is synchronised from a directory on premises: %s", u.Address, p.Text),
			"set the usage location there (msExchUsageLocation), or give it in the admin centre, then retry", err)
	}
	return err
}

// adoptionNotes says what a person should know of a user that was there before.
func adoptionNotes(user models.Userable, u migration.User) []string {
	var notes []string
	if deref(user.GetOnPremisesSyncEnabled()) {
		notes = append(notes, "the user is synchronised from a directory on premises: while that directory has a mailbox "+
			"for it (msExchMailboxGuid), Exchange Online makes none, whatever the licence")
	}
	if have := text(user.GetUsageLocation()); have != "" && u.UsageLocation != "" && !strings.EqualFold(have, u.UsageLocation) {
		notes = append(notes, fmt.Sprintf("the user keeps the usage location %q it had", have))
	}
	if enabled := user.GetAccountEnabled(); enabled != nil && !*enabled {
		notes = append(notes, "sign-in is blocked for the user, and stays so")
	}
	return notes
}
