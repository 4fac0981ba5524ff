package dns

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
	"go.etcd.io/bbolt"
)

// FuzzUpdate gives whatever parses as a message to the part behind the signature check: it must not fall over, and
// the zone must stay one that can be read back.
func FuzzUpdate(f *testing.F) {
	add := new(dns.Msg).SetUpdate("harbour.example.")
	mx, err := dns.NewRR("harbour.example. 2 IN MX 0 new.example.")
	if err != nil {
		f.Fatal(err)
	}
	add.RemoveRRset([]dns.RR{mx})
	add.Insert([]dns.RR{mx})
	add.Used([]dns.RR{mx})
	wire, err := add.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "world.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	a, err := Open(db, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	const text = "harbour.example. 60 IN SOA ns1.harbour.example. h.harbour.example. 1 2 3 4 5\nharbour.example. 60 IN NS ns1.harbour.example."
	if err := a.AddZone(text); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		message := new(dns.Msg)
		if message.Unpack(wire) != nil {
			return
		}
		a.update(message)
		z := a.zones["harbour.example."]
		if len(z.set(z.origin, dns.TypeNS)) == 0 || len(z.set(z.origin, dns.TypeSOA)) != 1 {
			t.Fatalf("the zone has lost its own records: %v", z.records)
		}
		again, err := Open(db, nil, a.log)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.zones["harbour.example."].records) != len(z.records) {
			t.Errorf("read back %v, want %v", again.zones["harbour.example."].records, z.records)
		}
	})
}
