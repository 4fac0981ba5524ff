package report

import (
	"errors"
	"fmt"
	"io"

	"github.com/mailferry/mailferry/internal/migration"
)

// Verdict is what a check of a report found.
type Verdict struct {
	Tenant    string `json:"tenant"`
	Launch    string `json:"launch"`
	Mailboxes int    `json:"mailboxes"`
	Messages  int    `json:"messages"`
	// Entries counts those of all audit trails; Missing are those that a flood of signals pushed out of one.
	Entries int `json:"entries"`
	Missing int `json:"missing,omitempty"`
	// Interim says that the report is of a migration that went on, so not all of its sums can be checked.
	Interim bool `json:"interim,omitempty"`
	// Files counts those that were compared with [Sums], of which SumsHash is the SHA-256: it stands for them all.
	Files    int    `json:"files,omitempty"`
	SumsHash string `json:"sumsHash,omitempty"`
	// Last is the hash of the migration's last entry, which stands for the whole trail: compare it with one that was
	// kept elsewhere.
	Last string `json:"last,omitempty"`
	// Faults are, in plain words, what isn't as it should be; at most 50. FaultCount is the true number.
	Faults     []string `json:"faults,omitempty"`
	FaultCount int      `json:"faultCount,omitempty"`
}

const maxFaults = 50

func (v *Verdict) fault(format string, args ...any) {
	v.FaultCount++
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
	}
}

// Verify reads a report's JSON, follows the chain of each audit trail, and recounts the closing equation: that every
// verified mailbox and each of its folders closes, and that the sums are those of the mailboxes. The error is one of
// reading; what isn't as it should be is in the verdict.
func Verify(r io.Reader) (Verdict, error) {
	var v Verdict
	if err := v.read(r); err != nil {
		return v, fmt.Errorf("it is not a report: %w", err)
	}
	return v, nil
}

func (v *Verdict) read(r io.Reader) error {
	var sum migration.Account
	refusals := 0
	var trails []migration.WaveTrail // of mailboxes, whose subject is known when the whole is read
	addresses := map[string]bool{}
	head, err := read(r, func(m migration.MailboxAccount) {
		v.Mailboxes++
		sum.Add(m.Account)
		refusals += m.RefusalCount
		if addresses[m.Address] {
			v.fault("%s has two accounts", m.Address)
		}
		addresses[m.Address] = true
		v.mailbox(m)
		if len(m.Audit) > 0 {
			trails = append(trails, migration.WaveTrail{Wave: m.Address, Audit: m.Audit})
		}
	})
	if err != nil {
		return err
	}
	if head.Tenant == "" || head.Launch == "" {
		return errors.New("it names no tenant and launch")
	}
	v.Tenant, v.Launch, v.Messages, v.Interim = head.Tenant, head.Launch, sum.Source, head.Ended.IsZero()
	v.trail(head.Audit, migration.Subject(head.Tenant, head.Launch, ""))
	if n := len(head.Audit); n > 0 {
		v.Last = head.Audit[n-1].Hash
	}
	for _, t := range append(head.Waves, trails...) {
		v.trail(t.Audit, migration.Subject(head.Tenant, head.Launch, t.Wave))
	}
	if v.Interim && v.Mailboxes == 0 { // of sums alone
		return nil
	}
	if sum != head.Account || refusals != head.Refusals {
		v.fault("the sums are not those of the mailboxes: %s and %d refusals, where the mailboxes have %s and %d", balance(head.Account), head.Refusals, balance(sum), refusals)
	}
	if v.Mailboxes+head.Missing != head.Total && !v.Interim {
		v.fault("the report has %d mailboxes of %d, and says that %d are missing", v.Mailboxes, head.Total, head.Missing)
	}
	if head.Missing > 0 {
		v.fault("%s left no account", Plural(head.Missing, "mailbox", "mailboxes"))
	}
	return nil
}

// mailbox checks that what is said to be verified closes, and that as many refusals are named as there are.
func (v *Verdict) mailbox(m migration.MailboxAccount) {
	if named := len(m.Refusals); named > m.RefusalCount || named > 0 && named < min(m.RefusalCount, migration.MaxRefusals) {
		v.fault("%s names %d of %d refusals", m.Address, named, m.RefusalCount)
	}
	if !m.Verification.Verified || m.State != migration.Done {
		return
	}
	for _, short := range shortfalls(m) {
		v.fault("%s is said to be verified and does not close: %s", m.Address, short)
	}
}

func (v *Verdict) trail(trail []migration.AuditEntry, subject string) {
	v.Entries += len(trail)
	missing, err := migration.CheckAudit(trail, subject)
	v.Missing += missing
	if err != nil {
		v.fault("%v", err)
	}
}
