package dns

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// answerUpdate checks an update's signature, applies it, and answers. RFC 2136 gives the order: zone, prerequisites,
// permission, then all of the changes or none.
func (a *Authority) answerUpdate(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	signature := request.IsTsig()
	switch status := w.TsigStatus(); {
	case signature == nil:
		reply.Rcode = dns.RcodeRefused
		a.log.Warn("an unsigned update was refused", "zone", zoneName(request))
	case status != nil:
		// RFC 8945, 5.2: NOTAUTH, and what was wrong in the TSIG record.
		reply.Rcode = dns.RcodeNotAuth
		reply.SetTsig(signature.Hdr.Name, signature.Algorithm, signature.Fudge, int64(signature.TimeSigned))
		reply.Extra[0].(*dns.TSIG).Error = tsigError(status)
		a.log.Warn("an update with a bad signature was refused", "zone", zoneName(request), "reason", status)
	default:
		reply.Rcode = a.update(request)
		reply.SetTsig(signature.Hdr.Name, signature.Algorithm, 300, time.Now().Unix())
	}
	send(w, request, reply)
}

func tsigError(status error) uint16 {
	switch {
	case errors.Is(status, dns.ErrSig):
		return dns.RcodeBadSig
	case errors.Is(status, dns.ErrTime):
		return dns.RcodeBadTime
	}
	return dns.RcodeBadKey
}

func zoneName(request *dns.Msg) string {
	if len(request.Question) == 0 {
		return ""
	}
	return request.Question[0].Name
}

// update does what a signed request asks for and returns the response code.
func (a *Authority) update(request *dns.Msg) int {
	if len(request.Question) != 1 || request.Question[0].Qtype != dns.TypeSOA {
		return dns.RcodeFormatError
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	z := a.zones[dns.CanonicalName(request.Question[0].Name)]
	if z == nil {
		return dns.RcodeNotAuth
	}
	if rcode := z.require(request.Answer); rcode != dns.RcodeSuccess {
		a.log.Info("an update's prerequisites do not hold", "zone", z.origin, "answer", dns.RcodeToString[rcode])
		return rcode
	}
	if rcode := z.scan(request.Ns); rcode != dns.RcodeSuccess {
		return rcode
	}
	next := &zone{z.origin, slices.Clone(z.records)}
	for _, rr := range request.Ns {
		next.apply(rr)
	}
	if slices.Equal(next.records, z.records) {
		return dns.RcodeSuccess
	}
	if next.soa().Serial == z.soa().Serial {
		next.bump()
	}
	if err := a.store(next); err != nil {
		a.log.Error("an update was not stored", "zone", z.origin, "error", err)
		return dns.RcodeServerFailure
	}
	a.log.Info("zone changed", "zone", z.origin, "serial", next.soa().Serial, "update", describe(request.Ns))
	return dns.RcodeSuccess
}

// require checks the prerequisites (RFC 2136, 3.2).
func (z *zone) require(prerequisites []dns.RR) int {
	var wanted []dns.RR
	for _, rr := range prerequisites {
		h := rr.Header()
		if h.Ttl != 0 {
			return dns.RcodeFormatError
		}
		if !dns.IsSubDomain(z.origin, h.Name) {
			return dns.RcodeNotZone
		}
		if h.Class == dns.ClassINET {
			wanted = append(wanted, rr)
			continue
		}
		if h.Rdlength != 0 || h.Class != dns.ClassANY && h.Class != dns.ClassNONE {
			return dns.RcodeFormatError
		}
		there := len(z.set(h.Name, h.Rrtype)) > 0
		switch {
		case h.Class == dns.ClassANY && !there && h.Rrtype == dns.TypeANY:
			return dns.RcodeNameError
		case h.Class == dns.ClassANY && !there:
			return dns.RcodeNXRrset
		case h.Class == dns.ClassNONE && there && h.Rrtype == dns.TypeANY:
			return dns.RcodeYXDomain
		case h.Class == dns.ClassNONE && there:
			return dns.RcodeYXRrset
		}
	}
	return z.requireSets(wanted)
}

// requireSets checks that each set among wanted stands in the zone with just these values (RFC 2136, 3.2.3).
func (z *zone) requireSets(wanted []dns.RR) int {
	for _, rr := range wanted {
		have := z.set(rr.Header().Name, rr.Header().Rrtype)
		want := (&zone{records: wanted}).set(rr.Header().Name, rr.Header().Rrtype)
		for _, one := range want {
			if !slices.ContainsFunc(have, func(h dns.RR) bool { return dns.IsDuplicate(h, one) }) {
				return dns.RcodeNXRrset
			}
		}
		for _, one := range have {
			if !slices.ContainsFunc(want, func(w dns.RR) bool { return dns.IsDuplicate(w, one) }) {
				return dns.RcodeNXRrset
			}
		}
	}
	return dns.RcodeSuccess
}

// scan refuses what makes no sense before anything is changed (RFC 2136, 3.4.1.3).
func (z *zone) scan(updates []dns.RR) int {
	for _, rr := range updates {
		h := rr.Header()
		if !dns.IsSubDomain(z.origin, h.Name) {
			return dns.RcodeNotZone
		}
		meta := h.Rrtype == dns.TypeAXFR || h.Rrtype == dns.TypeMAILA || h.Rrtype == dns.TypeMAILB
		every := h.Rrtype == dns.TypeANY
		switch {
		case meta,
			h.Class == dns.ClassINET && every,
			h.Class == dns.ClassANY && (h.Ttl != 0 || h.Rdlength != 0),
			h.Class == dns.ClassNONE && (h.Ttl != 0 || every),
			h.Class != dns.ClassINET && h.Class != dns.ClassANY && h.Class != dns.ClassNONE:
			return dns.RcodeFormatError
		}
	}
	return dns.RcodeSuccess
}

// apply makes one change (RFC 2136, 3.4.2).
func (z *zone) apply(rr dns.RR) {
	h := rr.Header()
	apex := strings.EqualFold(h.Name, z.origin)
	switch h.Class {
	case dns.ClassINET:
		z.add(rr)
	case dns.ClassANY:
		z.records = slices.DeleteFunc(z.records, func(have dns.RR) bool {
			kind := have.Header().Rrtype
			vital := apex && (kind == dns.TypeSOA || kind == dns.TypeNS)
			return !vital && strings.EqualFold(have.Header().Name, h.Name) && (h.Rrtype == dns.TypeANY || kind == h.Rrtype)
		})
	case dns.ClassNONE:
		if h.Rrtype == dns.TypeSOA || apex && h.Rrtype == dns.TypeNS && len(z.set(h.Name, dns.TypeNS)) == 1 {
			return
		}
		gone := dns.Copy(rr)
		gone.Header().Class = dns.ClassINET
		z.records = slices.DeleteFunc(z.records, func(have dns.RR) bool { return dns.IsDuplicate(have, gone) })
	}
}

// add puts one record in. An alias has no neighbours, and its name no second one (RFC 2136, 3.4.2.2).
func (z *zone) add(rr dns.RR) {
	h := rr.Header()
	if h.Rrtype == dns.TypeSOA {
		soa := rr.(*dns.SOA)
		if strings.EqualFold(h.Name, z.origin) && int32(soa.Serial-z.soa().Serial) > 0 {
			z.records[0] = soa
		}
		return
	}
	aliases := len(z.set(h.Name, dns.TypeCNAME))
	all := len(z.set(h.Name, dns.TypeANY))
	if h.Rrtype == dns.TypeCNAME && all > aliases || h.Rrtype != dns.TypeCNAME && aliases > 0 {
		return
	}
	if h.Rrtype == dns.TypeCNAME {
		z.remove(h.Name, dns.TypeCNAME)
	}
	known := false
	for i, have := range z.records {
		if !strings.EqualFold(have.Header().Name, h.Name) || have.Header().Rrtype != h.Rrtype {
			continue
		}
		known = known || dns.IsDuplicate(have, rr)
		if have.Header().Ttl != h.Ttl {
			// All records of a set have one TTL (RFC 2181, 5.2): the newest.
			z.records[i] = dns.Copy(have)
			z.records[i].Header().Ttl = h.Ttl
		}
	}
	if !known {
		z.records = append(z.records, rr)
	}
}

// describe writes changes the way nsupdate takes them.
func describe(updates []dns.RR) string {
	var lines []string
	for _, rr := range updates {
		h := rr.Header()
		switch h.Class {
		case dns.ClassINET:
			lines = append(lines, "add "+strings.ReplaceAll(rr.String(), "\t", " "))
		case dns.ClassANY:
			lines = append(lines, "delete "+h.Name+" "+dns.TypeToString[h.Rrtype])
		default:
			lines = append(lines, "delete "+strings.ReplaceAll(rr.String(), "\t", " "))
		}
	}
	return strings.Join(lines, "; ")
}
