package dns

import (
	"strings"

	"github.com/miekg/dns"
)

// answerQuery answers from the zones alone; what lies elsewhere is refused.
func (a *Authority) answerQuery(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	reply.RecursionAvailable = false
	question := request.Question[0]
	switch {
	case request.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case question.Qclass != dns.ClassINET, question.Qtype == dns.TypeAXFR, question.Qtype == dns.TypeIXFR:
		reply.Rcode = dns.RcodeRefused
	default:
		a.mu.RLock()
		a.resolve(reply, question)
		a.mu.RUnlock()
	}
	send(w, request, reply)
}

// resolve fills the reply in, following aliases as long as they stay inside the zones (RFC 1034, 4.3.2).
func (a *Authority) resolve(reply *dns.Msg, question dns.Question) {
	name := question.Name
	for range 8 {
		z := a.zoneOf(name)
		if z == nil {
			if len(reply.Answer) == 0 {
				reply.Rcode = dns.RcodeRefused
			}
			return
		}
		reply.Authoritative = true
		if set := z.set(name, question.Qtype); len(set) > 0 {
			reply.Answer = append(reply.Answer, set...)
			return
		}
		alias := z.set(name, dns.TypeCNAME)
		if len(alias) == 0 {
			reply.Ns = []dns.RR{z.negative()}
			if !z.exists(name) {
				reply.Rcode = dns.RcodeNameError
			}
			return
		}
		reply.Answer = append(reply.Answer, alias...)
		name = alias[0].(*dns.CNAME).Target
	}
	reply.Rcode = dns.RcodeServerFailure
}

// exists reports whether the name is in use, or lies above one that is (an empty non-terminal, RFC 8020).
func (z *zone) exists(name string) bool {
	name = dns.CanonicalName(name)
	for _, rr := range z.records {
		owner := dns.CanonicalName(rr.Header().Name)
		if owner == name || strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	return false
}

// negative is the SOA that stands beside "there is none", its TTL being how long that may be remembered (RFC 2308, 3).
func (z *zone) negative() dns.RR {
	soa := dns.Copy(z.soa()).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return soa
}

// send writes the reply in the size that the asker can take. A failed write is the asker's loss: it asks again. A
// signed reply gets no OPT record, since its signature must come last (RFC 8945, 5.1), and is small anyway.
func send(w dns.ResponseWriter, request, reply *dns.Msg) {
	if reply.IsTsig() == nil {
		size := dns.MinMsgSize
		if opt := request.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
			reply.SetEdns0(1232, false)
		}
		if w.LocalAddr().Network() != "udp" {
			size = dns.MaxMsgSize
		}
		reply.Truncate(size)
	}
	_ = w.WriteMsg(reply)
}
