package m365_test

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/m365"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/graph"
)

const (
	simTenant = "11111111-2222-3333-4444-555555555555"
	simClient = "66666666-7777-8888-9999-000000000000"
	simSecret = "the-app's-secret"
	simMail   = "https://outlook.office365.example"
)

// simulation is a client and the simulated tenant that it works on.
type simulation struct {
	*m365.Client
	server *graph.Server
	// texts is what the tenant finds in the DNS.
	texts atomic.Pointer[[]string]
}

// simulate opens a tenant in which things take some hundred milliseconds that take minutes in Microsoft's.
func simulate(t *testing.T) *simulation {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "tenant.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := new(simulation)
	s.texts.Store(new([]string))
	listener := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.server.ServeHTTP(w, r) }))
	listener.StartTLS()
	t.Cleanup(listener.Close)
	const some = 300 * time.Millisecond
	s.server, err = graph.Open(graph.Config{
		DB: db, Base: listener.URL, Mail: simMail, Log: slog.New(slog.DiscardHandler),
		Tenant: graph.Tenant{
			ID: simTenant, Initial: "contoso.onmicrosoft.example", ClientID: simClient, Secret: simSecret,
			Roles: []string{
				"User.ReadWrite.All", "Organization.Read.All", "LicenseAssignment.ReadWrite.All", "Domain.ReadWrite.All",
				"Mail.ReadBasic.All", "Application.ReadWrite.All", "ExchangeMessageTrace.Read.All",
			},
			MailRoles:     []string{"IMAP.AccessAsApp"},
			Licences:      map[string]int{"O365_BUSINESS_ESSENTIALS": 2, "M365_F1": 5},
			HeldElsewhere: []string{"taken.example"},
		},
		Delays: graph.Delays{
			Replication: some, UsageLocation: 2 * some, Mailbox: some, ServiceRecords: some, TraceReady: some,
			Token: 20 * time.Second,
		},
		LookupTXT:   func(context.Context, string) ([]string, error) { return *s.texts.Load(), nil },
		MakeMailbox: func(string) error { return nil },
		CountInbox:  func(string) (int, int) { return 3, 1 },
		Exchanger:   func(string) string { return "contoso-example.mail.protection.outlook.example" },
	})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(listener.Certificate())
	s.Client, err = m365.New(m365.Config{
		TenantID: simTenant, ClientID: simClient, Secret: simSecret, Login: listener.URL, Graph: listener.URL, Scope: simMail, Roots: roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// until calls look until it says that things are so.
func until(t *testing.T, what string, look func() (bool, error)) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		done, err := look()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if done {
			return
		}
	}
	t.Fatalf("%s: not within ten seconds", what)
}

func TestAgainstTheSimulatedTenant(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), simulate(t)
	if err := s.CheckRoles(ctx); err != nil {
		t.Fatal(err)
	}
	s.verify(t, "contoso.example")
	s.people(t, "contoso.example")
	token, err := s.MailToken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Grant("ada@contoso.example"); err != nil {
		t.Fatal(err)
	}
	if address, err := s.server.SignIn("ada@contoso.example", token); err != nil || address != "ada@contoso.example" {
		t.Errorf("the IMAP token opens %q, %v", address, err)
	}
	s.trace(t)
}

// verify has the domain added, refused while its record is missing, verified, and given its mail records.
func (s *simulation) verify(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	domain, err := s.EnsureDomain(ctx, name)
	if err != nil || domain.Verified || domain.Proof.Type != "TXT" || len(domain.Proof.Data) != 1 {
		t.Fatalf("added: %+v, %v", domain, err)
	}
	if again, err := s.EnsureDomain(ctx, name); err != nil || !cmp.Equal(again, domain) {
		t.Errorf("again: %+v, %v; want no change", again, err)
	}
	if ok, err := s.VerifyDomain(ctx, name); err != nil || ok {
		t.Errorf("verified without a record: %v, %v", ok, err)
	}
	s.texts.Store(&domain.Proof.Data)
	for range 2 {
		if ok, err := s.VerifyDomain(ctx, name); err != nil || !ok {
			t.Fatalf("verified: %v, %v", ok, err)
		}
	}
	var records []migration.Record
	until(t, "the domain's records", func() (bool, error) {
		var err error
		records, err = s.ServiceRecords(ctx, name)
		return len(records) > 0, err
	})
	want := []migration.Record{
		{Name: "autodiscover." + name, Type: "CNAME", TTL: 3600, Data: []string{"autodiscover.outlook.com"}},
		{Name: name, Type: "MX", TTL: 3600, Data: []string{"0 contoso-example.mail.protection.outlook.example"}},
		{Name: name, Type: "TXT", TTL: 3600, Data: []string{"v=spf1 include:spf.protection.outlook.com -all"}},
	}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if _, err := s.EnsureDomain(ctx, "taken.example"); err != nil {
		t.Fatal(err)
	}
	_, err = s.VerifyDomain(ctx, "taken.example")
	wantKind(t, err, "domain-held-elsewhere")
}

// people creates a user, adopts it and one that was there, and runs out of licences.
func (s *simulation) people(t *testing.T, domain string) {
	t.Helper()
	ctx := t.Context()
	password := func() (string, error) { return "Correct-Horse-7-Battery", nil }
	ada := migration.User{Address: "ada@" + domain, DisplayName: "Ada Lovelace", UsageLocation: "GB", Licence: "O365_BUSINESS_ESSENTIALS"}
	result, err := s.EnsureUser(ctx, ada, password)
	if err != nil || !result.Created || !result.Licensed || result.Live {
		t.Fatalf("created: %+v, %v", result, err)
	}
	until(t, "the mailbox", func() (bool, error) { return s.MailboxAnswers(ctx, ada.Address) })
	again, err := s.EnsureUser(ctx, ada, func() (string, error) { return "", errors.New("not to be asked for") })
	if want := (migration.UserResult{ID: result.ID, Live: true}); err != nil || again != want {
		t.Errorf("adopted: %+v, %v; want %+v", again, err, want)
	}

	_, err = s.EnsureUser(ctx, migration.User{Address: "eve@unverified.example", UsageLocation: "GB", Licence: ada.Licence}, password)
	wantKind(t, err, "domain-unverified")
	weak := migration.User{Address: "weak@" + domain, UsageLocation: "GB", Licence: ada.Licence}
	_, err = s.EnsureUser(ctx, weak, func() (string, error) { return "weak", nil })
	wantKind(t, err, "password-refused")

	if err := s.server.Adopt("old@"+domain, "Old Hand", "DE", "O365_BUSINESS_ESSENTIALS"); err != nil {
		t.Fatal(err)
	}
	old := migration.User{Address: "old@" + domain, UsageLocation: "GB", Licence: ada.Licence}
	adopted, err := s.EnsureUser(ctx, old, password)
	if err != nil || adopted.Created || adopted.Licensed || !adopted.Live || adopted.Note == "" {
		t.Errorf("licensed through a group: %+v, %v", adopted, err)
	}

	bob := migration.User{Address: "bob@" + domain, UsageLocation: "GB", Licence: ada.Licence}
	result, err = s.EnsureUser(ctx, bob, password)
	wantKind(t, err, "licences-exhausted")
	if result.Created {
		t.Error("a user was created who cannot be licensed")
	}
	bob.Licence = "M365_F1"
	_, err = s.EnsureUser(ctx, bob, password)
	wantKind(t, err, "licence-without-mailbox")
}

func (s *simulation) trace(t *testing.T) {
	t.Helper()
	ctx, since := t.Context(), time.Now().Add(-time.Hour)
	if _, err := s.Trace(ctx, "contoso.example", since); !errors.Is(err, m365.ErrTraceNotReady) {
		t.Errorf("%v, want ErrTraceNotReady", err)
	}
	for range 2 {
		if err := s.EnsureTrace(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.server.Received("1", "out@side.example", "ada@contoso.example", "<1@side.example>", "Hello", "192.0.2.7", 1000); err != nil {
		t.Fatal(err)
	}
	var rows []migration.TraceRow
	until(t, "the trace", func() (bool, error) {
		var err error
		rows, err = s.Trace(ctx, "contoso.example", since)
		if errors.Is(err, m365.ErrTraceNotReady) {
			return false, nil
		}
		return len(rows) > 0, err
	})
	want := []migration.TraceRow{{
		MessageID: "<1@side.example>", Sender: "out@side.example", Recipient: "ada@contoso.example", FromIP: "192.0.2.7", Status: "delivered",
	}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestThrottledByTheSimulatedTenant(t *testing.T) {
	t.Parallel()
	s := simulate(t)
	s.server.Inject(graph.Fault{Path: "/users/*", Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second, Times: 1})
	_, err := s.MailboxAnswers(t.Context(), "ada@contoso.example")
	var later *migration.LaterError
	if !errors.As(err, &later) || later.After != 7*time.Second {
		t.Errorf("%v, want to be told to come back after 7 s", err)
	}
	if there, err := s.MailboxAnswers(t.Context(), "ada@contoso.example"); err != nil || there {
		t.Errorf("%v, %v; want a mailbox that is not there yet", there, err)
	}
}

func wantKind(t *testing.T, err error, kind string) {
	t.Helper()
	if p, ok := migration.AsProblem(err); !ok || p.Kind != kind {
		t.Errorf("%v, want a problem of kind %q", err, kind)
	}
}
