package m365

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// The bodies are those of public logs and of Microsoft's documentation.
func TestGraphRefusals(t *testing.T) {
	const conflict = `[{"code":"ObjectConflict","message":"Another object with the same value for property X already exists.","target":"X"}]`
	bad := func(message string) string { return refusalBody("Request_BadRequest", message, "") }
	tests := []struct {
		name  string
		reply reply
		// kind is the problem's; "" means that no person is needed.
		kind  string
		after time.Duration
	}{
		{"address taken", reply{status: 400, body: refusalBody("Request_BadRequest",
			"Another object with the same value for property userPrincipalName already exists.",
			strings.ReplaceAll(conflict, "X", "userPrincipalName"))}, "address-taken", 0},
		{"address taken, without details", reply{status: 400, body: bad(
			"Another object with the same value for property userPrincipalName already exists.")}, "address-taken", 0},
		{"alias taken", reply{status: 400, body: refusalBody("Request_BadRequest",
			"Another object with the same value for property proxyAddresses already exists.",
			strings.ReplaceAll(conflict, "X", "proxyAddresses"))}, "alias-taken", 0},
		{"other conflict", reply{status: 400, body: refusalBody("Request_BadRequest", "Taken.",
			strings.ReplaceAll(conflict, "X", "onPremisesImmutableId"))}, "object-conflict", 0},
		{"weak password", reply{status: 400, body: bad("The specified password does not comply with password complexity requirements. Please provide a different password.")}, "password-refused", 0},
		{"no seats", reply{status: 400, body: bad("Subscription with SKU 4b9405b0-7788-4568-add1-99614e613b69 does not have any available licenses.")}, "licences-exhausted", 0},
		{"licence not owned", reply{status: 400, body: bad("License 4b9405b0-7788-4568-add1-99614e613b69 does not correspond to a valid company License.")}, "licence-unknown", 0},
		{"usage location", reply{status: 400, body: bad("License assignment cannot be done for user with invalid usage location.")}, "usage-location-refused", 0},
		{"conflicting plans", reply{status: 400, body: bad("Unable to update: Conflicting Service Plans: EXCHANGE_S_STANDARD, EXCHANGE_S_ENTERPRISE.")}, "licence-conflict", 0},
		{"consent missing", reply{status: 403, body: refusalBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation.", "")}, "permission-missing", 0},
		{"mailbox out of scope", reply{status: 403, body: refusalBody("ErrorAccessDenied", "Access is denied. Check credentials and try again.", "")}, "mailbox-access-denied", 0},
		{"directory full", reply{status: 403, body: refusalBody("Directory_QuotaExceeded", "The directory object quota limit for the Tenant has been exceeded.", "")}, "directory-full", 0},
		{"token refused twice", reply{status: 401, body: refusalBody("InvalidAuthenticationToken", "Access token validation failure.", "")}, "token-refused", 0},
		{"unknown refusal", reply{status: 400, body: bad("Nobody knows.")}, "graph-refused", 0},
		{"throttled", reply{status: 429, body: refusalBody("TooManyRequests", "Slow down.", ""), header: map[string]string{"Retry-After": "17"}}, "", 17 * time.Second},
		{"throttled, no time said", reply{status: 429, body: refusalBody("TooManyRequests", "Slow down.", "")}, "", 0},
		{"throttled by a gateway", reply{status: 503, body: "<html>busy</html>", header: map[string]string{"Retry-After": "5", "Content-Type": "text/html"}}, "", 5 * time.Second},
		{"gateway down", reply{status: 502, header: map[string]string{"Content-Type": "text/html"}}, "", 0},
		{"concurrent write", reply{status: 409, body: refusalBody("Request_ConcurrencyViolation", "Conflict.", "")}, "", 0},
		{"login page in place of Graph", reply{status: 200, body: "<html>", header: map[string]string{"Content-Type": "text/html"}}, "", 0},
		{"redirect", reply{status: 302, header: map[string]string{"Location": "https://elsewhere.example/"}}, "", 0},
		{"empty answer", reply{status: 200, body: "{}"}, "none", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("GET /users/ada@contoso.com", tt.reply)
			started := time.Now()
			_, err := f.client().findUser(t.Context(), "ada@contoso.com")
			if tt.kind == "none" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			check(t, err, tt.kind, tt.after)
			if time.Since(started) > 3*time.Second {
				t.Errorf("took %s: something slept inside", time.Since(started))
			}
			if strings.Contains(tt.reply.body, "innerError") && !strings.Contains(err.Error(), "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee") {
				t.Errorf("%v does not name the request-id", err)
			}
		})
	}
}

func TestSignInRefusals(t *testing.T) {
	answer := func(code, description, number string) string {
		return `{"error":"` + code + `","error_description":"` + description + `\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 2026-11-24 10:00:00Z","error_codes":[` +
			number + `],"timestamp":"2026-11-24 10:00:00Z","trace_id":"1","correlation_id":"2"}`
	}
	tests := []struct {
		name  string
		reply reply
		kind  string
		after time.Duration
	}{
		{"wrong secret", reply{status: 401, body: answer("invalid_client", "AADSTS7000215: Invalid client secret provided: "+fakeSecret, "7000215")}, "app-secret-wrong", 0},
		{"expired secret", reply{status: 401, body: answer("invalid_client", "AADSTS7000222: expired", "7000222")}, "app-secret-expired", 0},
		{"unknown tenant", reply{status: 400, body: answer("invalid_request", "AADSTS90002: Tenant not found", "90002")}, "tenant-unknown", 0},
		{"app not in the tenant", reply{status: 400, body: answer("unauthorized_client", "AADSTS700016: not found", "700016")}, "app-unknown", 0},
		{"app disabled", reply{status: 400, body: answer("unauthorized_client", "AADSTS7000112: disabled", "7000112")}, "app-disabled", 0},
		{"certificate", reply{status: 401, body: answer("invalid_client", "AADSTS700027: assertion", "700027")}, "app-certificate-refused", 0},
		{"no credential", reply{status: 401, body: answer("invalid_client", "AADSTS7000218: no credential", "7000218")}, "app-credential-missing", 0},
		{"field missing", reply{status: 400, body: answer("invalid_request", "AADSTS900144: body", "900144")}, "sign-in-broken", 0},
		{"scope", reply{status: 400, body: answer("invalid_scope", "AADSTS70011: scope", "70011")}, "scope-refused", 0},
		{"resource", reply{status: 400, body: answer("invalid_resource", "AADSTS500011: resource", "500011")}, "scope-refused", 0},
		{"national cloud", reply{status: 400, body: answer("invalid_request", "AADSTS900382: cloud", "900382")}, "wrong-cloud", 0},
		{"policy", reply{status: 400, body: answer("invalid_grant", "AADSTS53003: blocked", "53003")}, "conditional-access", 0},
		{"unknown number", reply{status: 400, body: answer("invalid_request", "AADSTS12345: new", "12345")}, "sign-in-refused", 0},
		{"throttled", reply{status: 429, body: answer("temporarily_unavailable", "AADSTS90055: throttled", "90055"), header: map[string]string{"Retry-After": "30"}}, "", 30 * time.Second},
		{"transient", reply{status: 400, body: answer("invalid_request", "AADSTS90033: transient", "90033")}, "", 0},
		{"gateway", reply{status: 503, body: "<html>", header: map[string]string{"Content-Type": "text/html"}}, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.signIn = &tt.reply
			_, err := f.client().MailToken(t.Context())
			check(t, err, tt.kind, tt.after)
			if strings.Contains(err.Error(), fakeSecret) {
				t.Errorf("%v shows the secret", err)
			}
			if strings.Contains(err.Error(), "Trace ID") || strings.Contains(err.Error(), "-----") {
				t.Errorf("%v quotes the whole answer", err)
			}
			if len(f.signIns) != 1 {
				t.Errorf("asked %d times, want once", len(f.signIns))
			}
		})
	}
}

func check(t *testing.T, err error, kind string, after time.Duration) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	p, needsPerson := migration.AsProblem(err)
	switch {
	case needsPerson && p.Kind != kind:
		t.Errorf("kind %q, want %q: %v", p.Kind, kind, err)
	case !needsPerson && kind != "":
		t.Errorf("no problem, want one of kind %q: %v", kind, err)
	case needsPerson && (p.Remedy == "" || !strings.HasPrefix(p.Text, "cannot ") && !strings.HasPrefix(p.Text, "the ")):
		t.Errorf("problem without a remedy or a plain sentence: %+v", p)
	}
	var later *migration.LaterError
	if errors.As(err, &later) != (after > 0) || after > 0 && later.After != after {
		t.Errorf("want to be told to come back after %s: %v", after, err)
	}
}

func TestPasswordStaysOut(t *testing.T) {
	f := newFake(t)
	const password = "Pa55-of-ada!"
	f.on("GET /users/ada@contoso.com", notFound)
	f.on("GET /subscribedSkus", reply{body: skuList})
	f.on("POST /users", reply{status: 400, body: refusalBody("Request_BadRequest", "What is "+password+"?", "")})
	_, err := f.client().EnsureUser(t.Context(), ada, func() (string, error) { return password, nil })
	check(t, err, "graph-refused", 0)
	if strings.Contains(err.Error(), password) {
		t.Errorf("%v shows the password", err)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	f := newFake(t)
	config := f.config()
	config.Roots = nil
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.MailToken(t.Context())
	check(t, err, "certificate-untrusted", 0)
}

func TestCancelled(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.client().MailToken(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it cancelled", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"-3", 0},
		{"soon", 0},
		{"NaN", 0},
		{"12", 12 * time.Second},
		{" 1.5 ", 1500 * time.Millisecond},
		{"1e300", maxRetryAfter},
		{"Tue, 24 Nov 2026 10:01:00 GMT", time.Minute},
		{"Tue, 24 Nov 2026 09:00:00 GMT", 0},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.header, now); got != tt.want {
			t.Errorf("retryAfter(%q) = %s, want %s", tt.header, got, tt.want)
		}
	}
}
