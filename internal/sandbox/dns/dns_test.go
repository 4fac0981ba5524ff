package dns_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/dns"
)

const (
	keyName = "mailferry."
	secret  = "c2VjcmV0LWZvci10ZXN0cy1vbmx5LTEyMzQ1Njc4OTA="
	zone    = `harbour.example. 3600 IN SOA ns1.harbour.example. hostmaster.harbour.example. 7 3600 600 86400 5
harbour.example. 3600 IN NS ns1.harbour.example.
ns1.harbour.example. 3600 IN A 127.0.0.1
harbour.example. 8 IN MX 10 mx.harbour.example.
harbour.example. 60 IN TXT "v=spf1 mx -all"
mx.harbour.example. 60 IN A 127.0.0.1
www.harbour.example. 60 IN CNAME mx.harbour.example.
a.b.harbour.example. 60 IN A 127.0.0.1`
)

func open(t *testing.T, path string) (*dns.Authority, *bbolt.DB) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a, err := dns.Open(db, map[string]string{keyName: secret}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a, db
}

func serve(t *testing.T, server interface {
	Serve(context.Context, dns.Sockets) error
},
) string {
	t.Helper()
	sockets, err := dns.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, sockets) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return sockets.Address()
}

func world(t *testing.T) (*dns.Authority, string) {
	t.Helper()
	a, _ := open(t, filepath.Join(t.TempDir(), "world.db"))
	if err := a.AddZone(zone); err != nil {
		t.Fatal(err)
	}
	return a, serve(t, a)
}

func ask(t *testing.T, network, server, name string, kind uint16, recursion bool) *mdns.Msg {
	t.Helper()
	query := new(mdns.Msg).SetQuestion(name, kind)
	query.RecursionDesired = recursion
	reply, _, err := (&mdns.Client{Net: network, Timeout: 2 * time.Second}).Exchange(query, server)
	if err != nil {
		t.Fatalf("asking %s for %s: %v", server, name, err)
	}
	return reply
}

func TestQueries(t *testing.T) {
	_, address := world(t)
	for _, test := range []struct {
		name    string
		kind    uint16
		rcode   int
		answers int
		soa     bool
	}{
		{"harbour.example.", mdns.TypeMX, mdns.RcodeSuccess, 1, false},
		{"HARBOUR.example.", mdns.TypeSOA, mdns.RcodeSuccess, 1, false},
		{"www.harbour.example.", mdns.TypeA, mdns.RcodeSuccess, 2, false},
		{"www.harbour.example.", mdns.TypeCNAME, mdns.RcodeSuccess, 1, false},
		{"mx.harbour.example.", mdns.TypeMX, mdns.RcodeSuccess, 0, true},
		{"b.harbour.example.", mdns.TypeA, mdns.RcodeSuccess, 0, true},
		{"none.harbour.example.", mdns.TypeA, mdns.RcodeNameError, 0, true},
		{"elsewhere.example.", mdns.TypeA, mdns.RcodeRefused, 0, false},
	} {
		for _, network := range []string{"udp", "tcp"} {
			reply := ask(t, network, address, test.name, test.kind, false)
			if reply.Rcode != test.rcode || len(reply.Answer) != test.answers || (len(reply.Ns) > 0) != test.soa {
				t.Errorf("%s %s over %s: got\n%v", test.name, mdns.TypeToString[test.kind], network, reply)
			}
			if test.rcode != mdns.RcodeRefused && !reply.Authoritative {
				t.Errorf("%s: the answer is not authoritative", test.name)
			}
		}
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

func update(t *testing.T, server, name, key string, build func(*mdns.Msg)) (*mdns.Msg, error) {
	t.Helper()
	message := new(mdns.Msg).SetUpdate("harbour.example.")
	build(message)
	client := &mdns.Client{Net: "tcp", Timeout: 2 * time.Second}
	if name != "" {
		message.SetTsig(name, mdns.HmacSHA256, 300, time.Now().Unix())
		client.TsigSecret = map[string]string{name: key}
	}
	reply, _, err := client.Exchange(message, server)
	return reply, err
}

func TestUpdates(t *testing.T) {
	newMX := func(t *testing.T) []mdns.RR {
		return []mdns.RR{rr(t, "harbour.example. 2 IN MX 0 harbour-example.mail.protection.outlook.example.")}
	}
	oldMX := func(t *testing.T) []mdns.RR {
		return []mdns.RR{rr(t, "harbour.example. 0 IN MX 10 mx.harbour.example.")}
	}
	for _, test := range []struct {
		name  string
		build func(*testing.T, *mdns.Msg)
		rcode int
	}{
		{"replace where the old set stands", func(t *testing.T, m *mdns.Msg) {
			m.Used(oldMX(t))
			m.RemoveRRset(oldMX(t))
			m.Insert(newMX(t))
		}, mdns.RcodeSuccess},
		{"another value stands", func(t *testing.T, m *mdns.Msg) {
			m.Used([]mdns.RR{rr(t, "harbour.example. 0 IN MX 20 mx.harbour.example.")})
			m.Insert(newMX(t))
		}, mdns.RcodeNXRrset},
		{"more values are required than stand", func(t *testing.T, m *mdns.Msg) {
			m.Used(append(oldMX(t), rr(t, "harbour.example. 0 IN MX 20 backup.harbour.example.")))
			m.Insert(newMX(t))
		}, mdns.RcodeNXRrset},
		{"nothing may stand but does", func(t *testing.T, m *mdns.Msg) {
			m.RRsetNotUsed(oldMX(t))
			m.Insert(newMX(t))
		}, mdns.RcodeYXRrset},
		{"a name that must be in use is not", func(t *testing.T, m *mdns.Msg) {
			m.NameUsed([]mdns.RR{rr(t, "none.harbour.example. 0 IN A 127.0.0.1")})
		}, mdns.RcodeNameError},
		{"a name that must be free is not", func(t *testing.T, m *mdns.Msg) {
			m.NameNotUsed(oldMX(t))
		}, mdns.RcodeYXDomain},
		{"a name of another zone", func(t *testing.T, m *mdns.Msg) {
			m.Insert([]mdns.RR{rr(t, "elsewhere.example. 60 IN A 127.0.0.1")})
		}, mdns.RcodeNotZone},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, address := world(t)
			reply, err := update(t, address, keyName, secret, func(m *mdns.Msg) { test.build(t, m) })
			if err != nil {
				t.Fatal(err)
			}
			if reply.Rcode != test.rcode {
				t.Fatalf("got %s, want %s", mdns.RcodeToString[reply.Rcode], mdns.RcodeToString[test.rcode])
			}
			serial := a.Lookup("harbour.example.", mdns.TypeSOA)[0].(*mdns.SOA).Serial
			mx := a.Lookup("harbour.example.", mdns.TypeMX)
			changed := len(mx) == 1 && mx[0].Header().Ttl == 2
			if want := test.rcode == mdns.RcodeSuccess; changed != want || (serial == 8) != want {
				t.Errorf("changed %v, serial %d; want changed %v", changed, serial, want)
			}
		})
	}
}

func TestUpdateTakesTheTTLOfTheWholeSet(t *testing.T) {
	a, address := world(t)
	reply, err := update(t, address, keyName, secret, func(m *mdns.Msg) {
		m.Insert([]mdns.RR{rr(t, `harbour.example. 30 IN TXT "MS=ms12345678"`)})
	})
	if err != nil || reply.Rcode != mdns.RcodeSuccess {
		t.Fatalf("%v, %v", reply, err)
	}
	set := a.Lookup("harbour.example.", mdns.TypeTXT)
	if len(set) != 2 || set[0].Header().Ttl != 30 || set[1].Header().Ttl != 30 {
		t.Errorf("got %v, want two records with a TTL of 30", set)
	}
	reply, err = update(t, address, keyName, secret, func(m *mdns.Msg) { m.Remove(set[1:]) })
	if err != nil || reply.Rcode != mdns.RcodeSuccess || len(a.Lookup("harbour.example.", mdns.TypeTXT)) != 1 {
		t.Errorf("taking one value away: %v, %v; left %v", reply, err, a.Lookup("harbour.example.", mdns.TypeTXT))
	}
}

func TestBadSignaturesChangeNothing(t *testing.T) {
	a, address := world(t)
	insert := func(m *mdns.Msg) { m.Insert([]mdns.RR{rr(t, "harbour.example. 2 IN MX 0 evil.example.")}) }
	for _, test := range []struct {
		name, key, secret string
		rcode             int
		reason            uint16
	}{
		{"no signature", "", "", mdns.RcodeRefused, 0},
		{"wrong secret", keyName, "d3Jvbmc=", mdns.RcodeNotAuth, mdns.RcodeBadSig},
		{"unknown key", "someone.", secret, mdns.RcodeNotAuth, mdns.RcodeBadKey},
	} {
		reply, _ := update(t, address, test.key, test.secret, insert)
		if reply == nil || reply.Rcode != test.rcode {
			t.Errorf("%s: got %v, want %s", test.name, reply, mdns.RcodeToString[test.rcode])
			continue
		}
		if signature := reply.IsTsig(); test.reason != 0 && (signature == nil || signature.Error != test.reason) {
			t.Errorf("%s: TSIG is %v, want the error %d", test.name, signature, test.reason)
		}
	}
	if mx := a.Lookup("harbour.example.", mdns.TypeMX); len(mx) != 1 {
		t.Errorf("the zone was changed: %v", mx)
	}
}

func TestZonesAreDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	a, db := open(t, path)
	if err := a.AddZone(zone); err != nil {
		t.Fatal(err)
	}
	if err := a.Replace(rr(t, "harbour.example. 5 IN MX 1 other.example.")); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	a, _ = open(t, path)
	if err := a.AddZone(zone); err != nil {
		t.Fatal(err)
	}
	mx, txt := a.Lookup("harbour.example", mdns.TypeMX), a.Lookup("harbour.example", mdns.TypeTXT)
	if len(mx) != 1 || mx[0].(*mdns.MX).Mx != "other.example." || txt[0].(*mdns.TXT).Txt[0] != "v=spf1 mx -all" {
		t.Errorf("read back %v, %v", mx, txt)
	}
}

func TestResolversRememberAndDisagree(t *testing.T) {
	a, address := world(t)
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	first, second := serve(t, dns.NewResolver(address, now)), serve(t, dns.NewResolver(address, now))
	mx := func(resolver string) (string, uint32) {
		reply := ask(t, "udp", resolver, "harbour.example.", mdns.TypeMX, true)
		if len(reply.Answer) != 1 {
			t.Fatalf("got %v", reply)
		}
		return reply.Answer[0].(*mdns.MX).Mx, reply.Answer[0].Header().Ttl
	}
	expect := func(when, resolver, host string, ttl uint32) {
		t.Helper()
		if h, left := mx(resolver); h != host || left != ttl {
			t.Errorf("%s: got %s for %d s, want %s for %d s", when, h, left, host, ttl)
		}
	}
	expect("at first", first, "mx.harbour.example.", 8)
	clock.Store(5)
	expect("after 5 s", first, "mx.harbour.example.", 3)
	if err := a.Replace(rr(t, "harbour.example. 2 IN MX 0 new.example.")); err != nil {
		t.Fatal(err)
	}
	expect("after the change, from memory", first, "mx.harbour.example.", 3)
	expect("after the change, asked for the first time", second, "new.example.", 2)
	clock.Store(8)
	expect("once the old TTL is over", first, "new.example.", 2)
}

func TestResolverRemembersWhatIsNotThere(t *testing.T) {
	a, address := world(t)
	var clock atomic.Int64
	resolver := serve(t, dns.NewResolver(address, func() time.Time { return time.Unix(clock.Load(), 0) }))
	rcode := func() int { return ask(t, "tcp", resolver, "new.harbour.example.", mdns.TypeTXT, true).Rcode }
	if got := rcode(); got != mdns.RcodeNameError {
		t.Fatalf("got %s", mdns.RcodeToString[got])
	}
	if err := a.Replace(rr(t, `new.harbour.example. 60 IN TXT "here"`)); err != nil {
		t.Fatal(err)
	}
	clock.Store(4)
	if got := rcode(); got != mdns.RcodeNameError {
		t.Errorf("before the SOA minimum is over: got %s", mdns.RcodeToString[got])
	}
	clock.Store(5)
	if got := rcode(); got != mdns.RcodeSuccess {
		t.Errorf("afterwards: got %s", mdns.RcodeToString[got])
	}
	if refused := ask(t, "udp", resolver, "harbour.example.", mdns.TypeMX, false); refused.Rcode != mdns.RcodeRefused {
		t.Errorf("a query that wants no recursion: got %s", mdns.RcodeToString[refused.Rcode])
	}
}
