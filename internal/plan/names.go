package plan

import (
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/text/language"
)

// label is one label of a host's name (RFC 1123, section 2.1); DNS names of services may begin with _.
var label = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$`)

// isDomain reports whether name is a domain of two labels or more, in lower case without the final dot.
func isDomain(name string) bool {
	return strings.Contains(name, ".") && isHost(name) && !isIP(name) && !strings.Contains(name, "_")
}

// isHost reports whether name is a host's name or an IP address.
func isHost(name string) bool {
	if isIP(name) {
		return true
	}
	if len(name) > 253 {
		return false
	}
	for part := range strings.SplitSeq(strings.ToLower(name), ".") {
		if !label.MatchString(part) {
			return false
		}
	}
	return true
}

func isIP(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// local is a local part without quotes (RFC 5321, section 4.1.2: Dot-string).
var local = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")

// isAddress reports whether text is a mail address of plain characters.
func isAddress(text string) bool {
	before, domain := splitAddress(text)
	return len(text) <= 254 && len(before) <= 64 && local.MatchString(before) && isDomain(strings.ToLower(domain))
}

// splitAddress cuts an address at its last @; without one there is no domain.
func splitAddress(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, ""
	}
	return address[:at], address[at+1:]
}

// isCountry reports whether code is one of ISO 3166's two-letter codes, in capitals; UK and other names that were
// replaced are none.
func isCountry(code string) bool {
	region, err := language.ParseRegion(code)
	return err == nil && len(code) == 2 && strings.ToUpper(code) == code && region.IsCountry() && region.Canonicalize() == region
}
