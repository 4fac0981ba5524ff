package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// passesARun is after how many passes a mailbox goes on as a new run, whatever the server suggests.
const passesARun = 30

// errInterrupted: the mailbox is to be paused, left out or aborted, or something is to be tried again later.
var errInterrupted = errors.New("the mailbox is interrupted")

// mailbox is one run of a Mailbox workflow.
type mailbox struct {
	core
	in MailboxInput
	s  MailboxMemory
	// began is how many passes there were when this run began.
	began int
	// doing is what is going on, in words.
	doing string
}

// Mailbox copies one mailbox: the first copy when its wave orders it, then deltas by the clock, then the final one. It
// keeps what the copy remembers, and ends when its account is in the archive and its wave has its final report.
func Mailbox(ctx workflow.Context, in MailboxInput) error {
	m := &mailbox{in: in}
	if in.Carried != nil {
		m.s = *in.Carried
	}
	m.began = m.s.Passes
	m.setup(ctx, in.Scope, in.Timing, trailOf(in.Scope, in.Mailbox.Address, &m.s.Audit), &m.s.Retrying, m.abort)
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (MailboxStatus, error) { return m.answerStatus(), nil }); err != nil {
		return err
	}
	if in.Carried == nil {
		m.headline = m.status().headline() // its wave has started it with that memo
	}
	m.hear()
	m.show()
	err := m.run()
	switch {
	case errors.Is(err, errLeave):
		m.settle()
		m.trim()
		return workflow.NewContinueAsNewError(ctx, MailboxType, m.carried())
	case err != nil:
		return err
	case m.cancelled:
		return temporal.NewCanceledError()
	}
	return nil
}

// errands are the things that a mailbox may have to do next.
type errand int

const (
	idle errand = iota
	doPass
	doReport
	doWelcome
	doArchive
	doEnd
	doRenew
)

// next is what is to be done now. It only looks.
func (m *mailbox) next() errand {
	s, now := &m.s, m.now()
	if m.closing() {
		return m.nextToClose(now)
	}
	switch {
	case m.mustRenew():
		return doRenew
	case !s.Due.IsZero() && !now.Before(s.Due):
		return doReport
	case s.Excluded != nil, s.Problem != nil, m.paused(), s.Finished, now.Before(s.RetryAt):
		return idle
	case !s.Copied:
		if s.Orders.Sync {
			return doPass
		}
	case s.Pass != nil, s.Demanded, !now.Before(m.nextPass()):
		return doPass
	case s.Unverified == 0 && (s.Orders.Finish || s.Orders.Pass > s.PassDone):
		return doPass
	}
	return idle
}

func (m *mailbox) nextToClose(now time.Time) errand {
	s := &m.s
	switch {
	case s.Problem != nil && (s.Due.IsZero() || now.Before(s.Due)):
		return idle
	case s.Problem != nil:
		return doReport
	case m.paused() && s.Aborted == nil && !s.Archived:
		return idle
	case now.Before(s.RetryAt) && !s.Due.IsZero() && !now.Before(s.Due):
		return doReport
	case now.Before(s.RetryAt):
		return idle
	case m.wantsWelcome() && !s.Welcomed:
		return doWelcome
	case !s.Archived:
		return doArchive
	case s.Orders.Acknowledged:
		return doEnd
	case !s.Due.IsZero() && !now.Before(s.Due):
		return doReport
	}
	return idle
}

// due is when the clock gives something to do, zero if never.
func (m *mailbox) due() time.Time {
	s := &m.s
	due := s.Due
	if m.now().Before(s.RetryAt) {
		return earliest(due, s.RetryAt)
	}
	if s.Copied && s.Pass == nil && s.Problem == nil && !s.Finished && s.Excluded == nil && !m.closing() && !m.paused() {
		due = earliest(due, m.nextPass())
	}
	return due
}

// run does one errand after another until the end.
func (m *mailbox) run() error {
	for {
		if m.leave() || m.s.Passes-m.began >= passesARun && m.s.Pass == nil {
			return errLeave
		}
		switch m.next() {
		case doPass:
			if problem := m.tooLarge(); problem != nil {
				m.wait(migration.StepMigrate, *problem)
			} else {
				m.pass()
			}
		case doReport:
			m.report()
		case doWelcome:
			m.welcome()
		case doArchive:
			m.archive()
		case doRenew:
			m.renew()
		case doEnd:
			m.show()
			return nil
		case idle:
			m.rest()
		}
		m.show()
	}
}

// rest waits until there is something to do.
func (m *mailbox) rest() {
	ready := func() bool { return m.next() != idle }
	due := m.due()
	if due.IsZero() || !due.After(m.now()) {
		changes := m.changes
		_ = m.await(m.base, func() bool { return ready() || m.changes != changes })
		return
	}
	changes := m.changes
	_, _ = m.awaitUntil(m.base, due, m.restSummary(due), func() bool { return ready() || m.changes != changes })
}

func (m *mailbox) restSummary(due time.Time) string {
	switch {
	case due.Equal(m.s.Due):
		return "report again"
	case due.Equal(m.s.RetryAt):
		return "try again"
	}
	return fmt.Sprintf("next delta (pass %d)", m.s.Passes+1)
}

// nextPass is when the next delta is due: the first time after the last pass's end that lies the offset and a number
// of intervals after the interval was given.
func (m *mailbox) nextPass() time.Time {
	s := &m.s
	interval := s.Orders.Interval.D()
	first := s.Anchor.Add(s.Orders.Offset.D())
	if interval <= 0 {
		return first
	}
	// A pass that didn't close is made up for soon.
	if s.Unverified > 0 {
		return earliest(s.LastPass.Add(m.timing.Poll.D()), s.LastPass.Add(interval))
	}
	if since := s.LastPass.Sub(first); since >= 0 {
		return first.Add((since/interval + 1) * interval)
	}
	return first
}

// paused reports whether someone, here or above, has paused it, or nobody above is left.
func (m *mailbox) paused() bool { return m.s.Paused || m.s.Orders.Paused || m.orphaned() }

// orphaned reports whether two reports in a row found no parent.
func (m *mailbox) orphaned() bool { return m.s.Lost >= 2 }

// closing reports whether it is to end.
func (m *mailbox) closing() bool {
	return m.s.Aborted != nil || m.s.Orders.Close && (m.s.Finished || m.s.Excluded != nil)
}

// interrupted reports whether what is under way is to stop.
func (m *mailbox) interrupted() bool {
	return m.s.Aborted != nil || m.s.Excluded != nil || m.paused() || m.breaksOff()
}

// call runs an activity and stops it when the mailbox is interrupted. What a stopped activity still returned counts.
// One that fails of something that may pass is tried again later.
func (m *mailbox) call(options func(workflow.Context) workflow.Context, activity, in, out any) error {
	ctx, cancel := workflow.WithCancel(m.base)
	defer cancel()
	future := workflow.ExecuteActivity(options(ctx), activity, in)
	_ = workflow.Await(m.base, func() bool { return future.IsReady() || m.interrupted() })
	if !future.IsReady() {
		cancel()
	}
	err := future.Get(m.base, out)
	switch {
	case temporal.IsCanceledError(err), passing(err) && m.interrupted():
		return errInterrupted
	case passing(err):
		m.postpone(failureWords(err))
		return errInterrupted
	}
	m.recovered()
	return err
}

// postpone has what failed tried again later.
func (m *mailbox) postpone(words string) {
	if len(m.s.Retrying) == 0 {
		m.tell()
	}
	_, step := m.state()
	m.fails(Retrying{Step: step, Wave: m.in.Mailbox.Wave, Mailbox: m.in.Mailbox.Address, What: m.doing}, words)
	m.s.RetryAt = m.now().Add(m.timing.RetryMax.D())
}

// recovered ends what postpone began.
func (m *mailbox) recovered() {
	if len(m.s.Retrying) > 0 {
		m.s.Retrying, m.s.RetryAt = nil, time.Time{}
		m.tell()
	}
}

// trouble takes an activity's error: a person must act, unless the mailbox was merely interrupted.
func (m *mailbox) trouble(step migration.Step, err error) {
	if errors.Is(err, errInterrupted) {
		return
	}
	if problem := problemOf(err); problem != nil {
		m.wait(step, *problem)
	}
}

// wait has the mailbox wait for a person.
func (m *mailbox) wait(step migration.Step, problem migration.Problem) {
	m.s.Problem, m.s.ProblemStep, m.s.ProblemSince = bounded(problem), step, m.now()
	m.tell()
}
