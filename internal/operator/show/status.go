package show

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
	"github.com/mailferry/mailferry/workflows"
)

// Status writes the whole status: the steps, the sums, what is being copied just now, and what waits for a person.
func Status(w io.Writer, s operator.Status, live []operator.Live, o Options) error {
	var b strings.Builder
	if s.Note != "" {
		note := strings.ToUpper(s.Note[:1]) + s.Note[1:]
		if !s.Modified.IsZero() {
			note += fmt.Sprintf(" (%s ago)", report.Age(o.now().Sub(s.Modified)))
		}
		b.WriteString(o.paint(o.wrap(plain(note), 0), text.FgYellow) + "\n\n")
	}
	b.WriteString(headline(s, o) + "\n\n")
	outlook(&b, s, o)
	steps(&b, s, o)
	sums(&b, s, o)
	copying(&b, live, o)
	proofs(&b, s.Proofs, o)
	lately(&b, s.Audit, o)
	waiting(&b, s, o)
	if s.Gate != nil && s.Closed == "" {
		b.WriteString("\n")
		gate(&b, s, o)
	}
	switch s.Closed {
	case "":
	case "terminated", "failed", "timed out":
		fmt.Fprintf(&b, "\nIts waves and mailboxes may still run, with nobody to report to; to stop them: %s abort --orphans %s\n", o.command(), s.Tenant)
	default:
		fmt.Fprintf(&b, "\nRead what was moved, changed and decided: %s report %s\n", o.command(), s.Tenant)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func headline(s operator.Status, o Options) string {
	line := fmt.Sprintf("%s  %s, launch %s: %s", o.paint(s.Tenant, text.Bold), plain(s.Organisation), s.Launch, o.state(s.State))
	switch {
	case s.Closed == "completed":
		line += fmt.Sprintf(", over after %s", report.Age(s.Ended.Sub(s.Started)))
	case s.Closed != "":
		line += fmt.Sprintf(", %s after %s", s.Closed, report.Age(s.Ended.Sub(s.Started)))
	case !s.Started.IsZero():
		line += ", for " + report.Age(o.now().Sub(s.Started))
	}
	return line
}

func steps(b *strings.Builder, s operator.Status, o Options) {
	t := o.grid("#", "step", "state", "")
	used := 2 + 2 + len("Prepare the source, verify domains") + 2 + len("✓ excluded") + 2
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 1, Align: text.AlignRight},
		{Number: 4, WidthMax: max(o.width()-used, 20), WidthMaxEnforcer: text.WrapSoft},
	})
	for _, step := range s.Steps {
		line := plain(step.Text)
		if step.State == migration.Waiting && !step.Since.IsZero() {
			line = strings.TrimLeft(fmt.Sprintf("%s (for %s)", line, report.Age(o.now().Sub(step.Since))), " ")
		}
		t.AppendRow(table.Row{int(step.Step), step.Step.Title(), o.state(step.State), line})
	}
	b.WriteString(trimLines(t.Render()))
}

func sums(b *strings.Builder, s operator.Status, o Options) {
	t := s.Totals
	line := fmt.Sprintf("%s: %d verified, %d finished", report.Plural(t.Mailboxes, "mailbox", "mailboxes"), t.Verified, t.Finished)
	for _, more := range []struct {
		n    int
		what string
	}{{t.Failed, "failed"}, {t.Excluded, "left out"}} {
		if more.n > 0 {
			line += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	b.WriteString("\n" + o.labelled("Mailboxes", line) + o.labelled("Messages", messages(t)))
	if t.Passwords > 0 && s.Closed == "" {
		b.WriteString(o.labelled("Passwords", "the first passwords of "+report.Plural(t.Passwords, "new user", "new users")+" are not handed out yet; to do so:"))
		fmt.Fprintf(b, "           %s passwords %s --to NAME --out FILE\n", o.command(), s.Tenant)
	}
	if len(s.Waves) > 1 {
		for _, wave := range s.Waves {
			b.WriteString(o.labelled("Wave", fmt.Sprintf("%s: %s, %s, %d verified", plain(wave.Name), o.state(wave.State),
				report.Plural(wave.Totals.Mailboxes, "mailbox", "mailboxes"), wave.Totals.Verified)))
		}
	}
	if s.Doing != "" && s.Closed == "" {
		b.WriteString(o.labelled("Just now", plain(s.Doing)))
	}
	if s.Closed == "" {
		retrying(b, s.Retrying, o)
	}
}

// shownFailures is how much of what fails again and again is shown.
const shownFailures = 5

// retrying says what fails, since when and of what, and is tried again by itself.
func retrying(b *strings.Builder, all []workflows.Retrying, o Options) {
	for i, r := range all {
		if i == shownFailures {
			b.WriteString(o.labelled("Fails", fmt.Sprintf("and %d more; all are tried again by themselves", len(all)-i)))
			return
		}
		who := ""
		for _, part := range []string{r.Wave, r.Mailbox} {
			if part != "" {
				who += plain(part) + ", "
			}
		}
		since := ""
		if !r.Since.IsZero() {
			since = " for " + report.Age(o.now().Sub(r.Since))
		}
		b.WriteString(o.labelled("Fails", fmt.Sprintf("%s%s%s, and is tried again: %s", who, plain(r.What), since, plain(r.Words))))
	}
}

// messages says what became of the messages, as far as it is known.
func messages(t workflows.Totals) string {
	a := t.Account
	there := a.Copied + a.Already + a.Moved + a.Merged
	line := report.Count(there)
	if t.Expected > 0 {
		line += fmt.Sprintf(" of %s", report.Count(max(t.Expected, a.Source)))
	}
	line += fmt.Sprintf(" at the target, %s copied", report.Bytes(a.Bytes))
	for _, more := range []struct {
		n    int
		what string
	}{
		{a.Already, "of them there before"},
		{a.LeftOut, "left out by rule"},
		{a.Refused, "refused"},
		{a.Gone, "gone from the source since"},
		{a.Unknown, "at the target unexplained"},
	} {
		if more.n > 0 {
			line += fmt.Sprintf(", %s %s", report.Count(more.n), more.what)
		}
	}
	return line
}

func copying(b *strings.Builder, live []operator.Live, o Options) {
	if len(live) == 0 {
		return
	}
	b.WriteString("\nCopying just now\n")
	t := o.grid()
	for _, l := range live {
		progress := report.Count(l.Progress.Messages)
		if l.Progress.Total > 0 {
			progress += " of " + report.Count(l.Progress.Total)
		}
		rate := ""
		if perSecond, bytesPerSecond := l.Rate(); perSecond > 0 {
			rate = fmt.Sprintf("%.0f/s, %s/s", perSecond, report.Bytes(int64(bytesPerSecond)))
		}
		if l.Attempt > 1 {
			rate = fmt.Sprintf("attempt %d: %s", l.Attempt, cut(plain(l.Failure), 60))
		}
		t.AppendRow(table.Row{"  " + plain(l.Address), cut(plain(l.Doing), 20), cut(plain(l.Progress.Folder), 30), progress, report.Bytes(l.Progress.Bytes), rate})
	}
	b.WriteString(trimLines(t.Render()))
}

// shownProof is how much of a proof is shown; the report has all of it.
const shownProof = 100

func proofs(b *strings.Builder, all []migration.Proof, o Options) {
	if len(all) == 0 {
		return
	}
	b.WriteString("\nRouting proofs\n")
	domain := 0
	for _, p := range all {
		domain = max(domain, text.StringWidthWithoutEscSequences(plain(p.Domain)))
	}
	for _, p := range all {
		prefix := fmt.Sprintf("  %s  %-7s  %-14s  ", text.Pad(plain(p.Domain), domain, ' '), p.Kind, p.State)
		b.WriteString(o.hanging(prefix, cut(plain(p.Text), shownProof)))
	}
}

// lately shows the end of the audit: what was ordered, what came of it, and orders that were ignored with the reason.
func lately(b *strings.Builder, audit []migration.AuditEntry, o Options) {
	const shown = 4
	if len(audit) == 0 {
		return
	}
	b.WriteString("\nLately\n")
	for _, entry := range audit[max(0, len(audit)-shown):] {
		b.WriteString(o.hanging(fmt.Sprintf("  %-11s ", report.Age(o.now().Sub(entry.At))+" ago"), cut(happened(entry), 200)))
	}
}

// happened is an entry of the audit in one line, with who ordered it.
func happened(entry migration.AuditEntry) string {
	if entry.By == "" {
		return plain(entry.What)
	}
	return plain(fmt.Sprintf("%s (%s)", entry.What, entry.By))
}

// Gate writes what an approval would have done. The status must have a gate.
func Gate(w io.Writer, s operator.Status, o Options) error {
	var b strings.Builder
	gate(&b, s, o)
	_, err := io.WriteString(w, b.String())
	return err
}

func gate(b *strings.Builder, s operator.Status, o Options) {
	g := s.Gate
	title := "The MX change waits for approval"
	if !g.Since.IsZero() {
		title = "The MX change has waited for approval for " + report.Age(o.now().Sub(g.Since))
	}
	b.WriteString(o.paint(title, text.Bold, text.FgYellow) + "\n")
	if n := len(s.Approvals); n > 0 && s.Approvals[n-1].Rejected && s.Approvals[n-1].Digest == g.Digest {
		last := s.Approvals[n-1]
		b.WriteString(o.hanging("  ! ", plain(fmt.Sprintf("rejected by %s %s ago: %s", last.By, report.Age(o.now().Sub(last.At)), cmp.Or(last.Note, "no reason given")))))
	}
	if len(g.Domains) == 0 { // the memo has the digest alone
		b.WriteString(o.wrap("What it would change is shown, and can be approved, when a worker answers.", 2) + "\n")
		return
	}
	fmt.Fprintf(b, "  Domains, in this order: %s\n", plain(strings.Join(g.Domains, ", ")))
	changes(b, g.Changes, o)
	if len(g.Changes) == 0 {
		b.WriteString(o.wrap("No record is changed: every MX is already as the tenant wants it. An approval goes on to the proofs of routing.", 2) + "\n")
	}
	if len(g.Accepted) > 0 {
		fmt.Fprintf(b, "  Accepted as they are, though NOT verified: %s\n", report.Plural(len(g.Accepted), "mailbox", "mailboxes"))
		for _, address := range g.Accepted {
			fmt.Fprintf(b, "    %s\n", plain(address))
		}
	}
	if g.Refusals > 0 {
		fmt.Fprintf(b, "  Refused by the target so far: %s\n", report.Plural(g.Refusals, "message", "messages"))
	}
	fmt.Fprintf(b, "  Approve:  %s approve %s --digest %s\n", o.command(), s.Tenant, g.Digest)
	fmt.Fprintf(b, "  Reject:   %s reject %s --digest %s --note WHY\n", o.command(), s.Tenant, g.Digest)
}

// Changes writes records as they are (-) and as they will be (+).
func Changes(w io.Writer, all []migration.Change, o Options) error {
	var b strings.Builder
	changes(&b, all, o)
	_, err := io.WriteString(w, b.String())
	return err
}

func changes(b *strings.Builder, all []migration.Change, o Options) {
	for _, c := range all {
		name, kind := c.After.Name, c.After.Type
		if name == "" {
			name, kind = c.Before.Name, c.Before.Type
		}
		fmt.Fprintf(b, "  %s %s\n", plain(name), plain(kind))
		for _, side := range []struct {
			sign   string
			record migration.Record
			color  text.Color
		}{{"-", c.Before, text.FgRed}, {"+", c.After, text.FgGreen}} {
			if len(side.record.Data) == 0 {
				b.WriteString(o.paint(fmt.Sprintf("    %s nothing", side.sign), side.color) + "\n")
			}
			for _, data := range side.record.Data {
				b.WriteString(o.paint(fmt.Sprintf("    %s %s (TTL %d)", side.sign, plain(data), side.record.TTL), side.color) + "\n")
			}
		}
	}
}

// Line is a status in one line, for logs and for terminals that are none.
func Line(s operator.Status, o Options) string {
	now := migration.Step(0)
	for _, step := range s.Steps {
		if step.State == migration.Waiting || (step.State == migration.Running && now == 0) {
			now = step.Step
		}
	}
	line := fmt.Sprintf("%s %s: %s", o.now().UTC().Format("15:04:05"), s.Tenant, s.State)
	if now != 0 {
		line += fmt.Sprintf(", step %d (%s)", now, now.Title())
	}
	line += fmt.Sprintf(", %d of %d mailboxes verified, %s", s.Totals.Verified, s.Totals.Mailboxes, messages(s.Totals))
	if s.WaitingCount > 0 {
		line += fmt.Sprintf(", %s for a person", report.Plural(s.WaitingCount, "thing waits", "things wait"))
	}
	if s.Gate != nil && s.Closed == "" {
		line += ", the MX change waits for approval, digest " + s.Gate.Digest
	}
	if s.Closed != "" {
		line += ", " + s.Closed
	} else if s.Doing != "" {
		line += ", " + plain(s.Doing)
	}
	if !s.Worker && s.Note != "" {
		line += " [" + plain(s.Note) + "]"
	}
	return line
}

func cut(s string, runes int) string {
	if r := []rune(s); len(r) > runes {
		return string(r[:runes]) + "…"
	}
	return s
}

// trimLines takes the padding off the ends of a table's lines.
func trimLines(s string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
