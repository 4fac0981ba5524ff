package plan

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/migration"
)

// seal stands for the real seal: it shows its length alone, so that a test can tell one from another.
func seal(secret []byte) (migration.Sealed, error) {
	return migration.Sealed(fmt.Sprintf("sealed(%d)", len(secret))), nil
}

const smallest = `sealTo: mfpub1:key
tenant: contoso
organisation: Contoso
domains: [contoso.com]
microsoft: {tenantId: contoso.onmicrosoft.com, clientId: 66666666-7777-8888-9999-000000000000, secret: {env: PLAN_TEST_SECRET}}
endpoints:
  - {name: old, host: imap.contoso.com}
dns: {mode: manual}
notices:
  from: it@contoso.com
  before: {host: smtp.contoso.com}
  after: {host: smtp.office365.com}
users: {licence: EXCHANGESTANDARD, usageLocation: DE}
archive: file:///srv/mailferry
`

const testSecret = "correct horse battery"

// read reads a plan from a folder in which a test may have put files.
func read(t *testing.T, folder, text string) (migration.Plan, error) {
	t.Helper()
	t.Setenv("PLAN_TEST_SECRET", testSecret)
	path := filepath.Join(folder, "plan.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path, seal)
}

func TestDefaults(t *testing.T) {
	got, err := read(t, t.TempDir(), smallest)
	if err != nil {
		t.Fatal(err)
	}
	hours := func(n time.Duration) migration.Duration { return migration.Duration(n * time.Hour) }
	minutes := func(n time.Duration) migration.Duration { return migration.Duration(n * time.Minute) }
	want := migration.Plan{
		Tenant: "contoso", Organisation: "Contoso", Domains: []string{"contoso.com"},
		Microsoft: migration.Microsoft{TenantID: "contoso.onmicrosoft.com", ClientID: "66666666-7777-8888-9999-000000000000", Secret: "sealed(21)"},
		Endpoints: []migration.Endpoint{{Name: "old", Host: "imap.contoso.com", Port: 993, Security: migration.TLS, Auth: migration.AuthPassword, MailboxesAtOnce: 20}},
		Target:    migration.Target{Host: "outlook.office365.com", Port: 993},
		DNS:       migration.DNS{Mode: "manual", Resolvers: []string{"1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"}, TTL: 300},
		Notices: migration.Notices{
			From:      "it@contoso.com",
			Before:    migration.SMTP{Host: "smtp.contoso.com", Port: 587, Security: migration.StartTLS},
			After:     migration.SMTP{Host: "smtp.office365.com", Port: 587, Security: migration.StartTLS},
			PerMinute: 25,
		},
		Users:   migration.Users{Licence: "EXCHANGESTANDARD", UsageLocation: "DE"},
		Waves:   []migration.Wave{{Name: "all"}},
		Copy:    migration.CopyRules{Connections: 3, SliceTime: minutes(15), SliceBytes: 1 << 30, SliceMessages: 20_000},
		Routing: migration.Routing{Required: []migration.ProofKind{"records", "old-ttl", "probe", "quiet"}},
		Timing: migration.Timing{
			Poll: minutes(1), MailboxLimit: hours(24), DNSLimit: hours(48), Delta: hours(24), DeltaAfterMX: minutes(15),
			Quiet: hours(72), QuietLimit: hours(14 * 24), Report: minutes(5), Resend: minutes(1), Children: hours(1),
			Retry: migration.Duration(5 * time.Second), RetryMax: minutes(10), Heartbeat: minutes(2),
		},
		Archive: "file:///srv/mailferry",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// A plan may have come from another system's editor.
func TestForms(t *testing.T) {
	want, err := read(t, t.TempDir(), smallest)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"CRLF":              strings.ReplaceAll(smallest, "\n", "\r\n"),
		"byte order mark":   "\ufeff" + smallest,
		"document markers":  "---\n" + smallest + "...\n",
		"directive":         "%YAML 1.2\n---\n" + smallest,
		"comments":          "# one\n" + strings.ReplaceAll(smallest, "\n", " # two\n"),
		"quotes":            strings.Replace(smallest, "tenant: contoso", `"tenant": 'contoso'`, 1),
		"null is the usual": smallest + "copy: ~\ntiming: {delta: null}\nwaves:\n",
	} {
		got, err := read(t, t.TempDir(), text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// planFaults are changes to the smallest plan, each with the one message that it gives.
var planFaults = []struct{ name, old, new, want string }{
	{"unknown key", "tenant: contoso", "tenant: contoso\ntennant: x", `plan.yaml:3:1: tennant: is not a key that belongs here (known keys: sealTo, tenant, organisation, domains, microsoft, endpoints, target, dns, notices, users, waves, copy, routing, timing, archive)`},
	{"unknown key below", "dns: {mode: manual}", "dns: {mode: manual, tls: yes}", `plan.yaml:8:21: dns.tls: is not a key that belongs here (known keys: mode, server, authoritative, resolvers, tsigName, tsigAlgorithm, tsigSecret, ttl, dkim)`},
	{"key twice", "tenant: contoso", "tenant: contoso\ntenant: x", `plan.yaml:3:1: tenant: comes twice; the first is in line 2 (keep one)`},
	{"not YAML", "dns: {mode: manual}", "dns: {mode: manual", `plan.yaml:9:1: is not YAML (look at the indentation, colons and quotes of this line and the one before)`},
	{"two documents", "users:", "---\nusers:", `plan.yaml:1: holds 2 documents (a plan is exactly one)`},
	{"alias", "domains: [contoso.com]", "domains: &d [contoso.com]", `plan.yaml:4:1: domains: is an anchor, an alias or a tag (write the value itself; a plan is plain YAML)`},
	{"text in place of a list", "domains: [contoso.com]", "domains: contoso.com", `plan.yaml:4:1: domains: must be a list (write its entries in lines that begin with "- ")`},
	{"list in place of text", "tenant: contoso", "tenant: [contoso]", `plan.yaml:2:1: tenant: must be one text (write: tenant: "...")`},
	{"empty entry", "domains: [contoso.com]", "domains:\n  - contoso.com\n  -", `plan.yaml:4:1: domains: has nothing at entry 2 (fill the entry in or take it away)`},
	{"not a number", "dns: {mode: manual}", "dns: {mode: manual, ttl: 5m}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"hexadecimal", "dns: {mode: manual}", "dns: {mode: manual, ttl: 0x10}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"octal, or not", "dns: {mode: manual}", "dns: {mode: manual, ttl: 010}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"fraction", "dns: {mode: manual}", "dns: {mode: manual, ttl: 3.0}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"larger than any number", "dns: {mode: manual}", "dns: {mode: manual, ttl: 99999999999999999999}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"yes", "archive:", "copy: {deleted: yes}\narchive:", `plan.yaml:14:8: copy.deleted: must be true or false (write one of them, without quotes)`},
	{"below 0", "dns: {mode: manual}", "dns: {mode: manual, ttl: -5}", `plan.yaml:8:21: dns.ttl: must be a whole number (write it in digits, like 20)`},
	{"too large", "dns: {mode: manual}", "dns: {mode: manual, ttl: 99999999999}", `plan.yaml:8:21: dns.ttl: is too large a number (write a smaller one)`},
	{"not a duration", "archive:", "timing: {delta: daily}\narchive:", `plan.yaml:14:10: timing.delta: "daily" is not a duration (write it like 90s, 15m, 24h or 14d)`},
	{"duration in a list", "archive:", "timing: {delta: [1d]}\narchive:", `plan.yaml:14:10: timing.delta: must be one text (write it like 90s, 15m, 24h or 14d)`},
	{"no wait", "archive:", "timing: {delta: 0s}\narchive:", `plan.yaml:14:10: timing.delta: 0s is no wait (write one between 1ms and 365d, like 15m or 14d)`},
	{"delta too long", "archive:", "timing: {deltaAfterMX: 2d}\narchive:", `plan.yaml:14:10: timing.deltaAfterMX: timing.deltaAfterMX is 2d, which is more than timing.delta, 1d (change one of the two)`},
	{"tenant missing", "tenant: contoso\n", "", `plan.yaml:1: tenant: is missing (a short name for this migration, like contoso)`},
	{"sealTo missing", "sealTo: mfpub1:key\n", "", `plan.yaml:1: sealTo: is missing (the workers' public key, as "starter keygen" prints it: mfpub1:...)`},
	{"tenant's name", "tenant: contoso", "tenant: Contoso_Ltd", `plan.yaml:2:1: tenant: "Contoso_Ltd" is not a name for a migration (at most 40 of a-z, 0-9 and -, neither first nor last a -)`},
	{"domain", "[contoso.com]", "[contoso]", `plan.yaml:4:11: domains[0]: "contoso" is not a domain name (write it like contoso.com; one with other letters than a-z in its xn-- form)`},
	{"domain twice", "[contoso.com]", "[contoso.com, Contoso.COM.]", `plan.yaml:4:24: domains[1]: "Contoso.COM." comes twice (keep one)`},
	{"client ID", "66666666-7777-8888-9999-000000000000", "mailferry", `plan.yaml:5:48: microsoft.clientId: "mailferry" is not an application's ID (Microsoft Entra admin centre, App registrations, Application (client) ID)`},
	{"secret in the clear", "secret: {env: PLAN_TEST_SECRET}", "secret: " + testSecret, `plan.yaml:5:96: microsoft.secret: must say where the secret is (write {env: NAME} for a variable or {file: path} for a file; never the secret itself)`},
	{"secret missing", ", secret: {env: PLAN_TEST_SECRET}", "", `plan.yaml:5:1: microsoft.secret: is missing, and so is microsoft.certificate (write {env: NAME} for a variable or {file: path} for a file; never the secret itself)`},
	{"variable not set", "env: PLAN_TEST_SECRET", "env: PLAN_TEST_NONE", `plan.yaml:5:96: microsoft.secret: the variable "PLAN_TEST_NONE" is not set or empty (set it in the environment of this command)`},
	{"secret in a variable's place", "env: PLAN_TEST_SECRET", `env: "` + testSecret + `"`, `plan.yaml:5:96: microsoft.secret: must say where the secret is (write {env: NAME} for a variable or {file: path} for a file; never the secret itself)`},
	{"secret and certificate", "secret: {env: PLAN_TEST_SECRET}", "secret: {env: PLAN_TEST_SECRET}, certificate: {file: app.pem}", `plan.yaml:5:129: microsoft.certificate: stands beside microsoft.secret (keep one of the two; a certificate is the better one)`},
	{"certificate without key", "secret: {env: PLAN_TEST_SECRET}", "certificate: {file: ca.pem}", `plan.yaml:5:96: microsoft.certificate: is not a certificate with its private key in PEM form (put both blocks into one file, the key unencrypted)`},
	{"login not https", "clientId:", "login: http://127.0.0.1, clientId:", `plan.yaml:5:48: microsoft.login: "http://127.0.0.1" is not an https:// address (leave it out for Microsoft's worldwide cloud)`},
	{"no endpoint", "  - {name: old, host: imap.contoso.com}", "  []", `plan.yaml:6:1: endpoints: is missing (name at least one IMAP server that mail is copied from)`},
	{"endpoint's host", ", host: imap.contoso.com", "", `plan.yaml:7:6: endpoints[0].host: is missing (the IMAP server's host name)`},
	{"host with port", "host: imap.contoso.com", "host: \"imap.contoso.com:993\"", `plan.yaml:7:17: endpoints[0].host: "imap.contoso.com:993" is not a host's name (write the name alone; the port has a key of its own)`},
	{"endpoint twice", "host: imap.contoso.com}", "host: imap.contoso.com}\n  - {name: OLD, host: b.contoso.com}", `plan.yaml:8:6: endpoints[1].name: "OLD" comes twice (give each endpoint its own name)`},
	{"plain over the network", "host: imap.contoso.com", "host: imap.contoso.com, security: plain", `plan.yaml:7:41: endpoints[0].security: would send passwords and mail in the clear over the network (write "tls" or "starttls"; "plain" is for this very machine alone)`},
	{"security", "host: imap.contoso.com", "host: imap.contoso.com, security: ssl", `plan.yaml:7:41: endpoints[0].security: "ssl" is not a way to protect a connection (write "tls", "starttls" or "plain")`},
	{"port", "host: imap.contoso.com", "host: imap.contoso.com, port: 70000", `plan.yaml:7:41: endpoints[0].port: 70000 is not from 1 to 65535 (write a number between, or leave it out for 993)`},
	{"auth", "host: imap.contoso.com", "host: imap.contoso.com, auth: oauth", `plan.yaml:7:41: endpoints[0].auth: "oauth" is not a way to sign in (write "password", "master" or "proxy")`},
	{"master without user", "host: imap.contoso.com", "host: imap.contoso.com, auth: master, masterPassword: {env: PLAN_TEST_SECRET}", `plan.yaml:7:6: endpoints[0].masterUser: is missing, and auth: master needs it (the name of the source's master user)`},
	{"master without use", "host: imap.contoso.com", "host: imap.contoso.com, masterUser: x", `plan.yaml:7:41: endpoints[0].masterUser: is not used with auth: password (take it away, or set auth to master or proxy)`},
	{"CA not there", "host: imap.contoso.com", "host: imap.contoso.com, ca: none.pem", `plan.yaml:7:41: endpoints[0].ca: the certificates cannot be read: stat FOLDER/none.pem: no such file or directory (write the path of a PEM file, relative to the plan's folder)`},
	{"CA is no PEM", "host: imap.contoso.com", "host: imap.contoso.com, ca: plan.yaml", `plan.yaml:7:41: endpoints[0].ca: holds no certificate in PEM form (it begins with -----BEGIN CERTIFICATE-----)`},
	{"CA with key", "host: imap.contoso.com", "host: imap.contoso.com, ca: app.pem", `plan.yaml:7:41: endpoints[0].ca: holds a private key (it needs the authority's certificate alone; keep the key away from plans)`},
	{"DNS mode", "mode: manual", "mode: rfc1236", `plan.yaml:8:7: dns.mode: "rfc1236" is not a way to change zones (write "rfc2136" or "manual")`},
	{"update without key", "mode: manual", "mode: rfc2136, server: ns1, tsigSecret: {file: tsig}", `plan.yaml:8:1: dns.tsigName: is missing (updates are signed: the TSIG key's name)`},
	{"TSIG not base64", "mode: manual", "mode: rfc2136, server: ns1, tsigName: k, tsigSecret: {env: PLAN_TEST_SECRET}", `plan.yaml:8:48: dns.tsigSecret: the secret is not base64 (give the key as tsig-keygen or the DNS provider shows it)`},
	{"TSIG algorithm", "mode: manual", "mode: rfc2136, server: ns1, tsigName: k, tsigAlgorithm: hmac-md5, tsigSecret: {file: tsig}", `plan.yaml:8:48: dns.tsigAlgorithm: "hmac-md5." is not an algorithm that is safe and known (write "hmac-sha224.", "hmac-sha256.", "hmac-sha384." or "hmac-sha512.")`},
	{"server in manual mode", "mode: manual", "mode: manual, server: ns1", `plan.yaml:8:21: dns.server: is not used with mode: manual (take it away, or set mode to "rfc2136")`},
	{"resolver", "mode: manual", "mode: manual, resolvers: [\"1.1.1.1:dns\"]", `plan.yaml:8:33: dns.resolvers[0]: "1.1.1.1:dns" is not a server's address (write it like ns1.contoso.com, 192.0.2.53:5353 or [2001:db8::53]:53)`},
	{"TTL", "mode: manual", "mode: manual, ttl: 86400", `plan.yaml:8:21: dns.ttl: 86400 seconds are not from 1 to 3600 (300 is usual; a short TTL makes going back quick)`},
	{"DKIM", "mode: manual", "mode: manual, dkim: [{name: selector1._domainkey.other.com, data: [x.example]}]", `plan.yaml:8:29: dns.dkim[0]: is not a DKIM record of one of the domains (write name: selector1._domainkey.contoso.com and data: [the Selector1CNAME that Get-DkimSigningConfig shows])`},
	{"sender", "from: it@contoso.com", "from: IT", `plan.yaml:10:3: notices.from: "IT" is not an address (write it like mail-team@contoso.com)`},
	{"master without password", "host: imap.contoso.com", "host: imap.contoso.com, auth: master, masterUser: x", `plan.yaml:7:6: endpoints[0].masterPassword: is missing, and auth: master needs it (write {env: NAME} for a variable or {file: path} for a file; never the secret itself)`},
	{"SMTP password alone", "host: smtp.contoso.com", "host: smtp.contoso.com, password: {env: PLAN_TEST_SECRET}", `plan.yaml:11:3: notices.before.user: is missing, and password needs it (the name to sign in with at that server)`},
	{"probe's sender", "archive:", "routing: {probeFrom: me}\narchive:", `plan.yaml:14:11: routing.probeFrom: "me" is not an address (write it like probe@example.net)`},
	{"secret's file is empty", "{env: PLAN_TEST_SECRET}", "{file: empty}", `plan.yaml:5:96: microsoft.secret: the file "empty" is empty (write the secret into it)`},
	{"Microsoft's own domain", "[contoso.com]", "[contoso.onmicrosoft.com]", `plan.yaml:4:11: domains[0]: "contoso.onmicrosoft.com" is Microsoft's own, and its MX can't be changed (list the domains that people's mail comes to)`},
	{"another encoding", "organisation: Contoso", "organisation: Contos\xf6", `plan.yaml:3: holds bytes that are not characters (save it as UTF-8)`},
	{"documents after the end", "archive: file:///srv/mailferry\n", "archive: file:///srv/mailferry\n...\nx: y\n", `plan.yaml:1: holds 2 documents (a plan is exactly one)`},
	{"merge key", "archive:", "copy: {<<: {connections: 1}}\narchive:", `plan.yaml:14:8: copy.<<: is not a key that belongs here (known keys: deleted, deletions, exclude, connections, sliceTime, sliceBytes, sliceMessages)`},
	{"tag", "tenant: contoso", "tenant: !!binary Y29udG9zbw==", `plan.yaml:2:1: tenant: is an anchor, an alias or a tag (write the value itself; a plan is plain YAML)`},
	{"tab", "dns: {mode: manual}", "dns:\n\tmode: manual", `plan.yaml:9:1: is not YAML (look at the indentation, colons and quotes of this line and the one before)`},
	{"dashes", "dns: {mode: manual}", "dns:\n  " + strings.Repeat("- ", 300) + "x", `plan.yaml:9:201: is nested too deeply (look at the dashes, brackets and indentation of this line)`},
	{"brackets", "dns: {mode: manual}", "dns: " + strings.Repeat("[", 300), `plan.yaml:8:206: is nested too deeply (look at the dashes, brackets and indentation of this line)`},
	{"indentation", "dns: {mode: manual}", "dns:\n" + strings.Repeat(" ", 300) + "mode: manual", `plan.yaml:9:301: is nested too deeply (look at the dashes, brackets and indentation of this line)`},
	{"no SMTP after", "  after: {host: smtp.office365.com}\n", "", `plan.yaml:9:1: notices.after.host: is missing (the SMTP server used from the MX change on, like smtp.office365.com)`},
	{"SMTP user alone", "host: smtp.contoso.com", "host: smtp.contoso.com, user: it", `plan.yaml:11:3: notices.before.password: is missing, and user needs it (write {env: NAME} for a variable or {file: path} for a file; never the secret itself)`},
	{"licence", "licence: EXCHANGESTANDARD, ", "", `plan.yaml:13:1: users.licence: is missing (the SKU part number for users without one of their own, like O365_BUSINESS_ESSENTIALS)`},
	{"country", "usageLocation: DE", "usageLocation: UK", `plan.yaml:13:36: users.usageLocation: "UK" is not a country (write the two capital letters of ISO 3166, like DE or US)`},
	{"many waves", "archive:", "waves: [" + strings.Repeat("{name: a}, ", 201) + "]\narchive:", `plan.yaml:14:1: waves: has 201 waves; at most 200 are allowed (put more mailboxes into each; one holds 500)`},
	{"wave twice", "archive:", "waves: [{name: a}, {name: A}]\narchive:", `plan.yaml:14:21: waves[1].name: "A" comes twice (give each wave its own name)`},
	{"proof", "archive:", "routing: {required: [probe, dns]}\narchive:", `plan.yaml:14:29: routing.required[1]: "dns" is not a proof (write "records", "old-ttl", "probe", "trace" or "quiet")`},
	{"no proof from outside", "archive:", "routing: {required: [records, quiet]}\narchive:", `plan.yaml:14:11: routing.required: has no proof by mail from outside (add "probe" or "trace")`},
	{"archive", "archive: file:///srv/mailferry", "archive: srv/mailferry", `plan.yaml:14:1: archive: "srv/mailferry" is not a file: URL (write it like file:///srv/mailferry, on storage that all workers share)`},
	{"control character", "organisation: Contoso", `organisation: "Contoso\nLtd"`, `plan.yaml:3:1: organisation: holds control characters (write it in plain characters on one line)`},
}

// Each fault has one message that names file, line, column, field, what is wrong and what to do.
func TestFaults(t *testing.T) {
	folder := t.TempDir()
	writeTestFiles(t, folder)
	for _, test := range planFaults {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(smallest, test.old, test.new, 1)
			if text == smallest {
				t.Fatalf("%q is not in the smallest plan", test.old)
			}
			got, err := read(t, folder, text)
			if err == nil {
				t.Fatalf("accepted; want %s", test.want)
			}
			if message := strings.ReplaceAll(err.Error(), folder, "FOLDER"); message != test.want {
				t.Errorf("got  %s\nwant %s", message, test.want)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Errorf("the message shows the secret: %v", err)
			}
			haveRemedies(t, err)
			if diff := cmp.Diff(migration.Plan{}, got); diff != "" {
				t.Errorf("something of a refused plan was given out: %s", diff)
			}
		})
	}
}

func writeTestFiles(t *testing.T, folder string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	app := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), ca...)
	for name, content := range map[string]string{"ca.pem": string(ca), "app.pem": string(app), "tsig": "c2VjcmV0\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlanSize(t *testing.T) {
	const want = "plan.yaml: has 300000 bytes; at most 262144 are allowed (put certificates into files of their own)"
	_, err := read(t, t.TempDir(), strings.Repeat("#", 300_000))
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	haveRemedies(t, err)
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := read(t, t.TempDir(), "tennant: x\ndns: {mode: x}\nendpoints: [{name: a, prot: 1}]\n")
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error is %v", err)
	}
	var fields []string
	for i, fault := range faults {
		fields = append(fields, fault.Field)
		if i > 0 && fault.Line < faults[i-1].Line {
			t.Errorf("fault %d is out of order", i)
		}
	}
	want := []string{
		"archive", "domains", "microsoft.clientId", "microsoft.secret", "microsoft.tenantId", "notices.after.host", "notices.before.host",
		"notices.from", "organisation", "sealTo", "tenant", "users.licence", "users.usageLocation", "tennant", "dns.mode",
		"endpoints[0].host", "endpoints[0].prot",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestCertificatesAndFiles(t *testing.T) {
	folder := t.TempDir()
	writeTestFiles(t, folder)
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(smallest, "secret: {env: PLAN_TEST_SECRET}", "certificate: {file: app.pem}, ca: ca.pem", 1)
	text = strings.Replace(text, "dns: {mode: manual}", "dns: {mode: rfc2136, server: ns1, tsigName: k, tsigAlgorithm: HMAC-SHA512, tsigSecret: {file: tsig}, authoritative: [\"::1\"]}", 1)
	text += "target:\n  host: localhost\n  ca: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(ca)), "\n", "\n    ") + "\n"
	p, err := read(t, folder, text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Microsoft.CA != string(ca) || p.Target.CA != string(ca) {
		t.Errorf("the certificates are not the files' content: %q and %q", p.Microsoft.CA, p.Target.CA)
	}
	if p.DNS.TSIGSecret != "sealed(8)" {
		t.Errorf("the TSIG secret is %q; the file's last line break is no part of it", p.DNS.TSIGSecret)
	}
	if p.DNS.Server != "ns1:53" || p.DNS.TSIGAlgorithm != "hmac-sha512." || p.DNS.Authoritative[0] != "[::1]:53" {
		t.Errorf("DNS is %+v", p.DNS)
	}
}

func TestSealTo(t *testing.T) {
	folder := t.TempDir()
	for name, test := range map[string]struct{ text, want, err string }{
		"there":    {"tenant: [broken]\nsealTo: mfpub1:abc\n", "mfpub1:abc", ""},
		"missing":  {"tenant: x\n", "", `plan.yaml:1: sealTo: is missing (the workers' public key, as "starter keygen" prints it: mfpub1:...)`},
		"not YAML": {"sealTo: [", "", "plan.yaml:1:9: is not YAML (look at the indentation, colons and quotes of this line and the one before)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(folder, "plan.yaml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := SealTo(path)
			if got != test.want || test.err != "" && (err == nil || err.Error() != test.err) || test.err == "" && err != nil {
				t.Errorf("got %q, %v; want %q, %s", got, err, test.want, test.err)
			}
		})
	}
}

// spelt is the example with what its comments call the default.
func spelt(example string) string {
	return strings.NewReplacer("# target:\n", "target:\n", "# copy:\n", "copy:\n", "# timing:\n", "timing:\n", "\n#   ", "\n  ", "  # perMinute", "  perMinute", "    # security: tls ", "    security: tls ", "    # port: 993", "    port: 993", "exclude: [Spam]", "exclude: []").Replace(example)
}

// The examples that are published are accepted, and use every section there is.
func TestExamples(t *testing.T) {
	folder := t.TempDir()
	text, err := os.ReadFile("../../docs/examples/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CONTOSO_CLIENT_SECRET", "CONTOSO_SMTP", "CONTOSO_SMTP_AFTER", "PROBE_PASSWORD"} {
		t.Setenv(name, "x")
	}
	t.Setenv("CONTOSO_TSIG", "c2VjcmV0")
	if err := os.Mkdir(filepath.Join(folder, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "secrets/dovecot-master"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := read(t, folder, string(text))
	if err != nil {
		t.Fatal(err)
	}
	mailboxes, warnings, err := ReadCSV("../../docs/examples/mailboxes.csv", &p, seal)
	if err != nil || len(warnings) != 0 || len(mailboxes) != 4 {
		t.Fatalf("%d mailboxes, warnings %v, error %v", len(mailboxes), warnings, err)
	}
	want := migration.Mailbox{
		Address: "marie@contoso.co.uk", User: "marie@contoso.co.uk", Password: "sealed(24)", DisplayName: "Marie Curie", Endpoint: "zimbra",
		Type: migration.UserMailbox, Licence: "EXCHANGESTANDARD", UsageLocation: "FR", Language: "fr", Wave: "main",
	}
	if diff := cmp.Diff(want, mailboxes[3]); diff != "" {
		t.Errorf("the last mailbox (-want +got):\n%s", diff)
	}
	// What the comments call the default is the default.
	spelled, err := read(t, folder, spelt(string(text)))
	if err != nil {
		t.Fatalf("with the comments taken in: %v", err)
	}
	spelled.Copy.Exclude = nil
	if diff := cmp.Diff(p, spelled); diff != "" {
		t.Errorf("what the example calls the default isn't (-default +example):\n%s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte("a: &a [*a]\nb: !!binary x\n<<: *a"))
	f.Add([]byte("sealTo: {env: HOME}\ndomains: [[[]]]\nwaves: {a: - b}"))
	f.Add([]byte(strings.Repeat("- ", maxPlan/2))) // which the parser would take 20 GB for
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := decode("plan.yaml", data, seal)
		if faults := (Faults{}); err != nil && !errors.As(err, &faults) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestWhatEachMailboxIsGivenIsBounded(t *testing.T) {
	folders := func(n int) string {
		var b strings.Builder
		b.WriteString("copy:\n  exclude:\n")
		for i := range n {
			fmt.Fprintf(&b, "    - Projects/%04d %s\n", i, strings.Repeat("x", 80))
		}
		return b.String()
	}
	if _, err := read(t, t.TempDir(), smallest+folders(900)); err != nil {
		t.Errorf("900 folders: %v", err)
	}
	if _, err := read(t, t.TempDir(), smallest+folders(1100)); err == nil || !strings.Contains(err.Error(), "endpoints[0]: gives each of its mailboxes") {
		t.Errorf("1,100 folders: %v; want a refusal of what is given to each mailbox", err)
	}
}
