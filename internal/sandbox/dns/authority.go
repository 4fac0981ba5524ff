// Package dns is the name service of the simulated world: an authoritative server whose zones can be changed by
// dynamic updates (RFC 2136) signed with TSIG (RFC 8945), and caching resolvers that give out what they remember until
// its TTL has run out (RFC 1035, 7.4, and RFC 2308 for what does not exist).
//
// Zones are durable: a change is in the database before it is answered. What a resolver remembers is not; one that is
// started again starts empty, as after a reboot. It is a server for loopback: no DNSSEC, no zone transfers.
package dns

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
	"go.etcd.io/bbolt"
)

var bucket = []byte("dns")

// Authority is the authoritative server. It is safe for concurrent use.
type Authority struct {
	db   *bbolt.DB
	keys map[string]string
	log  *slog.Logger

	mu    sync.RWMutex
	zones map[string]*zone
}

// zone is an origin and everything it holds; the first record is the SOA.
type zone struct {
	origin  string
	records []dns.RR
}

// Open reads the zones that db holds. Keys are the TSIG keys that may change zones, by name, with base64 secrets; the
// algorithm is the signer's choice among those of miekg/dns.
func Open(db *bbolt.DB, keys map[string]string, log *slog.Logger) (*Authority, error) {
	a := &Authority{db: db, keys: map[string]string{}, log: log, zones: map[string]*zone{}}
	for name, secret := range keys {
		a.keys[dns.CanonicalName(name)] = secret
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(origin, text []byte) error {
			records, err := parse(text)
			if err != nil {
				return fmt.Errorf("zone %q in the database: %w", origin, err)
			}
			a.zones[string(origin)] = &zone{string(origin), records}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// AddZone begins a zone with records in the text form of a zone file, one a line with absolute names, the SOA first.
// A zone that is there already stays as it is.
func (a *Authority) AddZone(text string) error {
	records, err := parse([]byte(text))
	if err != nil {
		return err
	}
	if len(records) == 0 || records[0].Header().Rrtype != dns.TypeSOA {
		return fmt.Errorf("a zone must begin with its SOA record")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	z := &zone{dns.CanonicalName(records[0].Header().Name), records}
	if a.zones[z.origin] != nil {
		return nil
	}
	return a.store(z)
}

// Replace puts a set in the place of the one of the same name and type, as its owner may do beside any update: the
// records must be one set of a zone that is there.
func (a *Authority) Replace(set ...dns.RR) error {
	if len(set) == 0 {
		return fmt.Errorf("nothing to replace with")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	name, kind := set[0].Header().Name, set[0].Header().Rrtype
	z := a.zoneOf(name)
	if z == nil {
		return fmt.Errorf("no zone for %q", name)
	}
	next := &zone{z.origin, slices.Clone(z.records)}
	next.remove(name, kind)
	for _, rr := range set {
		next.records = append(next.records, dns.Copy(rr))
	}
	next.bump()
	return a.store(next)
}

// store makes z durable and then known. The caller holds the lock.
func (a *Authority) store(z *zone) error {
	var text bytes.Buffer
	for _, rr := range z.records {
		text.WriteString(rr.String() + "\n")
	}
	// An exotic record that has no text form must not keep the zone from being read again.
	if _, err := parse(text.Bytes()); err != nil {
		return err
	}
	err := a.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).Put([]byte(z.origin), text.Bytes())
	})
	if err != nil {
		return fmt.Errorf("storing zone %q: %w", z.origin, err)
	}
	a.zones[z.origin] = z
	return nil
}

// zoneOf finds the zone that name lies in: the longest origin wins. The caller holds the lock.
func (a *Authority) zoneOf(name string) *zone {
	name = dns.CanonicalName(name)
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if z := a.zones[name[off:]]; z != nil {
			return z
		}
	}
	return nil
}

// Lookup returns the set of that name and type, as it stands in the database now.
func (a *Authority) Lookup(name string, kind uint16) []dns.RR {
	a.mu.RLock()
	defer a.mu.RUnlock()
	z := a.zoneOf(name)
	if z == nil {
		return nil
	}
	set := z.set(name, kind)
	for i, rr := range set {
		set[i] = dns.Copy(rr)
	}
	return set
}

// ServeDNS implements dns.Handler: queries and updates.
func (a *Authority) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	if request.Opcode == dns.OpcodeUpdate {
		a.answerUpdate(w, request)
		return
	}
	a.answerQuery(w, request)
}

func (z *zone) soa() *dns.SOA { return z.records[0].(*dns.SOA) }

func (z *zone) set(name string, kind uint16) []dns.RR {
	var set []dns.RR
	for _, rr := range z.records {
		if h := rr.Header(); strings.EqualFold(h.Name, dns.Fqdn(name)) && (kind == dns.TypeANY || h.Rrtype == kind) {
			set = append(set, rr)
		}
	}
	return set
}

// remove takes the sets of that name away; dns.TypeANY means all its types.
func (z *zone) remove(name string, kind uint16) {
	z.records = slices.DeleteFunc(z.records, func(rr dns.RR) bool {
		return strings.EqualFold(rr.Header().Name, dns.Fqdn(name)) && (kind == dns.TypeANY || rr.Header().Rrtype == kind)
	})
}

// bump raises the serial, so that it is seen that the zone changed (RFC 2136, 3.6; RFC 1982 lets it wrap).
func (z *zone) bump() {
	soa := dns.Copy(z.records[0]).(*dns.SOA)
	soa.Serial++
	z.records[0] = soa
}

func parse(text []byte) ([]dns.RR, error) {
	var records []dns.RR
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rr, err := dns.NewRR(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("record %q: %w", lines.Text(), err)
		}
		if rr != nil {
			records = append(records, rr)
		}
	}
	return records, lines.Err()
}
