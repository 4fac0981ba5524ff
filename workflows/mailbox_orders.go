package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// a names the activities; nothing is ever called on it here.
var a *activities.Activities

// hear registers the signals that a mailbox takes.
func (m *mailbox) hear() {
	onMessage(&m.core, signalOrders, m.obey)
	onMessage(&m.core, signalCorrect, m.takeCorrection)
	m.onOrder(SignalAbort, "Stop, leave everything as it is, and end.", true, m.abort)
	m.onOrder(SignalPause, "Stop copying until resumed.", false, func(o Order) {
		why := m.ending()
		if why == "" && m.s.Paused {
			why = "the mailbox is paused already"
		}
		if why != "" {
			m.ignore(o.By, SignalPause, why)
			return
		}
		m.s.Paused, m.s.PausedSince = true, m.now()
		m.record(o.By, because("paused", o.Reason))
		m.tell()
	})
	m.onOrder(SignalResume, "Go on after a pause.", false, func(o Order) {
		switch {
		case !m.s.Paused && !m.orphaned() && m.s.Orders.Paused:
			m.ignore(o.By, SignalResume, "its wave or the whole tenant is paused; resume that")
			return
		case !m.paused():
			m.ignore(o.By, SignalResume, "the mailbox is not paused")
			return
		}
		m.s.Paused, m.s.PausedSince, m.s.Lost = false, time.Time{}, 0
		m.record(o.By, because("resumed", o.Reason))
		m.tell()
	})
	m.onOrder(SignalSyncNow, "Begin the next delta at once.", false, func(o Order) {
		if !m.s.RetryAt.IsZero() && !m.interrupted() {
			m.s.RetryAt = m.now()
			m.record(o.By, because("asked that it be tried again at once", o.Reason))
			return
		}
		if why := m.noSync(); why != "" {
			m.ignore(o.By, SignalSyncNow, why)
			return
		}
		m.s.Demanded = true
		m.record(o.By, because("asked for a delta at once", o.Reason))
	})
	m.onOrder(SignalExclude, "Leave this mailbox out; it must be accepted at the gate.", true, m.exclude)
	m.onOrder(SignalRestart, "Begin again by matching what is at both sides.", true, m.restart)
	m.onStep(SignalRetry, "Try the step that waits again.", func(o StepOrder) {
		if why := m.notWaiting(o); why != "" {
			m.ignore(o.By, SignalRetry, why)
			return
		}
		m.record(o.By, because(fmt.Sprintf("retried step %d", o.Step), o.Reason))
		m.allowDeletions(o.By)
		m.s.Problem = nil
		m.s.Demanded = m.s.Copied
		m.tell()
	})
	m.onStep(SignalSkip, "Go on without the step that waits.", m.skip)
	m.listen()
}

// notWaiting is why an order about a step doesn't count here, empty if it does.
func (m *mailbox) notWaiting(o StepOrder) string {
	switch {
	case o.Mailbox != "" && o.Mailbox != m.in.Mailbox.Address:
		return "it is for " + o.Mailbox + ", and this is the mailbox of " + m.in.Mailbox.Address
	case m.s.Problem == nil || o.Step != m.s.ProblemStep:
		return fmt.Sprintf("step %d of this mailbox does not wait", o.Step)
	}
	return ""
}

// noSync is why no delta can begin now, empty if one can.
func (m *mailbox) noSync() string {
	switch s := &m.s; {
	case m.ending() != "":
		return m.ending()
	case !s.Copied:
		return "the first copy isn't complete; the wave says when it may run"
	case s.Excluded != nil:
		return "the mailbox is left out"
	case s.Finished, m.closing():
		return "the final delta is done"
	case m.paused():
		return "the mailbox is paused; resume it first"
	case s.Problem != nil:
		return "the mailbox waits for a person; retry its step"
	}
	return ""
}

// obey takes the wave's orders. Older ones that come late are nothing.
func (m *mailbox) obey(o mailboxOrders) {
	s := &m.s
	if o.Number <= s.Orders.Number {
		return
	}
	if o.Interval != s.Orders.Interval || o.Offset != s.Orders.Offset {
		s.Anchor = m.now()
	}
	if o.AfterMX && s.Switched.IsZero() {
		s.Switched = m.now()
	}
	excluded := s.Orders.Exclude
	s.Orders, s.Lost = o, 0
	if o.Exclude.By != "" && o.Exclude != excluded { // one that stands may have been taken back here since
		m.exclude(o.Exclude)
	}
	if o.Abort.By != "" && m.ending() == "" {
		m.abort(o.Abort)
	}
}

// ending is why no order for going on counts any more, empty if it does.
func (m *mailbox) ending() string {
	switch {
	case m.s.Aborted != nil:
		return "the mailbox is aborted"
	case m.s.Archived:
		return "the mailbox has ended"
	}
	return ""
}

func (m *mailbox) abort(o Order) {
	if why := m.ending(); why != "" {
		if m.s.Aborted != nil {
			why += " already"
		}
		m.ignore(o.By, SignalAbort, why)
		return
	}
	m.s.Aborted = &o
	m.leaveProblem()
	m.record(o.By, because("aborted", o.Reason))
}

func (m *mailbox) exclude(o Order) {
	switch {
	case m.s.Excluded != nil:
		m.ignore(o.By, SignalExclude, "the mailbox is left out already")
		return
	case m.s.Aborted != nil:
		m.ignore(o.By, SignalExclude, "the mailbox is aborted")
		return
	case m.s.Finished:
		m.ignore(o.By, SignalExclude, "the final delta is done")
		return
	}
	m.s.Excluded = &o
	m.s.Note = shorten(because("left out by "+o.By, o.Reason), 300)
	m.leaveProblem()
	m.record(o.By, because("left out", o.Reason))
	m.tell()
}

// leaveProblem ends the wait for a person, because what waited won't be done.
func (m *mailbox) leaveProblem() {
	if p := m.s.Problem; p != nil {
		m.record("", "no longer waits for a person: "+p.Text)
		m.s.Problem = nil
	}
}

// skip goes on without what waits. Step 7 can't be skipped, so a mailbox that waits in it is left out, unless one
// message alone is in its way.
func (m *mailbox) skip(o StepOrder) {
	s := &m.s
	why := m.notWaiting(o)
	switch {
	case why != "":
		m.ignore(o.By, SignalSkip, why)
	case s.Problem.Kind == "poison":
		m.record(o.By, because("accepted a message as refused: "+s.Problem.Text, o.Reason))
		s.Problem, s.Demanded = nil, true
		m.tell()
	case o.Step.Skippable():
		m.record(o.By, because(fmt.Sprintf("skipped step %d", o.Step), o.Reason))
		s.Problem, s.Welcomed = nil, true
		m.tell()
	default:
		m.exclude(Order{By: o.By, Reason: o.Reason})
	}
}

// does says what is going on.
func (m *mailbox) does(what string) {
	m.doing = what
	m.show()
}

// tell has a report sent at once.
func (m *mailbox) tell() {
	m.s.Due = m.now()
	m.touch()
}

// report sends what there is to know to the wave. The final report is sent again until it is acknowledged.
func (m *mailbox) report() {
	s := &m.s
	s.Report++
	r := m.reportNow()
	err := m.send(m.base, m.in.Parent, signalReport, r)
	switch {
	case err == nil && r.Final:
		s.Due, s.Lost = m.now().Add(m.timing.Resend.D()), 0
	case err == nil:
		s.Due, s.Lost, s.Unchanged = time.Time{}, 0, 0
	case isGone(err) && r.Final && s.Lost > 0:
		// Nobody is left to be told, and the account is in the archive.
		s.Orders.Acknowledged = true
	default:
		s.Lost++
		s.Due = m.now().Add(m.timing.Resend.D())
		if m.orphaned() {
			s.Due = time.Time{}
			m.record("", "paused itself: its wave "+m.in.Parent+" is not there any more; resume it when the wave is, or abort it")
		}
	}
}

func (m *mailbox) reportNow() mailboxReport {
	s := &m.s
	status := m.status()
	problem := s.Problem
	if problem != nil {
		problem = short(*problem)
	}
	return mailboxReport{
		Number: s.Report, Address: m.in.Mailbox.Address, State: status.State, Step: status.Step, Doing: status.Doing,
		Copied: s.Copied, Verified: s.Copied && s.Verification.Verified && s.Problem == nil, Finished: s.Finished,
		Account: status.Account, RefusalCount: s.Copy.RefusalCount, Passes: s.Passes, LastPass: s.LastPass, PassBegan: s.PassBegan,
		PassDone: s.PassDone, Arrivals: s.Arrivals, Problem: problem, Retrying: status.Retrying, AddOnly: m.addOnly(),
		Restored: s.Restored, PausedSince: s.PausedSince, Final: s.Archived,
	}
}

// account is what stands in the archive of the mailbox.
func (m *mailbox) account() migration.MailboxAccount {
	s := &m.s
	account := migration.MailboxAccount{
		Address: m.in.Mailbox.Address, User: m.in.Mailbox.User, Wave: m.in.Mailbox.Wave, State: migration.Done,
		Account: s.Copy.Account(), Folders: s.Verification.Folders, Refusals: s.Copy.Refusals, RefusalCount: s.Copy.RefusalCount,
		Observations: s.Copy.Observations, Verification: s.Verification, Passes: s.Passes, Problem: s.Problem, Note: s.Note,
		Audit: s.Audit,
	}
	account.Verification.Folders = nil // they stand in Folders
	switch {
	case s.Aborted != nil:
		account.State = migration.Aborted
		account.Note = shorten(because("aborted by "+s.Aborted.By, s.Aborted.Reason), 300)
	case s.Excluded != nil:
		account.State = migration.Excluded
	}
	return account
}

// state is where the mailbox stands, and with which step.
func (m *mailbox) state() (migration.State, migration.Step) {
	s := &m.s
	step := migration.StepMigrate
	if m.closing() || s.Finished {
		step = migration.StepWelcome
	}
	switch {
	case s.Problem != nil:
		return migration.Waiting, s.ProblemStep
	case s.Aborted != nil:
		return migration.Aborted, step
	case s.Excluded != nil:
		return migration.Excluded, step
	case m.paused():
		return migration.Paused, step
	case s.Archived:
		return migration.Done, step
	case !s.Copied && !s.Orders.Sync:
		return migration.Pending, step
	}
	return migration.Running, step
}

// status answers the query.
func (m *mailbox) status() MailboxStatus {
	s := &m.s
	status := MailboxStatus{
		Address: m.in.Mailbox.Address, ID: MailboxID(m.in.Scope.Tenant, m.in.Scope.Launch, m.in.Mailbox.Address),
		Wave: m.in.Mailbox.Wave, Copied: s.Copied, Expected: m.in.Expected,
		Doing: m.word(), Passes: s.Passes, LastPass: s.LastPass, Account: s.Copy.Account(), RefusalCount: s.Copy.RefusalCount,
		Verification: s.Verification, Problem: s.Problem, AddOnly: m.addOnly(),
	}
	status.State, status.Step = m.state()
	if s.Problem != nil {
		status.Since = s.ProblemSince
	}
	if len(s.Retrying) > 0 {
		status.Retrying = &s.Retrying[0]
	}
	return status
}

// turn is the word for a mailbox whose first copy is not ordered yet.
const turn = "waits for its turn"

// word says what the mailbox is about.
func (m *mailbox) word() string {
	s := &m.s
	switch {
	case s.Problem != nil:
		return "waits for a person"
	case s.Archived:
		return "ended"
	case s.Aborted != nil:
		return "being aborted"
	case s.Excluded != nil:
		return s.Note
	case m.orphaned():
		return "paused itself: its wave is not there any more"
	case s.Orders.Paused:
		return "paused with its wave"
	case s.Paused:
		return "paused"
	case len(s.Retrying) > 0:
		return "tries again to go on with: " + s.Retrying[0].What
	case s.Finished:
		return "final delta done"
	case s.Pass != nil || m.doing != "" && m.next() == doPass:
		return m.doing
	case !s.Copied && s.Orders.Sync:
		return "first copy"
	case !s.Copied:
		return turn
	}
	return "between deltas"
}

// show brings what the Web UI shows up to date.
func (m *mailbox) show() {
	status := m.status()
	workflow.SetCurrentDetails(m.base, mailboxDetails(status, m.s.Audit))
	m.mark(status.State, status.Step)
	m.remember(status)
}

// because joins what was done with why.
func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// attributes are the search attributes that a child starts with.
func attributes(scope activities.Scope, step migration.Step) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		SearchTenant.ValueSet(scope.Tenant), SearchLaunch.ValueSet(scope.Launch),
		SearchState.ValueSet(string(migration.Pending)), SearchStep.ValueSet(int64(step)),
	)
}
