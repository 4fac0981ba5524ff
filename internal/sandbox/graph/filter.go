package graph

import (
	"regexp"
	"strings"
)

// The comparisons that the directory is asked for; Graph knows more.
var (
	equals     = regexp.MustCompile(`^(\w+) eq '((?:[^']|'')*)'$`)
	startsWith = regexp.MustCompile(`(?i)^startswith\((\w+), ?'((?:[^']|'')*)'\)$`)
	proxies    = regexp.MustCompile(`^(\w+)/any\(\w+: ?\w+ eq '((?:[^']|'')*)'\)$`)
	hasLicence = regexp.MustCompile(`^assignedLicenses/any\(\w+: ?\w+/skuId eq ([0-9a-fA-F-]{36})\)$`)
)

// parseFilter understands comparisons joined by "or", or by "and"; anything else is the 400 that Graph gives for what
// it cannot do.
func parseFilter(text string) (func(map[string]any) bool, error) {
	if text == "" {
		return func(map[string]any) bool { return true }, nil
	}
	glue, every := " or ", false
	if strings.Contains(text, " and ") {
		glue, every = " and ", true
	}
	var terms []func(map[string]any) bool
	for _, term := range strings.Split(text, glue) {
		test := parseTerm(strings.TrimSpace(term))
		if test == nil {
			return nil, &apiError{400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property of resource 'User': " + term, nil, 0}
		}
		terms = append(terms, test)
	}
	return func(all map[string]any) bool {
		for _, test := range terms {
			if test(all) != every {
				return !every
			}
		}
		return every
	}, nil
}

func parseTerm(term string) func(map[string]any) bool {
	value := func(text string) string { return strings.ReplaceAll(text, "''", "'") }
	if m := equals.FindStringSubmatch(term); m != nil {
		return func(all map[string]any) bool {
			have, ok := all[m[1]].(string)
			return ok && strings.EqualFold(have, value(m[2]))
		}
	}
	if m := startsWith.FindStringSubmatch(term); m != nil {
		return func(all map[string]any) bool {
			have, ok := all[m[1]].(string)
			return ok && strings.HasPrefix(fold(have), fold(value(m[2])))
		}
	}
	if m := proxies.FindStringSubmatch(term); m != nil {
		return func(all map[string]any) bool {
			have, _ := all[m[1]].([]string)
			for _, one := range have {
				if strings.EqualFold(one, value(m[2])) {
					return true
				}
			}
			return false
		}
	}
	if m := hasLicence.FindStringSubmatch(term); m != nil {
		return func(all map[string]any) bool {
			have, _ := all["assignedLicenses"].([]assignedLicence)
			for _, one := range have {
				if strings.EqualFold(one.SKU, m[1]) {
					return true
				}
			}
			return false
		}
	}
	return nil
}
