package mailcopy

import (
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

// stray adds strays; the oldest are forgotten where they become too many.
func (l *ledger) stray(found []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
	left := func(loan migration.Loan) bool { return loan.Source == from && !here(loan.UID) }
	var found []uint32
	for _, loan := range l.look().Lent {
		if left(loan) {
			found = append(found, loan.Target)
		}
	}
	if len(found) == 0 {
		return
	}
	l.change(func(s *migration.FolderState) { s.Lent = slices.DeleteFunc(slices.Clone(s.Lent), left) })
	l.stray(found)
}
