package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// move is a message that was filed in another source folder after it was copied.
type move struct {
	uid    uint32  // its new one
	from   *ledger // the folder that it left
	was    uint32  // its UID there
	target uint32  // its copy's UID in the target folder of from
}

// findMoves looks, before anything is copied, for messages that left one source folder and are new in another: there the
// date lies before the last pass, and the copy of the one that left has the same date, Message-ID, Date, From and
// Subject. In doubt there is no move, and the message is copied: one too many is better than one lost.
func (w *worker) findMoves(ctx context.Context, jobs []job, gone map[*ledger]map[uint32]uint32) error {
	if len(gone) == 0 {
		return nil
	}
	fresh, err := w.came(ctx, jobs)
	if err != nil || len(fresh) == 0 {
		return err
	}
	var origins []move
	var copies []identity
	for _, l := range w.allLedgers() {
		list := gone[l]
		if len(list) == 0 {
			continue
		}
		found, err := w.copiesOf(ctx, l, list)
		if err != nil {
			return err
		}
		for was, m := range found {
			origins = append(origins, move{from: l, was: was, target: m.uid})
			copies = append(copies, m)
		}
	}
	for _, r := range fresh {
		for i, j := range matchMoved(r.messages, copies) {
			if j < 0 {
				continue
			}
			m := origins[j]
			m.uid = r.messages[i].uid
			copies[j] = identity{} // nobody else's
			w.moves[r.name] = append(w.moves[r.name], m)
		}
	}
	return nil
}

// newcomers are a folder's messages that are new in it and older than the last pass.
type newcomers struct {
	route
	messages []identity
}

// left finds what left the folders since the last pass, as source UID -> target UID.
func (w *worker) left(ctx context.Context, jobs []job) (map[*ledger]map[uint32]uint32, error) {
	if w.o.Since.IsZero() || w.o.Poison != nil {
		return nil, nil
	}
	gone := map[*ledger]map[uint32]uint32{}
	note := func(l *ledger, here []uint32) {
		if list := l.missing(here); len(list) > 0 {
			gone[l] = list
		}
	}
	for _, l := range w.allLedgers() {
		if l.complete { // the folder is gone from the source as a whole
			note(l, nil)
		}
	}
	err := w.eachFolder(ctx, jobs, func(_ route, l *ledger, sel *selected) error {
		s := l.look()
		// Where as many are there as were and came, none has left: then the list isn't worth its octets. Copies of what
		// left before may still have to be deleted.
		pending := w.o.Rules.Deletions && s.Account.Gone > s.Deleted
		if s.Account.Source == 0 && !pending || !pending && sel.uidNext > 0 && sel.exists == s.Account.Source+int(int64(sel.uidNext)-1-int64(s.Cursor)) {
			return nil
		}
		var here []uint32
		if sel.exists > 0 {
			var err error
			if here, err = w.src.listUIDs(ctx, "1:*"); err != nil {
				return err
			}
		}
		if len(here) >= sel.exists { // else the listing came short, and says nothing of what left
			note(l, here)
		}
		return nil
	})
	return gone, err
}

// came finds what is new in the folders and not new at the source.
func (w *worker) came(ctx context.Context, jobs []job) ([]newcomers, error) {
	var fresh []newcomers
	err := w.eachFolder(ctx, jobs, func(r route, l *ledger, sel *selected) error {
		s := l.look()
		if sel.exists == 0 || sel.uidNext > 0 && sel.uidNext <= s.Cursor+1 {
			return nil
		}
		these := newcomers{route: r}
		err := w.src.fetch(ctx, fmt.Sprintf("%d:*", s.Cursor+1), identityItems, func(f fetched) error {
			m := identify(f)
			if f.uid > s.Cursor && m.dated && m.when < w.o.Since.Unix() && !hasFlag(f.flags, `\Deleted`) {
				these.messages = append(these.messages, m)
			}
			return nil
		})
		if err != nil && !partial(err) {
			return err
		}
		if len(these.messages) > 0 {
			fresh = append(fresh, these)
		}
		return nil
	})
	return fresh, err
}

// eachFolder opens every source folder of the jobs whose UIDs still mean what they did.
func (w *worker) eachFolder(ctx context.Context, jobs []job, do func(route, *ledger, *selected) error) error {
	for _, j := range jobs {
		for _, r := range j.routes {
			if r.target == "" {
				continue
			}
			sel, command := w.src.selectFolder("EXAMINE", r.wire)
			if _, err := command.Wait(ctx); err != nil {
				if answered(err) && classify(err) == err {
					continue
				}
				return fmt.Errorf("opening the source folder %q: %w", r.name, err)
			}
			l := w.ledger(r.name)
			if s := l.look(); s.UIDValidity != 0 && sel.uidValidity != s.UIDValidity {
				continue
			}
			if err := do(r, l, sel); err != nil {
				return err
			}
		}
	}
	return nil
}

// copiesOf fetches the identities of the copies of messages that left, by the messages' old UIDs.
func (w *worker) copiesOf(ctx context.Context, l *ledger, list map[uint32]uint32) (map[uint32]identity, error) {
	s := l.look()
	sel, command := w.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(s.Target))
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			return nil, nil
		}
		return nil, err
	}
	if sel.uidValidity != s.TargetUIDValidity || sel.exists == 0 {
		return nil, nil
	}
	was := map[uint32]uint32{}
	var targets []uint32
	for source, target := range list {
		was[target] = source
		targets = append(targets, target)
	}
	slices.Sort(targets)
	found, err := w.tgt.identities(ctx, targets)
	copies := map[uint32]identity{}
	for _, m := range found {
		if source, ours := was[m.uid]; ours {
			copies[source] = m
		}
	}
	return copies, err
}

// matchMoved finds the copies of messages by everything that a header tells; a message without Message-ID is never taken
// for a moved one.
func matchMoved(source, copies []identity) []int {
	found := make([]int, len(source))
	for i := range source {
		found[i] = slices.IndexFunc(copies, func(m identity) bool {
			return m.id != 0 && m.id == source[i].id && m.dated && m.when == source[i].when && loose(&source[i], &m)
		})
		if found[i] >= 0 {
			copies = slices.Clone(copies)
			copies[found[i]] = identity{}
		}
	}
	return found
}

// follow moves the copies after the messages. In a mailbox in use a move is counted, and the copy stays where it is.
func (p *pass) follow(ctx context.Context) error {
	p.mu.Lock()
	moves := p.moves[p.name]
	delete(p.moves, p.name)
	p.mu.Unlock()
	byFolder := map[string][]move{}
	for _, m := range moves {
		switch from := m.from.look().Target; {
		case !p.ledger.undone(m.uid):
		case p.o.AddOnly:
			p.ledger.moved(m.uid)
		case from == p.target:
			p.ledger.moved(m.uid)
			p.ledger.copied(m.uid, m.target, 0)
			m.from.lose(m.was)
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
	for _, name := range folders {
		if err := p.moveFrom(ctx, name, byFolder[name]); err != nil {
			return err
		}
	}
	// The copies are here now, and are found as whatever else is in doubt.
	to, command := p.tgt.selectFolder("SELECT", imapwire.EncodeUTF7(p.target))
	if _, err := command.Wait(ctx); err != nil {
		return fmt.Errorf("opening the target folder %q: %w", p.target, err)
	}
	p.to = to
	return p.settleTarget(ctx)
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
		m.from.lose(m.was)
		m.from.lend()
	}
	return nil
}
