package workflows

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// detailsLimit bounds the Markdown that the Web UI shows of a workflow, in bytes.
const detailsLimit = 8 << 10

// page is Markdown being written.
type page struct{ strings.Builder }

func (b *page) printf(format string, values ...any) { b.WriteString(fmt.Sprintf(format, values...)) }

// sign is how a state looks in a list.
func sign(s migration.State) string {
	switch s {
	case migration.Done:
		return "✅"
	case migration.Running:
		return "▶️"
	case migration.Waiting:
		return "✋"
	case migration.Paused:
		return "⏸️"
	case migration.Skipped, migration.Excluded:
		return "⏭️"
	case migration.Failed, migration.Aborted:
		return "🛑"
	}
	return "⬜"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// tenantDetails is the tenant's status for the Web UI.
func tenantDetails(s Status) string {
	var b page
	b.printf("## %s: %s\n\n", plain(s.Organisation), s.State)
	if s.Doing != "" {
		b.printf("%s\n\n", plain(s.Doing))
	}
	b.WriteString("| | step | state | |\n|---|---|---|---|\n")
	for _, step := range s.Steps {
		b.printf("| %s | %d. %s | %s | %s |\n", sign(step.State), step.Step, step.Title, step.State, cell(step.Text))
	}
	writeTotals(&b, s.Totals)
	if s.Gate != nil {
		writeGate(&b, s.Gate)
	}
	writeWaiting(&b, s.Waiting, s.CountWaiting())
	writeRetrying(&b, s.Retrying)
	if len(s.Proofs) > 0 {
		b.WriteString("\n### Proofs of routing\n\n| domain | proof | state | |\n|---|---|---|---|\n")
		for _, p := range s.Proofs {
			b.printf("| %s | %s | %s | %s |\n", p.Domain, p.Kind, p.State, cell(p.Text))
		}
	}
	if len(s.Waves) > 0 {
		b.WriteString("\n### Waves\n\n| wave | state | verified | messages | waiting |\n|---|---|---|---|---|\n")
		for _, w := range s.Waves {
			b.printf("| %s | %s | %d of %d | %d | %d |\n", plain(w.Name), w.State, w.Totals.Verified, w.Totals.Mailboxes,
				w.Totals.Account.Copied, w.WaitingCount)
		}
	}
	writeAudit(&b, s.Audit)
	return shorten(b.String(), detailsLimit)
}

// writeGate says exactly what will change, and how it is approved.
func writeGate(b *page, g *Gate) {
	b.printf("\n### ✋ Approve the change of MX\n\nDomains in this order: %s\n\n", strings.Join(g.Domains, ", "))
	if len(g.Changes) == 0 {
		b.WriteString("No record is changed: every MX is already as the tenant wants it. What is approved is to go on to the proofs of routing.\n")
	} else {
		b.WriteString("| record | before | after |\n|---|---|---|\n")
	}
	for _, c := range g.Changes {
		b.printf("| %s %s | %s | %s |\n", c.After.Name, c.After.Type, records(c.Before), records(c.After))
	}
	if len(g.Accepted) == 0 {
		b.WriteString("\nEvery mailbox is verified.\n")
	} else {
		b.printf("\n**Not verified, and accepted as such with this approval (%d):** %s\n", len(g.Accepted),
			plain(shorten(strings.Join(g.Accepted, ", "), 2000)))
	}
	if g.Refusals > 0 {
		b.printf("\n**Messages that the target refused so far, and that stay at the source alone:** %d\n", g.Refusals)
	}
	b.printf("\nTo approve, send the signal `%s` with\n\n```json\n{\"digest\": \"%s\", \"by\": \"your name\"}\n```\n\n"+
		"To say no, send `%s` with the same.\n", SignalApprove, g.Digest, SignalReject)
}

func records(r migration.Record) string {
	if len(r.Data) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s (TTL %d)", cell(strings.Join(r.Data, ", ")), r.TTL)
}

func writeTotals(b *page, t Totals) {
	b.printf("\n%d mailboxes: %d verified, %d finished", t.Mailboxes, t.Verified, t.Finished)
	if t.Excluded > 0 {
		b.printf(", %d left out", t.Excluded)
	}
	if t.Failed > 0 {
		b.printf(", %d failed", t.Failed)
	}
	a := t.Account
	b.printf(". %d", a.Copied+a.Already+a.Moved+a.Merged)
	if all := max(t.Expected, a.Source); all > 0 {
		b.printf(" of %d", all)
	}
	b.WriteString(" messages at the target")
	if a.LeftOut > 0 {
		b.printf(", %d left out by rule", a.LeftOut)
	}
	if t.Refusals > 0 {
		b.printf(", %d refused", t.Refusals)
	}
	b.WriteString(".\n")
}

func writeWaiting(b *page, all []Waiting, count int) {
	if count == 0 {
		return
	}
	b.printf("\n### ✋ Waiting for a person (%d)\n\n", count)
	for i, w := range all {
		if i == 10 {
			b.WriteString("- and more\n")
			break
		}
		who := ""
		if w.Mailbox != "" {
			who = " **" + plain(w.Mailbox) + "**"
		}
		b.printf("- step %d%s since %s: %s\n", w.Step, who, stamp(w.Since), plain(shorten(w.Problem.String(), 600)))
	}
}

// writeRetrying says what fails and is tried again by itself.
func writeRetrying(b *page, all []Retrying) {
	if len(all) == 0 {
		return
	}
	b.WriteString("\n### Fails, and is tried again\n\n")
	for i, r := range all {
		if i == 5 {
			b.WriteString("- and more\n")
			break
		}
		b.printf("- %s since %s: %s\n", plain(joinedWords(r.Mailbox, r.What)), stamp(r.Since), plain(r.Words))
	}
}

func joinedWords(who, what string) string {
	if who == "" {
		return what
	}
	return who + ", " + what
}

func writeAudit(b *page, audit []migration.AuditEntry) {
	if len(audit) == 0 {
		return
	}
	b.WriteString("\n### Last events\n\n")
	for i := len(audit) - 1; i >= 0 && i >= len(audit)-8; i-- {
		by := audit[i].By
		if by != "" {
			by = " " + plain(by) + ":"
		}
		b.printf("- %s%s %s\n", stamp(audit[i].At), by, plain(shorten(audit[i].What, 300)))
	}
}

// waveDetails is a wave's status for the Web UI.
func waveDetails(s WaveStatus, audit []migration.AuditEntry) string {
	var b page
	b.printf("## Wave %s: %s\n\n| | step | state | |\n|---|---|---|---|\n", plain(s.Name), s.State)
	for _, step := range s.Steps {
		b.printf("| %s | %d. %s | %s | %s |\n", sign(step.State), step.Step, step.Title, step.State, cell(step.Text))
	}
	writeTotals(&b, s.Totals)
	writeWaiting(&b, s.Waiting, s.WaitingCount)
	writeRetrying(&b, s.Retrying)
	writeAudit(&b, audit)
	return shorten(b.String(), detailsLimit)
}

// mailboxDetails is a mailbox's status for the Web UI.
func mailboxDetails(s MailboxStatus, audit []migration.AuditEntry) string {
	var b page
	b.printf("## %s %s: %s\n\n%s, pass %d", sign(s.State), plain(s.Address), s.State, plain(s.Doing), s.Passes)
	if !s.LastPass.IsZero() {
		b.printf(", the last ended %s", stamp(s.LastPass))
	}
	a := s.Account
	b.printf("\n\n| at the source | copied | already there | moved | left out | refused | gone |\n|---|---|---|---|---|---|---|\n"+
		"| %d | %d | %d | %d | %d | %d | %d |\n", a.Source, a.Copied, a.Already, a.Moved, a.LeftOut, a.Refused, a.Gone)
	if s.Problem != nil {
		b.printf("\n### ✋ Waiting for a person\n\n%s\n", plain(s.Problem.String()))
	}
	if s.Retrying != nil {
		writeRetrying(&b, []Retrying{*s.Retrying})
	}
	for _, fault := range s.Verification.Faults {
		b.printf("- %s\n", plain(fault))
	}
	writeAudit(&b, audit)
	return shorten(b.String(), detailsLimit)
}

// harmless replaces what Markdown would take for its own.
var harmless = strings.NewReplacer("\r", " ", "\n", " ", "<", "‹", ">", "›", "`", "'", "[", "(", "]", ")", "*", "∗", "|", "∣")

// plain makes text that others wrote harmless in Markdown.
func plain(text string) string { return harmless.Replace(text) }

// cell is plain text for a table.
func cell(text string) string { return plain(shorten(text, 300)) }
