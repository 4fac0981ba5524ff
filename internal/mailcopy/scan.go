package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// scan finds what the folder holds: what is above the cursor, and all of it where the counts don't add up or flags can't
// be told otherwise.
func (p *pass) scan(ctx context.Context) error {
	s := p.ledger.look()
	p.flags = map[uint32][]string{}
	shared := map[string][]string{} // a large folder has few combinations of flags
	take := func(f fetched) error {
		key := strings.Join(f.flags, " ")
		if _, known := shared[key]; !known {
			shared[key] = f.flags
		}
		p.flags[f.uid] = shared[key]
		return nil
	}
	if !p.rematch {
		p.begin = s.Cursor
	}
	if err := p.scanNew(ctx, take); err != nil {
		return err
	}
	byModSeq := s.ModSeq > 0 && p.from.modSeq > 0
	p.whole = p.begin == 0
	if !p.whole && (p.from.exists != s.Account.Source+p.fresh() || !s.Account.Closes() || !p.o.AddOnly && !byModSeq) {
		p.whole = true
		if p.from.exists > 0 {
			if err := p.scanRange(ctx, fmt.Sprintf("1:%d", p.begin), take); err != nil {
				return err
			}
		}
	}
	if p.whole {
		missing, err := omitted(ctx, p.src, p.wire, p.from, p.flags)
		if err != nil {
			return &folderError{fmt.Errorf("folder %q: %w", p.name, err)}
		}
		if err := p.scanOmitted(ctx, missing, take); err != nil {
			return err
		}
	}
	for uid := range p.flags {
		if uid >= p.bound && uid > s.Cursor {
			delete(p.flags, uid)
		}
	}
	if err := p.scanFlags(ctx, s, byModSeq, take); err != nil {
		return err
	}
	p.enter(s)
	return nil
}

// scanNew looks at what is above the cursor. The cursor may pass a message only if it was seen, so SEARCH must not know of
// any that FETCH left out.
func (p *pass) scanNew(ctx context.Context, take func(fetched) error) error {
	if p.from.exists == 0 {
		return nil
	}
	set := fmt.Sprintf("%d:*", p.begin+1)
	if err := p.scanRange(ctx, set, take); err != nil {
		return err
	}
	for uid := range p.flags { // n:* means the last message where n is above it
		if uid <= p.begin {
			delete(p.flags, uid)
		}
	}
	if p.begin == 0 || p.from.uidNext > 0 && p.from.uidNext <= p.begin+1 {
		return nil
	}
	all, err := p.src.listUIDs(ctx, set)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(all, func(uid uint32) bool {
		_, seen := p.flags[uid]
		return seen || uid <= p.begin
	})
	slices.Sort(missing)
	return p.scanOmitted(ctx, missing, take)
}

// scanOmitted takes in what a listing left out, and asks for its flags once more.
func (p *pass) scanOmitted(ctx context.Context, missing []uint32, take func(fetched) error) error {
	if len(missing) == 0 {
		return nil
	}
	p.observe("left-out-of-a-listing", len(missing))
	for _, uid := range missing {
		p.flags[uid] = nil
	}
	return p.src.fetchAll(ctx, missing, "(UID FLAGS)", take)
}

// fresh is how many messages are new at the source.
func (p *pass) fresh() int {
	n := 0
	for uid := range p.flags {
		if uid > p.begin {
			n++
		}
	}
	return n
}

// scanRange fetches the flags of a range. A message that the server can't even tell the flags of is there all the same.
func (p *pass) scanRange(ctx context.Context, set string, take func(fetched) error) error {
	err := p.src.fetch(ctx, set, "(UID FLAGS)", take)
	if err == nil || !partial(err) {
		return err
	}
	all, err := p.src.listUIDs(ctx, set)
	for _, uid := range all {
		if _, known := p.flags[uid]; !known {
			p.flags[uid] = nil
		}
	}
	return err
}

// scanFlags looks at messages below the cursor whose flags matter: those that changed, the exceptions, and what was left out
// as \Deleted.
func (p *pass) scanFlags(ctx context.Context, s migration.FolderState, byModSeq bool, take func(fetched) error) error {
	if p.begin == 0 {
		return nil
	}
	switch {
	case byModSeq && p.from.modSeq > s.ModSeq && p.from.exists > 0:
		set := fmt.Sprintf("1:%d", s.Cursor)
		err := p.src.fetch(ctx, set, fmt.Sprintf("(UID FLAGS) (CHANGEDSINCE %d)", s.ModSeq), func(f fetched) error {
			if f.uid <= s.Cursor {
				p.changed = append(p.changed, f.uid)
			}
			return take(f)
		})
		if err != nil {
			return err
		}
	case !byModSeq:
		for uid := range p.flags {
			if uid <= s.Cursor {
				p.changed = append(p.changed, uid)
			}
		}
	}
	if p.whole {
		return nil
	}
	look := p.ledger.remaining()
	if !byModSeq {
		look = append(look, p.ledger.omissions()...)
		slices.Sort(look)
	}
	return p.src.fetchAll(ctx, look, "(UID FLAGS)", take)
}

// enter tells the ledger what there is to do.
func (p *pass) enter(s migration.FolderState) {
	var order []uint32
	for uid := range p.flags {
		if uid > s.Cursor {
			order = append(order, uid)
		}
	}
	slices.Sort(order)
	top := s.Cursor
	if len(order) > 0 {
		top = order[len(order)-1]
	}
	if next := min(p.from.uidNext, p.bound); next > 0 && next-1 > top && p.o.Poison == nil {
		top = next - 1
	}
	p.ledger.begin(order, top)
	if p.rematch || p.whole && !s.PairsDropped { // what the cursor has passed without an account isn't copied
		for uid := range p.flags {
			if uid <= s.Cursor {
				p.ledger.reopen(uid)
			}
		}
	}
	for uid, flags := range p.flags {
		switch deleted := hasFlag(flags, `\Deleted`) && !p.o.Rules.Deleted; {
		case !deleted:
			p.ledger.takeIn(uid)
		case p.ledger.undone(uid):
			p.ledger.leaveOut(uid)
		}
	}
	if p.whole {
		p.ledger.miss(p.flags)
	}
}
