package migration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AuditEntry is one thing that happened: an order of a person, a change in the world, a signal that was ignored. Each
// carries the hash of itself and of the entry before, so that none can be changed or taken out without all later
// hashes changing too.
type AuditEntry struct {
	// Number counts the entries of a trail from 1.
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	What   string    `json:"what"`
	// Before is the hash of the entry before, where that one doesn't stand beside this one: for the first entry of all
	// it is the hash of the trail's subject.
	Before string `json:"before,omitempty"`
	// Hash is the SHA-256, in hex, over the hash before and this entry; see [AuditEntry.Chained].
	Hash string `json:"hash"`
}

// WaveTrail is the audit trail of one wave, which may be empty.
type WaveTrail struct {
	Wave  string       `json:"wave"`
	Audit []AuditEntry `json:"audit,omitempty"`
}

// Subject is what a trail is about: a migration, or with a name a wave or a mailbox of it.
func Subject(tenant, launch, name string) string {
	if name == "" {
		return tenant + "/" + launch
	}
	return tenant + "/" + launch + "/" + name
}

// Chained is the hash of the entry behind an entry of the hash before: SHA-256 over that hash, the number, the time
// (RFC 3339 with nanoseconds, UTC), and the two texts, each with its length in bytes before it.
func (e AuditEntry) Chained(before string) string {
	by, what := strconv.Itoa(len(e.By))+":"+e.By, strconv.Itoa(len(e.What))+":"+e.What
	return digestOf(before + "\n" + strconv.Itoa(e.Number) + "\n" + e.At.UTC().Format(time.RFC3339Nano) + "\n" + by + "\n" + what)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// AddAudit adds an entry to the trail of a subject and chains it to the last one. Bytes that are no characters are
// replaced, as JSON would, so that the hash still stands when it is read back.
func AddAudit(trail []AuditEntry, subject string, e AuditEntry) []AuditEntry {
	e.By, e.What = strings.ToValidUTF8(e.By, "\ufffd"), strings.ToValidUTF8(e.What, "\ufffd")
	var before string
	if len(trail) == 0 {
		e.Number, e.Before = 1, digestOf(subject)
		before = e.Before
	} else {
		last := trail[len(trail)-1]
		e.Number, before = last.Number+1, last.Hash
	}
	e.Hash = e.Chained(before)
	return append(trail, e)
}

// CutAudit takes n entries out from the i-th on. The chain can still be followed: what comes behind keeps the hash of
// what stood before it. The last entry always stays, since the next is chained to it.
func CutAudit(trail []AuditEntry, i, n int) []AuditEntry {
	n = min(n, len(trail)-1-i)
	if n <= 0 {
		return trail
	}
	kept := append([]AuditEntry(nil), trail[:i]...)
	next := trail[i+n]
	if next.Before == "" { // otherwise a gap is there already
		next.Before = trail[i+n-1].Hash
	}
	kept = append(kept, next)
	return append(kept, trail[i+n+1:]...)
}

// CheckAudit follows the chain of a subject's trail. It returns how many entries are missing between those that are
// there, before the first included, and an error where the chain is broken.
func CheckAudit(trail []AuditEntry, subject string) (missing int, err error) {
	number, hash := 0, digestOf(subject)
	for _, e := range trail {
		gap := e.Number - number - 1
		switch {
		case gap < 0:
			return missing, fmt.Errorf("entry %d of the audit trail of %s stands behind entry %d", e.Number, subject, number)
		case gap > 0 && e.Before == "":
			return missing, fmt.Errorf("%d entries before entry %d of the audit trail of %s were taken out", gap, e.Number, subject)
		case gap > 0:
			missing += gap
			hash = e.Before
		case e.Before != "" && e.Before != hash:
			return missing, fmt.Errorf("entry %d of the audit trail of %s doesn't follow the one before it", e.Number, subject)
		}
		if e.Chained(hash) != e.Hash {
			return missing, fmt.Errorf("entry %d of the audit trail of %s, or one before it, was changed", e.Number, subject)
		}
		number, hash = e.Number, e.Hash
	}
	return missing, nil
}
