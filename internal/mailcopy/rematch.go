package mailcopy

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// outdated is what was known of a folder before UIDs lost their meaning at the source, at the target, or both.
type outdated struct {
	source, target bool
	state          migration.FolderState
	pairs          pairs
	refused        uids
	movedIn        uids
	unpaired       uids
	// skipped are the source UIDs that were never copied: left out, refused, or still to be done.
	skipped uids
}

// forget drops everything that hangs on UIDs whose UIDVALIDITY has changed, and keeps it aside until all is matched anew.
func (l *ledger) forget(source, target bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.old == nil {
		l.old = &outdated{
			state: l.packed(), pairs: pairs{slices.Clone(l.pairs.runs)}, refused: l.refused, movedIn: l.movedIn, unpaired: l.unpaired,
			skipped: union(l.leftOut, l.refused, l.open),
		}
	}
	l.old.source, l.old.target = l.old.source || source, l.old.target || target
	l.pairs, l.movedIn, l.unpaired, l.closed = pairs{}, uids{}, uids{}, uids{}
	clear(l.rebuilt)
	clear(l.strays)
	if target {
		l.state.Lent = nil
	}
	a := &l.state.Account
	a.Copied, a.Already, a.Moved = 0, 0, 0
	l.state.PairsDropped = false
	l.state.Baseline, l.state.TargetHigh = 0, 0
	if source {
		l.leftOut, l.refused, l.unflagged, l.open, l.moving = uids{}, uids{}, uids{}, uids{}, uids{}
		l.order, l.next, l.top = nil, 0, 0
		l.state.Cursor, l.state.ModSeq = 0, 0
		*a = migration.Account{Gone: a.Gone, Bytes: a.Bytes}
	}
	l.touched = true
}

// rematched ends what forget began.
func (l *ledger) rematched() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.old = nil
}

// settleUnmatched is for what remains of a folder that was matched anew. What was refused before stays refused. In a
// mailbox in use what was copied once and isn't there has been deleted or filed by somebody, and isn't brought back; but
// that is so only of as many messages as the old state proves were copied. The others are copied: one too many is better
// than one lost.
func (p *pass) settleUnmatched(ctx context.Context) error {
	old := p.ledger.old
	if old.source && len(old.refused) > 0 {
		if err := p.carryRefusals(ctx); err != nil {
			return err
		}
	}
	if !p.o.AddOnly || p.o.Since.IsZero() {
		return nil
	}
	unmatched := uids{}
	err := p.src.fetchAll(ctx, p.ledger.remaining(), "(UID INTERNALDATE)", func(f fetched) error {
		if when, ok := f.when(); ok && when.Before(p.o.Since) {
			unmatched[f.uid] = true
		}
		return nil
	})
	if err != nil || len(unmatched) == 0 {
		return err
	}
	var proven []uint32
	switch {
	case !old.source:
		proven = slices.DeleteFunc(unmatched.sorted(), func(uid uint32) bool { return !old.copied(uid) })
	case !old.target && !old.state.PairsDropped:
		if proven, err = p.provenByNeighbours(ctx, unmatched); err != nil {
			return err
		}
	case len(old.skipped) <= len(p.ledger.omissions()): // else some may be what was never copied
		proven = unmatched.sorted()
	}
	if old.source {
		proven = proven[:min(len(proven), max(old.count()-p.ledger.paired(), 0))]
	}
	for _, uid := range proven {
		if !old.source && old.movedIn[uid] {
			p.ledger.moved(uid)
			continue
		}
		p.ledger.accepted(uid)
	}
	p.observe("not-brought-back", len(proven))
	p.observe("copied-in-doubt", len(unmatched)-len(proven))
	return nil
}

// copied reports whether the message was copied before the target's UIDs changed.
func (o *outdated) copied(uid uint32) bool {
	_, paired := o.pairs.get(uid)
	if paired || o.movedIn[uid] || o.unpaired[uid] {
		return true
	}
	return o.state.PairsDropped && uid <= o.state.Cursor && !slices.Contains(o.state.Exceptions, uid)
}

// count is how many of the messages that the source held the old state says were copied.
func (o *outdated) count() int {
	return o.state.Account.Copied + o.state.Account.Already + o.state.Account.Moved
}

// strays are the old UIDs of messages whose copies are in other folders of the target.
func (o *outdated) strays() []uint32 {
	return slices.DeleteFunc(o.movedIn.sorted(), func(uid uint32) bool {
		_, paired := o.pairs.get(uid)
		return paired
	})
}

// paired is how many messages have a pair.
func (l *ledger) paired() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.pairs.runs {
		n += int(r.Length)
	}
	return n
}

// provenByNeighbours picks from the unmatched messages those of which the old state proves that they were copied: a server
// that numbers a folder anew keeps its order, so between two messages whose copies were found stand those that stood
// there before, and of these as many were copied as there were pairs whose copies are gone. Where some of those that stood
// there were never copied, which is which is known only if all of them still stand there.
func (p *pass) provenByNeighbours(ctx context.Context, unmatched uids) ([]uint32, error) {
	dates := map[uint32]string{}
	err := p.src.fetch(ctx, "1:*", "(UID INTERNALDATE)", func(f fetched) error {
		dates[f.uid] = f.date
		return nil
	})
	if err != nil && !partial(err) {
		return nil, err
	}
	here := uids{}
	if p.to.exists > 0 {
		err := p.tgt.fetch(ctx, "1:*", "(UID)", func(f fetched) error {
			here[f.uid] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	oldOf := map[uint32]uint32{}
	lost := p.ledger.old.strays()
	p.ledger.old.pairs.each(func(source, target uint32) {
		oldOf[target] = source
		if !here[target] {
			lost = append(lost, source)
		}
	})
	slices.Sort(lost)
	skipped := p.ledger.old.skipped.sorted()
	var proven, between []uint32
	var low uint32
	strangers := 0 // copies found under UIDs that the old state doesn't know: some of the lost ones may be these
	upTo := func(high uint32) {
		copied, never := cutOut(&lost, low, high), cutOut(&skipped, low, high)
		if len(never) == 0 {
			between = slices.DeleteFunc(between, func(uid uint32) bool { return !unmatched[uid] })
			proven = append(proven, between[:min(max(len(copied)-strangers, 0), len(between))]...)
		} else if stood := append(copied, never...); strangers == 0 && len(stood) == len(between) {
			slices.Sort(stood)
			for i, uid := range between {
				if _, skip := slices.BinarySearch(never, stood[i]); !skip && unmatched[uid] {
					proven = append(proven, uid)
				}
			}
		}
		between, strangers, low = nil, 0, high
	}
	listed := p.listed()
	for i, uid := range listed {
		target, paired := p.ledger.target(uid)
		was, known := oldOf[target]
		switch {
		case paired && known:
			// Of equal messages any may have been given the copy of any.
			if i+1 == len(listed) || dates[uid] == "" || dates[uid] != dates[listed[i+1]] {
				upTo(was)
			}
		case paired:
			strangers++
		case !p.ledger.wasRefused(uid):
			between = append(between, uid)
		}
	}
	upTo(math.MaxUint32)
	return proven, nil
}

// cutOut takes the UIDs between low and high off an ascending list, and returns them.
func cutOut(list *[]uint32, low, high uint32) []uint32 {
	from, _ := slices.BinarySearch(*list, low+1)
	to, _ := slices.BinarySearch(*list, high)
	if from >= to {
		return nil
	}
	cut := slices.Clone((*list)[from:to])
	*list = slices.Delete(*list, from, to)
	return cut
}

// listed are the UIDs of the messages that were looked at, ascending.
func (p *pass) listed() []uint32 {
	all := make([]uint32, 0, len(p.flags))
	for uid := range p.flags {
		all = append(all, uid)
	}
	slices.Sort(all)
	return all
}

// carryRefusals knows messages again that were refused under their old UIDs: by Message-ID, and those without one by size.
func (p *pass) carryRefusals(ctx context.Context) error {
	var refusals []migration.Refusal
	for _, r := range p.given.Refusals {
		if r.Folder == p.name && p.ledger.old.refused[r.UID] {
			refusals = append(refusals, r)
		}
	}
	remaining := p.ledger.remaining()
	if len(refusals) == 0 || len(remaining) == 0 {
		return nil
	}
	messages, err := p.src.identities(ctx, remaining)
	if err != nil {
		return err
	}
	sortIdentities(messages)
	for _, m := range messages {
		i := slices.IndexFunc(refusals, func(r migration.Refusal) bool {
			id := hash(strings.Join(strings.Fields(r.MessageID), ""))
			return id == m.id && (id != 0 || r.Size > 0 && r.Size == m.size)
		})
		if i >= 0 {
			p.ledger.refuse(m.uid) // it stands among the mailbox's refusals already
			delete(p.ledger.old.skipped, refusals[i].UID)
			refusals = slices.Delete(refusals, i, i+1)
		}
	}
	return nil
}
