package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// maxDeletions and maxDeletedShare (one in so many) are how much of a mailbox may be deleted at once without a person's word.
	maxDeletions    = 50
	maxDeletedShare = 20
)

// deletion is copies in one target folder whose messages have left the source.
type deletion struct {
	from    *ledger
	sources []uint32
}

// followDeletions moves the copies of messages that left the source to the target's Deleted Items, where the rules say so.
// Nothing is done where a folder vanished; a folder that was numbered anew has nothing that could be deleted. When more
// than a few are to go at once, and not as many were allowed, they stay, and a person is asked at the end of the pass.
func (w *worker) followDeletions(ctx context.Context, jobs []job, gone map[*ledger]map[uint32]uint32) error {
	if !w.o.Rules.Deletions || w.o.AddOnly {
		return nil
	}
	for l := range gone {
		if l.complete {
			w.observe("deletions-not-followed", 1)
			return nil
		}
	}
	list := w.deletions(jobs, gone)
	if len(list) == 0 {
		return nil
	}
	figures, err := w.src.figures(ctx, w.sources)
	if err != nil {
		return err
	}
	if list, err = w.withoutMoved(ctx, list, figures); err != nil || len(list) == 0 {
		return err
	}
	n, total := 0, 0
	for _, d := range list {
		n += len(d.sources)
	}
	for _, of := range figures {
		total += int(of["MESSAGES"])
	}
	if w.trash == "" || !w.tgt.caps["MOVE"] {
		w.observe("deletions-not-followed", n)
		return nil
	}
	if tooMany(n, total) && n > w.o.DeletionsAllowed {
		for _, d := range list {
			d.from.pending = true
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = n
		w.asking = migration.NeedsPerson("many-deletions",
			fmt.Sprintf("%d messages left the source since they were copied, where %d are left; their copies would be moved to Deleted Items", n, total),
			fmt.Sprintf("see whether they were meant to go; retry step %d for this mailbox to let so many go once, or leave the mailbox out",
				migration.StepMigrate), nil)
		return nil
	}
	return w.bury(ctx, list)
}

// tooMany reports whether a person must be asked before n copies go, where total messages are left at the source.
func tooMany(n, total int) bool { return n > maxDeletions || n*maxDeletedShare > total+n }

// deletions are the copies to delete: what we copied ourselves, whose message neither is at the source nor moved within it.
func (w *worker) deletions(jobs []job, gone map[*ledger]map[uint32]uint32) []deletion {
	moved := map[*ledger]uids{}
	for _, moves := range w.moves {
		for _, m := range moves {
			if moved[m.from] == nil {
				moved[m.from] = uids{}
			}
			moved[m.from][m.was] = true
		}
	}
	var list []deletion
	for _, j := range jobs {
		for _, r := range j.routes {
			l := w.ledger(r.name)
			s := l.look()
			if r.target == "" || r.target == w.trash {
				continue
			}
			d := deletion{from: l}
			for source, target := range gone[l] {
				if target >= s.Baseline && !moved[l][source] {
					d.sources = append(d.sources, source)
				}
			}
			if slices.Sort(d.sources); len(d.sources) > 0 {
				list = append(list, d)
			}
		}
	}
	return list
}

// withoutMoved takes off what came into another folder too late for this pass: the next one moves its copy there.
func (w *worker) withoutMoved(ctx context.Context, list []deletion, figures map[string]map[string]uint64) ([]deletion, error) {
	var late []identity
	for _, r := range w.sources {
		if r.target == "" {
			continue
		}
		first := w.bound(r.name, uint32(figures[r.wire]["UIDVALIDITY"]))
		if first == unbounded { // it is newer than the probe
			first = 1
		}
		messages, err := w.newcomers(ctx, r, figures[r.wire], first, unbounded)
		if err != nil {
			return nil, err
		}
		late = append(late, messages...)
	}
	if len(late) == 0 {
		return list, nil
	}
	for i := range list {
		d := &list[i]
		left := make([]uint32, 0, len(d.sources))
		for _, source := range d.sources {
			if target, paired := d.from.target(source); paired {
				left = append(left, target)
			}
		}
		slices.Sort(left)
		copies, err := w.copiesOf(ctx, d.from, left, late)
		if err != nil {
			return nil, err
		}
		moved := uids{}
		for _, copied := range copies {
			moved[copied.uid] = slices.ContainsFunc(late, func(m identity) bool { return same(&m, &copied) })
		}
		d.sources = slices.DeleteFunc(d.sources, func(uid uint32) bool {
			target, _ := d.from.target(uid)
			return moved[target]
		})
	}
	return slices.DeleteFunc(list, func(d deletion) bool { return len(d.sources) == 0 }), nil
}

// bury moves the copies.
func (w *worker) bury(ctx context.Context, list []deletion) error {
	sort.SliceStable(list, func(i, j int) bool { return list[i].from.state.Target < list[j].from.state.Target })
	for _, d := range list {
		s := d.from.look()
		sel, command := w.tgt.selectFolder("SELECT", imapwire.EncodeUTF7(s.Target))
		if _, err := command.Wait(ctx); err != nil {
			return fmt.Errorf("opening the target folder %q: %w", s.Target, err)
		}
		if sel.uidValidity != s.TargetUIDValidity {
			continue
		}
		if err := w.buryFrom(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// buryFrom moves the copies out of the open folder. What arrives in Deleted Items meanwhile are they: nobody else writes
// there now.
func (w *worker) buryFrom(ctx context.Context, d deletion) error {
	trash := imapwire.EncodeUTF7(w.trash)
	before, err := w.tgt.status(ctx, trash, []string{"UIDNEXT", "UIDVALIDITY"})
	if err != nil {
		return fmt.Errorf("looking at %q: %w", w.trash, err)
	}
	validity, first := uint32(before["UIDVALIDITY"]), uint32(before["UIDNEXT"])
	var targets []uint32
	for _, source := range d.sources {
		if target, ok := d.from.target(source); ok {
			targets = append(targets, target)
		}
	}
	slices.Sort(targets)
	if err := w.note(validity, first, first+uint32(len(targets))); err != nil { // a crash must not leave them unexplained
		return err
	}
	for _, set := range uidSets(targets, maxSet-len(trash)) {
		_, err := w.tgt.Send(&imapwire.Command{Name: "UID MOVE", Args: func(c *imapwire.Writer) error {
			c.Raw(" " + set + " ")
			c.AString(trash)
			return nil
		}}).Wait(ctx)
		if err != nil {
			return fmt.Errorf("moving to %q at the target: %w", w.trash, err)
		}
	}
	after, err := w.tgt.status(ctx, trash, []string{"UIDNEXT"})
	if err != nil {
		return fmt.Errorf("looking at %q: %w", w.trash, err)
	}
	if err := w.note(validity, first, uint32(after["UIDNEXT"])); err != nil {
		return err
	}
	d.from.buried(d.sources)
	w.observe("moved-to-deleted-items", len(d.sources))
	return nil
}

// note records which of the UIDs of Deleted Items, from first up to but not including end, are copies that were moved there.
func (w *worker) note(validity, first, end uint32) error {
	known, err := w.buriedUIDs(validity)
	if err != nil {
		return err
	}
	for uid := range known {
		if uid >= first {
			delete(known, uid)
		}
	}
	for uid := first; uid < end; uid++ {
		known[uid] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learnt.Buried = migration.Buried{UIDValidity: validity, UIDs: known.String()}
	return nil
}

// buriedUIDs are the copies that were moved to Deleted Items, if it still has that UIDVALIDITY.
func (e *engine) buriedUIDs(validity uint32) (uids, error) {
	e.mu.Lock()
	buried := e.learnt.Buried
	e.mu.Unlock()
	if buried.UIDs == "" {
		buried = e.given.Buried
	}
	if buried.UIDValidity != validity {
		return uids{}, nil
	}
	return parseUIDs(buried.UIDs)
}

// buried forgets the pairs of messages whose copies were moved to Deleted Items.
func (l *ledger) buried(sources []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, uid := range sources {
		l.pairs.remove(uid)
	}
	l.state.Deleted += len(sources)
	l.state.TargetMessages -= len(sources)
	l.touched = true
}
