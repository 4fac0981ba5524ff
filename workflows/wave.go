package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// wave is one run of a Wave workflow.
type wave struct {
	core
	in WaveInput
	s  WaveMemory
	// told is what was last said upward that is said at once, as [wave.news] makes it.
	told string
	// handing says that first passwords are being handed out.
	handing bool
	// starting says that mailboxes are being started, which nothing interrupts.
	starting bool
}

// Wave takes at most 500 mailboxes through steps 1, 3, 4 and 6, each row by itself, starts a Mailbox for each, orders
// the first copies as its share of the sources' limits allows, and reports to its tenant. A row that waits for a
// person stops no other.
func Wave(ctx workflow.Context, in WaveInput) error {
	w := &wave{in: in}
	if in.Carried != nil {
		w.s = *in.Carried
	}
	w.setup(ctx, in.Scope, in.Plan.Timing, trailOf(in.Scope, in.Name, &w.s.Audit), &w.s.Retrying, w.abort)
	if w.s.Check.IsZero() {
		w.s.Check = w.now().Add(w.timing.Children.D())
	}
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (WaveStatus, error) { return w.answerStatus(), nil }); err != nil {
		return err
	}
	w.hear()
	w.begin()
	err := w.await(w.base, w.over)
	if errors.Is(err, errLeave) {
		w.settle()
		w.show()
		w.trim()
		in.Carried = &w.s
		return workflow.NewContinueAsNewError(ctx, WaveType, in)
	}
	w.show()
	if w.cancelled {
		return temporal.NewCanceledError()
	}
	return err
}

// lane is a stage that rows pass in batches.
type lane struct {
	stage stage
	what  string
	serve func(*wave, workflow.Context, []*row) ([]outcome, error)
}

// outcome is what came of a row in a stage: done, a problem, or neither: then it is looked at again later.
type outcome struct {
	migration.Outcome
	// lasts takes in what was done and can't be done again, whatever became of the row meanwhile.
	lasts func(*row)
	// apply takes in what else was learnt.
	apply func(*row)
}

// lanes are the stages in the order in which each row passes them.
var lanes = []lane{
	{stageUsers, "add users and assign licences", (*wave).ensureUsers},
	{stageAnswer, "see whether new mailboxes answer", (*wave).answer},
	{stageAnnounce, "send the announcement", (*wave).announce},
	{stageCredentials, "open mailboxes at the source", (*wave).openSources},
	{stageConnect, "open both sides", (*wave).connect},
	{stageRemind, "send the reminder", (*wave).remind},
	{stageStart, "start mailboxes", (*wave).start},
}

// begin starts everything that a wave does beside one another.
func (w *wave) begin() {
	for _, l := range lanes {
		ready := func() bool { return len(w.ready(l.stage, 1)) > 0 }
		w.background(w.work, ready, func(ctx workflow.Context) { w.serve(ctx, l) })
	}
	w.talk(w.base, func() bool { return len(w.owed()) > 0 }, w.order)
	w.talk(w.base, w.mustReport, w.report)
	w.background(w.base, func() bool { return len(w.corrected()) > 0 }, w.passOn)
	w.background(w.base, w.mustCheck, w.check)
	w.background(w.base, w.mustArchive, w.archive)
	w.keepAudit(w.in.Plan.Archive, w.in.Name)
	w.display(w.show)
	w.pace("look at the rows again", w.due)
}

// due is when the clock gives something to do.
func (w *wave) due() time.Time {
	due := earliest(earliest(w.s.Check, w.s.Due), earliest(w.memoDue, w.s.After))
	if w.idle() {
		return due
	}
	for _, r := range w.s.Rows {
		if !r.started() && r.State == migration.Running && !r.Held && r.After.After(w.now()) {
			due = earliest(due, r.After)
		}
	}
	return due
}

// idle reports whether rows must not go on.
func (w *wave) idle() bool {
	return !w.s.Orders.Begin || w.s.Orders.Paused || w.s.Paused || w.s.Orders.Close || w.aborting() != nil
}

// aborting is why everything stops, nil if it doesn't.
func (w *wave) aborting() *Order {
	if w.s.Aborted != nil {
		return w.s.Aborted
	}
	return w.s.Orders.Abort
}

// ready are at most so many rows that can pass the stage now.
func (w *wave) ready(s stage, limit int) []*row {
	if w.idle() {
		return nil
	}
	var rows []*row
	for _, r := range w.s.Rows {
		if r.Stage != s || r.State != migration.Running || r.Held || w.now().Before(r.After) {
			continue
		}
		if s == stageUsers && !slices.Contains(w.s.Orders.Domains, r.Mailbox.Domain()) {
			continue
		}
		if rows = append(rows, r); len(rows) == limit {
			break
		}
	}
	return rows
}

// serve takes a batch of rows through a stage.
func (w *wave) serve(ctx workflow.Context, l lane) {
	limit := activities.BatchSize
	if l.stage == stageStart {
		limit = w.startsAtOnce()
	}
	rows := w.ready(l.stage, limit)
	if len(rows) == 0 {
		return
	}
	versions := make([]int, len(rows))
	for i, r := range rows {
		versions[i], r.inHand = r.Corrected, true
	}
	defer func() {
		for _, r := range rows {
			r.inHand = false
		}
	}()
	outcomes, err := l.serve(w, ctx, rows)
	if passing(err) {
		w.postpone(l, rows, err)
		return
	}
	w.succeeds(l.what)
	if err != nil {
		problem := problemOf(err)
		if problem == nil {
			return // aborted
		}
		for _, r := range rows {
			w.hold(r, *problem)
		}
		return
	}
	for i, r := range rows[:min(len(rows), len(outcomes))] {
		o := outcomes[i]
		if o.lasts != nil {
			o.lasts(r)
		}
		switch {
		case l.stage == stageStart && o.Done && r.out():
			w.apply(r, o) // it runs, and must be told that it is left out
		case r.State != migration.Running || r.Stage != l.stage,
			l.stage != stageStart && r.Corrected != versions[i]: // served with what isn't so any more
			r.skipTold()
		default:
			w.apply(r, o)
		}
	}
}

// postpone has rows looked at again later, because the stage fails for all of them.
func (w *wave) postpone(l lane, rows []*row, err error) {
	w.fails(Retrying{Step: l.stage.step(), Wave: w.in.Name, What: l.what}, failureWords(err))
	for _, r := range rows {
		if r.State == migration.Running && r.Stage == l.stage {
			r.After = w.now().Add(w.timing.RetryMax.D())
		}
	}
	w.tellSoon()
}

// apply moves a row on, or has it wait.
func (w *wave) apply(r *row, o outcome) {
	if o.apply != nil {
		o.apply(r)
	}
	r.Doing = ""
	switch {
	case o.Note != "" && !o.Done && o.Problem == nil:
		r.Doing = cut(o.Note, maxWords)
	case o.Note != "":
		r.Note = cut(o.Note, maxWords)
	}
	switch {
	case o.Problem != nil:
		w.hold(r, *o.Problem)
	case o.Done:
		r.pass(w.now())
	case r.Stage == stageAnswer && w.now().Sub(r.Since) >= w.timing.MailboxLimit.D():
		w.hold(r, migration.Problem{
			Kind: "mailbox-slow", Text: fmt.Sprintf("the mailbox of %s has not answered for %s: %s", r.Address, w.timing.MailboxLimit, o.Note),
			Remedy: "run the access script for it, look at its licence in the admin centre, and retry the step",
		})
	default:
		r.After = w.now().Add(max(w.timing.Poll.D(), time.Millisecond))
	}
}

// hold has a row wait for a person.
func (w *wave) hold(r *row, p migration.Problem) {
	if r.State != migration.Running {
		return
	}
	r.State, r.Problem, r.Since = migration.Waiting, short(p), w.now()
	w.touch()
}

// find is the row of an address, nil if there is none.
func (w *wave) find(address string) *row {
	i := slices.IndexFunc(w.s.Rows, func(r *row) bool { return r.Address == address })
	if i < 0 {
		return nil
	}
	return w.s.Rows[i]
}

// over reports whether the wave has nothing left to do: every mailbox has ended, and the tenant knows.
func (w *wave) over() bool { return w.s.Archived && w.s.Orders.Acknowledged }

func mailboxesOf(rows []*row) []migration.Mailbox {
	all := make([]migration.Mailbox, len(rows))
	for i, r := range rows {
		all[i] = *r.Mailbox
	}
	return all
}

// outcomesOf pairs plain outcomes with nothing else learnt.
func outcomesOf(all []migration.Outcome) []outcome {
	outcomes := make([]outcome, len(all))
	for i, o := range all {
		outcomes[i] = outcome{Outcome: o}
	}
	return outcomes
}
