package zone

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/zone/bindtest"
)

const zoneText = `$TTL 3600
@ IN SOA ns1 admin 1 3600 600 86400 60
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.2
@ 86400 IN MX 10 mail
@ 86400 IN MX 20 Backup.Contoso.COM.
@ IN TXT "v=spf1 mx " "-all"
@ IN TXT "quote \" backslash \\ and \233"
www IN CNAME @
mail IN A 192.0.2.1
backup IN A 192.0.2.2
sub IN TXT "in the same zone"
`

func start(t *testing.T) *bindtest.Server {
	return bindtest.Start(t, bindtest.Options{Zones: map[string]string{"contoso.com": zoneText}})
}

func client(s *bindtest.Server) *Client {
	return New(Config{
		Mode: ModeUpdate, Server: s.Address, Authoritative: []string{s.Address}, Resolvers: []string{s.Address},
		TSIGName: bindtest.KeyName, TSIGSecret: bindtest.KeySecret,
	})
}

func read(t *testing.T, c *Client, name, kind string) migration.Record {
	t.Helper()
	r, err := c.Read(context.Background(), name, kind)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRead(t *testing.T) {
	c := client(start(t))
	for _, test := range []struct {
		name, kind string
		want       migration.Record
	}{
		{"contoso.com", "MX", migration.Record{Name: "contoso.com", Type: "MX", TTL: 86400, Data: []string{"10 mail.contoso.com", "20 backup.contoso.com"}}},
		{"CONTOSO.com.", "txt", migration.Record{Name: "contoso.com", Type: "TXT", TTL: 3600, Data: []string{"quote \" backslash \\ and \xe9", "v=spf1 mx -all"}}},
		{"www.contoso.com", "CNAME", migration.Record{Name: "www.contoso.com", Type: "CNAME", TTL: 3600, Data: []string{"contoso.com"}}},
		{"mail.contoso.com", "MX", migration.Record{Name: "mail.contoso.com", Type: "MX"}},
		{"nothing.contoso.com", "TXT", migration.Record{Name: "nothing.contoso.com", Type: "TXT"}},
	} {
		if diff := cmp.Diff(test.want, read(t, c, test.name, test.kind)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.name, test.kind, diff)
		}
	}
	_, err := c.Read(context.Background(), "www.contoso.com", "MX")
	wantProblem(t, err, "name-is-alias", "www.contoso.com is an alias (CNAME) of contoso.com, so it has no MX record of its own")
	if _, err := c.Read(context.Background(), "example.org", "MX"); err == nil || !strings.Contains(err.Error(), "REFUSED") {
		t.Errorf("a zone that isn't served: %v", err)
	}
}

func wantProblem(t *testing.T, err error, kind, text string) {
	t.Helper()
	problem, ok := migration.AsProblem(err)
	if !ok || problem.Kind != kind || !strings.Contains(problem.Text, text) || problem.Remedy == "" {
		t.Errorf("got  %v\nwant a problem %q with a remedy: %s", err, kind, text)
	}
	if err != nil && strings.Contains(err.Error(), bindtest.KeySecret) {
		t.Errorf("the error shows the key")
	}
}

func mx(ttl uint32, data ...string) migration.Record {
	return migration.Record{Name: "contoso.com", Type: "MX", TTL: ttl, Data: data}
}

func TestApply(t *testing.T) {
	c := client(start(t))
	ctx := context.Background()
	before := read(t, c, "contoso.com", "MX")
	after := mx(300, "0 Contoso-com.mail.protection.outlook.com.")
	want := mx(300, "0 contoso-com.mail.protection.outlook.com")

	for range 2 { // The second changes nothing and succeeds.
		if err := c.Apply(ctx, migration.Change{Before: before, After: after}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, c, "contoso.com", "MX")); diff != "" {
			t.Fatalf("after the change (-want +got):\n%s", diff)
		}
	}
	lower := mx(60, want.Data...)
	if err := c.Apply(ctx, migration.Change{Before: want, After: lower}); err != nil {
		t.Fatalf("the TTL alone: %v", err)
	}
	err := c.Apply(ctx, migration.Change{Before: want, After: before})
	wantProblem(t, err, KindChanged, "there is MX 0 contoso-com.mail.protection.outlook.com, TTL 60 where there was MX 0 contoso-com.mail.protection.outlook.com, TTL 300")
	if err := c.Apply(ctx, migration.Change{Before: lower, After: before}); err != nil {
		t.Fatalf("back: %v", err)
	}
	if diff := cmp.Diff(before, read(t, c, "contoso.com", "MX")); diff != "" {
		t.Errorf("after going back (-want +got):\n%s", diff)
	}
}

func TestApplyAddsAndTakesAway(t *testing.T) {
	c := client(start(t))
	ctx := context.Background()
	long := strings.Repeat("long \"text\" \\ ", 40) + "\x00\xff"
	for _, after := range []migration.Record{
		{Name: "_dmarc.contoso.com", Type: "TXT", TTL: 300, Data: []string{"v=DMARC1; p=none"}},
		{Name: "long.contoso.com", Type: "TXT", TTL: 300, Data: []string{long, "second"}},
		{Name: "selector1._domainkey.contoso.com", Type: "CNAME", TTL: 300, Data: []string{"selector1-contoso-com._domainkey.contoso.a-v1.dkim.mail.microsoft"}},
	} {
		nothing := migration.Record{Name: after.Name, Type: after.Type}
		if err := c.Apply(ctx, migration.Change{Before: nothing, After: after}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, read(t, c, after.Name, after.Type)); diff != "" {
			t.Errorf("added (-want +got):\n%s", diff)
		}
		other := after
		other.TTL = 301
		wantProblem(t, c.Apply(ctx, migration.Change{Before: nothing, After: other}), KindChanged, "where there was no "+after.Type+" record")
		for range 2 {
			if err := c.Apply(ctx, migration.Change{Before: after, After: nothing}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(nothing, read(t, c, after.Name, after.Type)); diff != "" {
			t.Errorf("taken away (-want +got):\n%s", diff)
		}
	}
	// BIND ignores a CNAME beside other records without a word (RFC 2136, section 3.4.2.2).
	alias := migration.Record{Name: "sub.contoso.com", Type: "CNAME", TTL: 300, Data: []string{"contoso.com"}}
	wantProblem(t, c.Apply(ctx, migration.Change{After: alias}), KindRefused, "accepted the change of sub.contoso.com but did not make it")
}

func TestApplyRefused(t *testing.T) {
	server := start(t)
	tests := []struct {
		name       string
		set        func(*Config)
		zone       string
		kind, text string
	}{
		{"unknown key", func(c *Config) { c.TSIGName = "nobody.test" }, "contoso.com", KindKey, `it answers BADKEY, so it does not know the key "nobody.test" for this`},
		{"other secret", func(c *Config) { c.TSIGSecret = "b3RoZXI=" }, "contoso.com", KindKey, `it answers BADSIG, so its key "mailferry.test" has another secret`},
		{"other algorithm", func(c *Config) { c.TSIGAlgorithm = "hmac-sha512" }, "contoso.com", KindKey, `it answers BADKEY`},
		{"key without rights", func(c *Config) { c.TSIGName = bindtest.OtherKeyName }, "contoso.com", KindRefused, `it answers REFUSED`},
		{"no key", func(c *Config) { c.TSIGName = "" }, "contoso.com", KindRefused, `it answers REFUSED`},
		{"other zone", func(*Config) {}, "example.org", KindNotServed, `does not serve the zone of new.example.org`},
		{"no server", func(c *Config) { c.Server = "" }, "contoso.com", KindNotServed, `no server is configured`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := client(server).config
			test.set(&config)
			after := migration.Record{Name: "new." + test.zone, Type: "TXT", TTL: 60, Data: []string{"x"}}
			wantProblem(t, New(config).Apply(context.Background(), migration.Change{After: after}), test.kind, test.text)
		})
	}
	if got := read(t, client(server), "new.contoso.com", "TXT"); len(got.Data) != 0 {
		t.Errorf("a refused change was made: %v", got)
	}
}

// Of many who change the same set at once from the same before-image, one wins and the others are told.
func TestApplyIsCompareAndSet(t *testing.T) {
	c := client(start(t))
	before := read(t, c, "contoso.com", "MX")
	const many = 8
	errs := make([]error, many)
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			errs[i] = c.Apply(context.Background(), migration.Change{Before: before, After: mx(300, fmt.Sprintf("%d mx.example.com", i))})
		})
	}
	group.Wait()
	won := -1
	for i, err := range errs {
		if err == nil {
			if won >= 0 {
				t.Errorf("both %d and %d won", won, i)
			}
			won = i
			continue
		}
		wantProblem(t, err, KindChanged, "was changed by someone else")
	}
	if got := read(t, c, "contoso.com", "MX"); won < 0 || got.Data[0] != fmt.Sprintf("%d mx.example.com", won) {
		t.Errorf("%d won, and there is %v", won, got)
	}
}

func TestByHand(t *testing.T) {
	server := start(t)
	update := client(server)
	config := update.config
	config.Mode, config.Server = ModeManual, ""
	hand := New(config)
	ctx := context.Background()
	before := read(t, hand, "contoso.com", "MX")
	after := mx(300, "0 contoso-com.mail.protection.outlook.com")
	steps := []struct {
		name       string
		change     migration.Change
		made       migration.Record
		kind, text string
	}{
		{
			"lower the TTL",
			migration.Change{Before: before, After: mx(300, before.Data...)},
			mx(120, before.Data...), KindByHand,
			"the DNS of contoso.com is to be changed by hand: lower the TTL of MX 10 mail.contoso.com and 20 backup.contoso.com, TTL 86400 from 86400 to 300",
		},
		{
			"change, with a TTL of the provider's own",
			migration.Change{Before: mx(300, before.Data...), After: after},
			mx(900, after.Data...), KindByHand,
			"replace MX 10 mail.contoso.com and 20 backup.contoso.com, TTL 120 by MX 0 contoso-com.mail.protection.outlook.com, TTL 300",
		},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			wantProblem(t, hand.Apply(ctx, step.change), step.kind, step.text)
			now := read(t, hand, "contoso.com", "MX")
			if err := update.Apply(ctx, migration.Change{Before: now, After: step.made}); err != nil {
				t.Fatal(err)
			}
			if err := hand.Apply(ctx, step.change); err != nil {
				t.Errorf("after it was made: %v", err)
			}
		})
	}
	wantProblem(t, hand.Apply(ctx, migration.Change{Before: before, After: mx(300, "5 other.example")}), KindChanged, "was changed by someone else")
	added := migration.Record{Name: "new.contoso.com", Type: "TXT", TTL: 60, Data: []string{"MS=ms1"}}
	wantProblem(t, hand.Apply(ctx, migration.Change{After: added}), KindByHand, `add TXT "MS=ms1", TTL 60`)
}

// Without configured servers they are found by the zone's NS records, and all of them must agree.
func TestServersFoundByNS(t *testing.T) {
	first, second := start(t), start(t)
	resolver := bindtest.Start(t, bindtest.Options{Forward: map[string]string{"contoso.com": first.Address}})
	c := New(Config{Mode: ModeUpdate, Server: first.Address, Resolvers: []string{resolver.Address}, TSIGName: bindtest.KeyName, TSIGSecret: bindtest.KeySecret})
	c.at = func(ip string) string {
		return map[string]string{"127.0.0.1": first.Address, "127.0.0.2": second.Address}[ip]
	}
	ctx := context.Background()

	old := read(t, c, "contoso.com", "MX")
	read(t, c, "deep.sub.contoso.com", "TXT") // in the same zone, found by its SOA
	if missing, err := c.Missing(ctx, old); err != nil || len(missing) != 0 {
		t.Fatalf("missing %q, %v", missing, err)
	}
	after := mx(1, "0 new.example.com")
	if err := c.Apply(ctx, migration.Change{Before: old, After: after}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(ctx, "contoso.com", "MX")
	if _, problem := migration.AsProblem(err); err == nil || problem || !strings.Contains(err.Error(), "the servers of contoso.com disagree: ns1.contoso.com has MX 0 new.example.com, TTL 1, ns2.contoso.com has MX 10 mail.contoso.com") {
		t.Errorf("servers that disagree: %v", err)
	}
	want := []string{
		"ns2.contoso.com (has MX 10 mail.contoso.com and 20 backup.contoso.com, TTL 86400)",
		resolver.Address + " (has MX 10 mail.contoso.com and 20 backup.contoso.com, TTL ",
	}
	missing, err := c.Missing(ctx, after)
	if err != nil || len(missing) != 2 || missing[0] != want[0] || !strings.HasPrefix(missing[1], want[1]) {
		t.Errorf("missing %q, %v", missing, err)
	}
	byResolver := New(Config{Authoritative: []string{resolver.Address}})
	if _, err := byResolver.Read(ctx, "contoso.com", "MX"); err == nil {
		t.Error("read a TTL from a cache")
	}
	c.config.Server = second.Address
	if err := c.Apply(ctx, migration.Change{Before: old, After: after}); err != nil {
		t.Fatal(err)
	}
	c.config.Resolvers = []string{first.Address}
	if missing, err := c.Missing(ctx, after); err != nil || len(missing) != 0 {
		t.Errorf("missing %q, %v", missing, err)
	}
}

func TestMissing(t *testing.T) {
	c := client(start(t))
	for _, test := range []struct {
		name string
		want migration.Record
		none bool // nobody misses it
	}{
		{"one of several texts", migration.Record{Name: "contoso.com", Type: "TXT", Data: []string{"v=spf1 mx -all"}}, true},
		{"a text that isn't there", migration.Record{Name: "contoso.com", Type: "TXT", Data: []string{"v=spf1 mx -all", "MS=ms1"}}, false},
		{"the mail exchangers, in any form", mx(0, "20 BACKUP.contoso.com.", "10 mail.contoso.com"), true},
		{"one of several mail exchangers", mx(0, "10 mail.contoso.com"), false},
		{"an alias", migration.Record{Name: "www.contoso.com", Type: "CNAME", Data: []string{"Contoso.com."}}, true},
		{"nothing", migration.Record{Name: "nothing.contoso.com", Type: "TXT"}, true},
		{"nothing where something is", migration.Record{Name: "contoso.com", Type: "TXT"}, false},
	} {
		missing, err := c.Missing(context.Background(), test.want)
		if err != nil || (len(missing) == 0) != test.none {
			t.Errorf("%s: missing %q, %v", test.name, missing, err)
		}
	}
	if _, err := c.Missing(context.Background(), mx(0, "ten mail")); err == nil {
		t.Error("a record that is none")
	}
}

func TestServersThatDoNotAnswer(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := New(Config{Authoritative: []string{silent.LocalAddr().String()}, Resolvers: []string{silent.LocalAddr().String()}})
	c.patience = 50 * time.Millisecond
	if _, err := c.Read(context.Background(), "contoso.com", "MX"); err == nil {
		t.Error("read from a silent server")
	}
	missing, err := c.Missing(context.Background(), mx(300, "0 x.example"))
	if err != nil || len(missing) != 2 || !strings.Contains(missing[0], "no answer from") {
		t.Errorf("missing %q, %v", missing, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Missing(ctx, mx(300, "0 x.example")); err == nil {
		t.Error("no error after the context ended")
	}
}

func FuzzText(f *testing.F) {
	f.Add("v=spf1 -all")
	f.Add("\\ \" \x00 \\123")
	f.Fuzz(func(t *testing.T, text string) {
		if got := joinText(splitText(text)); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
		joinText([]string{text}) // whatever a server sends
	})
}
