package mailcopy

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

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
		given := state.Baseline > 0 || state.Cursor > 0
		if err := add(state); err != nil {
			return err
		}
		if !given && len(e.o.Folders) > 0 && !slices.Contains(e.o.Folders, r.name) {
			e.ledger(r.name).wire = r.wire
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
				if w.stopped() != nil && w.unsure.Swap(false) { // whoever comes next must find what was on its way
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
