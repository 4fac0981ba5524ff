package m365

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestMailToken(t *testing.T) {
	f := newFake(t)
	c := f.client()
	first, err := c.MailToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.MailToken(t.Context()); err != nil || again != first {
		t.Errorf("a second token %q, %v: want the one that is held", again, err)
	}
	form, _ := url.ParseQuery(f.signIns[0])
	if form.Get("scope") != "https://outlook.office365.com/.default openid offline_access profile" &&
		form.Get("scope") != "https://outlook.office365.com/.default" {
		t.Errorf("scope %q", form.Get("scope"))
	}
	if form.Get("grant_type") != "client_credentials" || form.Get("client_secret") != fakeSecret {
		t.Errorf("form without grant or secret: %q", form)
	}
}

func TestTokenIsRenewed(t *testing.T) {
	tests := []struct {
		name string
		life int
		// still and due are seconds after which it is still held, and asked for anew.
		still, due time.Duration
	}{
		{"an hour", 3599, 54 * time.Minute, 55 * time.Minute},
		{"half a minute", 30, 14 * time.Second, 16 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.life = tt.life
			c := f.client()
			start := time.Now()
			count := func(after time.Duration) int {
				c.tokens.now = func() time.Time { return start.Add(after) }
				if _, err := c.tokens.get(t.Context(), c.mailScope); err != nil {
					t.Fatal(err)
				}
				return len(f.signIns)
			}
			if n := count(0); n != 1 {
				t.Errorf("%d sign-ins at first", n)
			}
			if n := count(tt.still); n != 1 {
				t.Errorf("%d sign-ins after %s, want 1", n, tt.still)
			}
			held := c.tokens.held[c.mailScope]
			if !start.Add(tt.due).After(held.renew) {
				t.Errorf("renewed at %s after the start, want before %s", held.renew.Sub(start), tt.due)
			}
		})
	}
}

func TestOneSignInForMany(t *testing.T) {
	f := newFake(t)
	c := f.client()
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := c.MailToken(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(f.signIns) != 1 {
		t.Errorf("%d sign-ins, want one for all", len(f.signIns))
	}
}

func TestMissingConsent(t *testing.T) {
	f := newFake(t)
	f.roles = []string{"User.ReadWrite.All", "Mail.Read"}
	c := f.client()
	err := c.CheckRoles(t.Context())
	p, ok := migration.AsProblem(err)
	if !ok || p.Kind != "permission-missing" {
		t.Fatalf("%v, want a problem", err)
	}
	for _, name := range []string{"Organization.Read.All (Microsoft Graph)", "Domain.ReadWrite.All", "IMAP.AccessAsApp (Office 365 Exchange Online)"} {
		if !strings.Contains(p.Text, name) || !strings.Contains(p.Remedy, name) {
			t.Errorf("%+v does not name %s", p, name)
		}
	}
	for _, name := range []string{"LicenseAssignment", "Mail.ReadBasic", "User.ReadWrite"} {
		if strings.Contains(p.Text, name) {
			t.Errorf("%q names %s, which is covered", p.Text, name)
		}
	}
	if _, err := c.MailToken(t.Context()); err == nil {
		t.Error("a token without IMAP.AccessAsApp is given out")
	}
	f.mu.Lock()
	f.roles = allRoles
	f.mu.Unlock()
	// The administrator consents; the token that is held doesn't show it, a new one does.
	c.tokens.now = func() time.Time { return time.Now().Add(2 * consentPause) }
	if err := c.CheckRoles(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.MailToken(t.Context()); err != nil {
		t.Error(err)
	}
	if id, err := c.ObjectID(t.Context()); err != nil || id != "0b1ec7" {
		t.Errorf("object ID %q, %v", id, err)
	}
}

func TestRefusedTokenIsReplaced(t *testing.T) {
	f := newFake(t)
	f.on("GET /users/ada@contoso.com",
		reply{status: 401, body: refusalBody("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.", "")},
		reply{body: `{"id":"1"}`})
	if _, err := f.client().findUser(t.Context(), "ada@contoso.com"); err != nil {
		t.Fatal(err)
	}
	asked := f.requests("GET /users/ada@contoso.com")
	if len(asked) != 2 || asked[0].header.Get("Authorization") == asked[1].header.Get("Authorization") {
		t.Errorf("%d requests, want two with different tokens", len(asked))
	}
	for _, r := range asked {
		if len(r.header.Get("client-request-id")) != 36 {
			t.Errorf("client-request-id %q is no GUID", r.header.Get("client-request-id"))
		}
	}
}

func TestCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mailferry"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	bundle := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)

	f := newFake(t)
	config := f.config()
	config.Secret, config.Certificate = "", bundle
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.MailToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	form, _ := url.ParseQuery(f.signIns[0])
	head, _, _ := strings.Cut(form.Get("client_assertion"), ".")
	var header struct {
		Algorithm  string `json:"alg"`
		Thumbprint string `json:"x5t#S256"`
	}
	decoded, _ := base64.RawURLEncoding.DecodeString(head)
	if err := json.Unmarshal(decoded, &header); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	// The library writes the thumbprint in base64's other alphabet, which Entra takes too.
	if want := base64.StdEncoding.EncodeToString(sum[:]); header.Algorithm != "PS256" || header.Thumbprint != want {
		t.Errorf("assertion's header is %s, want PS256 and %s", decoded, want)
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{TenantID: "contoso.com", ClientID: "c", Secret: fakeSecret}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Config)
	}{
		{"no tenant", func(c *Config) { c.TenantID = "" }},
		{"tenant with a slash", func(c *Config) { c.TenantID = "a/b" }},
		{"no credential", func(c *Config) { c.Secret = "" }},
		{"no PEM", func(c *Config) { c.Certificate = []byte("secret bytes") }},
		{"plain HTTP to Graph", func(c *Config) { c.Graph = "http://graph.microsoft.com" }},
		{"plain HTTP to sign in", func(c *Config) { c.Login = "http://login.microsoftonline.com" }},
		{"password in a host", func(c *Config) { c.Scope = "https://a:b@outlook.office365.com" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := good
			tt.change(&config)
			_, err := New(config)
			if !hasKind(err, "microsoft-configuration") {
				t.Fatalf("%v, want a problem of kind microsoft-configuration", err)
			}
			if strings.Contains(err.Error(), fakeSecret) || strings.Contains(err.Error(), "secret bytes") {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}
