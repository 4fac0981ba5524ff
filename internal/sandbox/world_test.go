package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	mdns "github.com/miekg/dns"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/sandbox/graph"
)

// small is a world that a test has time for.
func small(dir string) sandbox.Options {
	return sandbox.Options{
		Dir: dir, Seed: 7, Mailboxes: 2, Messages: 20, Small: true, Arrivals: 6, AfterMX: 2, Every: 20 * time.Millisecond,
		TTL: 1, NewTTL: 1, Negative: 1, Delays: &graph.Delays{Mailbox: 200 * time.Millisecond, IMAP: 100 * time.Millisecond, Grant: 100 * time.Millisecond},
	}
}

func open(t *testing.T, o sandbox.Options) *sandbox.World {
	t.Helper()
	w, err := sandbox.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestTheSameDirectoryIsTheSameWorld(t *testing.T) {
	dir := t.TempDir()
	w := open(t, small(dir))
	ca, err := os.ReadFile(w.CA())
	if err != nil {
		t.Fatal(err)
	}
	addresses, accounts := w.Addresses(), w.Accounts()
	if err := w.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	w = open(t, sandbox.Options{Dir: dir})
	again, err := os.ReadFile(w.CA())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(addresses, w.Addresses()) + cmp.Diff(accounts, w.Accounts()) + cmp.Diff(ca, again); diff != "" {
		t.Errorf("the world is another one: %s", diff)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	other := small(dir)
	other.Mailboxes = 3
	if _, err := sandbox.Open(context.Background(), other); err == nil || !strings.Contains(err.Error(), "Mailboxes") {
		t.Errorf("opening with another number of mailboxes: %v", err)
	}
	taken, err := net.Listen("tcp", addresses[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(addresses[0].Address)
	if _, err := sandbox.Open(context.Background(), small(dir)); err == nil || !strings.Contains(err.Error(), addresses[0].Name) || !strings.Contains(err.Error(), port) {
		t.Errorf("opening while port %s is taken: %v", port, err)
	}
}

func TestSecretsAreForTheOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	o := small(dir)
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := open(t, o)
	if _, _, err := w.WriteFiles(filepath.Join(dir, "files"), "mfpub1:x"); err != nil {
		t.Fatal(err)
	}
	token, err := w.MailToken(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	secrets := []string{token}
	for _, a := range w.Accounts() {
		secrets = append(secrets, a.Password)
	}
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && filepath.Base(path) != "ca.pem" {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		if filepath.Base(filepath.Dir(path)) == "secrets" && !strings.HasPrefix(filepath.Base(path), "ca-") && filepath.Base(path) != "root" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			secrets = append(secrets, strings.TrimSpace(string(text)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(secrets) < 8 {
		t.Fatalf("only %d secrets were found", len(secrets))
	}
	planText, err := os.ReadFile(filepath.Join(dir, "files", "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(log.String(), secret) || strings.Contains(string(planText), secret) {
			t.Errorf("a secret of %d characters stands in the log or the plan", len(secret))
		}
	}
}

func TestThePlanIsOneThatMailferryTakes(t *testing.T) {
	o := small(t.TempDir())
	o.Domains, o.Waves = []string{"harbour.example", "quay.example"}, 2
	w := open(t, o)
	path, list, err := w.WriteFiles(t.TempDir(), "mfpub1:x")
	if err != nil {
		t.Fatal(err)
	}
	clear := map[migration.Sealed]string{}
	seal := func(secret []byte) (migration.Sealed, error) {
		sealed := migration.Sealed(fmt.Sprintf("sealed-%d", len(clear)))
		clear[sealed] = string(secret)
		return sealed, nil
	}
	p, err := plan.Read(path, seal)
	if err != nil {
		t.Fatal(err)
	}
	rows, warnings, err := plan.ReadCSV(list, &p, seal)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the list: %v, %v", err, warnings)
	}
	if len(rows) != 2 || rows[1].Domain() != "quay.example" || rows[0].Wave != "pilot" || rows[1].Wave != "wave-2" || clear[rows[0].Password] != w.Accounts()[0].Password {
		t.Errorf("got %+v", rows)
	}
	if to, err := plan.SealTo(path); err != nil || to != "mfpub1:x" {
		t.Errorf("sealTo is %q, %v", to, err)
	}
	if len(p.Endpoints[0].CA) < 100 || p.Routing.Relay == nil || time.Duration(p.Timing.Poll) != 500*time.Millisecond {
		t.Errorf("got %+v", p)
	}
}

// caller calls Graph with a token of its own.
type caller struct {
	*testing.T
	world *sandbox.World
	plan  migration.Plan
	clear map[migration.Sealed]string
	http  *http.Client
	token string
}

// xoauth2 is the mechanism by which Exchange takes a token.
type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x xoauth2) Next([]byte) ([]byte, error) { return nil, nil }

func (c *caller) do(method, path, body string) (int, string) {
	c.Helper()
	request, err := http.NewRequest(method, c.plan.Microsoft.Graph+"/v1.0"+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// must calls until the answer is the wanted one.
func (c *caller) must(status int, words, method, path, body string) string {
	c.Helper()
	var got int
	var text string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, text = c.do(method, path, body); got == status && strings.Contains(text, words) {
			return text
		}
	}
	c.Fatalf("%s %s: got %d %s; want %d with %q", method, path, got, text, status, words)
	return ""
}

func newCaller(t *testing.T, w *sandbox.World) *caller {
	t.Helper()
	c := &caller{T: t, world: w, clear: map[migration.Sealed]string{}}
	path, _, err := w.WriteFiles(t.TempDir(), "mfpub1:x")
	if err != nil {
		t.Fatal(err)
	}
	c.plan, err = plan.Read(path, func(secret []byte) (migration.Sealed, error) {
		sealed := migration.Sealed(fmt.Sprintf("sealed-%d", len(c.clear)))
		c.clear[sealed] = string(secret)
		return sealed, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	transport.TLSClientConfig = tlsFor(w)
	c.http = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	m := c.plan.Microsoft
	response, err := c.http.PostForm(m.Login+"/"+m.TenantID+"/oauth2/v2.0/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {m.ClientID}, "client_secret": {c.clear[m.Secret]}, "scope": {m.Graph + "/.default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("signing in: %s, %v", response.Status, err)
	}
	c.token = answer.Token
	return c
}

func (c *caller) update(records ...mdns.RR) {
	c.Helper()
	message := new(mdns.Msg).SetUpdate(c.plan.Domains[0] + ".")
	if records[0].Header().Rrtype == mdns.TypeMX {
		message.RemoveRRset(records)
	}
	message.Insert(records)
	d := c.plan.DNS
	message.SetTsig(d.TSIGName, d.TSIGAlgorithm, 300, time.Now().Unix())
	client := mdns.Client{Net: "tcp", TsigSecret: map[string]string{d.TSIGName: c.clear[d.TSIGSecret]}}
	reply, _, err := client.Exchange(message, d.Server)
	if err != nil || reply.Rcode != mdns.RcodeSuccess {
		c.Fatalf("updating the zone: %v, %v", reply, err)
	}
}

func rr(t *testing.T, text string) mdns.RR {
	t.Helper()
	r, err := mdns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ids lists INBOX's Message-IDs.
func ids(t *testing.T, w *sandbox.World, server string, mechanism sasl.Client) map[string]int {
	t.Helper()
	client, err := imapclient.DialTLS(w.Address(server), &imapclient.Options{TLSConfig: tlsFor(w)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Authenticate(mechanism); err != nil {
		t.Fatalf("signing in at %s: %v", server, err)
	}
	selected, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatalf("opening INBOX at %s: %v", server, err)
	}
	found := map[string]int{}
	if selected.NumMessages == 0 {
		return found
	}
	all, err := client.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatalf("fetching at %s: %v", server, err)
	}
	for _, m := range all {
		found["<"+m.Envelope.MessageID+">"]++
	}
	return found
}

// prepareTenant does what comes before any mail is moved: the domain verified, its mailboxes made.
func (c *caller) prepareTenant() {
	c.Helper()
	c.must(201, "harbour.example", "POST", "/domains", `{"id":"harbour.example"}`)
	proof := c.must(200, "MS=ms", "GET", "/domains/harbour.example/verificationDnsRecords", "")
	proof = proof[strings.Index(proof, "MS=ms"):][:13]
	if status, text := c.do("POST", "/domains/harbour.example/verify", ""); status != 400 {
		c.Errorf("verified without a proof: %d %s", status, text)
	}
	c.update(rr(c.T, `harbour.example. 1 IN TXT "`+proof+`"`))
	c.must(200, `"isVerified":true`, "POST", "/domains/harbour.example/verify", "")
	c.must(204, "", "PATCH", "/domains/harbour.example", `{"supportedServices":["Email"]}`)
	c.must(200, "harbour-example.", "GET", "/domains/harbour.example/serviceConfigurationRecords", "")
	c.must(201, "", "POST", "/servicePrincipals", `{"appId":"8bd644d1-64a1-4d4b-ae52-2e0cbf64e373"}`)
	sku := c.must(200, "O365_BUSINESS_ESSENTIALS", "GET", "/subscribedSkus", "")
	if !strings.Contains(sku, "3b555118-da6a-4418-894f-7df1e2096870") {
		c.Errorf("the subscriptions are %s", sku)
	}
	for _, a := range c.world.Accounts() {
		local, _, _ := strings.Cut(a.Address, "@")
		c.must(201, "", "POST", "/users", `{"accountEnabled":true,"displayName":"X","mailNickname":"`+local+`","userPrincipalName":"`+a.Address+
			`","usageLocation":"DE","passwordProfile":{"password":"Tr0ub4dor&3"}}`)
		c.must(200, "", "POST", "/users/"+a.Address+"/assignLicense", `{"addLicenses":[{"skuId":"3b555118-da6a-4418-894f-7df1e2096870"}],"removeLicenses":[]}`)
	}
	for _, a := range c.world.Accounts() {
		c.must(200, "Inbox", "GET", "/users/"+a.Address+"/mailFolders/inbox", "")
	}
}

func TestAMigrationByHand(t *testing.T) {
	o := small(t.TempDir())
	o.NewForm = true
	// The mails after the change come over more than the old record's TTL, so that the last ones follow it.
	o.Arrivals, o.AfterMX, o.Every = 8, 6, 300*time.Millisecond
	w := open(t, o)
	c := newCaller(t, w)
	ada := w.Accounts()[0]
	c.prepareTenant()
	if records := c.must(200, "Mx", "GET", "/domains/harbour.example/serviceConfigurationRecords", ""); !strings.Contains(records, "harbour-example.k-v1.mx.microsoft.example") {
		t.Errorf("the service's records are %s", records)
	}
	token, err := w.MailToken(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(250 * time.Millisecond)
	if found := ids(t, w, "target-imap", xoauth2{ada.Address, token}); len(found) > 0 {
		t.Errorf("the new mailbox holds %v", found)
	}

	mustSend := func(server string, account migration.SMTP, id, to string) {
		t.Helper()
		if err := send(t, w, c, server, account, id, to); err != nil {
			t.Errorf("sending by %s to %s: %v", server, to, err)
		}
	}
	notices := c.plan.Notices
	mustSend("source-submission", notices.Before, "<announcement@harbour.example>", ada.Address)
	mustSend("source-submission", notices.Before, "<elsewhere@harbour.example>", "kai@outside.example")
	mustSend("tenant-submission", notices.After, "<too-early@harbour.example>", ada.Address)
	mustSend("outside-relay", *c.plan.Routing.Relay, "<probe-before@harbour.example>", ada.Address)
	for server, account := range map[string]migration.SMTP{"source-submission": notices.Before, "tenant-submission": notices.After} {
		if err := send(t, w, c, server, account, "<nobody@harbour.example>", "nobody@harbour.example"); err == nil {
			t.Errorf("%s takes mail for nobody", server)
		}
	}
	if err := send(t, w, c, "outside-relay", *c.plan.Routing.Relay, "<open@harbour.example>", "kai@elsewhere.example"); err == nil {
		t.Error("the relay is open")
	}
	c.update(rr(t, "harbour.example. 1 IN MX 0 harbour-example.k-v1.mx.microsoft.example."))
	waitForArrivals(t, w, 0)
	mustSend("outside-relay", *c.plan.Routing.Relay, "<probe-after@harbour.example>", ada.Address)
	waitFor(t, "the probe", func() bool {
		return ids(t, w, "target-imap", xoauth2{ada.Address, token})["<probe-after@harbour.example>"] == 1
	})
	if status, text := c.do("GET", "/admin/exchange/tracing/messageTraces", ""); status != 200 || !strings.Contains(text, "delivered") {
		t.Errorf("the message trace: %d %s", status, text)
	}
	// 8 that were planned, 2 probes, an announcement, and one that was sent too early and so into the new mailbox.
	count := compare(t, w, token)
	if count[sandbox.Source]+count[sandbox.Target] != 12 || count[sandbox.Target] < 4 || count[sandbox.Outside] != 1 {
		t.Errorf("the ledger knows %v", count)
	}
}

// send gives a mail to one of the submission servers, with the plan's account.
func send(t *testing.T, w *sandbox.World, c *caller, server string, account migration.SMTP, id, to string) error {
	t.Helper()
	dial := gosmtp.DialTLS
	if account.Security == migration.StartTLS {
		dial = gosmtp.DialStartTLS
	}
	if want := net.JoinHostPort(account.Host, fmt.Sprint(account.Port)); want != w.Address(server) {
		t.Fatalf("the plan says %s for %s, which is at %s", want, server, w.Address(server))
	}
	client, err := dial(w.Address(server), tlsFor(w))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Auth(sasl.NewPlainClient("", account.User, c.clear[account.Password])); err != nil {
		t.Fatal(err)
	}
	body := "From: <it@harbour.example>\r\nMessage-ID: " + id + "\r\nSubject: We move\r\n\r\nSoon.\r\n"
	return client.SendMail("it@harbour.example", []string{to}, strings.NewReader(body))
}

// compare looks whether both sides' INBOXes hold what the ledger says was delivered there, once, and counts it.
func compare(t *testing.T, w *sandbox.World, token string) map[sandbox.Side]int {
	t.Helper()
	ledger, err := w.Expected()
	if err != nil {
		t.Fatal(err)
	}
	count := map[sandbox.Side]int{}
	for _, m := range ledger {
		if !strings.HasPrefix(m.Origin, "corpus") {
			count[m.Side]++
		}
	}
	for _, a := range w.Accounts() {
		source := ids(t, w, "source-imap", sasl.NewPlainClient("", a.User, a.Password))
		target := ids(t, w, "target-imap", xoauth2{a.Address, token})
		for _, m := range ledger {
			if m.Address != a.Address || strings.HasPrefix(m.Origin, "corpus") {
				continue
			}
			here, there := source, target
			if m.Side == sandbox.Target {
				here, there = target, source
			}
			if here[m.MessageID] != 1 || there[m.MessageID] != 0 {
				t.Errorf("%s of %s is %d times on its side and %d times on the other", m.MessageID, m.Origin, here[m.MessageID], there[m.MessageID])
			}
		}
	}
	return count
}

// waitFor looks again and again until it is so.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

func TestADottedSource(t *testing.T) {
	o := small(t.TempDir())
	o.Dotted = true
	w := open(t, o)
	client, err := imapclient.DialTLS(w.Address("source-imap"), &imapclient.Options{TLSConfig: tlsFor(w)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Login("ada", w.Accounts()[0].Password).Wait(); err != nil {
		t.Fatal(err)
	}
	folders, err := client.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.Delim != '.' || f.Mailbox != "INBOX" && !strings.HasPrefix(f.Mailbox, "INBOX.") {
			t.Errorf("folder %q with the separator %q", f.Mailbox, f.Delim)
		}
	}
	if len(folders) < 10 {
		t.Errorf("only %d folders", len(folders))
	}
}

func TestTheMasterUserOpensAnyMailbox(t *testing.T) {
	w := open(t, small(t.TempDir()))
	if _, err := w.Plan("mfpub1:x"); err != nil {
		t.Fatal(err)
	}
	master, err := os.ReadFile(filepath.Join(filepath.Dir(w.CA()), "secrets", "master"))
	if err != nil {
		t.Fatal(err)
	}
	password, ada := strings.TrimSpace(string(master)), w.Accounts()[0]
	for _, test := range []struct {
		identity, user, password string
		opens                    bool
	}{
		{"", ada.User, ada.Password, true},
		{"", "ada", ada.Password, true},
		{"", "ada*master", password, true},
		{ada.Address, "master", password, true},
		{"", "master", password, false},
		{"", "ada*ada", ada.Password, false},
		{"bruno", "ada", ada.Password, false},
		{"", "ada", password, false},
		{"", "nobody*master", password, false},
	} {
		client, err := imapclient.DialTLS(w.Address("source-imap"), &imapclient.Options{TLSConfig: tlsFor(w)})
		if err != nil {
			t.Fatal(err)
		}
		err = client.Authenticate(sasl.NewPlainClient(test.identity, test.user, test.password))
		if (err == nil) != test.opens {
			t.Errorf("%q as %q: %v", test.user, test.identity, err)
		}
		_ = client.Close()
	}
}
