package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
	"github.com/mailferry/mailferry/workflows"
)

// outlook answers, for someone who has no time for the rest: how far, when done, and what waits for whom.
func outlook(b *strings.Builder, s operator.Status, o Options) {
	if s.Closed != "" {
		return
	}
	b.WriteString(o.labelled("How far", howFar(s)))
	b.WriteString(o.labelled("When done", whenDone(s)))
	if s.Outlook.Forecast > 0 {
		b.WriteString(o.labelled("Forecast", forecast(s.Outlook)))
	}
	if s.State == migration.Paused {
		b.WriteString(o.labelled("Paused", "nothing is copied until somebody types: "+o.command()+" resume "+s.Tenant))
	}
	dues := s.Dues()
	if len(dues) == 0 && s.WaitingCount == 0 && s.State == migration.Paused {
		b.WriteString(o.labelled("Waits for", string(operator.You)) + "\n")
		return
	}
	if len(dues) == 0 && s.WaitingCount == 0 {
		b.WriteString(o.labelled("Waits for", "nobody: it goes on by itself") + "\n")
		return
	}
	label, named := "Waits for", 0
	for _, due := range dues {
		b.WriteString(o.labelled(label, dueLine(due)))
		label, named = "", named+due.Count
	}
	if s.Gate != nil {
		named--
	}
	if more := s.WaitingCount - named; more > 0 {
		b.WriteString(o.labelled(label, report.Plural(more, "thing more waits", "things more wait")+" for a person"))
	}
	b.WriteString("\n")
}

func dueLine(due operator.Due) string {
	what := plain(due.First.Problem.Text)
	if due.First.Mailbox != "" {
		what = plain(due.First.Mailbox) + ": " + what
	}
	line := fmt.Sprintf("%s: %s", due.Party, cut(what, 160))
	if due.Count > 1 {
		line += fmt.Sprintf(" (and %s more)", report.Count(due.Count-1))
	}
	return line
}

func howFar(s operator.Status) string {
	done, now := 0, migration.Step(0)
	// After the MX change, what a late mailbox is at says nothing of the whole.
	for _, step := range s.Steps {
		if step.State == migration.Done || step.State == migration.Skipped {
			done++
		} else if (now == 0 || s.Done(migration.StepCutover)) && (step.State == migration.Running || step.State == migration.Waiting) {
			now = step.Step
		}
	}
	line := fmt.Sprintf("%d of %d steps done", done, len(s.Steps))
	if now != 0 {
		line += fmt.Sprintf(", now step %d, %s", now, now.Title())
	}
	a := s.Totals.Account
	if all, there := max(s.Totals.Expected, a.Source), a.Copied+a.Already+a.Moved+a.Merged; all > 0 {
		line += fmt.Sprintf("; %s of %s messages at the target", report.Count(there), report.Count(all))
		switch {
		case s.Pace.Uncounted > 0:
			line += fmt.Sprintf(", %s not counted yet", report.Plural(s.Pace.Uncounted, "mailbox", "mailboxes"))
		case all > a.LeftOut+a.Refused:
			line += fmt.Sprintf(" (%d%%)", there*100/(all-a.LeftOut-a.Refused))
		}
	}
	return line + fmt.Sprintf("; %d of %s verified", s.Totals.Verified, report.Plural(s.Totals.Mailboxes-s.Totals.Excluded, "mailbox", "mailboxes"))
}

// whenDone says when the first copies will be or were complete. For what comes after them no date can be given: it waits
// for people, for the DNS and for days of quiet.
func whenDone(s operator.Status) string {
	l := s.Outlook
	switch {
	case !l.Ended.IsZero():
		return fmt.Sprintf("the first copies were complete on %s, after %s; %s", date(l.Ended), roughly(l.Ended.Sub(l.Began)), after(s))
	case l.Unknown != "":
		return "not known: " + l.Unknown
	}
	line := fmt.Sprintf("the first copies in about %s, %s; %s over the last %s", roughly(l.Left.D()), date(l.Ends), perSecond(l.Messages, l.Bytes), roughly(l.Over.D()))
	if l.Slowest != "" {
		line += fmt.Sprintf("; %s alone takes that long", plain(l.Slowest))
	}
	if l.Guessed > 0 {
		line += fmt.Sprintf("; %s taken to be like the others, not counted by step 6 yet", report.Plural(l.Guessed, "mailbox is", "mailboxes are"))
	}
	return line
}

// after is what comes after the first copies.
func after(s operator.Status) string {
	back := func(w workflows.Waiting) bool { return w.Problem.Kind == workflows.RolledBack }
	switch {
	case slices.ContainsFunc(s.Waiting, back):
		return "the records are set back, and a second abort ends it"
	case s.Done(migration.StepRouting):
		return "what is left is step 11"
	case s.Done(migration.StepCutover):
		return "the end has no date: it waits for the DNS, and days of quiet"
	}
	return "the end has no date: it waits for approval, the DNS, and days of quiet"
}

// forecast is what step 6 made of the first copies, to be held against what becomes of them.
func forecast(l operator.Outlook) string {
	line := roughly(l.Forecast.D()) + " for the first copies"
	if !l.Began.IsZero() {
		line += ", to " + date(l.Began.Add(l.Forecast.D()))
	}
	return line + fmt.Sprintf("; made by step 6, for %d messages/s and %s/s a mailbox", operator.AssumedMessages, report.Bytes(operator.AssumedBytes))
}

// roughly writes how long something takes, to the minute where it takes some.
func roughly(d time.Duration) string {
	if d > 3*time.Minute {
		d = d.Round(time.Minute)
	}
	return report.Age(d)
}

// perSecond writes a rate: "12 messages/s, 1.2 MB/s".
func perSecond(messages, bytes float64) string {
	line := fmt.Sprintf("%.0f messages/s", messages)
	if messages < 10 {
		line = fmt.Sprintf("%.1f messages/s", messages)
	}
	if bytes > 0 {
		line += fmt.Sprintf(", %s/s", report.Bytes(int64(bytes)))
	}
	return line
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
