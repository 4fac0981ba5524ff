package mailcopy

import (
	"maps"
	"slices"
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

// adopt forgets a stray: it belongs to a message of another folder.
func (l *ledger) adopt(target uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.strays, target)
	l.touched = true
}

// allStrays are those that are remembered.
func (l *ledger) allStrays() uids {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.strays)
}
