package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/report"
)

// Report writes a report, interim or closing: the sums, the steps' times, each mailbox, what was changed and decided.
func Report(w io.Writer, r migration.Report, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, launch %s: %s\n", o.paint(r.Tenant, text.Bold), plain(r.Organisation), r.Launch, o.state(r.State))
	end, span := r.Ended, "%s to %s (%s)\n"
	if end.IsZero() {
		end, span = r.At, "since %s, an interim report as of %s (%s)\n"
	}
	fmt.Fprintf(&b, span, r.Started.UTC().Format("2006-01-02 15:04"), date(end), report.Age(end.Sub(r.Started)))
	fmt.Fprintf(&b, "Domains: %s\n", plain(strings.Join(r.Domains, ", ")))
	account(&b, r)
	stepTimes(&b, r.Steps, end, o)
	mailboxes(&b, r.Mailboxes, o)
	if len(r.Changes) > 0 {
		b.WriteString("\nChanged in the DNS\n")
		changes(&b, r.Changes, o)
	}
	proofs(&b, r.Proofs, o)
	if r.Arrivals.Count > 0 {
		fmt.Fprintf(&b, "\nStragglers: %s arrived at the source after the change, the last %s, from %s\n",
			report.Plural(r.Arrivals.Count, "message", "messages"), date(r.Arrivals.Last),
			plain(strings.Join(r.Arrivals.From, ", ")))
	}
	if len(r.Approvals) > 0 {
		b.WriteString("\nDecisions\n")
		for _, a := range r.Approvals {
			verb := "approved"
			if a.Rejected {
				verb = "rejected"
			}
			line := verb + " by " + a.By
			if a.Note != "" {
				line += ": " + a.Note
			}
			b.WriteString(o.hanging("  "+a.At.UTC().Format("2006-01-02 15:04:05")+"  ", plain(line)))
		}
	}
	if len(r.Audit) > 0 {
		b.WriteString("\nWhat happened\n")
		for _, entry := range r.Audit {
			b.WriteString(o.hanging("  "+entry.At.UTC().Format("2006-01-02 15:04:05")+"  ", happened(entry)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// stepTimes writes how long each step took, beside what the plan says of it.
func stepTimes(b *strings.Builder, steps []migration.StepTime, end time.Time, o Options) {
	known := slices.ContainsFunc(steps, func(s migration.StepTime) bool { return !s.Began.IsZero() })
	if !known {
		return
	}
	b.WriteString("\nSteps\n")
	t := o.grid("  step", "state", "took", "planned")
	for _, s := range steps {
		t.AppendRow(table.Row{fmt.Sprintf("  %2d %s", s.Step, s.Step.Title()), o.state(s.State), report.Took(s, end), report.Planned(s)})
	}
	b.WriteString(trimLines(t.Render()))
}

// account writes the closing equation.
func account(b *strings.Builder, r migration.Report) {
	a := r.Account
	fmt.Fprintf(b, "\n%s\n\n%s at the source\n", report.Conclusion(r), report.Plural(a.Source, "message", "messages"))
	if r.Missing > 0 {
		fmt.Fprintf(b, "  %9s left no account in the archive\n", report.Plural(r.Missing, "mailbox", "mailboxes"))
	}
	for _, part := range []struct {
		n    int
		what string
	}{
		{a.Copied, "copied"},
		{a.Already, "there before"},
		{a.Moved, "moved at the target"},
		{a.Merged, "merged"},
		{a.LeftOut, "left out by rule"},
		{a.Refused, "refused"},
		{a.Gone, "gone from the source since"},
		{a.Unknown, "at the target and not explained"},
	} {
		if part.n > 0 {
			fmt.Fprintf(b, "  %9s %s\n", report.Count(part.n), part.what)
		}
	}
}

func mailboxes(b *strings.Builder, all []migration.MailboxAccount, o Options) {
	if len(all) == 0 {
		return
	}
	b.WriteString("\nMailboxes\n")
	t := o.grid("  address", "state", "source", "target", "left out", "refused", "bytes", "verified")
	var configs []table.ColumnConfig
	for n := 3; n <= 7; n++ {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	for _, m := range all {
		verified := "yes"
		switch {
		case m.State == migration.Excluded:
			verified = "-"
		case !m.Verification.Verified:
			verified = "NO"
		}
		a := m.Account
		t.AppendRow(table.Row{
			"  " + plain(m.Address), o.state(m.State), report.Count(a.Source), report.Count(a.Copied + a.Already + a.Moved + a.Merged),
			report.Count(a.LeftOut), report.Count(a.Refused), report.Bytes(a.Bytes), verified,
		})
	}
	b.WriteString(trimLines(t.Render()))
	for _, m := range all {
		refusals(b, m, o)
	}
}

// refusals names a mailbox's messages that are not at the target.
func refusals(b *strings.Builder, m migration.MailboxAccount, o Options) {
	if m.Problem != nil {
		b.WriteString(o.wrap(fmt.Sprintf("%s: %s", plain(m.Address), plain(m.Problem.String())), 2) + "\n")
	}
	if m.RefusalCount == 0 {
		return
	}
	fmt.Fprintf(b, "\n  %s: %s not at the target\n", plain(m.Address), report.Plural(m.RefusalCount, "message", "messages"))
	for _, r := range m.Refusals {
		line := fmt.Sprintf("%s, UID %d, %s, %s: %s", r.Folder, r.UID, report.Bytes(r.Size), r.Kind, r.Words)
		if r.MessageID != "" {
			line += " " + r.MessageID
		}
		b.WriteString(o.wrap(plain(line), 4) + "\n")
	}
	if more := m.RefusalCount - len(m.Refusals); more > 0 {
		fmt.Fprintf(b, "    and %s more\n", report.Count(more))
	}
}
