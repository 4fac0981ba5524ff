package mailcopy

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// settleTarget looks at what the target holds above the recorded TargetHigh, and takes for copied what turns out to be the
// copy of a message that is still to be done: a predecessor died, or the target held mail before the first pass.
func (p *pass) settleTarget(ctx context.Context) error {
	next, err := p.tgt.nextUID(ctx, p.to)
	if err != nil {
		return err
	}
	s := p.ledger.look()
	first := s.Baseline == 0
	if first {
		p.ledger.change(func(s *migration.FolderState) { s.Baseline = max(next, 1) })
	}
	candidates, err := p.candidates(ctx)
	if err != nil {
		return err
	}
	if next-1 > s.TargetHigh && p.to.exists > 0 {
		if err := p.explain(ctx, s.TargetHigh, candidates); err != nil {
			return err
		}
	}
	if p.rematch {
		if err := p.settleUnmatched(ctx); err != nil {
			return err
		}
		p.ledger.rematched()
		p.rematch = false
	}
	p.ledger.change(func(s *migration.FolderState) { s.TargetHigh = max(s.TargetHigh, next-1) })
	p.ledger.settled = true
	return nil
}

// explain finds out whose copies the target's messages above a UID are.
func (p *pass) explain(ctx context.Context, above uint32, candidates []uint32) error {
	unknown, err := p.unknown(ctx, above)
	if err != nil || len(unknown) == 0 {
		return err
	}
	if len(candidates) > 0 {
		doubtful, err := p.identified(ctx, unknown)
		if err != nil {
			return err
		}
		if err := p.align(ctx, candidates, doubtful); err != nil {
			return err
		}
	}
	p.stray(unknown)
	return nil
}

// candidates are the source UIDs whose copies may be among what is in doubt: what is to be done, and what was copied but
// has lost its target UID, since Exchange gives a message a new one with its flags.
func (p *pass) candidates(ctx context.Context) ([]uint32, error) {
	candidates := p.ledger.remaining()
	sourceOf := map[uint32]uint32{}
	var targets []uint32
	for _, uid := range p.ledger.marked() {
		if target, ok := p.ledger.target(uid); ok {
			sourceOf[target] = uid
			targets = append(targets, target)
		}
	}
	slices.Sort(targets)
	err := p.tgt.fetchAll(ctx, targets, "(UID)", func(f fetched) error {
		delete(sourceOf, f.uid)
		return nil
	})
	for _, uid := range sourceOf {
		candidates = append(candidates, uid)
	}
	slices.Sort(candidates)
	return candidates, err
}

// unknown are the target's messages above a UID that aren't known as copies, of this folder or of another that shares the
// target folder.
func (p *pass) unknown(ctx context.Context, above uint32) ([]uint32, error) {
	claimed := p.ledger.targets()
	if p.target == p.trash {
		buried, err := p.buriedUIDs(p.to.uidValidity)
		if err != nil {
			return nil, err
		}
		for uid := range buried {
			claimed[uid] = true
		}
	}
	for _, other := range p.siblings(p.ledger) {
		for uid := range other.targets() {
			claimed[uid] = true
		}
	}
	var unknown []uint32
	err := p.tgt.fetch(ctx, fmt.Sprintf("%d:*", above+1), "(UID)", func(f fetched) error {
		if f.uid > above && !claimed[f.uid] {
			unknown = append(unknown, f.uid)
		}
		return nil
	})
	slices.Sort(unknown)
	return slices.Compact(unknown), err
}

// doubtful fetches the identities of the target's messages above a UID that aren't known as copies.
func (p *pass) doubtful(ctx context.Context, above uint32) ([]identity, error) {
	unknown, err := p.unknown(ctx, above)
	if err != nil {
		return nil, err
	}
	return p.identified(ctx, unknown)
}

func (p *pass) identified(ctx context.Context, unknown []uint32) ([]identity, error) {
	if len(unknown) == 0 {
		return nil, nil
	}
	found, err := p.tgt.identities(ctx, unknown)
	if err != nil {
		return nil, err
	}
	sortIdentities(found)
	return p.withoutStrangers(ctx, found)
}

// withoutStrangers takes off what was copied from folders that share the target folder and of which the given state says
// nothing: they are looked at instead.
func (p *pass) withoutStrangers(ctx context.Context, doubtful []identity) ([]identity, error) {
	strangers := 0
	for _, other := range p.siblings(p.ledger) {
		if other.wire == "" || len(doubtful) == 0 {
			continue
		}
		strangers++
		sel, command := p.src.selectFolder("EXAMINE", other.wire)
		if _, err := command.Wait(ctx); err != nil {
			return nil, fmt.Errorf("opening the source folder %q: %w", other.look().Source, err)
		}
		if sel.exists == 0 {
			continue
		}
		all, err := p.src.listUIDs(ctx, "1:*")
		if err != nil {
			return nil, err
		}
		if len(all) < sel.exists { // what isn't known to be theirs would be taken for ours
			return nil, fmt.Errorf("folder %q: %w", other.look().Source, &migration.ShortListingError{Side: p.src.side, Counted: sel.exists, Listed: len(all)})
		}
		theirs, err := p.src.identities(ctx, all)
		if err != nil {
			return nil, err
		}
		sortIdentities(theirs)
		taken := uids{}
		for _, j := range match(theirs, doubtful, p.o.KeepsBytes) {
			if j >= 0 {
				taken[doubtful[j].uid] = true
			}
		}
		doubtful = slices.DeleteFunc(doubtful, func(m identity) bool { return taken[m.uid] })
	}
	if strangers == 0 {
		return doubtful, nil
	}
	_, command := p.src.selectFolder("EXAMINE", p.wire)
	if _, err := command.Wait(ctx); err != nil {
		return nil, fmt.Errorf("opening the source folder: %w", err)
	}
	return doubtful, nil
}

func sortIdentities(list []identity) {
	slices.SortFunc(list, func(a, b identity) int { return int(int64(a.uid) - int64(b.uid)) })
}

// alignChunk is how many source messages at least are looked at for what is in doubt.
const alignChunk = 500

// align matches source messages with the target's in doubt. Appends went out in order, so what was appended is at the
// beginning of what was to be done: a chunk of which nothing is found ends the search, unless everything is in doubt.
func (p *pass) align(ctx context.Context, candidates []uint32, doubtful []identity) error {
	everything := p.ledger.look().TargetHigh == 0
	size := max(alignChunk, 2*len(doubtful))
	for len(candidates) > 0 && len(doubtful) > 0 {
		n := min(size, len(candidates))
		source, err := p.src.identities(ctx, candidates[:n])
		if err != nil {
			return err
		}
		candidates = candidates[n:]
		sortIdentities(source)
		found := p.take(source, doubtful)
		if len(found) == 0 && !everything {
			return nil
		}
		doubtful = slices.DeleteFunc(doubtful, func(m identity) bool { return found[m.uid] })
	}
	return nil
}

// take records those of the source messages that are found, and returns the target UIDs that were.
func (p *pass) take(source, doubtful []identity) uids {
	found := uids{}
	baseline := p.ledger.look().Baseline
	for i, j := range match(source, doubtful, p.o.KeepsBytes) {
		if j < 0 {
			continue
		}
		m, target := source[i], doubtful[j].uid
		found[target] = true
		p.done(p.ledger, m.uid, target, m.size)
		if p.tgt.exchange && (target >= baseline || !p.o.AddOnly) && hasFlag(m.flags, `\Flagged`) {
			p.ledger.mark(m.uid)
		}
	}
	return found
}
