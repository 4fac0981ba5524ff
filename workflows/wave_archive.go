package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// mustArchive reports whether every mailbox has ended, so that the wave can write what is left to write and end.
func (w *wave) mustArchive() bool {
	if w.s.Archived || w.s.Problem != nil || w.starting || w.now().Before(w.s.After) || !w.s.Orders.Close && w.aborting() == nil {
		return false
	}
	for _, r := range w.s.Rows {
		if r.started() && !r.Lost && !r.ended() {
			return false
		}
	}
	return true
}

// archive writes what is left to write. What may pass is tried again; the rest waits for a person.
func (w *wave) archive(ctx workflow.Context) {
	const what = "archive accounts"
	err := w.archiveRest(ctx)
	if passing(err) {
		w.fails(Retrying{Step: migration.StepWelcome, Wave: w.in.Name, What: what}, failureWords(err))
		w.s.After = w.now().Add(w.timing.RetryMax.D())
		w.tellSoon()
		return
	}
	w.s.After = time.Time{}
	w.succeeds(what)
	if err != nil {
		w.s.Problem, w.s.Since = problemOf(err), w.now()
	} else {
		w.s.Archived = true
	}
	w.tell()
}

// archiveRest writes the accounts of those that never had a mailbox of their own, or whose mailbox ended without one, and
// what is left of the wave's audit trail.
func (w *wave) archiveRest(ctx workflow.Context) error {
	for _, r := range w.s.Rows {
		if r.ended() {
			continue
		}
		account := migration.MailboxAccount{
			Address: r.Address, Wave: w.in.Name, State: r.State, Account: r.Report.Account, RefusalCount: r.Report.RefusalCount,
			Passes: r.Report.Passes, Problem: r.Problem, Note: r.Note,
		}
		if w.aborting() != nil && !r.out() && !r.Lost {
			account.State = migration.Aborted
		}
		in := activities.ArchiveAccountInput{Scope: w.scope, Archive: w.in.Plan.Archive, Account: account}
		options := w.light(ctx, usual, "archive the account of "+r.Address)
		if err := workflow.ExecuteActivity(options, a.ArchiveAccount, in).Get(ctx, nil); err != nil {
			return err
		}
		r.Archived = true
	}
	return w.archiveAudit(ctx, w.in.Plan.Archive, w.in.Name, w.s.Audit)
}
