package mailcopy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// move is a message that was filed in another source folder after it was copied.
type move struct {
	uid    uint32   // its new one
	of     uint32   // the UIDVALIDITY that goes with it
	from   *ledger  // the folder that it left
	was    uint32   // its UID there, 0 where nothing is recorded but that a stray lies there
	target uint32   // its copy's UID in the target folder of from
	copied identity // what its copy is known by
}

// findMoves matches what is new in the folders with what left others: it is a move where the copy of the one that left has
// the same date, Message-ID, Date, From and Subject. In doubt there is no move, and the message is copied: one too many is
// better than one lost.
func (w *worker) findMoves(ctx context.Context, fresh []newcomers, gone map[*ledger]map[uint32]uint32) error {
	var all []identity
	for _, r := range fresh {
		all = append(all, r.messages...)
	}
	var origins []move
	var copies []identity
	for _, l := range w.allLedgers() {
		was := map[uint32]uint32{}
		for target := range w.strays(l) {
			was[target] = 0
		}
		for source, target := range gone[l] {
			was[target] = source
		}
		found, err := w.copiesOf(ctx, l, slices.Sorted(maps.Keys(was)), all)
		if err != nil {
			return err
		}
		for _, m := range found {
			origins = append(origins, move{from: l, was: was[m.uid], target: m.uid, copied: m})
			copies = append(copies, m)
		}
	}
	if err := w.leaveOwned(ctx, origins, copies, all); err != nil {
		return err
	}
	for _, r := range fresh {
		for i, j := range matchMoved(r.messages, copies) {
			if j < 0 {
				continue
			}
			m := origins[j]
			m.uid, m.of = r.messages[i].uid, r.validity
			copies[j] = identity{} // nobody else's
			w.moves[r.name] = append(w.moves[r.name], m)
		}
	}
	return nil
}

// copiesOf fetches the identities of those of a target folder's messages which are of the same date as one of the messages
// looked for.
func (w *worker) copiesOf(ctx context.Context, l *ledger, list []uint32, wanted []identity) ([]identity, error) {
	if len(list) == 0 || len(wanted) == 0 {
		return nil, nil
	}
	s := l.look()
	sel, command := w.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(s.Target))
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			return nil, nil
		}
		return nil, fmt.Errorf("opening the target folder %q: %w", s.Target, err)
	}
	if sel.uidValidity != s.TargetUIDValidity || sel.exists == 0 {
		return nil, nil
	}
	found, err := w.tgt.dated(ctx, list, wanted)
	return slices.DeleteFunc(found, func(m identity) bool { return !slices.Contains(list, m.uid) }), err
}

// dated fetches the identities of those of the open folder's messages which are of the same date as one of those wanted.
func (s *session) dated(ctx context.Context, list []uint32, wanted []identity) ([]identity, error) {
	dates := map[int64]bool{}
	for _, m := range wanted {
		dates[m.when] = true
	}
	var dated []uint32
	err := s.fetchAll(ctx, list, "(UID INTERNALDATE)", func(f fetched) error {
		if when, ok := f.when(); ok && dates[when.Unix()] {
			dated = append(dated, f.uid)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(dated)
	return s.identities(ctx, slices.Compact(dated))
}

// matchMoved finds the copies of messages.
func matchMoved(source, copies []identity) []int {
	found := make([]int, len(source))
	for i := range source {
		found[i] = slices.IndexFunc(copies, func(m identity) bool { return same(&source[i], &m) })
		if found[i] >= 0 {
			copies = slices.Clone(copies)
			copies[found[i]] = identity{}
		}
	}
	return found
}

// same knows a message's copy by everything that a header tells; a message without Message-ID is never taken for a moved one.
func same(source, copied *identity) bool {
	return copied.id != 0 && copied.id == source.id && copied.dated && copied.when == source.when && loose(source, copied)
}

// follow moves the copies after the messages. In a mailbox in use a move is counted, and the copy stays where it is.
func (p *pass) follow(ctx context.Context) error {
	byFolder := map[string][]move{}
	for _, m := range p.moves[p.name] {
		_, here := p.flags[m.uid]
		switch from := m.from.look().Target; {
		case m.of != p.from.uidValidity: // by now that is another message
		case !here, !p.ledger.undone(m.uid): // where it went on from here, its copy follows it from where that is
		case from == p.target, p.o.AddOnly:
			p.handOver(m, from)
		default:
			byFolder[from] = append(byFolder[from], m)
		}
	}
	if len(byFolder) == 0 || !p.tgt.caps["MOVE"] {
		return nil
	}
	folders := make([]string, 0, len(byFolder))
	for name := range byFolder {
		folders = append(folders, name)
	}
	slices.Sort(folders)
	var moves []move
	for _, name := range folders {
		if err := p.moveFrom(ctx, name, byFolder[name]); err != nil {
			return err
		}
		moves = append(moves, byFolder[name]...)
	}
	to, command := p.tgt.selectFolder("SELECT", imapwire.EncodeUTF7(p.target))
	if _, err := command.Wait(ctx); err != nil {
		return fmt.Errorf("opening the target folder %q: %w", p.target, err)
	}
	p.to = to
	if err := p.findMoved(ctx, moves); err != nil {
		return err
	}
	return p.settleTarget(ctx)
}

// findMoved finds the copies that were moved here. They are known by what they were where they came from: the messages
// themselves may have left the source's folder again.
func (p *pass) findMoved(ctx context.Context, moves []move) error {
	here, err := p.doubtful(ctx, p.ledger.look().TargetHigh)
	if err != nil {
		return err
	}
	were := make([]identity, len(moves))
	for i, m := range moves {
		were[i] = m.copied
	}
	for i, j := range match(were, here, p.o.KeepsBytes) {
		if j >= 0 {
			p.ledger.copied(moves[i].uid, here[j].uid, moves[i].copied.size)
		}
	}
	return nil
}

// handOver has a copy that stays where it is belong to the message under its new UID. No checkpoint comes in between: who
// went on from that would copy the message again.
func (p *pass) handOver(m move, from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from == p.target {
		p.ledger.willMove(m.uid)
		p.ledger.copied(m.uid, m.target, 0)
	} else {
		p.ledger.moved(m.uid)
		m.from.lendTo(migration.Loan{Source: p.name, UID: m.uid, Target: m.target})
	}
	m.leave()
}

// leave has the copy no longer belong to the folder that it was in, and reports whether it did.
func (m *move) leave() bool {
	if m.was == 0 {
		return m.from.adopt(m.target)
	}
	return m.from.lose(m.was)
}

// moveFrom moves copies out of one target folder into this one (RFC 6851). What the server doesn't move is copied.
func (p *pass) moveFrom(ctx context.Context, name string, moves []move) error {
	_, command := p.tgt.selectFolder("SELECT", imapwire.EncodeUTF7(name))
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			return nil
		}
		return fmt.Errorf("opening the target folder %q: %w", name, err)
	}
	targets := make([]uint32, 0, len(moves))
	for _, m := range moves {
		targets = append(targets, m.target)
	}
	slices.Sort(targets)
	for _, set := range uidSets(targets, maxSet-len(p.target)) {
		_, err := p.tgt.Send(&imapwire.Command{Name: "UID MOVE", Args: func(w *imapwire.Writer) error {
			w.Raw(" " + set + " ")
			w.AString(imapwire.EncodeUTF7(p.target))
			return nil
		}}).Wait(ctx)
		if err != nil {
			if answered(err) && classify(err) == err {
				p.observe("moves-refused", strings.Count(set, ",")+1)
				return nil
			}
			return fmt.Errorf("moving at the target: %w", err)
		}
	}
	for _, m := range moves {
		p.ledger.willMove(m.uid)
		if m.leave() { // else an earlier try did it
			m.from.change(func(s *migration.FolderState) { s.TargetMessages-- })
		}
	}
	return nil
}
