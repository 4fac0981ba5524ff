package mailcopy

import (
	"context"
	"errors"
	"fmt"
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
	// moves are by the source folder that a message moved to; complete before the folders are begun.
	moves map[string][]move

	mu       sync.Mutex
	ledgers  []*ledger // in the source's order, and then what was in the state
	learnt   migration.MailboxState
	progress migration.Progress
	arrivals migration.Arrivals
	limit    int64 // 0 is unknown
	// unreadable is the first folder that could not be opened; it is told when the others are done.
	unreadable error
	stop       error // why nothing new may be begun
}

// Copy runs one slice of a pass over a mailbox: it brings the target folders up to the source's. It returns what
// changed of the state, the folders whole and the counts as what was added, for [migration.MailboxState.Merge]; that is
// also what it gives to Options.Checkpoint. With an error too, state and report tell what was learnt.
func Copy(ctx context.Context, source, target Account, state migration.MailboxState, o Options) (migration.MailboxState, Report, error) {
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
		for {
			select {
			case <-done:
				result <- nil
				return
			case <-ticker.C:
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
	state, progress := e.snapshot()
	report := Report{Progress: progress, Arrivals: progress.Arrivals, Remaining: remaining}
	e.mu.Lock()
	stop := e.stop
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
	if err := first.findMoves(e.ctx, jobs); err != nil {
		return names(jobs), classify(err)
	}
	err = e.work(first, jobs)
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

// prepare makes a ledger for every folder of the source and of the state.
func (e *engine) prepare(routes []route) error {
	var known []string
	add := func(state migration.FolderState) error {
		l, err := newLedger(state)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.ledgers = append(e.ledgers, l)
		e.mu.Unlock()
		known = append(known, state.Source)
		return nil
	}
	for _, r := range routes {
		state := migration.FolderState{Source: r.name, Target: r.target}
		if i := slices.IndexFunc(e.given.Folders, func(f migration.FolderState) bool { return f.Source == r.name }); i >= 0 {
			state = e.given.Folders[i]
		}
		if err := add(state); err != nil {
			return err
		}
	}
	for _, f := range e.given.Folders {
		if slices.Contains(known, f.Source) {
			continue
		}
		if err := add(f); err != nil {
			return err
		}
		if len(e.o.Folders) == 0 || slices.Contains(e.o.Folders, f.Source) {
			e.vanished(e.ledger(f.Source))
		}
	}
	return nil
}

// vanished accounts for a folder that the source no longer has: all its messages are gone.
func (e *engine) vanished(l *ledger) {
	l.recount(nil)
	l.change(func(s *migration.FolderState) { s.Exceptions = nil })
	l.complete = true
}

// ledger finds a folder's.
func (e *engine) ledger(source string) *ledger {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.ledgers {
		if l.state.Source == source {
			return l
		}
	}
	return nil
}

func (e *engine) allLedgers() []*ledger {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ledgers)
}

// siblings are the other ledgers whose folders go to the same target folder.
func (e *engine) siblings(of *ledger) []*ledger {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*ledger
	for _, l := range e.ledgers {
		if l != of && l.state.Target == of.state.Target {
			all = append(all, l)
		}
	}
	return all
}

// job is the source folders that go to one target folder. One worker does them, one after the other, so that each
// target folder has one writer.
type job struct {
	routes []route
}

// jobs puts the folders to copy together by their targets.
func (e *engine) jobs(routes []route) []job {
	var jobs []job
	at := map[string]int{}
	for _, r := range routes {
		if len(e.o.Folders) > 0 && !slices.Contains(e.o.Folders, r.name) {
			continue
		}
		if e.o.Poison != nil && e.o.Poison.Folder != r.name {
			continue
		}
		if i, ok := at[r.target]; ok && r.target != "" {
			jobs[i].routes = append(jobs[i].routes, r)
			continue
		}
		at[r.target] = len(jobs)
		jobs = append(jobs, job{routes: []route{r}})
	}
	return jobs
}

// work deals the jobs over as many workers as the rules allow. The first error of one ends them all.
func (e *engine) work(first *worker, jobs []job) error {
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var wg sync.WaitGroup
	var once sync.Once
	var failure error
	for n := range max(1, min(e.o.Rules.Connections, len(jobs))) {
		w := first
		if n > 0 {
			w = &worker{engine: e}
		}
		wg.Go(func() {
			if n > 0 {
				defer w.leave()
			}
			for j := range queue {
				err := w.do(j)
				if w.unsure && w.stopped() != nil { // whoever comes next must find what was on its way
					time.Sleep(lull)
				}
				if err != nil {
					once.Do(func() { failure = err })
					e.end(errOther)
					return
				}
			}
		})
	}
	wg.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop == errOther {
		e.stop = nil
	}
	if failure == nil {
		failure = e.unreadable
	}
	return failure
}

// errOther ends the other workers when one has failed.
var errOther = errors.New("another connection of this copy failed")

// observe counts something that fails nothing.
func (e *engine) observe(kind string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learnt.Observe(kind, n)
}

// refuse records a message that will not be at the target.
func (e *engine) refuse(l *ledger, r migration.Refusal) {
	l.refuse(r.UID)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learnt.Refuse(r)
}

// learnLimit takes a size that the target refused.
func (e *engine) learnLimit(refused int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.limit == 0 || refused-1 < e.limit {
		e.limit = refused - 1
		e.learnt.MaxMessage = e.limit
	}
}

// tooLarge reports whether a message of that size is known to be refused.
func (e *engine) tooLarge(size int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.limit > 0 && size > e.limit
}

// done records a message that is now at the target, and counts it.
func (e *engine) done(l *ledger, uid, target uint32, size int64) {
	if l.copied(uid, target, size) {
		e.count(l, size)
	}
}

// accepted records one whose UID at the target isn't known.
func (e *engine) accepted(l *ledger, uid uint32, size int64) {
	l.accepted(uid)
	e.count(l, size)
}

func (e *engine) count(l *ledger, size int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.progress.Messages++
	e.progress.Bytes += size
	e.progress.Folder = l.state.Source
}

// expect counts what a folder has to do, once.
func (e *engine) expect(l *ledger, messages int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !l.expected {
		l.expected = true
		e.progress.Total += messages
	}
}

// inFolder puts the folder's name before an error.
func inFolder(name string, err error) error {
	return fmt.Errorf("folder %q: %w", name, err)
}
