package workflows

import (
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// Why a wait ends before what was waited for.
var (
	// errLeave: the history has grown long, and the workflow goes on as a new run.
	errLeave = errors.New("the workflow goes on as a new run")
	// errAborted: someone aborted or cancelled it.
	errAborted = errors.New("the workflow is aborted")
)

// core is what the three workflows have in common. Its coroutines run one at a time, so nothing here is locked.
type core struct {
	timing migration.Timing
	scope  activities.Scope
	// base never ends, so that cleaning up works after a cancellation; work ends when the workflow is aborted.
	base, work workflow.Context
	stop       workflow.CancelFunc
	// cancelled says that the abort was Temporal's Cancel, which a workflow answers by closing as cancelled.
	cancelled bool
	leaving   bool
	// busy counts the coroutines that are in the midst of something that must end before a new run begins.
	busy    int
	signals []signal
	// arrivals say in which order they came.
	arrivals *arrivals
	audit    trail
	// retrying is what fails again and again.
	retrying *[]Retrying
	// talks are the conditions under which parents or children are to be told something; left says that no more is.
	talks []func() bool
	left  bool
	// changes counts what may have changed what is shown; shown is its value when it was last shown.
	changes, shown int
	// headline is what the memo last said but for its totals, memo all of it; memoAt is when, and memoDue when totals that
	// changed since are to be written.
	headline, memo  string
	memoAt, memoDue time.Time
	state           migration.State
	step            migration.Step
}

// setup makes the contexts. onCancel is called when Temporal's Cancel comes.
func (c *core) setup(
	ctx workflow.Context, scope activities.Scope, timing migration.Timing, audit trail, retrying *[]Retrying, onCancel func(Order),
) {
	c.scope, c.timing, c.audit, c.retrying, c.arrivals = scope, timing, audit, retrying, arrivalsOf(ctx)
	c.base, _ = workflow.NewDisconnectedContext(ctx)
	c.work, c.stop = workflow.WithCancel(c.base)
	workflow.Go(c.base, func(base workflow.Context) {
		ctx.Done().Receive(base, nil)
		c.cancelled = true
		onCancel(Order{By: "Temporal", Reason: "the workflow was cancelled"})
	})
}

func (c *core) now() time.Time { return workflow.Now(c.base) }

// touch says that something changed which is shown.
func (c *core) touch() { c.changes++ }

// leave reports whether a new run is due. From then on nothing new is begun.
func (c *core) leave() bool {
	c.leaving = c.leaving || workflow.GetInfo(c.base).GetContinueAsNewSuggested()
	return c.leaving
}

// await waits until the condition holds.
func (c *core) await(ctx workflow.Context, condition func() bool) error {
	if err := workflow.Await(ctx, func() bool { return condition() || c.leave() }); err != nil {
		return errAborted
	}
	if condition() {
		return nil
	}
	return errLeave
}

// awaitUntil waits until the condition holds, at the longest until the deadline. It reports whether the condition holds.
func (c *core) awaitUntil(ctx workflow.Context, deadline time.Time, summary string, condition func() bool) (bool, error) {
	if condition() {
		return true, nil
	}
	left := deadline.Sub(c.now())
	if left <= 0 {
		return false, nil
	}
	options := workflow.AwaitOptions{Timeout: left, TimerOptions: workflow.TimerOptions{Summary: summary}}
	woken, err := workflow.AwaitWithOptions(ctx, options, func() bool { return condition() || c.leave() })
	switch {
	case err != nil:
		return false, errAborted
	case condition():
		return true, nil
	case woken:
		return false, errLeave
	}
	return false, nil
}

// background runs act again and again whenever ready holds, until a new run is due or the workflow is aborted.
func (c *core) background(ctx workflow.Context, ready func() bool, act func(workflow.Context)) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			if err := workflow.Await(ctx, func() bool { return c.leave() || ready() }); err != nil || c.leaving {
				return
			}
			c.busy++
			act(ctx)
			c.busy--
			c.touch()
		}
	})
}

// talk runs act again and again whenever ready holds, as background does, but also while a new run waits for what is
// under way: that may take long, and parents and children must hear of one another meanwhile.
func (c *core) talk(ctx workflow.Context, ready func() bool, act func(workflow.Context)) {
	c.talks = append(c.talks, ready)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			if err := workflow.Await(ctx, func() bool { return c.left || ready() }); err != nil || c.left {
				return
			}
			c.busy++
			act(ctx)
			c.busy--
			c.touch()
		}
	})
}

// silent reports whether nobody is to be told anything.
func (c *core) silent() bool {
	return !slices.ContainsFunc(c.talks, func(ready func() bool) bool { return ready() })
}

// pace sets a timer for the next thing that falls due, so that the conditions are looked at again then. next returns
// zero while nothing is due.
func (c *core) pace(summary string, next func() time.Time) {
	workflow.Go(c.base, func(ctx workflow.Context) {
		for {
			due := next()
			moved := func() bool { return c.leave() || !next().Equal(due) }
			if left := due.Sub(c.now()); due.IsZero() || left <= 0 {
				if workflow.Await(ctx, moved) != nil || c.leaving {
					return
				}
				continue
			} else {
				options := workflow.AwaitOptions{Timeout: left, TimerOptions: workflow.TimerOptions{Summary: summary}}
				if _, err := workflow.AwaitWithOptions(ctx, options, moved); err != nil || c.leaving {
					return
				}
			}
		}
	})
}

// display runs show whenever something changed that is shown.
func (c *core) display(show func()) {
	due := func() bool { return !c.memoDue.IsZero() && !c.now().Before(c.memoDue) }
	workflow.Go(c.base, func(ctx workflow.Context) {
		for {
			changed := func() bool { return c.changes != c.shown || due() }
			if workflow.Await(ctx, func() bool { return c.leave() || changed() }) != nil || c.leaving {
				return
			}
			c.shown = c.changes
			show()
		}
	})
}

// publish writes the memo and the search attributes where they are behind: at once when the states changed, and not more
// often than reports are due when only totals did. Words alone never cause it, so that mending them breaks no replay. What
// can't be written leaves lists behind, and nothing else.
func (c *core) publish(m Memo) {
	states := m
	states.Doing, states.First, states.Since, states.Totals, states.Pace = "", "", time.Time{}, Totals{}, nil
	states.Kind, states.Mailbox = "", ""
	headline := string(encode(states))
	states.Totals = m.Totals
	all := string(encode(states))
	switch next := c.memoAt.Add(c.timing.Report.D()); {
	case all == c.memo:
		return
	case headline == c.headline && c.now().Before(next):
		c.memoDue = next
		return
	}
	c.memo, c.headline, c.memoAt, c.memoDue = all, headline, c.now(), time.Time{}
	m.Modified = c.now()
	_ = workflow.UpsertMemo(c.base, map[string]any{MemoStatus: m.fitted()})
	c.mark(m.State, m.Step)
}

// mark sets the search attributes where they changed.
func (c *core) mark(state migration.State, step migration.Step) {
	if c.state == state && c.step == step {
		return
	}
	c.state, c.step = state, step
	_ = workflow.UpsertTypedSearchAttributes(c.base, SearchState.ValueSet(string(state)), SearchStep.ValueSet(int64(step)))
}

// settle waits until nothing is in the midst of anything and all is said, so that a new run can begin, and takes in
// every signal that has come. The caller must return without blocking.
func (c *core) settle() {
	c.leaving = true
	for {
		_ = workflow.Await(c.base, func() bool { return c.busy == 0 && workflow.AllHandlersFinished(c.base) && c.silent() })
		if !c.drain() {
			c.left = true
			return
		}
	}
}

// send signals a workflow by its ID, whichever its run, and waits until the server has taken it.
func (c *core) send(ctx workflow.Context, id, name string, payload any) error {
	return workflow.SignalExternalWorkflow(ctx, id, "", name, payload).Get(ctx, nil)
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// cut shortens what a stranger wrote so that its JSON, in which one byte can become six, has at most so many bytes.
func cut(text string, limit int) string {
	text = shorten(text, limit)
	for {
		over := len(encode(text)) - len(`""`) - limit
		if over <= 0 {
			return text
		}
		text = shorten(text, len(text)-(over+5)/6)
	}
}

// shorten cuts a text to at most so many bytes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit - len("…")
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}
