package activities

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/mailferry/mailferry/internal/migration"
)

// reportText writes a report for people: plain text, 80 to 120 columns wide.
func reportText(r migration.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Migration of %s (%s, launch %s)\n\n", cmp.Or(r.Organisation, r.Tenant), r.Tenant, r.Launch)
	fmt.Fprintf(&b, "State    %s\nStarted  %s\nEnded    %s\nDomains  %s\n",
		r.State, moment(r.Started), moment(r.Ended), strings.Join(r.Domains, ", "))
	writeSums(&b, r)
	writeMailboxes(&b, r.Mailboxes)
	writeRefusals(&b, r.Mailboxes)
	writeChanges(&b, r.Changes)
	writeProofs(&b, r)
	writeApprovals(&b, r.Approvals)
	heading(&b, "What happened", len(r.Audit))
	for _, e := range r.Audit {
		fmt.Fprintf(&b, "%s  %s%s\n", moment(e.At), oneLine(e.What), by(e.By))
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && isControl(r) {
			return -1
		}
		return r
	}, b.String())
}

// heading opens a section that has entries, and says "none" for one that has not.
func heading(b *strings.Builder, title string, entries int) {
	fmt.Fprintf(b, "\n%s\n%s\n", title, strings.Repeat("-", len(title)))
	if entries == 0 {
		b.WriteString("none\n")
	}
}

func writeSums(b *strings.Builder, r migration.Report) {
	verified := 0
	for _, m := range r.Mailboxes {
		if m.Verification.Verified {
			verified++
		}
	}
	heading(b, "Sums", 1)
	fmt.Fprintf(b, "Mailboxes         %d, %d of them verified\n", len(r.Mailboxes), verified)
	fmt.Fprintf(b, "At the source     %d messages, %s\n", r.Account.Source, byteCount(r.Account.Bytes))
	fmt.Fprintf(b, "Accounted for as  %s\n", parts(r.Account))
	closes := "every message is accounted for"
	if !r.Account.Closes() {
		closes = "NOT every message is accounted for"
	}
	fmt.Fprintf(b, "Verdict           %s\n", closes)
	if r.Arrivals.Count > 0 {
		fmt.Fprintf(b, "Stragglers        %d messages still came to the source, the last on %s, from %s\n",
			r.Arrivals.Count, moment(r.Arrivals.Last), strings.Join(r.Arrivals.From, ", "))
	}
}

func writeMailboxes(b *strings.Builder, mailboxes []migration.MailboxAccount) {
	heading(b, "Mailboxes", len(mailboxes))
	if len(mailboxes) == 0 {
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mailbox\tstate\tverified\tsource\tcopied\talready\tleft out\trefused\tsize")
	for _, m := range mailboxes {
		verified := "no"
		if m.Verification.Verified {
			verified = "yes"
		}
		a := m.Account
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", m.Address, m.State, verified, a.Source,
			a.Copied+a.Moved+a.Merged, a.Already, a.LeftOut, a.Refused, byteCount(a.Bytes))
	}
	_ = w.Flush() // a strings.Builder takes everything
	for _, m := range mailboxes {
		for _, fault := range m.Verification.Faults {
			fmt.Fprintf(b, "%s: %s\n", m.Address, oneLine(fault))
		}
		if m.Problem != nil {
			fmt.Fprintf(b, "%s: %s\n", m.Address, oneLine(m.Problem.String()))
		}
		if m.Note != "" {
			fmt.Fprintf(b, "%s: %s\n", m.Address, oneLine(m.Note))
		}
		for _, o := range m.Observations {
			fmt.Fprintf(b, "%s: %s: %d\n", m.Address, oneLine(o.Kind), o.Count)
		}
	}
}

func writeRefusals(b *strings.Builder, mailboxes []migration.MailboxAccount) {
	count := 0
	for _, m := range mailboxes {
		count += m.RefusalCount
	}
	heading(b, "Messages that are not at the target, and why", count)
	for _, m := range mailboxes {
		for _, r := range m.Refusals {
			fmt.Fprintf(b, "%s: folder %q, UID %d, %s, %s: %s %s\n", m.Address, r.Folder, r.UID,
				cmp.Or(oneLine(r.MessageID), "no Message-ID"), byteCount(r.Size), r.Kind, oneLine(r.Words))
		}
		if more := m.RefusalCount - len(m.Refusals); more > 0 {
			fmt.Fprintf(b, "%s: and %d more\n", m.Address, more)
		}
	}
}

func writeChanges(b *strings.Builder, changes []migration.Change) {
	heading(b, "Changes in the DNS", len(changes))
	for _, c := range changes {
		fmt.Fprintf(b, "%s %s\n  before  %s\n  after   %s\n", cmp.Or(c.After.Name, c.Before.Name),
			cmp.Or(c.After.Type, c.Before.Type), recordText(c.Before), recordText(c.After))
	}
}

func writeProofs(b *strings.Builder, r migration.Report) {
	heading(b, "Proofs that mail arrives at the tenant", len(r.Proofs))
	for _, p := range r.Proofs {
		fmt.Fprintf(b, "%s  %-8s  %s: %s\n", p.Domain, p.Kind, p.State, oneLine(p.Text))
	}
}

func writeApprovals(b *strings.Builder, approvals []migration.Approval) {
	heading(b, "Approvals", len(approvals))
	for _, a := range approvals {
		verb := "approved"
		if a.Rejected {
			verb = "rejected"
		}
		note := ""
		if a.Note != "" {
			note = ": " + oneLine(a.Note)
		}
		fmt.Fprintf(b, "%s  %s %s%s%s\n", moment(a.At), verb, a.Digest, by(a.By), note)
	}
}

func recordText(r migration.Record) string {
	if len(r.Data) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s (TTL %d s)", strings.Join(r.Data, ", "), r.TTL)
}

// parts names the terms of the closing equation that are not zero.
func parts(a migration.Account) string {
	var terms []string
	for _, t := range []struct {
		count int
		name  string
	}{
		{a.Copied, "copied"},
		{a.Already, "there already"},
		{a.Moved, "moved"},
		{a.Merged, "merged"},
		{a.LeftOut, "left out by rule"},
		{a.Refused, "refused"},
		{a.Unknown, "UNEXPLAINED at the target"},
	} {
		if t.count != 0 {
			terms = append(terms, fmt.Sprintf("%d %s", t.count, t.name))
		}
	}
	if terms == nil {
		return "nothing"
	}
	text := strings.Join(terms, ", ")
	if a.Gone != 0 {
		text += fmt.Sprintf(" (and %d were deleted at the source since)", a.Gone)
	}
	return text
}

func by(name string) string {
	if name == "" {
		return ""
	}
	return " (by " + oneLine(name) + ")"
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func byteCount(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// oneLine keeps what servers and senders wrote from breaking out of its line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || isControl(r) }), " ")
}

// isControl recognises what moves a terminal's cursor or ends a line.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
