package graph_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/graph"
)

const (
	tenantID = "11111111-2222-3333-4444-555555555555"
	clientID = "66666666-7777-8888-9999-000000000000"
	secret   = "a-client-secret"
	mail     = "https://outlook.office365.example"
	sku      = "3b555118-da6a-4418-894f-7df1e2096870"
)

// world is a tenant whose clock a test moves.
type world struct {
	*testing.T
	server *graph.Server
	http   *httptest.Server
	config graph.Config

	mu    sync.Mutex
	now   time.Time
	texts []string
	made  []string
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "world.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w.http = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.server.ServeHTTP(rw, r) }))
	w.http.StartTLS()
	t.Cleanup(w.http.Close)
	w.config = graph.Config{
		DB: db, Base: w.http.URL, Mail: mail, Now: w.clock, Log: slog.New(slog.DiscardHandler),
		Tenant: graph.Tenant{
			ID: tenantID, Initial: "harbour.onmicrosoft.example", ClientID: clientID, Secret: secret,
			Roles: []string{
				"User.ReadWrite.All", "Organization.Read.All", "Domain.ReadWrite.All", "MailboxSettings.Read",
				"Mail.ReadBasic.All", "Application.ReadWrite.All", "ExchangeMessageTrace.Read.All",
			},
			MailRoles: []string{"IMAP.AccessAsApp"}, Licences: map[string]int{"O365_BUSINESS_ESSENTIALS": 1, "DESKLESSPACK": 5, "M365_F1": 5},
			HeldElsewhere: []string{"taken.example"},
		},
		Delays: graph.Delays{
			Replication: 5 * time.Second, UsageLocation: 8 * time.Second, Mailbox: time.Minute, IMAP: 30 * time.Second,
			Grant: time.Hour, ServiceRecords: 20 * time.Second, TraceReady: time.Hour, TraceRow: time.Minute, Pending: time.Minute,
		},
		LookupTXT:   func(context.Context, string) ([]string, error) { return w.texts, nil },
		MakeMailbox: func(address string) error { w.made = append(w.made, address); return nil },
		Exchanger: func(domain string) string {
			return strings.ReplaceAll(domain, ".", "-") + ".mail.protection.outlook.example"
		},
	}
	w.reopen()
	return w
}

// reopen starts the tenant again from its database.
func (w *world) reopen() {
	w.Helper()
	server, err := graph.Open(w.config)
	if err != nil {
		w.Fatal(err)
	}
	w.server = server
}

func (w *world) sign(form url.Values) (int, map[string]any) {
	w.Helper()
	response, err := w.http.Client().PostForm(w.http.URL+"/"+tenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, body
}

func credentials(scope string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {scope + "/.default"}}
}

func (w *world) token(scope string) string {
	w.Helper()
	status, body := w.sign(credentials(scope))
	if status != http.StatusOK {
		w.Fatalf("signing in: %d %v", status, body)
	}
	return body["access_token"].(string)
}

// do calls Graph and returns the status, the body and the error's code.
func (w *world) do(method, path, body string) (int, map[string]any, http.Header) {
	w.Helper()
	return w.as(w.token(w.http.URL), method, path, body)
}

func (w *world) as(token, method, path, body string) (int, map[string]any, http.Header) {
	w.Helper()
	request, err := http.NewRequest(method, w.http.URL+"/v1.0"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("client-request-id", "00000000-0000-0000-0000-000000000001")
	response, err := w.http.Client().Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	var decoded map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &decoded); err != nil {
			w.Fatalf("%s %s answered %q: %v", method, path, text, err)
		}
	}
	return response.StatusCode, decoded, response.Header
}

// expect calls and checks the status and, for an error, that its text has the words.
func (w *world) expect(status int, words, method, path, body string) map[string]any {
	w.Helper()
	got, answer, header := w.do(method, path, body)
	text, _ := json.Marshal(answer)
	if got != status || !strings.Contains(string(text), words) {
		w.Fatalf("%s %s: got %d %s; want %d with %q", method, path, got, text, status, words)
	}
	if header.Get("client-request-id") != "00000000-0000-0000-0000-000000000001" || header.Get("request-id") == "" {
		w.Errorf("%s %s: the request's ids are missing from %v", method, path, header)
	}
	return answer
}

func newUser(name string) string {
	return fmt.Sprintf(`{"accountEnabled":true,"displayName":"Ada","mailNickname":%q,"userPrincipalName":%q,"passwordProfile":{"password":"Tr0ub4dor&3","forceChangePasswordNextSignIn":true}}`,
		strings.Split(name, "@")[0], name)
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name   string
		change func(url.Values)
		status int
		word   string
		number float64
	}{
		{"wrong secret", func(f url.Values) { f.Set("client_secret", "x") }, 401, "invalid_client", 7000215},
		{"no secret", func(f url.Values) { f.Del("client_secret") }, 401, "invalid_client", 7000218},
		{"bad assertion", func(f url.Values) { f.Set("client_assertion", "x.y.z") }, 401, "invalid_client", 700027},
		{"unknown app", func(f url.Values) { f.Set("client_id", tenantID) }, 400, "unauthorized_client", 700016},
		{"two resources", func(f url.Values) { f.Set("scope", "a/.default b/.default") }, 400, "invalid_scope", 70011},
		{"unknown resource", func(f url.Values) { f.Set("scope", "https://other.example/.default") }, 400, "invalid_resource", 500011},
		{"no grant", func(f url.Values) { f.Del("grant_type") }, 400, "invalid_request", 900144},
	} {
		form := credentials(mail)
		test.change(form)
		status, body := w.sign(form)
		if status != test.status || body["error"] != test.word || body["error_codes"].([]any)[0] != test.number {
			t.Errorf("%s: got %d %v", test.name, status, body)
		}
	}
	response, err := w.http.Client().Get(w.http.URL + "/" + tenantID + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var found map[string]any
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil || !strings.HasPrefix(found["token_endpoint"].(string), w.http.URL) {
		t.Errorf("discovery: %v, %v", found, err)
	}
}

func TestUserToMailbox(t *testing.T) {
	w := newWorld(t)
	name := "ada@harbour.example"
	w.expect(400, "InvalidValue", "POST", "/users", newUser(name))
	w.expect(201, "harbour.example", "POST", "/domains", `{"id":"harbour.example"}`)
	w.expect(400, "Domain verification failed", "POST", "/domains/harbour.example/verify", "")
	proofs := w.expect(200, "msv1.invalid", "GET", "/domains/harbour.example/verificationDnsRecords", "")
	w.texts = []string{proofs["value"].([]any)[0].(map[string]any)["text"].(string)}
	w.expect(200, `"isVerified":true`, "POST", "/domains/harbour.example/verify", "")
	w.expect(400, "already verified", "POST", "/domains/harbour.example/verify", "")

	w.expect(400, "password complexity", "POST", "/users", strings.ReplaceAll(newUser(name), "Tr0ub4dor&3", "weak"))
	created := w.expect(201, name, "POST", "/users", newUser(name))
	id := created["id"].(string)
	w.expect(400, "ObjectConflict", "POST", "/users", newUser(strings.ToUpper(name)))
	w.expect(404, "Request_ResourceNotFound", "GET", "/users/"+id, "")
	w.wait(5 * time.Second)
	w.expect(200, `"mail":null`, "GET", "/users/"+url.PathEscape(name), "")
	w.expect(403, "Insufficient privileges", "PATCH", "/users/"+id, `{"passwordProfile":{"password":"Tr0ub4dor&4"}}`)

	add := `{"addLicenses":[{"skuId":"` + sku + `","disabledPlans":[]}],"removeLicenses":[]}`
	w.expect(400, "removeLicenses", "POST", "/users/"+id+"/assignLicense", `{"addLicenses":[]}`)
	w.expect(400, "invalid usage location", "POST", "/users/"+id+"/assignLicense", add)
	w.expect(204, "", "PATCH", "/users/"+id, `{"usageLocation":"DE"}`)
	w.expect(400, "invalid usage location", "POST", "/users/"+id+"/assignLicense", add)
	w.wait(8 * time.Second)
	w.expect(200, id, "POST", "/users/"+id+"/assignLicense", add)
	w.expect(200, id, "POST", "/users/"+id+"/assignLicense", add)
	w.expect(200, `"consumedUnits":1`, "GET", "/subscribedSkus", "")
	w.expect(200, "PendingProvisioning", "GET", "/users/"+id+"/licenseDetails", "")
	w.expect(404, "MailboxNotEnabledForRESTAPI", "GET", "/users/"+id+"/mailFolders/inbox", "")
	if w.server.Recipient(name) || len(w.made) > 0 {
		t.Error("the mailbox is there before its time")
	}
	w.reopen()
	w.wait(time.Minute)
	w.expect(200, "totalItemCount", "GET", "/users/"+id+"/mailFolders/inbox", "")
	w.expect(200, `"mail":"`+name+`"`, "GET", "/users?$filter="+url.QueryEscape("userPrincipalName eq '"+name+"'"), "")
	if !w.server.Recipient("ADA@harbour.example") || len(w.made) != 1 || w.made[0] != name {
		t.Errorf("mailboxes made: %v", w.made)
	}

	bob := w.expect(201, "", "POST", "/users", newUser("bob@harbour.example"))["id"].(string)
	w.wait(10 * time.Second)
	w.expect(204, "", "PATCH", "/users/"+bob, `{"usageLocation":"DE"}`)
	w.wait(10 * time.Second)
	w.expect(400, "does not have any available licenses", "POST", "/users/"+bob+"/assignLicense", add)
	w.expect(200, bob, "POST", "/users/"+bob+"/assignLicense", strings.ReplaceAll(add, sku, "44575883-256e-4a79-9da4-ebe9acabe2b2"))
	w.wait(time.Hour)
	w.expect(404, "MailboxNotEnabledForRESTAPI", "GET", "/users/"+bob+"/mailFolders/inbox", "")
}

func TestIMAPAccess(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"ada", "kiosk"} {
		part := map[string]string{"ada": "O365_BUSINESS_ESSENTIALS", "kiosk": "DESKLESSPACK"}[name]
		if err := w.server.Adopt(name+"@harbour.onmicrosoft.example", name, "DE", part); err != nil {
			t.Fatal(err)
		}
	}
	token, wrong := w.token(mail), w.token(w.http.URL)
	expect := func(when, name, token string, want error) {
		t.Helper()
		address, err := w.server.SignIn(name+"@harbour.onmicrosoft.example", token)
		if !errors.Is(err, want) || want == nil && address != name+"@harbour.onmicrosoft.example" {
			t.Errorf("%s: got %q, %v; want %v", when, address, err, want)
		}
	}
	expect("before IMAP is ready", "ada", token, graph.ErrNoAccess)
	w.wait(30 * time.Second)
	expect("without the permission", "ada", token, graph.ErrNoAccess)
	if err := w.server.Grant("ada@harbour.onmicrosoft.example"); err != nil {
		t.Fatal(err)
	}
	expect("with it", "ada", token, nil)
	if at := w.server.Expires(token); !at.Equal(w.clock().Add(3599*time.Second - 30*time.Second)) {
		t.Errorf("the token runs out at %s", at)
	}
	expect("with a token for Graph", "ada", wrong, graph.ErrRefused)
	expect("of nobody", "nobody", token, graph.ErrRefused)
	expect("where the plan leaves IMAP off", "kiosk", token, graph.ErrRefused)
	if err := w.server.Grant("kiosk@harbour.onmicrosoft.example"); err != nil {
		t.Fatal(err)
	}
	expect("once the script has run", "kiosk", token, nil)
	if err := w.server.Revoke("ada@harbour.onmicrosoft.example"); err != nil {
		t.Fatal(err)
	}
	expect("once it was taken back", "ada", token, graph.ErrNoAccess)
	w.wait(time.Hour)
	expect("with a token that has run out", "ada", token, graph.ErrRefused)
	expect("once the administrator came by himself", "ada", w.token(mail), nil)
	if status, body, _ := w.as(w.token(mail), "GET", "/users", ""); status != 401 {
		t.Errorf("a token for IMAP opens Graph: %d %v", status, body)
	}
}

func TestServiceRecords(t *testing.T) {
	w := newWorld(t)
	w.expect(201, "", "POST", "/domains", `{"id":"Taken.example"}`)
	w.expect(400, "another tenant", "POST", "/domains/taken.example/verify", "")
	w.expect(400, "must be verified", "PATCH", "/domains/taken.example", `{"supportedServices":["Email"]}`)
	w.expect(201, `"isVerified":true`, "POST", "/domains", `{"id":"sub.harbour.onmicrosoft.example"}`)
	w.expect(200, `"value":[]`, "GET", "/domains/sub.harbour.onmicrosoft.example/serviceConfigurationRecords", "")
	w.expect(204, "", "PATCH", "/domains/sub.harbour.onmicrosoft.example", `{"supportedServices":["Email"]}`)
	w.expect(200, `"value":[]`, "GET", "/domains/sub.harbour.onmicrosoft.example/serviceConfigurationRecords", "")
	w.wait(20 * time.Second)
	w.expect(200, "sub-harbour-onmicrosoft-example.mail.protection.outlook.example", "GET", "/domains/sub.harbour.onmicrosoft.example/serviceConfigurationRecords", "")
}

func TestTrace(t *testing.T) {
	w := newWorld(t)
	app := `{"appId":"8bd644d1-64a1-4d4b-ae52-2e0cbf64e373"}`
	path := "/admin/exchange/tracing/messageTraces"
	w.expect(401, "was not found", "GET", path, "")
	w.expect(404, "Request_ResourceNotFound", "GET", "/servicePrincipals(appId='8bd644d1-64a1-4d4b-ae52-2e0cbf64e373')", "")
	w.expect(404, "segment 'groups'", "GET", "/groups", "")
	w.expect(201, "", "POST", "/servicePrincipals", app)
	w.expect(200, "8bd644d1", "GET", "/servicePrincipals(appId='8bd644d1-64a1-4d4b-ae52-2e0cbf64e373')", "")
	w.expect(409, "ObjectConflict", "POST", "/servicePrincipals", app)
	w.expect(401, "was not found", "GET", path, "")
	w.wait(time.Hour)
	for range 2 {
		if err := w.server.Received("1", "x@outside.example", "ada@harbour.example", "<1@outside.example>", "Hello", "127.0.0.1", 99); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(200, `"value":[]`, "GET", path, "")
	w.wait(time.Minute)
	w.expect(200, "pending", "GET", path, "")
	w.wait(time.Minute)
	w.reopen()
	span := func(from, to time.Duration) string {
		now := w.clock()
		return "?$filter=" + url.QueryEscape(fmt.Sprintf("receivedDateTime ge %s and receivedDateTime le %s and recipientAddress eq 'ada@harbour.example'",
			now.Add(from).Format(time.RFC3339), now.Add(to).Format(time.RFC3339)))
	}
	rows := w.expect(200, "delivered", "GET", path+span(-time.Hour, 0), "")
	if len(rows["value"].([]any)) != 1 {
		t.Errorf("got %v, want one row", rows)
	}
	w.expect(200, `"value":[]`, "GET", path+span(-time.Hour, -30*time.Minute), "")
	w.expect(400, "10 days", "GET", path+span(-11*24*time.Hour, 0), "")
	w.expect(400, "future", "GET", path+span(-time.Hour, time.Hour), "")
}

func TestBatchAndFaults(t *testing.T) {
	w := newWorld(t)
	w.server.Inject(graph.Fault{Method: "GET", Path: "/domains", Status: 429, RetryAfter: 7 * time.Second, Times: 1})
	answer := w.expect(200, "responses", "POST", "/$batch", `{"requests":[
		{"id":"1","method":"GET","url":"/domains"},
		{"id":"2","method":"GET","url":"/users","dependsOn":["1"]},
		{"id":"3","method":"GET","url":"/subscribedSkus"}]}`)
	got := map[string]string{}
	for _, one := range answer["responses"].([]any) {
		part := one.(map[string]any)
		headers, _ := part["headers"].(map[string]any)
		got[part["id"].(string)] = fmt.Sprint(part["status"], " ", headers["Retry-After"])
	}
	want := map[string]string{"1": "429 7", "2": "424 <nil>", "3": "200 <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	w.expect(400, "unique", "POST", "/$batch", `{"requests":[{"id":"1","method":"GET","url":"/users"},{"id":"1","method":"GET","url":"/users"}]}`)
	w.server.Inject(graph.Fault{Path: "/users", Status: 503, Code: "serviceNotAvailable", Message: "Busy."})
	w.expect(503, "Busy.", "GET", "/users", "")
	w.server.ClearFaults()
	w.expect(200, "value", "GET", "/users", "")
}

func TestCompressedBodies(t *testing.T) {
	w := newWorld(t)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write([]byte(`{"id":"packed.example"}`))
	_ = zip.Close()
	request, err := http.NewRequest("POST", w.http.URL+"/v1.0/domains", &packed)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token(w.http.URL))
	request.Header.Set("Content-Encoding", "gzip")
	response, err := w.http.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("got %s", response.Status)
	}
}
