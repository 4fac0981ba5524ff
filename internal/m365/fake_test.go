package m365

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	fakeTenant = "6f1c9c4e-6b1f-4b7e-9b59-2d3a58a5d001"
	fakeSecret = "s3cret~of.the-app"
)

var allRoles = []string{
	"User.ReadWrite.All", "Organization.Read.All", "LicenseAssignment.ReadWrite.All", "Mail.ReadBasic.All",
	"Domain.ReadWrite.All", "ExchangeMessageTrace.Read.All", "Application.ReadWrite.All", "IMAP.AccessAsApp",
}

// reply is one answer of the fake's.
type reply struct {
	status int
	body   string
	header map[string]string
}

// fake answers for the sign-in endpoint and for Graph. Each route has replies that are given in order, the last one
// for ever.
type fake struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	roles   []string
	life    int
	signIn  *reply
	signIns []string
	routes  map[string][]reply
	asked   []request
}

type request struct {
	route, query, body string
	header             http.Header
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, roles: allRoles, life: 3599, routes: map[string][]reply{}}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if strings.HasPrefix(r.URL.Path, "/"+fakeTenant+"/") {
		f.serveSignIn(w, r, string(body))
		return
	}
	route := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v1.0")
	f.asked = append(f.asked, request{route, r.URL.RawQuery, string(body), r.Header})
	replies := f.routes[route]
	if len(replies) == 0 {
		f.t.Errorf("unexpected request %s?%s %s", route, r.URL.RawQuery, body)
		replies = []reply{{status: 500}}
	}
	if len(replies) > 1 {
		f.routes[route] = replies[1:]
	}
	write(w, replies[0])
}

func write(w http.ResponseWriter, a reply) {
	if a.status == 0 {
		a.status = 200
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("request-id", "11111111-2222-3333-4444-555555555555")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

func (f *fake) serveSignIn(w http.ResponseWriter, r *http.Request, body string) {
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		here := f.URL + "/" + fakeTenant
		fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","token_endpoint":"%[1]s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/authorize"}`, here)
		return
	}
	f.signIns = append(f.signIns, body)
	if f.signIn != nil {
		write(w, *f.signIn)
		return
	}
	claims, _ := json.Marshal(map[string]any{"roles": f.roles, "oid": "0b1ec7", "n": len(f.signIns)})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".sig"
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"access_token":%q}`, f.life, token)
}

// on sets what a route answers.
func (f *fake) on(route string, replies ...reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[route] = replies
}

// requests returns those of a route.
func (f *fake) requests(route string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []request
	for _, r := range f.asked {
		if r.route == route {
			found = append(found, r)
		}
	}
	return found
}

func (f *fake) config() Config {
	roots := x509.NewCertPool()
	roots.AddCert(f.Certificate())
	return Config{
		TenantID: fakeTenant, ClientID: "c0ffee00-0000-4000-8000-000000000001", Secret: fakeSecret,
		Login: f.URL, Graph: f.URL, Roots: roots,
	}
}

// client makes a client that waits milliseconds where the real one waits seconds.
func (f *fake) client() *Client {
	f.t.Helper()
	c, err := New(f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	c.pauses = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	return c
}

// refusalBody is a Graph error as concepts/errors.md has it.
func refusalBody(code, message, details string) string {
	if details == "" {
		details = "[]"
	}
	return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"details":%s,"innerError":{"date":"2026-11-24T10:00:00",`+
		`"request-id":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","client-request-id":"x"}}}`, code, message, details)
}

var notFound = reply{status: 404, body: refusalBody("Request_ResourceNotFound",
	"Resource 'ada@contoso.com' does not exist or one of its queried reference-property objects are not present.", "")}
