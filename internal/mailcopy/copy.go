package mailcopy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// grace is how long answers to what was already sent are waited for when a copy is told to stop.
	grace = 5 * time.Second
	// pairsRoom is by how much a slice may let the packed pairs grow: every checkpoint carries them.
	pairsRoom = 32 << 10
)

// errSlice ends a slice that has used up its time, bytes or messages.
var errSlice = errors.New("the slice is used up")

// engine is one call of Copy.
type engine struct {
	source, target Account
	o              Options
	given          migration.MailboxState
	// ctx ends when nothing new may be begun, hard when not even answers are waited for.
	ctx, hard context.Context
	kill      context.CancelFunc
	began     time.Time

	creating sync.Mutex
	// moves are by the source folder that a message moved to; complete, and read alone, once the folders are begun.
	moves map[string][]move
	// folders are the source's, sources those of them that can hold mail, and trash is the target's Deleted Items; complete
	// before anything is begun.
	folders []folder
	sources []route
	trash   string

	mu       sync.Mutex
	ledgers  []*ledger // in the source's order, and then what was in the state
	learnt   migration.MailboxState
	progress migration.Progress
	arrivals migration.Arrivals
	limit    int64 // 0 is unknown
	// unreadable is the first folder that could not be opened; it is told when the others are done.
	unreadable error
	// doubts are the refusals of this call that may be the server's state, by side; rows are how many there were in a row.
	doubts [2][]doubted
	rows   [2]int
	denied [2]bool
	waited time.Duration // for what the source could not give out
	stop   error         // why nothing new may be begun
	// asking is a problem that is told when everything else is done, and asked the deletions that it is about.
	asking error
	asked  int
}

// Copy runs one slice of a pass over a mailbox: it brings the target folders up to the source's. It returns what
// changed of the state, the folders whole and the counts as what was added, for [migration.MailboxState.Merge]; that is
// also what it gives to Options.Checkpoint. With an error too, state and report tell what was learnt.
func Copy(ctx context.Context, source, target Account, state migration.MailboxState, o Options) (migration.MailboxState, Report, error) {
	o.AddOnly = o.AddOnly || state.InUse != ""
	e := &engine{source: source, target: target, o: o, given: state, ctx: ctx, began: time.Now(), limit: o.MaxMessage, moves: map[string][]move{}}
	if state.MaxMessage > 0 && (e.limit == 0 || state.MaxMessage < e.limit) {
		e.limit = state.MaxMessage
	}
	e.hard, e.kill = context.WithCancel(context.WithoutCancel(ctx))
	defer e.kill()
	defer context.AfterFunc(ctx, func() {
		e.end(ctx.Err())
		time.AfterFunc(grace, e.kill)
	})()

	watch := e.watch()
	remaining, err := e.run()
	watchErr := watch()
	return e.finish(remaining, err, watchErr)
}

// watch calls the checkpoint while the copy runs; the function it returns ends that and returns the checkpoint's error.
func (e *engine) watch() func() error {
	if e.o.Checkpoint == nil {
		return func() error { return nil }
	}
	every := e.o.Every
	if every <= 0 {
		every = 2 * time.Second
	}
	done, result := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		ended := e.ctx.Done()
		for {
			select {
			case <-done:
				result <- nil
				return
			case <-ticker.C:
			case <-ended:
				ended = nil
			}
			if err := e.o.Checkpoint(e.snapshot()); err != nil {
				// Whoever watches may have given this copy up: nothing may be written any more.
				e.end(err)
				e.kill()
				<-done
				result <- err
				return
			}
		}
	}()
	return func() error {
		close(done)
		return <-result
	}
}

// end stops everything new for the first reason given.
func (e *engine) end(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop == nil {
		e.stop = reason
	}
}

// stopped returns why nothing new may be begun; it also sees whether the slice is used up.
func (e *engine) stopped() error {
	rules := e.o.Rules
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop != nil {
		return e.stop
	}
	switch {
	case rules.SliceTime > 0 && time.Since(e.began) >= rules.SliceTime.D(),
		rules.SliceBytes > 0 && e.progress.Bytes >= rules.SliceBytes,
		rules.SliceMessages > 0 && e.progress.Messages >= rules.SliceMessages:
		e.stop = errSlice
	}
	return e.stop
}

// snapshot is everything learnt since the call began.
func (e *engine) snapshot() (migration.MailboxState, migration.Progress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	state := e.learnt
	state.Refusals = slices.Clone(state.Refusals)
	state.Observations = slices.Clone(state.Observations)
	state.Folders = nil
	grown := 0
	for _, l := range e.ledgers {
		if l.changed() {
			s := l.snapshot()
			grown += len(s.Pairs) - l.size
			state.Folders = append(state.Folders, s)
		}
	}
	if grown > pairsRoom && e.stop == nil {
		e.stop = errSlice
	}
	progress := e.progress
	progress.Arrivals = e.arrivals
	progress.Arrivals.From = slices.Clone(e.arrivals.From)
	return state, progress
}

// finish makes the report. The error of the checkpoint means that the copy was told to stop.
func (e *engine) finish(remaining []string, err, watchErr error) (migration.MailboxState, Report, error) {
	if ended := e.ctx.Err(); ended != nil {
		e.end(ended)
	}
	state, progress := e.snapshot()
	report := Report{Progress: progress, Arrivals: progress.Arrivals, Remaining: remaining}
	e.mu.Lock()
	stop := e.stop
	report.Deletions = e.asked
	e.mu.Unlock()
	var problem *migration.ProblemError
	switch {
	case watchErr != nil, stop != nil && stop != errSlice:
		report.Exit = migration.ExitStopped
		return state, report, nil
	case stop == errSlice && (err == nil || errors.Is(err, errSlice)):
		report.Exit = migration.ExitSlice
		return state, report, nil
	case err == nil:
		report.Exit = migration.ExitDone
		return state, report, nil
	case errors.As(err, &problem):
		report.Exit, report.Problem = migration.ExitProblem, &problem.Problem
		return state, report, nil
	}
	var at *migration.MessageError
	if errors.As(err, &at) {
		report.Poison = &at.Message
	}
	if e.o.Checkpoint != nil {
		if checkpoint := e.o.Checkpoint(state, progress); checkpoint != nil {
			report.Exit = migration.ExitStopped
			return state, report, nil
		}
	}
	return state, report, err
}

// run copies the folders and returns those that are not complete.
func (e *engine) run() ([]string, error) {
	first := &worker{engine: e}
	defer first.leave()
	if err := first.open(e.ctx); err != nil {
		return e.o.Folders, err
	}
	routes, err := first.routes(e.ctx)
	if err != nil {
		return e.o.Folders, err
	}
	if err := e.prepare(routes); err != nil {
		return e.o.Folders, err
	}
	jobs := e.jobs(routes)
	if err := e.settle(); err != nil {
		return names(jobs), nil // the reason is in e.stop
	}
	if err := first.lookAhead(e.ctx, jobs); err != nil {
		return names(jobs), classify(err)
	}
	err = e.work(first, jobs)
	e.withdraw()
	if err == nil && e.stopped() == nil {
		err = e.asking
	}
	if e.o.Poison != nil {
		return e.o.Folders, err
	}
	var remaining []string
	for _, job := range jobs {
		for _, r := range job.routes {
			if !e.ledger(r.name).complete {
				remaining = append(remaining, r.name)
			}
		}
	}
	return remaining, err
}

// lookAhead does what has to be done before any folder is begun: it looks for traces of people and for what moved or was
// deleted at the source.
func (w *worker) lookAhead(ctx context.Context, jobs []job) error {
	if err := w.findUse(ctx, jobs); err != nil {
		return err
	}
	if w.o.Since.IsZero() || w.o.Poison != nil {
		return nil
	}
	gone, err := w.lookForMoves(ctx, jobs)
	if err != nil {
		return err
	}
	w.findForeign()
	return w.followDeletions(ctx, jobs, gone)
}

func names(jobs []job) []string {
	var all []string
	for _, j := range jobs {
		for _, r := range j.routes {
			all = append(all, r.name)
		}
	}
	return all
}

// settle waits until a predecessor can't be writing any more.
func (e *engine) settle() error {
	left := e.o.Settle - time.Since(e.began)
	if left <= 0 {
		return nil
	}
	return pause(e.ctx, left)
}

// pause waits, or returns early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
