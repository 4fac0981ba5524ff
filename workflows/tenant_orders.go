package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// hear registers the signals that a tenant takes.
func (t *tenant) hear() {
	onMessage(&t.core, signalVerdict, func(v verdict) { t.verdicts = append(t.verdicts, v) })
	onMessage(&t.core, signalReport, t.takeReport)
	onMessage(&t.core, signalHanded, t.takeHanded)
	t.onDecision(SignalApprove, "Approve the change of MX that the digest names.", false)
	t.onDecision(SignalReject, "Say no to the change of MX that the digest names.", true)
	t.onOrder(SignalAbort, "Before the MX change: stop, and leave everything as it is. After it: set the records back.", true, t.abort)
	t.onOrder(SignalPause, "Stop copying until resumed.", false, t.pause)
	t.onOrder(SignalResume, "Go on after a pause.", false, t.resume)
	t.onOrder(SignalSyncNow, "Begin a delta of every mailbox at once.", false, t.syncNow)
	t.onRow(SignalExclude, "Leave a mailbox out; it must be accepted at the gate.", func(o RowOrder) { t.handRow(SignalExclude, o) })
	t.onRow(SignalRestart, "Have a mailbox begin again by matching, or take back that it is left out.", func(o RowOrder) { t.handRow(SignalRestart, o) })
	t.onStep(SignalRetry, "Try a step that waits again, for one mailbox or all.", func(o StepOrder) { t.answer(SignalRetry, o, false) })
	t.onStep(SignalSkip, "Go on without a step that waits, for one mailbox or all.", func(o StepOrder) {
		if o.Mailbox == "" && !o.Step.Skippable() {
			t.ignore(o.By, SignalSkip, fmt.Sprintf("step %d can't be skipped for a whole tenant; a mailbox can be left out by name", o.Step))
			return
		}
		t.answer(SignalSkip, o, true)
	})
	t.listen()
}

// onDecision has an approval or a rejection taken.
func (t *tenant) onDecision(name, description string, rejected bool) {
	t.on(name, description, func(raw converter.RawValue) {
		var d Decision
		if err := decode(raw, &d); err != nil {
			t.ignore("", name, err.Error())
			return
		}
		if rejected && t.withdraw(d) {
			return
		}
		if err := t.undecided(d); err != nil {
			t.ignore(d.By, name, err.Error())
			return
		}
		t.decide(d, rejected)
	})
}

// maxApprovals is how many approvals and rejections are kept, the last ones: the same gate can be rejected for ever.
const maxApprovals = 50

// undecided is why a decision doesn't count, nil if it does.
func (t *tenant) undecided(d Decision) error {
	d = d.bounded()
	switch {
	case d.By == "":
		return errors.New(`it must say who decides: {"digest": "...", "by": "..."}`)
	case t.s.Gate == nil:
		return errors.New("nothing waits for approval")
	case d.Digest != t.s.Gate.Digest:
		return fmt.Errorf("the digest %q is not that of what waits for approval, %q", d.Digest, t.s.Gate.Digest)
	case t.s.Approved != nil:
		return fmt.Errorf("%s has approved it already", t.s.Approved.By)
	}
	return nil
}

// decide records a decision that counts.
func (t *tenant) decide(d Decision, rejected bool) {
	d = d.bounded()
	approval := migration.Approval{At: t.now(), Digest: d.Digest, By: d.By, Note: d.Note, Rejected: rejected}
	t.s.Approvals = append(t.s.Approvals, approval)
	if over := len(t.s.Approvals) - maxApprovals; over > 0 {
		t.s.Approvals = slices.Delete(t.s.Approvals, 0, over)
	}
	if rejected {
		t.record(d.By, because("rejected the change of MX", d.Note))
		return
	}
	t.s.Approved = &approval
	t.record(d.By, because("approved the change of MX, digest "+d.Digest, d.Note))
}

// abort stops everything, or rolls back where the MX was changed.
func (t *tenant) abort(o Order) {
	switch {
	case t.s.Aborted != nil:
		t.ignore(o.By, SignalAbort, "the migration was aborted already, by "+t.s.Aborted.By)
	case t.attempted():
		t.rollBack(o)
	default:
		t.s.Aborted = &o
		t.stop()
		t.record(o.By, because("aborted the migration; everything stays as it is", o.Reason))
	}
}

// answer gives an order about a step to what waits for it: the tenant's own questions, a lost wave, or the waves.
func (t *tenant) answer(name string, o StepOrder, skip bool) {
	count := 0
	if o.Mailbox == "" {
		for _, q := range t.asks {
			if q.Step == o.Step && q.answer == nil {
				q.answer, q.skip = &o, skip
				count++
			}
		}
	}
	for i, w := range t.s.Waves {
		switch at, known := t.s.Ledger.wave(o.Mailbox); {
		case o.Mailbox != "" && (!known || at != i):
		case w.Lost && o.Step == migration.StepMigrate && !skip && o.Mailbox == "":
			w.Lost = false
			w.Told, w.Report.Number = waveOrders{Number: w.Told.Number}, 0 // where it was started again, as in [wave.retry]
			t.checkAt = t.now()
			count++
		case w.Started && !w.Lost && w.waitsAt(o.Step):
			t.handOn(name, o, w)
			count++
		}
	}
	if count == 0 {
		t.ignore(o.By, name, fmt.Sprintf("nothing waits at step %d%s", o.Step, of(o.Mailbox)))
		return
	}
	t.record(o.By, because(fmt.Sprintf("%s %d%s", name, o.Step, of(o.Mailbox)), o.Reason))
}

// waitsAt reports whether something of the wave waits in the step.
func (w *tenantWave) waitsAt(step migration.Step) bool {
	return slices.ContainsFunc(w.Report.Counts, func(c stepCount) bool { return c.Step == step && c.Waiting > 0 }) ||
		slices.ContainsFunc(w.Report.Status.Waiting, func(one Waiting) bool { return one.Step == step })
}

// handOn gives an order to a wave.
func (t *tenant) handOn(name string, o any, w *tenantWave) {
	t.busy++
	workflow.Go(t.base, func(ctx workflow.Context) {
		defer func() { t.busy-- }()
		err := t.send(ctx, t.waveID(w), name, o)
		switch {
		case isGone(err) && w.Report.Final:
			t.ignore("", name, "the mailboxes of wave "+w.Name+" have ended")
		case err != nil:
			t.record("", "wave "+w.Name+" can't be reached: "+err.Error())
			w.Lost = true
		}
	})
}

// takeReport takes what a wave says.
func (t *tenant) takeReport(r waveReport) {
	i := slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == r.Status.Name })
	if i < 0 {
		return
	}
	w := t.s.Waves[i]
	if r.Number <= w.Report.Number {
		if r.Final {
			w.Told.Acknowledged = false // it asks again, so the acknowledgement got lost
		}
		return
	}
	w.Report, w.Lost = r, false
	w.released()
	t.touch()
}
