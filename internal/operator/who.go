package operator

import (
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Party is who must act so that something goes on, in words for people.
type Party string

// The parties to a migration.
const (
	// You are whoever runs the migration: plan, list, workers, archive, and every decision.
	You Party = "the operator"
	// Tenant administers Microsoft 365, Microsoft is asked by them.
	Tenant    Party = "the Microsoft 365 administrator"
	Microsoft Party = "Microsoft"
	// Source administers the system that mail comes from.
	Source Party = "the old mail system's administrator"
	DNS    Party = "the owner of the DNS zone"
	// User is the mailbox's own.
	User Party = "the user, or the old mail system's administrator"
)

// parties says who must act on a problem, by its kind. Kinds that are not here are the operator's to look at.
var parties = map[string]Party{
	"address-taken":             Tenant,
	"alias-taken":               Tenant,
	"directory-full":            Microsoft,
	"graph-refused":             Tenant,
	"licence-assignment-failed": Tenant,
	"licence-conflict":          Tenant,
	"licence-suspended":         Tenant,
	"licence-without-mailbox":   Tenant,
	"licences-exhausted":        Tenant,
	"mailbox-access-denied":     Tenant,
	"mailbox-slow":              Tenant,
	"object-conflict":           Tenant,
	"object-id-unknown":         Tenant,
	"password-refused":          Tenant,
	"permission-missing":        Tenant,
	"synchronised-user":         Tenant,
	"target-full":               Tenant,
	"target-listing-short":      Microsoft,
	"target-refuses":            Tenant,
	"folder-refused":            Tenant,
	"trace-principal-missing":   Tenant,
	"trace-unavailable":         Tenant,
	"user-not-made":             Tenant,
	"no-service-records":        Tenant,
	"domain-held-elsewhere":     Tenant,

	"certificate":             Source,
	"folder-unreadable":       Source,
	"mail-still-arrives":      Source,
	"notice-refused":          Source,
	"notice-server-untrusted": Source,
	"notice-sign-in-refused":  Source,
	"source-listing-short":    Source,
	"source-refuses":          Source,

	"dns-by-hand":       DNS,
	"dns-slow":          DNS,
	"domain-unverified": DNS,
	"name-is-alias":     DNS,
	"name-taken":        DNS,
	"spf-too-long":      DNS,
	"spf-unreadable":    DNS,
	"zone-changed":      DNS,
	"zone-key-refused":  DNS,
	"zone-not-served":   DNS,
	"zone-refused":      DNS,
	"change-slow":       DNS,
	"routing-unproved":  DNS,

	"already-started":         You,
	"archive-broken":          You,
	"archive-unusable":        You,
	"address":                 You,
	"auth-unknown":            You,
	"ca-unreadable":           You,
	"cancelled":               You,
	"certificate-untrusted":   You,
	"endpoint-unknown":        You,
	"insecure":                You,
	"licence-not-named":       You,
	"licence-unknown":         You,
	"mailbox-aborted":         You,
	"mailbox-ended":           You,
	"microsoft-configuration": You,
	"no-relay":                You,
	"no-resolver":             You,
	"not-verified":            You,
	"poison":                  You,
	workflows.PausedAlone:     You,
	"many-deletions":          You,
	"proof-not-obtainable":    You,
	"rolled-back":             You,
	"secret-closed":           You,
	"key-unreadable":          You,
	"state-too-large":         You,
	"token-refused":           You,
	"unexpected":              You,
	"unexplained":             You,
	"usage-location-refused":  You,
	"wave-ended":              You,
}

// Who is who must act on a problem of a step: of a mailbox, or of the whole tenant where mailbox is empty.
func Who(step migration.Step, mailbox string, p migration.Problem) Party {
	if p.Kind == "sign-in-refused" {
		if mailbox == "" || step == migration.StepUsers {
			return Tenant // it refuses the app
		}
		return User
	}
	if party, known := parties[p.Kind]; known {
		return party
	}
	return You
}

// WhoOf is [Who] for something that waits.
func WhoOf(w workflows.Waiting) Party { return Who(w.Step, w.Mailbox, w.Problem) }

// Due is how much waits for one party.
type Due struct {
	Party Party `json:"party"`
	Count int   `json:"count"`
	// First is the first of it.
	First workflows.Waiting `json:"first"`
}

// Dues sums what waits by who must act, the operator's first and then in the order in which it is listed. What is not
// listed by name is nobody's: the sum may be less than WaitingCount.
func (s Status) Dues() []Due {
	var all []Due
	if s.Gate != nil && s.Closed == "" {
		all = append(all, Due{You, 1, workflows.Waiting{Step: migration.StepCutover, Since: s.Gate.Since, Problem: migration.Problem{
			Kind: "gate", Text: "the MX change waits for approval",
		}}})
	}
	for _, item := range s.Waiting {
		party, known := WhoOf(item), false
		for i := range all {
			if all[i].Party == party {
				all[i].Count++
				known = true
			}
		}
		if !known {
			all = append(all, Due{party, 1, item})
		}
	}
	return all
}
