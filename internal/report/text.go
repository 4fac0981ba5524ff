package report

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/mailferry/mailferry/internal/migration"
)

// writeText writes a report as plain text, 80 to 120 columns wide.
func writeText(b buffer, s *summary) {
	fmt.Fprintf(b, "Migration of %s (%s, launch %s)\n\n", oneLine(cmp.Or(s.Organisation, s.Tenant)), s.Tenant, s.Launch)
	fmt.Fprintf(b, "Verdict  %s\nState    %s\nStarted  %s\n", s.verdict(), s.State, moment(s.Started))
	if s.over() {
		fmt.Fprintf(b, "Ended    %s, after %s\n", moment(s.Ended), Age(s.Ended.Sub(s.Started)))
	} else {
		fmt.Fprintf(b, "As of    %s\n", moment(s.At))
	}
	fmt.Fprintf(b, "Domains  %s\n", oneLine(strings.Join(s.Domains, ", ")))
	textSums(b, s)
	textSteps(b, s)
	textMailboxes(b, s)
	textRefusals(b, s)
	heading(b, "What was noticed on the way", len(s.Observed))
	for _, o := range s.Observed {
		fmt.Fprintf(b, "%9s %s, in %s\n", Count(o.Count), o.What, Plural(o.Mailboxes, "mailbox", "mailboxes"))
	}
	heading(b, "Changes in the DNS", len(s.Changes))
	for _, c := range s.Changes {
		fmt.Fprintf(b, "%s\n  before  %s\n  after   %s\n", owner(c), records(c.Before), records(c.After))
	}
	heading(b, "Proofs that mail arrives at the tenant", len(s.Proofs))
	for _, p := range s.Proofs {
		fmt.Fprintf(b, "%s  %-8s  %s: %s\n", oneLine(p.Domain), p.Kind, p.State, oneLine(p.Text))
	}
	textApprovals(b, s.Approvals)
	textAudit(b, s)
}

// buffer is where text is put together; it takes everything.
type buffer interface {
	Write([]byte) (int, error)
	WriteString(string) (int, error)
}

// heading opens a section that has entries, and says "none" for one that has not.
func heading(b buffer, title string, entries int) {
	fmt.Fprintf(b, "\n%s\n%s\n", title, strings.Repeat("-", len(title)))
	if entries == 0 {
		_, _ = b.WriteString("none\n")
	}
}

func textSums(b buffer, s *summary) {
	heading(b, "Sums", 1)
	fmt.Fprintf(b, "Mailboxes      %s, %s of them verified, %s left out\n", Count(s.Total), Count(s.Verified), Count(s.LeftOut))
	if s.Missing > 0 {
		fmt.Fprintf(b, "               %s left no account in the archive\n", Plural(s.Missing, "mailbox", "mailboxes"))
	}
	fmt.Fprintf(b, "Mail           %s\n", balance(s.Account))
	if s.Expected > 0 {
		fmt.Fprintf(b, "               %s were counted before the first copy\n", Count(s.Expected))
	}
	fmt.Fprintf(b, "Size           %s\n", Bytes(s.Account.Bytes))
	if s.Arrivals.Count > 0 {
		fmt.Fprintf(b, "Stragglers     %s messages still came to the source, the last on %s, from %s\n",
			Count(s.Arrivals.Count), moment(s.Arrivals.Last), oneLine(strings.Join(s.Arrivals.From, ", ")))
	}
}

func textSteps(b buffer, s *summary) {
	heading(b, "Steps", len(s.Steps))
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, step := range s.Steps {
		fmt.Fprintf(w, "%2d  %s\t%s\t%s\t%s\n", step.Step, step.Step.Title(), step.State, Took(step, s.End()), Planned(step))
	}
	_ = w.Flush() // the buffer takes everything
}

func textMailboxes(b buffer, s *summary) {
	heading(b, "Mailboxes", len(s.Rows))
	if len(s.Rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mailbox\tstate\tverified\tsource\tcopied\talready\tleft out\trefused\tsize")
	for _, m := range s.Rows {
		verified := "no"
		if m.Verification.Verified {
			verified = "yes"
		}
		a := m.Account
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", oneLine(m.Address), m.State, verified, a.Source,
			a.Copied+a.Moved+a.Merged, a.Already, a.LeftOut, a.Refused, Bytes(a.Bytes))
	}
	_ = w.Flush() // the buffer takes everything
	more(b, s.MoreRows, "mailboxes: see "+Mailboxes)
	for _, n := range s.Notices {
		fmt.Fprintf(b, "%s: %s\n", oneLine(n.Address), n.Text)
	}
	more(b, s.MoreNotices, "notes: see "+Mailboxes)
}

func textRefusals(b buffer, s *summary) {
	heading(b, "Messages that are not at the target, and why", len(s.Refused)+s.MoreRefused)
	for _, r := range s.Refused {
		fmt.Fprintf(b, "%s: folder %q, UID %d, %s, %s: %s %s\n", oneLine(r.Address), r.Folder, r.UID,
			cmp.Or(oneLine(r.MessageID), "no Message-ID"), Bytes(r.Size), oneLine(r.Kind), oneLine(r.Words))
	}
	more(b, s.MoreRefused, "refusals: see "+Refusals)
}

func textApprovals(b buffer, approvals []migration.Approval) {
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
		fmt.Fprintf(b, "%s  %s %s%s%s\n", moment(a.At), verb, oneLine(a.Digest), by(a.By), note)
	}
}

func textAudit(b buffer, s *summary) {
	heading(b, "What happened", len(s.Audit))
	for _, e := range s.Audit {
		fmt.Fprintf(b, "%4d  %s  %s%s\n", e.Number, moment(e.At), oneLine(e.What), by(e.By))
	}
	if len(s.Audit) > 0 {
		fmt.Fprintf(b, "\nThe hash of the last entry, over all before it: %s\n", s.Audit[len(s.Audit)-1].Hash)
	}
}

// more says that there are things which are not named.
func more(b buffer, n int, what string) {
	if n > 0 {
		fmt.Fprintf(b, "and %s more %s\n", Count(n), what)
	}
}

func by(name string) string {
	if name == "" {
		return ""
	}
	return " (by " + oneLine(name) + ")"
}
