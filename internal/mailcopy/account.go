package mailcopy

import "github.com/mailferry/mailferry/internal/migration"

// recount sets the account by all the UIDs that the source folder holds.
func (l *ledger) recount(all map[uint32][]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := migration.Account{Source: len(all), Bytes: l.state.Account.Bytes, Gone: l.state.Account.Gone}
	for uid := range all {
		target, paired := l.pairs.get(uid)
		switch {
		case l.movedIn[uid]:
			a.Moved++
		case paired && target < l.state.Baseline:
			a.Already++
		case paired:
			a.Copied++
		case l.leftOut[uid]:
			a.LeftOut++
		case l.refused[uid]:
			a.Refused++
		case l.unpaired[uid], l.state.PairsDropped && !l.open[uid]:
			a.Copied++
		}
	}
	gone := 0
	l.pairs.each(func(source, _ uint32) {
		if _, here := all[source]; !here {
			gone++
		}
	})
	if !l.state.PairsDropped {
		a.Gone = gone + l.state.Deleted
	}
	for _, set := range []uids{l.leftOut, l.refused, l.movedIn, l.unpaired, l.open} {
		for uid := range set {
			if _, here := all[uid]; !here {
				delete(set, uid)
			}
		}
	}
	l.touched = l.touched || a != l.state.Account
	l.state.Account = a
}

// missing are the pairs, source UID to target UID, whose messages are not among those that the source holds.
func (l *ledger) missing(here uids) map[uint32]uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := map[uint32]uint32{}
	l.pairs.each(func(source, target uint32) {
		if !here[source] {
			left[source] = target
		}
	})
	return left
}

// moved records a message that came from another folder together with its copy, or whose copy stays there.
func (l *ledger) moved(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(uid)
	if !l.movedIn[uid] {
		l.movedIn[uid] = true
		l.state.Account.Moved++
	}
}

// willMove has the copy that is about to be found counted as moved.
func (l *ledger) willMove(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving[uid] = true
}

// lose forgets a pair, and reports whether there was one: the copy has followed its message into another folder, so that
// one doesn't count as gone.
func (l *ledger) lose(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, paired := l.pairs.get(uid); !paired {
		return false
	}
	l.pairs.remove(uid)
	l.state.Account.Gone = max(l.state.Account.Gone-1, l.state.Deleted)
	l.touched = true
	return true
}
