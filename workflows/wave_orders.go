package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// orderWindow is how many orders are sent at once.
const orderWindow = 100

// hear registers the signals that a wave takes.
func (w *wave) hear() {
	onMessage(&w.core, signalStage, w.stage)
	onMessage(&w.core, signalMoved, w.takeMoved)
	onMessage(&w.core, signalImport, w.settleImport)
	onMessage(&w.core, signalOrders, w.obey)
	onMessage(&w.core, signalReport, w.takeReport)
	onMessage(&w.core, signalHandOut, w.handOut)
	w.onOrder(SignalAbort, "Stop this wave, leave everything as it is, and end.", true, w.abort)
	w.onOrder(SignalPause, "Stop copying until resumed.", false, w.pause)
	w.onOrder(SignalResume, "Go on after a pause.", false, w.resume)
	w.onOrder(SignalSyncNow, "Begin a delta of every mailbox at once.", false, w.syncNow)
	w.onRow(SignalExclude, "Leave a mailbox out; it must be accepted at the gate.", w.exclude)
	w.onRow(SignalRestart, "Have a mailbox begin again by matching, or take back that it is left out.", w.restart)
	w.onStep(SignalRetry, "Try a step that waits again, for one mailbox or all.", w.retry)
	w.onStep(SignalSkip, "Go on without a step that waits, for one mailbox or all.", w.skip)
	w.listen()
}

// obey takes the tenant's orders.
func (w *wave) obey(o waveOrders) {
	if o.Number <= w.s.Orders.Number {
		return
	}
	before := w.s.Orders
	w.s.Orders, w.s.Lost = o, 0
	if o.Begin && !before.Begin {
		for _, r := range w.s.Rows {
			r.Since = w.now()
		}
	}
	if o.Close {
		w.forgetPasswords()
	}
	if o.Finish && !before.Finish {
		w.s.Check = w.now()
	}
	if o.Abort != nil {
		w.stop()
	}
	w.tellSoon()
}

func (w *wave) abort(o Order) {
	switch {
	case w.aborting() != nil:
		w.ignore(o.By, SignalAbort, "the wave is aborted already")
		return
	case w.s.Archived:
		w.ignore(o.By, SignalAbort, w.ending())
		return
	}
	w.s.Aborted = &o
	w.stop()
	w.record(o.By, because("aborted", o.Reason))
	w.tell()
}

// wanted are the orders that a mailbox should have.
func (w *wave) wanted(i int) mailboxOrders {
	r, o := w.s.Rows[i], w.s.Orders
	if r.Lost {
		return r.Told
	}
	if r.Report.Final {
		final := r.Told
		final.Acknowledged = true
		return final
	}
	orders := mailboxOrders{
		Sync: r.Granted, Paused: o.Paused || w.s.Paused, Interval: o.Interval, AfterMX: o.AfterMX, Pass: o.Pass + w.s.Pass,
		Offset: offset(o.Interval, r.Slot),
		// Nobody is finished before those who ended without a word are found.
		Finish:  o.Finish && w.s.Checked,
		Close:   o.Close && w.s.Checked,
		Exclude: r.Excluded,
	}
	if abort := w.aborting(); abort != nil {
		orders.Abort = Order{By: named(abort.By), Reason: abort.Reason}
	}
	return orders
}

// offset spreads deltas over the interval: however many rows there are, and though they keep their places while others
// come and go, no two are close together (multiples of the golden section, as in Knuth's multiplicative hashing).
func offset(interval migration.Duration, slot int) migration.Duration {
	const golden = 2654435769 // 2^32 divided by the golden section
	return interval / (1 << 16) * migration.Duration(uint32(slot*golden)>>16)
}

// named is who gave an order, where an empty name would mean that there is no order.
func named(by string) string {
	if by == "" {
		return "unknown"
	}
	return by
}

// owed are the places of rows whose mailboxes don't know yet what is wanted of them.
func (w *wave) owed() []int {
	w.grant()
	var places []int
	for i, r := range w.s.Rows {
		if r.started() && !r.Lost && !w.wanted(i).same(r.Told) {
			if places = append(places, i); len(places) == orderWindow {
				break
			}
		}
	}
	return places
}

// grant orders first copies, as many at once as the wave's share of each source allows. One that waits for a person gives
// its place up, and gets one again when it may go on.
func (w *wave) grant() {
	if w.idle() {
		return
	}
	for _, r := range w.s.Rows {
		if r.Granted && !r.Report.Copied && r.Report.Problem != nil {
			r.Granted = false
		}
	}
	for _, s := range w.s.Orders.Shares {
		active := 0
		for _, r := range w.s.Rows {
			if r.Endpoint == s.Endpoint && r.Granted && w.copying(r) {
				active++
			}
		}
		for _, r := range w.s.Rows {
			if active >= s.Mailboxes {
				break
			}
			if r.Endpoint == s.Endpoint && r.started() && !r.Granted && !r.out() && !r.Lost && r.Report.Problem == nil {
				r.Granted = true
				active++
			}
		}
	}
}

// copying reports whether a mailbox whose first copy was ordered is still at it.
func (w *wave) copying(r *row) bool {
	_, problem := r.waits()
	return !r.Report.Copied && !r.out() && !r.Lost && problem == nil
}

// order tells mailboxes what is wanted of them. One that is not there any more and never said goodbye is lost.
func (w *wave) order(ctx workflow.Context) {
	places := w.owed()
	sent := make([]mailboxOrders, len(places))
	futures := make([]workflow.Future, len(places))
	for n, i := range places {
		r := w.s.Rows[i]
		sent[n] = w.wanted(i)
		sent[n].Number = r.Told.Number + 1
		futures[n] = workflow.SignalExternalWorkflow(ctx, MailboxID(w.scope.Tenant, w.scope.Launch, r.Address), "", signalOrders, sent[n])
	}
	for n, i := range places {
		r, err := w.s.Rows[i], futures[n].Get(ctx, nil)
		switch {
		case err == nil, isGone(err) && r.Report.Final:
			r.Told = sent[n]
		default:
			w.lose(r, err.Error())
		}
	}
}

// lose has a mailbox that can't be reached wait for a person.
func (w *wave) lose(r *row, why string) {
	if r.Report.Final || r.Lost {
		return
	}
	r.Lost, r.Since = true, w.now()
	if r.State == migration.Excluded {
		return
	}
	r.State = migration.Failed
	r.Problem = &migration.Problem{
		Kind: "mailbox-ended",
		Text: fmt.Sprintf("the workflow %s ended without a report: %s", MailboxID(w.scope.Tenant, w.scope.Launch, r.Address), why),
		Remedy: "see in the Web UI why; if it has been started again there, retry the step; otherwise skip the step for this mailbox, " +
			"which leaves it out",
	}
}

// takeReport takes what a mailbox says.
func (w *wave) takeReport(m mailboxReport) {
	r := w.find(m.Address)
	if r == nil || m.Number <= r.Report.Number {
		if r != nil && m.Final {
			r.Told.Acknowledged = false // it asks again, so the acknowledgement got lost
		}
		return
	}
	if m.Problem != nil && r.Report.Problem == nil {
		r.Since = w.now()
	}
	restored := r.Report.Restored
	r.Report = m
	if r.Lost {
		r.Lost, r.Problem = false, nil
		if !r.out() {
			r.State = migration.Running
		}
	}
	switch {
	case m.State == migration.Excluded:
		r.State, r.Problem, r.Note = migration.Excluded, nil, m.Doing
	case m.Restored > restored:
		r.State, r.Excluded, r.Note, r.Granted, r.Since = migration.Running, Order{}, "", false, w.now()
	case m.Final && m.State == migration.Aborted && w.aborting() == nil && !r.out():
		r.State, r.Since = migration.Failed, w.now()
		r.Problem = &migration.Problem{
			Kind: "mailbox-aborted", Text: r.Address + " was aborted by itself and has ended",
			Remedy: "skip the step for this mailbox, which leaves it out",
		}
	}
	w.tellSoon()
}

// retry tries what waits again.
func (w *wave) retry(o StepOrder) {
	w.forWaiting(SignalRetry, o, func(r *row) {
		switch {
		case r.Lost:
			r.Lost, r.State, r.Problem = false, migration.Running, nil
			// Where it was started again it knows less than it was told, and counts its reports from there.
			r.Told, r.Report.Number = mailboxOrders{Number: r.Told.Number}, 0
			w.s.Check = w.now()
		case r.Problem != nil && !r.Report.Final:
			r.State, r.Problem, r.Since, r.After = migration.Running, nil, w.now(), time.Time{}
		}
	})
}

// skip goes on without what waits: the step is passed over where it can be, and otherwise the mailbox is left out.
func (w *wave) skip(o StepOrder) {
	if o.Mailbox == "" && !o.Step.Skippable() {
		w.ignore(o.By, SignalSkip, fmt.Sprintf("step %d can't be skipped for a whole wave; a mailbox can be left out by name", o.Step))
		return
	}
	w.forWaiting(SignalSkip, o, func(r *row) {
		switch {
		case r.Problem == nil:
		case o.Step.Skippable() && !r.started():
			r.State, r.Problem, r.Since, r.After = migration.Running, nil, w.now(), time.Time{}
			for r.Stage.step() == o.Step {
				r.pass(w.now())
			}
		default:
			w.leaveOut(r, Order{By: o.By, Reason: o.Reason})
		}
	})
}

// forWaiting does something with the rows that wait in the step, or hands the order to their mailboxes.
func (w *wave) forWaiting(name string, o StepOrder, act func(*row)) {
	count := 0
	for _, r := range w.s.Rows {
		step, problem := r.waits()
		if problem == nil || step != o.Step || o.Mailbox != "" && o.Mailbox != r.Address {
			continue
		}
		count++
		w.record(o.By, because(fmt.Sprintf("%s for %s", name, r.Address), o.Reason))
		if r.Problem == nil {
			w.handOn(name, o, r)
			continue
		}
		act(r)
	}
	if w.s.Problem != nil && o.Step == migration.StepWelcome && o.Mailbox == "" && name == SignalRetry {
		w.s.Problem = nil
		count++
	}
	if count == 0 {
		w.ignore(o.By, name, fmt.Sprintf("nothing waits at step %d%s", o.Step, of(o.Mailbox)))
	}
	w.tell()
}

func of(mailbox string) string {
	if mailbox == "" {
		return ""
	}
	return " of " + mailbox
}

// handOn gives an order to a mailbox.
func (w *wave) handOn(name string, order any, r *row) {
	id := MailboxID(w.scope.Tenant, w.scope.Launch, r.Address)
	w.beside(func(ctx workflow.Context) {
		if err := w.send(ctx, id, name, order); err != nil {
			w.lose(r, err.Error())
		}
	})
}
