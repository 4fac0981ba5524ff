package workflows

import (
	"cmp"

	"github.com/mailferry/mailferry/internal/migration"
)

// answerStatus is the status with everything that only the query tells.
func (w *wave) answerStatus() WaveStatus {
	s := w.status(true)
	s.Audit = lastOf(w.s.Audit)
	return s
}

// toldAudit is how many entries of its trail a wave or a mailbox answers with.
const toldAudit = 50

func lastOf(audit []migration.AuditEntry) []migration.AuditEntry {
	return audit[max(0, len(audit)-toldAudit):]
}

// mailbox is a row as the status shows it.
func (w *wave) mailbox(r *row) MailboxStatus {
	m := MailboxStatus{
		Address: r.Address, ID: MailboxID(w.scope.Tenant, w.scope.Launch, r.Address), Wave: w.in.Name, State: r.State, Step: r.Stage.step(),
		Doing: cmp.Or(r.Doing, r.Note), Problem: r.Problem, Expected: Load{r.Expected, r.Bytes}, Copied: r.Report.Copied, Handed: r.Handed,
	}
	if _, problem := r.waits(); problem != nil {
		m.Since = r.Since
	}
	if !r.started() && r.State == migration.Running && w.idle() {
		m.State = migration.Pending
	}
	if r.Held {
		m.Doing = heldWords
	}
	if r.started() {
		m.Passes, m.LastPass, m.Account, m.RefusalCount = r.Report.Passes, r.Report.LastPass, r.Report.Account, r.Report.RefusalCount
		m.Verification.Verified, m.AddOnly, m.Retrying = r.Report.Verified, r.Report.AddOnly, r.Report.Retrying
		if r.State == migration.Running && r.Report.Number > 0 {
			m.State, m.Step, m.Doing, m.Problem = r.Report.State, r.Report.Step, r.Report.Doing, r.Report.Problem
		}
		if r.Granted && r.Report.Passes == 0 && m.State == migration.Pending {
			m.State, m.Doing = migration.Running, "first copy"
		}
	}
	if paused := w.s.Paused || w.s.Orders.Paused; paused && (m.State == migration.Running || m.State == migration.Pending) {
		m.State, m.Doing = migration.Paused, "paused with its wave"
	}
	return m
}
