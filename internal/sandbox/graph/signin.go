package graph

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Why [Server.SignIn] refuses.
var (
	// ErrRefused: the token is no good here, or the user has no mailbox that IMAP may open.
	ErrRefused = errors.New("authentication failed")
	// ErrNoAccess: the token is good, but the app has no permission for this mailbox, or the mailbox is not ready.
	ErrNoAccess = errors.New("authenticated but not connected")
)

// keyID is the name of the signing key in tokens.
func (s *Server) keyID() string {
	sum := sha256.Sum256(s.key.N.Bytes())
	return hex.EncodeToString(sum[:10])
}

func (s *Server) knows(tenant string) bool {
	if strings.EqualFold(tenant, s.Tenant.ID) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.domains[fold(tenant)]
	return d != nil && d.Verified
}

func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	if !s.knows(tenant) {
		s.refuse(w, http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
		return
	}
	base := s.Base + "/" + tenant
	answerJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.Base + "/" + s.Tenant.ID + "/v2.0",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   strings.TrimPrefix(s.Base, "https://"),
		"msgraph_host":                          strings.TrimPrefix(s.Base, "https://"),
	})
}

func (s *Server) publicKeys(w http.ResponseWriter, _ *http.Request) {
	encode := base64.RawURLEncoding.EncodeToString
	answerJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": s.keyID(),
		"n": encode(s.key.N.Bytes()), "e": encode(big.NewInt(int64(s.key.E)).Bytes()),
	}}})
}

// token answers the client credentials grant (RFC 6749, 4.4) with Microsoft's statuses and numbers.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if fault := (*apiError)(nil); errors.As(s.fault(r), &fault) {
		fault.header(w.Header())
		s.refuse(w, fault.status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.refuse(w, http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'.")
		return
	}
	form := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	for _, field := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(field) == "" {
			s.refuse(w, http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: '"+field+"'.")
			return
		}
	}
	tenant, client := r.PathValue("tenant"), form.Get("client_id")
	resource, err := resourceOf(form.Get("scope"))
	switch {
	case !s.knows(tenant):
		s.refuse(w, http.StatusBadRequest, "invalid_request", 90002, "Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
	case form.Get("grant_type") != "client_credentials":
		s.refuse(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '"+form.Get("grant_type")+"'.")
	case client != s.Tenant.ClientID:
		s.refuse(w, http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '"+client+"' was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant.")
	case form.Get("client_secret") == "" && form.Get("client_assertion") == "":
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case form.Get("client_assertion") != "" && s.checkAssertion(form.Get("client_assertion"), s.Base+r.URL.Path) != nil:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application.")
	case form.Get("client_assertion") == "" && subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(s.Tenant.Secret)) == 0:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '"+client+"'.")
	case err != nil:
		s.refuse(w, http.StatusBadRequest, "invalid_scope", 70011, err.Error())
	case resource != s.Base && resource != s.Mail:
		s.refuse(w, http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named "+resource+" was not found in the tenant.")
	default:
		s.issue(w, resource)
	}
}

// resourceOf takes the one resource out of a scope such as "https://graph.microsoft.com/.default". Microsoft's own
// libraries add the scopes of OpenID Connect, which mean nothing here.
func resourceOf(scope string) (string, error) {
	scopes := slices.DeleteFunc(strings.Fields(scope), func(name string) bool {
		return slices.Contains([]string{"openid", "offline_access", "profile"}, name)
	})
	if len(scopes) != 1 || !strings.HasSuffix(scopes[0], "/.default") {
		return "", fmt.Errorf("the provided request must include a 'scope' input parameter of one resource with /.default; the scope %s is not valid", scope)
	}
	return strings.TrimRight(strings.TrimSuffix(scopes[0], "/.default"), "/"), nil
}

func (s *Server) checkAssertion(assertion, endpoint string) error {
	certificate, err := x509.ParseCertificate(s.Tenant.Certificate)
	if err != nil {
		return err
	}
	_, err = jwt.Parse(assertion, func(*jwt.Token) (any, error) { return certificate.PublicKey, nil },
		jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithAudience(endpoint), jwt.WithIssuer(s.Tenant.ClientID),
		jwt.WithSubject(s.Tenant.ClientID), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.Now), jwt.WithLeeway(5*time.Minute))
	return err
}

type claims struct {
	jwt.RegisteredClaims
	App    string   `json:"appid"`
	Tenant string   `json:"tid"`
	Roles  []string `json:"roles,omitempty"`
	Type   string   `json:"idtyp"`
}

// issue signs a token. Without consent it has no roles, and it is the resource that refuses.
func (s *Server) issue(w http.ResponseWriter, resource string) {
	now := s.Now()
	roles := s.Tenant.Roles
	if resource == s.Mail {
		roles = s.Tenant.MailRoles
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.Base + "/" + s.Tenant.ID + "/", Audience: jwt.ClaimStrings{resource}, Subject: s.Tenant.ClientID,
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-5 * time.Minute)),
			ExpiresAt: jwt.NewNumericDate(now.Add(s.Delays.Token)), ID: uuid.NewString(),
		},
		App: s.Tenant.ClientID, Tenant: s.Tenant.ID, Roles: roles, Type: "app",
	})
	unsigned.Header["kid"] = s.keyID()
	signed, err := unsigned.SignedString(s.key)
	if err != nil {
		s.refuse(w, http.StatusInternalServerError, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
		return
	}
	seconds := int(s.Delays.Token / time.Second)
	answerJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": signed})
}

// verify reads a token that was made for the resource.
func (s *Server) verify(token, resource string) (*claims, error) {
	read := new(claims)
	_, err := jwt.ParseWithClaims(token, read, func(*jwt.Token) (any, error) { return &s.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(resource), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.Now))
	return read, err
}

// authorise checks the call's token and roles.
func (s *Server) authorise(r *http.Request, roles []string) error {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return &apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.", nil, 0}
	}
	read, err := s.verify(token, s.Base)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return &apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.", nil, 0}
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return &apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.", nil, 0}
	case err != nil:
		return &apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure.", nil, 0}
	}
	if !slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(read.Roles, role) }) {
		return &apiError{http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", nil, 0}
	}
	return nil
}

// SignIn judges an XOAUTH2 sign-in to the mailbox of a user: the mailbox's address, or [ErrRefused], or [ErrNoAccess],
// which an Exchange-like server shows only at the first command.
func (s *Server) SignIn(name, token string) (address string, err error) {
	read, err := s.verify(token, s.Mail)
	if err != nil || !slices.Contains(read.Roles, "IMAP.AccessAsApp") {
		return "", ErrRefused
	}
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.byName[fold(name)]
	switch {
	case u == nil || u.IMAPOff:
		return "", ErrRefused
	case !u.MailboxMade || !s.opens(u):
		return "", ErrNoAccess
	}
	return fold(u.Name), nil
}

// Expires tells when a token for IMAP runs out; the zero time for one that isn't any.
func (s *Server) Expires(token string) time.Time {
	read, err := s.verify(token, s.Mail)
	if err != nil {
		return time.Time{}
	}
	return read.ExpiresAt.Time
}

// refuse answers as the sign-in endpoint does.
func (s *Server) refuse(w http.ResponseWriter, status int, word string, number int, text string) {
	traceID, correlation := uuid.NewString(), uuid.NewString()
	at := s.Now().UTC().Format("2006-01-02 15:04:05Z")
	answerJSON(w, status, map[string]any{
		"error":             word,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", number, text, traceID, correlation, at),
		"error_codes":       []int{number},
		"timestamp":         at, "trace_id": traceID, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("%s/error?code=%d", s.Base, number),
	})
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
