package mailcopy

import (
	"context"
	"fmt"
	"slices"
)

// rebuildPairs finds the copies again whose pairs were dropped, where flags of such messages may have changed. That costs a
// look at everything in the folder, so it is done only then.
func (p *pass) rebuildPairs(ctx context.Context) error {
	if !p.ledger.look().PairsDropped || p.from.exists == 0 || p.begin == 0 || !p.ledger.anyUnpaired(p.changed) {
		return nil
	}
	all, err := p.src.listUIDs(ctx, fmt.Sprintf("1:%d", p.begin))
	if err != nil {
		return err
	}
	slices.Sort(all)
	source, err := p.src.identities(ctx, p.ledger.withoutPair(all))
	if err != nil {
		return err
	}
	sortIdentities(source)
	target, err := p.doubtful(ctx, 0)
	if err != nil {
		return err
	}
	for i, j := range match(source, target, p.o.KeepsBytes) {
		if j >= 0 {
			p.ledger.pair(source[i].uid, target[j].uid)
		}
	}
	return nil
}

// withoutPair are those of the UIDs that were copied and whose pair isn't known.
func (l *ledger) withoutPair(list []uint32) []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []uint32
	for _, uid := range list {
		if _, paired := l.find(uid); !paired && !l.refused[uid] && !l.leftOut[uid] && !l.movedIn[uid] && !l.open[uid] {
			all = append(all, uid)
		}
	}
	return all
}

func (l *ledger) anyUnpaired(list []uint32) bool { return len(l.withoutPair(list)) > 0 }

// pair notes where a copy is that was counted before.
func (l *ledger) pair(uid, target uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rebuilt[uid] = target
}
