package zone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailferry/mailferry/internal/migration"
)

// maxTTL is the longest TTL there is (RFC 2181, section 8).
const maxTTL = 1<<31 - 1

var types = map[string]uint16{"MX": dns.TypeMX, "TXT": dns.TypeTXT, "CNAME": dns.TypeCNAME}

// canonical writes a record the one way in which two can be compared.
func canonical(r migration.Record) (migration.Record, error) {
	r.Name, r.Type = plainName(r.Name), strings.ToUpper(r.Type)
	data := make([]string, len(r.Data))
	for i, value := range r.Data {
		rr, err := resourceRecord(r.Name, r.Type, r.TTL, value)
		if err != nil {
			return r, err
		}
		data[i] = valueOf(rr)
	}
	slices.Sort(data)
	r.Data = slices.Compact(data)
	if len(r.Data) == 0 {
		r.Data = nil
	}
	return r, nil
}

// plainName is a name in lower case without the final dot.
func plainName(name string) string {
	return strings.TrimSuffix(dns.CanonicalName(name), ".")
}

// resourceRecords makes a record's resource records, new ones at each call.
func resourceRecords(r migration.Record) ([]dns.RR, error) {
	all := make([]dns.RR, len(r.Data))
	for i, value := range r.Data {
		rr, err := resourceRecord(r.Name, r.Type, r.TTL, value)
		if err != nil {
			return nil, err
		}
		all[i] = rr
	}
	return all, nil
}

func resourceRecord(name, kind string, ttl uint32, value string) (dns.RR, error) {
	header := dns.RR_Header{Name: dns.CanonicalName(name), Rrtype: types[kind], Class: dns.ClassINET, Ttl: ttl}
	if _, ok := dns.IsDomainName(header.Name); !ok || name == "" || ttl > maxTTL {
		return nil, fmt.Errorf("%q with a TTL of %d is not the name of a record", name, ttl)
	}
	switch kind {
	case "MX":
		preference, host, ok := strings.Cut(strings.TrimSpace(value), " ")
		number, err := strconv.ParseUint(preference, 10, 16)
		if target, good := hostName(host); ok && err == nil && good {
			return &dns.MX{Hdr: header, Preference: uint16(number), Mx: target}, nil
		}
		return nil, fmt.Errorf("%q is not the data of an MX record; it looks like \"10 mail.example.com\"", value)
	case "CNAME":
		if target, good := hostName(value); good {
			return &dns.CNAME{Hdr: header, Target: target}, nil
		}
		return nil, fmt.Errorf("%q is not the data of a CNAME record; it is a name", value)
	case "TXT":
		if len(value) > 4096 {
			return nil, fmt.Errorf("a text of %d bytes does not fit into a TXT record of %q", len(value), name)
		}
		return &dns.TXT{Hdr: header, Txt: splitText(value)}, nil
	}
	return nil, fmt.Errorf("records of type %q are not known here; MX, TXT and CNAME are", kind)
}

// hostName makes a full name of what a record points to. A lone dot is the root, to which the null MX points (RFC 7505).
func hostName(name string) (string, bool) {
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsAny(name, " \t\\\"") {
		return "", false
	}
	_, ok := dns.IsDomainName(name)
	return dns.CanonicalName(name), ok
}

// valueOf is a record's data as [migration.Record] has it, empty for types that aren't known here.
func valueOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.MX:
		return strconv.Itoa(int(rr.Preference)) + " " + targetOf(rr.Mx)
	case *dns.CNAME:
		return targetOf(rr.Target)
	case *dns.TXT:
		return joinText(rr.Txt)
	}
	return ""
}

func targetOf(name string) string {
	if name == "." {
		return name
	}
	return plainName(name)
}

// splitText cuts a text into the strings of a TXT record, of 255 bytes at most (RFC 1035, section 3.3.14), in the
// library's form, which writes backslashes and unprintable bytes with a backslash.
func splitText(text string) []string {
	if text == "" {
		return []string{""}
	}
	var parts []string
	for len(text) > 0 {
		n := min(len(text), 255)
		var part strings.Builder
		for _, b := range []byte(text[:n]) {
			switch {
			case b == '\\' || b == '"':
				part.WriteByte('\\')
				part.WriteByte(b)
			case b < ' ' || b > '~':
				fmt.Fprintf(&part, "\\%03d", b)
			default:
				part.WriteByte(b)
			}
		}
		parts, text = append(parts, part.String()), text[n:]
	}
	return parts
}

// joinText undoes splitText. The strings of one TXT record are one text without anything between (RFC 7208, 3.3).
func joinText(parts []string) string {
	var text strings.Builder
	for _, part := range parts {
		for i := 0; i < len(part); i++ {
			if part[i] != '\\' || i+1 == len(part) {
				text.WriteByte(part[i])
				continue
			}
			if i+3 < len(part) {
				if n, err := strconv.ParseUint(part[i+1:i+4], 10, 8); err == nil {
					text.WriteByte(byte(n))
					i += 3
					continue
				}
			}
			i++
			text.WriteByte(part[i])
		}
	}
	return text.String()
}

// same reports whether two canonical records are the same set; of two that are empty the TTL means nothing.
func same(a, b migration.Record) bool {
	return a.Same(b) || len(a.Data) == 0 && len(b.Data) == 0
}

// describe is a record for people, on one line.
func describe(r migration.Record) string {
	if len(r.Data) == 0 {
		return "no " + r.Type + " record"
	}
	values := slices.Clone(r.Data)
	if r.Type == "TXT" {
		for i, value := range values {
			values[i] = strconv.Quote(value)
		}
	}
	return fmt.Sprintf("%s %s, TTL %d", r.Type, strings.Join(values, " and "), r.TTL)
}
