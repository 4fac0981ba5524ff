package mailcopy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// maxStrays is how many strays of a folder are remembered: what a worker appends after its last checkpoint, and of that
// only the copies of messages that are then filed elsewhere. Where more turn up, the target held mail of its own.
const maxStrays = 200

// stray remembers target messages that no source message explains. A worker may have made them and died before it told,
// and their messages may have been filed in another folder since: there they are known again, and not copied once more.
// Nothing is remembered where they may be copies all the same.
func (p *pass) stray(unknown []uint32) {
	if p.rematch || p.target == p.trash {
		return
	}
	for _, l := range append(p.siblings(p.ledger), p.ledger) {
		if l.wire != "" || !l.knowsCopies() {
			return
		}
	}
	claimed := p.ledger.targets()
	unknown = slices.DeleteFunc(slices.Clone(unknown), func(uid uint32) bool { return claimed[uid] })
	if len(unknown) > maxStrays {
		return
	}
	p.ledger.stray(unknown)
}

// knowsCopies reports whether the UID of each copy is known.
func (l *ledger) knowsCopies() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.state.PairsDropped && len(l.unpaired) == 0
}

// stray adds strays.
func (l *ledger) stray(found []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(found)
}

// remember adds strays, with l.mu held; the oldest are forgotten where they become too many.
func (l *ledger) remember(found []uint32) {
	for _, uid := range found {
		l.strays[uid] = true
		l.touched = true
	}
	all := l.strays.sorted()
	for _, uid := range all[:max(0, len(all)-maxStrays)] {
		delete(l.strays, uid)
	}
}

// adopt forgets a stray, and reports whether there was one: it belongs to a message of another folder.
func (l *ledger) adopt(target uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.strays[target] {
		return false
	}
	delete(l.strays, target)
	l.touched = true
	return true
}

// allStrays are those that are remembered.
func (l *ledger) allStrays() uids {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.strays)
}

// strays are those of a folder that are remembered, but for what has turned out to be the copy of a message: folders that
// share the target folder look at it one after the other.
func (e *engine) strays(l *ledger) uids {
	left := l.allStrays()
	if len(left) == 0 {
		return nil
	}
	for _, other := range append(e.siblings(l), l) {
		for uid := range other.targets() {
			delete(left, uid)
		}
	}
	return left
}

// leaveOwned takes off the strays whose like the source holds more than once. One may be the copy of another message than
// the one that came: a folder that shares the target folder has still to look at it, somebody filed it at the target, or
// it has a new UID there.
func (w *worker) leaveOwned(ctx context.Context, origins []move, copies, came []identity) error {
	held := map[int]int{} // by its place in copies, how many of the source's messages a stray equals
	var strays []identity
	for i := range copies {
		if origins[i].was == 0 && slices.ContainsFunc(came, func(m identity) bool { return same(&m, &copies[i]) }) {
			held[i] = 0
			strays = append(strays, copies[i])
		}
	}
	for _, r := range w.sources {
		if r.target == "" || len(held) == 0 {
			continue
		}
		likes, whole, err := w.likes(ctx, r, strays)
		if err != nil {
			return err
		}
		for i := range held {
			for _, m := range likes {
				if same(&m, &copies[i]) {
					held[i]++
				}
			}
			if held[i] > 1 || !whole {
				copies[i] = identity{}
				delete(held, i)
			}
		}
	}
	return nil
}

// likes fetches the identities of a source folder's messages of the dates wanted; whole is false where it may hold others.
func (w *worker) likes(ctx context.Context, r route, wanted []identity) (found []identity, whole bool, err error) {
	_, all, whole, err := w.listed(ctx, r.name, r.wire)
	if err != nil || !whole {
		return nil, false, err
	}
	found, err = w.src.dated(ctx, all, wanted)
	return found, true, err
}

// findForeign takes strays above the baseline for somebody's, where no message came that they are copies of: it came before
// this delta if it is at the source at all, and nothing else will explain them.
func (w *worker) findForeign() {
	if w.o.AddOnly {
		return
	}
	for _, l := range w.allLedgers() {
		left := w.strays(l)
		for _, moves := range w.moves {
			for _, m := range moves {
				if m.from == l {
					delete(left, m.target)
				}
			}
		}
		s := l.look()
		maps.DeleteFunc(left, func(uid uint32, _ bool) bool { return uid < s.Baseline })
		if len(left) > 0 {
			w.inUse(fmt.Sprintf("in folder %q of the target there are %s", s.Target, traces{foreign: len(left)}))
			return
		}
	}
}

// maxLoans is how many loans of a folder are remembered.
const maxLoans = 200

// lendTo remembers that a copy in the target folder belongs to a message that is in another source folder by now.
func (l *ledger) lendTo(loan migration.Loan) {
	l.change(func(s *migration.FolderState) {
		s.Lent = append(slices.Clone(s.Lent), loan)
		s.Lent = s.Lent[max(0, len(s.Lent)-maxLoans):]
	})
}

// lends reports whether copies in the target folder belong to messages of the source folder named.
func (l *ledger) lends(to string) bool {
	return slices.ContainsFunc(l.look().Lent, func(loan migration.Loan) bool { return loan.Source == to })
}

// takeBack makes strays of those copies whose messages are no longer in the folder that they were lent to.
func (l *ledger) takeBack(from string, here func(uid uint32) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept []migration.Loan
	var found []uint32
	for _, loan := range l.state.Lent {
		if loan.Source == from && !here(loan.UID) {
			found = append(found, loan.Target)
		} else {
			kept = append(kept, loan)
		}
	}
	if len(found) > 0 {
		l.state.Lent = kept
		l.remember(found)
	}
}
