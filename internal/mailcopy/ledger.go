package mailcopy

import (
	"fmt"
	"slices"
	"sync"

	"github.com/mailferry/mailferry/internal/migration"
)

// ledger accounts for one source folder's messages while it is copied. It is safe for concurrent use.
type ledger struct {
	mu        sync.Mutex
	state     migration.FolderState // its sets and pairs are those of the last snapshot; below are the current ones
	pairs     pairs
	leftOut   uids
	refused   uids
	movedIn   uids
	unpaired  uids              // copied once; where the copy is isn't known
	rebuilt   map[uint32]uint32 // pairs that were dropped, for this call alone: the state has no room for them
	moving    uids              // not recorded: their copies are about to be found
	unflagged uids
	strays    uids     // of the target
	open      uids     // exceptions: at or below the cursor, still to be done
	order     []uint32 // what this pass found above the cursor, ascending
	next      int      // everything in order before it is closed
	closed    uids     // accounted for in this pass
	top       uint32   // the cursor when everything in order is closed
	touched   bool
	complete  bool
	asked     int  // how many messages this call had to copy
	gave      bool // the source gave one of them
	pending   bool // deletions wait for a person's word, so it isn't complete
	expected  bool // counted into the progress's total
	// wire is set where nothing is known of the folder and it isn't to be copied either: its name at the source.
	wire string
	// old is what was known before UIDs lost their meaning, until everything there is matched anew.
	old *outdated
	// settled: what was in doubt at the target was looked at in this call, so all below TargetHigh is known.
	settled bool
	// size is that of the packed pairs at the beginning.
	size int
}

func newLedger(state migration.FolderState) (*ledger, error) {
	l := &ledger{state: state, moving: uids{}, open: uids{}, closed: uids{}, rebuilt: map[uint32]uint32{}, size: len(state.Pairs)}
	var err error
	if l.pairs, err = parsePairs(state.Pairs); err != nil {
		return nil, fmt.Errorf("the state of folder %q: %w", state.Source, err)
	}
	for _, set := range []struct {
		to   *uids
		text string
	}{{&l.leftOut, state.LeftOut}, {&l.refused, state.Refused}, {&l.movedIn, state.Moved}, {&l.unpaired, state.Unpaired}, {&l.unflagged, state.Unflagged}, {&l.strays, state.Strays}} {
		if *set.to, err = parseUIDs(set.text); err != nil {
			return nil, fmt.Errorf("the state of folder %q: %w", state.Source, err)
		}
	}
	for _, uid := range state.Exceptions {
		l.open[uid] = true
	}
	l.top = state.Cursor
	return l, nil
}

// snapshot is the state as it is now. Pairs over the limit are dropped. While everything is matched anew it is the state
// from before, so that whoever goes on from it begins the matching again.
func (l *ledger) snapshot() migration.FolderState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.old != nil {
		return l.old.state
	}
	return l.packed()
}

// packed puts the state together; l.mu is held.
func (l *ledger) packed() migration.FolderState {
	s := l.state
	s.Cursor = l.cursor()
	s.Exceptions = l.open.sorted()
	s.LeftOut, s.Refused, s.Moved, s.Unflagged = l.leftOut.String(), l.refused.String(), l.movedIn.String(), l.unflagged.String()
	s.Unpaired, s.Strays = l.unpaired.String(), l.strays.String()
	s.Pairs = migration.PackRuns(l.pairs.runs)
	if len(s.Pairs) > migration.MaxPairs {
		s.Pairs, s.PairsDropped = nil, true
	}
	return s
}

// cursor is how far everything is accounted for; l.mu is held.
func (l *ledger) cursor() uint32 {
	for l.next < len(l.order) && l.closed[l.order[l.next]] {
		l.next++
	}
	if l.next == len(l.order) {
		return max(l.state.Cursor, l.top)
	}
	return max(l.state.Cursor, l.order[l.next]-1)
}

// begin sets what the pass has to account for above the cursor, up to top.
func (l *ledger) begin(order []uint32, top uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Cursor = l.cursor()
	l.order, l.next, l.top = order, 0, max(top, l.state.Cursor)
	for _, uid := range order {
		if l.known(uid) {
			l.closed[uid] = true
		}
	}
}

// known reports whether the state accounts for the UID; l.mu is held.
func (l *ledger) known(uid uint32) bool {
	_, paired := l.pairs.get(uid)
	return paired || l.refused[uid] || l.leftOut[uid] || l.movedIn[uid] || l.unpaired[uid] || l.closed[uid]
}

// remaining returns what is still to be done, ascending.
func (l *ledger) remaining() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	remaining := l.open.sorted()
	for _, uid := range l.order {
		if !l.closed[uid] && !l.open[uid] {
			remaining = append(remaining, uid)
		}
	}
	slices.Sort(remaining)
	return remaining
}

// close takes a UID off what is to be done; l.mu is held.
func (l *ledger) close(uid uint32) {
	l.closed[uid] = true
	delete(l.open, uid)
	l.touched = true
}

// copied records a copy and its target UID, and reports whether it is one of ours that had not been recorded before.
func (l *ledger) copied(uid, target uint32, size int64) (ours bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, again := l.find(uid)
	l.pairs.set(uid, target)
	l.close(uid)
	if again {
		l.state.TargetHigh = max(l.state.TargetHigh, target)
		return false
	}
	switch {
	case l.moving[uid]:
		l.movedIn[uid] = true
		l.state.Account.Moved++
		l.state.TargetHigh = max(l.state.TargetHigh, target)
		return false
	case target < l.state.Baseline:
		l.state.Account.Already++
		return false
	}
	l.state.Account.Copied++
	l.state.Account.Bytes += size
	l.state.TargetHigh = max(l.state.TargetHigh, target)
	return true
}

// accepted records a message that the target took without its UID being known.
func (l *ledger) accepted(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(uid)
	l.unpaired[uid] = true
	l.state.Account.Copied++
}

// reopen has a UID done again that the cursor has passed, unless it is accounted for.
func (l *ledger) reopen(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known(uid) {
		l.open[uid] = true
	}
}

// gone records that a UID left the source before it was copied.
func (l *ledger) gone(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(uid)
}

func (l *ledger) leaveOut(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(uid)
	if !l.leftOut[uid] {
		l.leftOut[uid] = true
		l.state.Account.LeftOut++
	}
}

// takeIn undoes leaveOut: the message is to be copied after all.
func (l *ledger) takeIn(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again(uid, l.leftOut, &l.state.Account.LeftOut)
}

// again has a UID that stands in the set done after all; l.mu is held.
func (l *ledger) again(uid uint32, set uids, count *int) {
	if !set[uid] {
		return
	}
	delete(set, uid)
	delete(l.closed, uid)
	*count--
	l.open[uid] = true
	l.touched, l.complete = true, false
}

// omissions are what was left out, ascending.
func (l *ledger) omissions() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leftOut.sorted()
}

func (l *ledger) refuse(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(uid)
	if !l.refused[uid] {
		l.refused[uid] = true
		l.state.Account.Refused++
	}
}

// wasRefused reports whether the message was refused for good.
func (l *ledger) wasRefused(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused[uid]
}

// target returns the target UID of a copy.
func (l *ledger) target(uid uint32) (uint32, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.find(uid)
}

// find is target with l.mu held.
func (l *ledger) find(uid uint32) (uint32, bool) {
	if target, ok := l.pairs.get(uid); ok {
		return target, true
	}
	target, ok := l.rebuilt[uid]
	return target, ok
}

// change calls f with the state, for whatever else there is to record.
func (l *ledger) change(f func(*migration.FolderState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.state)
	l.touched = true
}

// look returns the state's plain fields.
func (l *ledger) look() migration.FolderState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Cursor = l.cursor()
	return s
}

// mark and unmark keep the UIDs whose copies' flags are to be seen to.
func (l *ledger) mark(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unflagged[uid] = true
	l.touched = true
}

func (l *ledger) unmark(list []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, uid := range list {
		delete(l.unflagged, uid)
	}
	l.touched = l.touched || len(list) > 0
}

func (l *ledger) marked() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unflagged.sorted()
}

// targets are the target UIDs that are copies of this folder's messages, or of such as were filed elsewhere and left their
// copies here.
func (l *ledger) targets() uids {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.pairs.targets()
	for _, loan := range l.state.Lent {
		all[loan.Target] = true
	}
	return all
}

// progress tells whether anything was accounted for between two calls.
func (l *ledger) progress() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.closed)
}

// undone reports whether the UID is still to be done.
func (l *ledger) undone(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[uid] || uid > l.state.Cursor && !l.known(uid)
}

// miss takes off what is to be done and no longer at the source.
func (l *ledger) miss(all map[uint32][]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uid := range l.open {
		if _, here := all[uid]; !here {
			delete(l.open, uid)
			l.touched = true
		}
	}
}

// changed reports whether there is anything to hand over.
func (l *ledger) changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.touched
}
