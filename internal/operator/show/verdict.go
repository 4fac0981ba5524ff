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
	kind := ""
	if v.Interim {
		kind = ", an interim report"
	}
	fmt.Fprintf(&b, "%s, launch %s%s: %s, %s, %s of the audit trails\n", plain(v.Tenant), plain(v.Launch), kind,
		report.Plural(v.Mailboxes, "mailbox", "mailboxes"), report.Plural(v.Messages, "message", "messages"), report.Plural(v.Entries, "entry", "entries"))
	if v.SumsHash == "" {
		fmt.Fprintf(&b, "%s isn't beside it, so nothing but the audit trails and the sums was checked\n", report.Sums)
	} else {
		fmt.Fprintf(&b, "%s compared with %s\n", report.Plural(v.Files, "file", "files"), report.Sums)
	}
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
		if v.SumsHash != "" {
			b.WriteString("every file is as it was written\n")
		}
		b.WriteString("every audit trail is whole, and the closing equation and the sums are right\n")
	}
	if v.SumsHash != "" {
		fmt.Fprintf(&b, "the SHA-256 of %s, to be compared with the one in the result of the tenant's workflow: %s\n", report.Sums, v.SumsHash)
	}
	if v.Last != "" {
		fmt.Fprintf(&b, "the last entry's hash, to be compared with one kept elsewhere: %s\n", plain(v.Last))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
