package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxNegative bounds how long "there is none" is remembered (RFC 2308, 5).
const maxNegative = 3 * time.Hour

// Resolver is a caching resolver whose whole world is one authoritative server. Two of them that were asked at
// different times disagree after a change until the older answer has run out, as public resolvers do. It is safe for
// concurrent use.
type Resolver struct {
	upstream string
	now      func() time.Time

	mu    sync.Mutex
	cache map[dns.Question]entry
}

type entry struct {
	reply   *dns.Msg
	stored  time.Time
	expires time.Time
}

// NewResolver makes a resolver that asks upstream (host:port) and remembers by the clock now, or time.Now if nil.
func NewResolver(upstream string, now func() time.Time) *Resolver {
	if now == nil {
		now = time.Now
	}
	return &Resolver{upstream: upstream, now: now, cache: map[dns.Question]entry{}}
}

// ServeDNS implements dns.Handler. Whoever doesn't ask for recursion is refused: there is nothing else here.
func (r *Resolver) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	reply.RecursionAvailable = true
	switch {
	case request.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case !request.RecursionDesired, request.Question[0].Qtype == dns.TypeAXFR, request.Question[0].Qtype == dns.TypeIXFR:
		reply.Rcode = dns.RcodeRefused
	default:
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		defer cancel()
		found, err := r.Lookup(ctx, request.Question[0].Name, request.Question[0].Qtype)
		if err != nil {
			reply.Rcode = dns.RcodeServerFailure
			break
		}
		reply.Rcode, reply.Answer, reply.Ns = found.Rcode, found.Answer, found.Ns
	}
	send(w, request, reply)
}

// Lookup answers from memory or asks. TTLs are what is left of them.
func (r *Resolver) Lookup(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	question := dns.Question{Name: dns.CanonicalName(name), Qtype: kind, Qclass: dns.ClassINET}
	if reply := r.remembered(question); reply != nil {
		return reply, nil
	}
	query := new(dns.Msg)
	query.Id = dns.Id()
	query.Question = []dns.Question{question}
	client := dns.Client{Net: "tcp", Timeout: 3 * time.Second}
	reply, _, err := client.ExchangeContext(ctx, query, r.upstream)
	if err != nil {
		return nil, fmt.Errorf("asking for %s %s: %w", dns.TypeToString[kind], name, err)
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("asking for %s %s: the server answered %s", dns.TypeToString[kind], name, dns.RcodeToString[reply.Rcode])
	}
	reply.Authoritative = false
	if life := lifetime(reply); life > 0 {
		r.mu.Lock()
		now := r.now()
		r.cache[question] = entry{reply.Copy(), now, now.Add(life)}
		r.mu.Unlock()
	}
	return reply, nil
}

// remembered returns a copy of what is known with its TTLs counted down, or nil.
func (r *Resolver) remembered(question dns.Question) *dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.cache[question]
	now := r.now()
	if !ok {
		return nil
	}
	if !now.Before(known.expires) {
		delete(r.cache, question)
		return nil
	}
	reply := known.reply.Copy()
	age := uint32(now.Sub(known.stored) / time.Second)
	for _, section := range [][]dns.RR{reply.Answer, reply.Ns} {
		for _, rr := range section {
			rr.Header().Ttl -= min(age, rr.Header().Ttl)
		}
	}
	return reply
}

// Forget empties the memory, as a flush by the resolver's operator does.
func (r *Resolver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cache)
}

// lifetime is how long a reply may be remembered: the least TTL in it, and for "there is none" the SOA's.
func lifetime(reply *dns.Msg) time.Duration {
	records := reply.Answer
	negative := len(records) == 0 || reply.Rcode == dns.RcodeNameError || endsInAlias(reply)
	if negative {
		records = append(append([]dns.RR{}, records...), reply.Ns...)
		if len(reply.Ns) == 0 {
			return 0
		}
	}
	least := records[0].Header().Ttl
	for _, rr := range records {
		least = min(least, rr.Header().Ttl)
		if soa, ok := rr.(*dns.SOA); ok && negative {
			least = min(least, soa.Minttl)
		}
	}
	life := time.Duration(least) * time.Second
	if negative {
		life = min(life, maxNegative)
	}
	return life
}

func endsInAlias(reply *dns.Msg) bool {
	last := reply.Answer[len(reply.Answer)-1]
	asked := reply.Question[0].Qtype
	return asked != dns.TypeCNAME && asked != dns.TypeANY && last.Header().Rrtype == dns.TypeCNAME && len(reply.Ns) > 0
}

// MailExchangers returns the hosts that take the domain's mail, best first, as RFC 5321, 5.1 has a sender find them;
// none at all is an error.
func (r *Resolver) MailExchangers(ctx context.Context, domain string) ([]string, error) {
	reply, err := r.Lookup(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	var best []*dns.MX
	for _, rr := range reply.Answer {
		if mx, ok := rr.(*dns.MX); ok {
			best = append(best, mx)
		}
	}
	if len(best) == 0 {
		return nil, fmt.Errorf("%q has no MX record", domain)
	}
	slices.SortStableFunc(best, func(a, b *dns.MX) int { return int(a.Preference) - int(b.Preference) })
	hosts := make([]string, 0, len(best))
	for _, mx := range best {
		hosts = append(hosts, strings.ToLower(strings.TrimSuffix(mx.Mx, ".")))
	}
	return hosts, nil
}

// Texts returns the domain's TXT records, each joined from its strings; none is no error.
func (r *Resolver) Texts(ctx context.Context, domain string) ([]string, error) {
	reply, err := r.Lookup(ctx, domain, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, rr := range reply.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return texts, nil
}
