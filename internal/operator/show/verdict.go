package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailferry/mailferry/internal/report"
)

// Verdict writes what a check of a report found.
func Verdict(w io.Writer, v report.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, launch %s: %s, %s, %s of the audit trails\n", plain(v.Tenant), plain(v.Launch),
		report.Plural(v.Mailboxes, "mailbox", "mailboxes"), report.Plural(v.Messages, "message", "messages"), report.Plural(v.Entries, "entry", "entries"))
	if v.Missing > 0 {
		fmt.Fprintf(&b, "%s of the audit trails were let go of in a flood of signals, and are counted, not kept\n", report.Plural(v.Missing, "entry", "entries"))
	}
	for _, fault := range v.Faults {
		fmt.Fprintf(&b, "! %s\n", plain(fault))
	}
	if more := v.FaultCount - len(v.Faults); more > 0 {
		fmt.Fprintf(&b, "! and %s more\n", report.Count(more))
	}
	if v.FaultCount == 0 {
		b.WriteString("every audit trail is whole, and the closing equation and the sums are right\n")
	}
	if v.Last != "" {
		fmt.Fprintf(&b, "the last entry's hash, to be compared with one kept elsewhere: %s\n", plain(v.Last))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
