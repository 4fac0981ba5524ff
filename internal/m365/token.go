package m365

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// renewMargin is how long before its expiry a token is renewed; one that lives less than twice as long is renewed
	// at half its life.
	renewMargin = 5 * time.Minute
	// consentPause is how old a token that lacks a permission must be before another is asked for, which would show
	// a consent given meanwhile.
	consentPause = 5 * time.Second
)

// token is an access token, and what it says of itself.
type token struct {
	text    string
	asked   time.Time
	expires time.Time
	renew   time.Time
	// claims is nil where the token isn't a JWT: then nothing is known of its permissions.
	claims *claims
}

// claims are those of an app-only access token that matter here (Microsoft identity platform, access token claims).
type claims struct {
	// Roles are the application permissions that were consented to. Without consent the token is issued all the
	// same, without roles, and the resource refuses it.
	Roles []string `json:"roles"`
	// ObjectID is the object ID of the app's service principal: the enterprise application, not the registration.
	ObjectID string `json:"oid"`
}

// tokens holds one token for each scope and renews them. It is safe for concurrent use; at most one sign-in is under way.
type tokens struct {
	// turn is a mutex that can be waited for with a context.
	turn       chan struct{}
	fresh      func() (azcore.TokenCredential, error)
	credential azcore.TokenCredential
	held       map[string]token
	secret     string
	now        func() time.Time
}

func newTokens(c Config, login *url.URL, transport http.RoundTripper) (*tokens, error) {
	fresh, err := credentials(c, login, transport)
	if err != nil {
		return nil, err
	}
	t := &tokens{turn: make(chan struct{}, 1), fresh: fresh, held: map[string]token{}, secret: c.Secret, now: time.Now}
	if t.credential, err = fresh(); err != nil {
		return nil, badConfiguration("the app's sign-in", err)
	}
	return t, nil
}

// credentials returns what makes azidentity's credential. Each has a token cache of its own, so that a new one asks
// for new tokens. Its own retries are off: they would sleep through a Retry-After.
func credentials(c Config, login *url.URL, transport http.RoundTripper) (func() (azcore.TokenCredential, error), error) {
	if c.TenantID == "" || c.ClientID == "" {
		return nil, badConfiguration("the app's sign-in", errors.New("tenantId and clientId must be set"))
	}
	options := azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: login.String() + "/"},
		Retry: policy.RetryOptions{MaxRetries: -1},
		Transport: &http.Client{
			Transport: &bounded{next: transport}, Timeout: signInTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	// Instance discovery asks login.microsoftonline.com whether a host is Microsoft's; for another's it must not.
	elsewhere := !microsoftLogins[login.Hostname()]
	if len(c.Certificate) == 0 {
		if c.Secret == "" {
			return nil, badConfiguration("the app's sign-in", errors.New("neither a secret nor a certificate is set"))
		}
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, c.Secret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: elsewhere})
		}, nil
	}
	chain, key, err := azidentity.ParseCertificates(c.Certificate, nil)
	if err != nil {
		// The parser's own words are left out: they could quote the key.
		return nil, badConfiguration("the app's certificate",
			errors.New("it must be PEM with the certificate and its unencrypted RSA key"))
	}
	return func() (azcore.TokenCredential, error) {
		return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, chain, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: elsewhere})
	}, nil
}

// microsoftLogins are the sign-in hosts of Microsoft's clouds (microsoft-graph-docs, concepts/deployments.md).
var microsoftLogins = map[string]bool{
	"login.microsoftonline.com":        true,
	"login.microsoftonline.us":         true,
	"login.chinacloudapi.cn":           true,
	"login.partner.microsoftonline.cn": true,
}

// get returns a token that is good for a while.
func (t *tokens) get(ctx context.Context, scope string) (token, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return token{}, ctx.Err()
	}
	defer func() { <-t.turn }()
	now := t.now()
	held, ok := t.held[scope]
	if ok && now.Before(held.renew) {
		return held, nil
	}
	if t.credential == nil {
		credential, err := t.fresh()
		if err != nil {
			return token{}, badConfiguration("the app's sign-in", err)
		}
		t.credential = credential
	}
	got, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return token{}, classifySignIn(ctx, err, t.secret)
	}
	if ok && got.Token == held.text {
		// azidentity still gave out the one it holds; its renewal was due already and stays so.
		return held, nil
	}
	held = token{text: got.Token, asked: now, expires: got.ExpiresOn, claims: readClaims(got.Token)}
	held.renew = renewal(now, got.ExpiresOn)
	t.held[scope] = held
	return held, nil
}

// forget drops all tokens, so that the next are made anew.
func (t *tokens) forget() {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	clear(t.held)
	t.credential = nil
}

// require returns a problem unless the token for the scope carries the permissions.
func (t *tokens) require(ctx context.Context, scope string, needs ...permission) error {
	missing, err := t.missing(ctx, scope, needs...)
	if err != nil {
		return err
	}
	return missingPermissions(missing)
}

// missing returns those of the permissions that the token for the scope doesn't carry. A token that isn't quite new is
// replaced before it is believed.
func (t *tokens) missing(ctx context.Context, scope string, needs ...permission) ([]permission, error) {
	held, err := t.get(ctx, scope)
	if err != nil {
		return nil, err
	}
	missing := held.lacks(needs)
	if len(missing) == 0 || t.now().Sub(held.asked) < consentPause {
		return missing, nil
	}
	t.forget()
	held, err = t.get(ctx, scope)
	return held.lacks(needs), err
}

// lacks returns those of the permissions that the token doesn't carry, in any of their forms.
func (t token) lacks(needs []permission) []permission {
	if t.claims == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(needs), func(p permission) bool {
		return slices.ContainsFunc(p.names, func(name string) bool { return slices.Contains(t.claims.Roles, name) })
	})
}

func renewal(now, expires time.Time) time.Time {
	return expires.Add(-min(renewMargin, expires.Sub(now)/2))
}

// readClaims reads a JWT's claims without checking its signature: they are for us only a hint at what will be refused.
func readClaims(jwt string) *claims {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return nil
	}
	return &c
}

// MailToken returns an access token for IMAP: the password of XOAUTH2. It is good for at least five minutes more, or
// half of its life if that is shorter. A missing IMAP.AccessAsApp is a problem of kind "permission-missing".
func (c *Client) MailToken(ctx context.Context) (string, error) {
	if err := c.tokens.require(ctx, c.mailScope, imapPermission); err != nil {
		return "", fmt.Errorf("cannot sign in for IMAP: %w", err)
	}
	held, err := c.tokens.get(ctx, c.mailScope)
	if err != nil {
		return "", fmt.Errorf("cannot sign in for IMAP: %w", err)
	}
	return held.text, nil
}

// ObjectID returns the object ID of the app's service principal in this tenant, which Exchange Online's
// New-ServicePrincipal wants. (The object ID of the app registration is another one, and taking it the classic mistake.)
func (c *Client) ObjectID(ctx context.Context) (string, error) {
	held, err := c.tokens.get(ctx, c.graphScope())
	if err != nil {
		return "", fmt.Errorf("cannot find the app's service principal: %w", err)
	}
	if held.claims == nil || held.claims.ObjectID == "" {
		return "", migration.NeedsPerson("object-id-unknown", "the app's token does not name its service principal",
			"look up the Object ID under Microsoft Entra > Enterprise applications and give it to the script", nil)
	}
	return held.claims.ObjectID, nil
}

// bounded limits what is read of a sign-in answer.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, 1<<20)
	}
	return response, err
}
