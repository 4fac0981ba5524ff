package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailferry/mailferry/internal/migration"
)

// ednsSize is how large an answer by UDP may be without being fragmented (DNS Flag Day 2020).
const ednsSize = 1232

// ask puts one question to one server: twice by UDP, as packets get lost, and by TCP where the answer didn't fit or
// didn't come.
func (c *Client) ask(ctx context.Context, server, name string, kind uint16, recursive bool) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(dns.CanonicalName(name), kind)
	question.RecursionDesired = recursive
	question.SetEdns0(ednsSize, false)
	var failed error
	for _, network := range []string{"udp", "udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: c.patience}
		question.Id = dns.Id()
		answer, err := exchange(ctx, client, question, server)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && (!answer.Truncated || network == "tcp") {
			return answer, nil
		}
		failed = err
		if err == nil {
			failed = errors.New("the answer is cut")
		}
	}
	return nil, fmt.Errorf("no answer from %s: %w", server, failed)
}

// exchange sends a message and takes its answer. A refused TSIG comes with an error and the answer that explains it.
func exchange(ctx context.Context, client *dns.Client, m *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, client.Timeout)
	defer cancel()
	answer, _, err := client.ExchangeContext(ctx, m, server)
	if err != nil {
		return answer, err
	}
	if m.Opcode == dns.OpcodeUpdate && len(answer.Question) == 0 {
		return answer, nil // The answer to an update may leave everything out but its header (RFC 2136, section 2.2).
	}
	if len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, m.Question[0].Name) || answer.Question[0].Qtype != m.Question[0].Qtype {
		return nil, errors.New("it answers another question")
	}
	return answer, nil
}

// set reads a record out of an answer. An alias in its place is followed only where follow is set, as resolvers do.
func set(answer *dns.Msg, name, kind string, follow bool) (migration.Record, error) {
	record := migration.Record{Name: plainName(name), Type: kind}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return record, fmt.Errorf("it answers %s", dns.RcodeToString[answer.Rcode])
	}
	owner := record.Name
	for _, rr := range answer.Answer {
		if plainName(rr.Header().Name) != owner {
			continue
		}
		if rr.Header().Rrtype == types[kind] {
			record.TTL = rr.Header().Ttl
			record.Data = append(record.Data, valueOf(rr))
		} else if alias, ok := rr.(*dns.CNAME); ok {
			if !follow {
				return record, migration.NeedsPerson("name-is-alias",
					fmt.Sprintf("%s is an alias (CNAME) of %s, so it has no %s record of its own", record.Name, plainName(alias.Target), kind),
					"take the CNAME away, or make the change in the zone of "+plainName(alias.Target), nil)
			}
			owner = plainName(alias.Target)
		}
	}
	return canonical(record)
}

// resolve asks the resolvers in turn until one gives a usable answer.
func (c *Client) resolve(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	if len(c.config.Resolvers) == 0 {
		return nil, migration.NeedsPerson("no-resolver", "no resolver is configured to find the servers of "+plainName(name),
			"name resolvers, or the authoritative servers themselves, in the plan's dns section", nil)
	}
	var failed error
	for _, resolver := range c.config.Resolvers {
		answer, err := c.ask(ctx, resolver, name, kind, true)
		if err == nil && answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
			err = fmt.Errorf("%s answers %s", resolver, dns.RcodeToString[answer.Rcode])
		}
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = err
	}
	return nil, fmt.Errorf("resolving %s: %w", plainName(name), failed)
}

// server is an authoritative server with its addresses, host:port.
type server struct {
	name      string
	addresses []string
}

// servers are the authoritative servers of the zone that name is in.
func (c *Client) servers(ctx context.Context, name string) ([]server, error) {
	var all []server
	for _, address := range c.config.Authoritative {
		all = append(all, server{address, []string{address}})
	}
	if len(all) > 0 {
		return all, nil
	}
	apex, err := cut(name, func(name string) (*dns.Msg, error) { return c.resolve(ctx, name, dns.TypeSOA) })
	if err != nil {
		return nil, err
	}
	answer, err := c.resolve(ctx, apex, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	for _, rr := range answer.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		found := server{name: plainName(ns.Ns)}
		if found.addresses, err = c.addresses(ctx, ns.Ns); err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the zone %s has no NS records", plainName(apex))
	}
	slices.SortFunc(all, func(a, b server) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// addresses are those of a name server, IPv4 first: not every machine reaches the others.
func (c *Client) addresses(ctx context.Context, name string) ([]string, error) {
	var all []string
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := c.resolve(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		for _, rr := range answer.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				all = append(all, c.at(rr.A.String()))
			case *dns.AAAA:
				all = append(all, c.at(rr.AAAA.String()))
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the name server %s has no address", plainName(name))
	}
	return all, nil
}

// cut is the apex of the zone that name is in: the owner of the SOA record that the answer to a question for it bears,
// in its answer or, where name is no apex, in its authority section (RFC 2308, section 3). An alias is answered with
// what it stands for, perhaps of another zone, but is no apex itself (RFC 1034, section 3.6.2): then its parent, which
// is in the same zone, is asked for.
func cut(name string, ask func(name string) (*dns.Msg, error)) (string, error) {
	for name = dns.CanonicalName(name); name != "."; {
		answer, err := ask(name)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME }) {
			next, end := dns.NextLabel(name, 0)
			if end {
				break
			}
			name = name[next:]
			continue
		}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, name) {
				return dns.CanonicalName(soa.Hdr.Name), nil
			}
		}
		break
	}
	return "", fmt.Errorf("no zone is known that %s is in", plainName(name))
}

// direct asks an authoritative server at the first of its addresses that answers.
func (c *Client) direct(ctx context.Context, s server, name string, kind uint16) (*dns.Msg, error) {
	var failed error
	for _, address := range s.addresses {
		answer, err := c.ask(ctx, address, name, kind, false)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case err != nil:
			failed = err
		case (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError) && !answer.Authoritative:
			// A referral, or a resolver, whose TTLs are what is left of them.
			failed = fmt.Errorf("%s is no authoritative server of %s", s.name, plainName(name))
		default:
			return answer, nil
		}
	}
	return nil, failed
}

// short is the patience that watching has with a server: whoever doesn't answer is asked again at the next look.
func (c *Client) short() *Client {
	quick := *c
	quick.patience = min(c.patience, 2*time.Second)
	return &quick
}
