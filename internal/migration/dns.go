package migration

import (
	"slices"
	"strings"
)

// Record is one set of DNS records: everything that one owner name has of one type.
type Record struct {
	// Name is the owner in lower case, without the final dot.
	Name string `json:"name"`
	// Type is "MX", "TXT" or "CNAME".
	Type string `json:"type"`
	// TTL is in seconds.
	TTL uint32 `json:"ttl"`
	// Data are the records' values, sorted: "10 mail.example.com" for MX (target in lower case, no final dot),
	// the joined text for TXT, the target for CNAME.
	Data []string `json:"data"`
}

// Same reports whether both are the same set, TTL included.
func (r Record) Same(other Record) bool {
	return strings.EqualFold(r.Name, other.Name) && r.Type == other.Type && r.TTL == other.TTL && r.SameData(other)
}

// SameData reports whether both hold the same values, whatever their TTLs and order.
func (r Record) SameData(other Record) bool {
	a, b := slices.Clone(r.Data), slices.Clone(other.Data)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Change is a set as it is and as it will be. It is applied by compare-and-set: only where Before still stands.
// An empty Before means that nothing may stand there; an empty After takes the set away.
type Change struct {
	Before Record `json:"before"`
	After  Record `json:"after"`
}

// ProofKind names one of the ways to prove that mail for a domain arrives at the tenant.
type ProofKind string

// The proofs of step 10.
const (
	ProofRecords ProofKind = "records"
	ProofOldTTL  ProofKind = "old-ttl"
	ProofProbe   ProofKind = "probe"
	ProofTrace   ProofKind = "trace"
	ProofQuiet   ProofKind = "quiet"
)

// ProofState is how far a proof has come.
type ProofState string

// The states of a proof. Open proofs are looked at again.
const (
	ProofOpen          ProofState = "open"
	ProofPassed        ProofState = "passed"
	ProofFailed        ProofState = "failed"
	ProofNotObtainable ProofState = "not obtainable"
)

// Proof is one proof for one domain.
type Proof struct {
	Domain string     `json:"domain"`
	Kind   ProofKind  `json:"kind"`
	State  ProofState `json:"state"`
	// Text is what was seen, in plain words.
	Text string `json:"text"`
}
