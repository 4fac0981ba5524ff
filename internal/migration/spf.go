package migration

import (
	"fmt"
	"slices"
	"strings"
)

// maxLookups is how many terms of a policy may cost the receiver a DNS look-up (RFC 7208, 4.6.4). Those inside of
// included policies count too but can't be seen here.
const maxLookups = 10

// MergeSPF adds the includes of the wanted sender policy to the existing one, in front of what catches everything
// else; the existing policy's other terms and its verdict on the rest stay. A domain may have one policy only (RFC
// 7208, 3.2). It fails with a ProblemError where the result would be one that receivers must reject.
func MergeSPF(existing, wanted string) (string, error) {
	terms := strings.Fields(existing)
	if len(terms) == 0 || !strings.EqualFold(terms[0], "v=spf1") {
		return "", NeedsPerson("spf-unreadable", fmt.Sprintf("%q is not a sender policy", existing),
			"mend the domain's SPF record", nil)
	}
	for _, term := range strings.Fields(wanted) {
		if !strings.HasPrefix(strings.ToLower(term), "include:") {
			continue
		}
		if slices.ContainsFunc(terms, func(have string) bool { return strings.EqualFold(strings.TrimPrefix(have, "+"), term) }) {
			continue
		}
		at := slices.IndexFunc(terms, catchesRest)
		if at < 0 {
			at = len(terms)
		}
		terms = slices.Insert(terms, at, term)
	}
	lookups := 0
	for _, term := range terms[1:] {
		if costsLookup(term) {
			lookups++
		}
	}
	if lookups > maxLookups {
		return "", NeedsPerson("spf-too-long",
			fmt.Sprintf("the sender policy would need %d DNS look-ups, and receivers reject one that needs more than %d: %q",
				lookups, maxLookups, strings.Join(terms, " ")),
			"take includes that are no longer needed out of the domain's SPF record", nil)
	}
	return strings.Join(terms, " "), nil
}

// catchesRest recognises the terms after which nothing is looked at: all (RFC 7208, 5.1) and redirect (6.1).
func catchesRest(term string) bool {
	term = strings.ToLower(term)
	return strings.TrimLeft(term, "+-~?") == "all" || strings.HasPrefix(term, "redirect=")
}

// costsLookup recognises the terms that cause a DNS query (RFC 7208, 4.6.4).
func costsLookup(term string) bool {
	term = strings.TrimLeft(strings.ToLower(term), "+-~?")
	if strings.HasPrefix(term, "redirect=") {
		return true
	}
	name, _, _ := strings.Cut(term, ":")
	name, _, _ = strings.Cut(name, "/")
	switch name {
	case "include", "a", "mx", "ptr", "exists":
		return true
	}
	return false
}
