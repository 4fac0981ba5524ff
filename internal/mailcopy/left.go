package mailcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// skew is by how much the source's clock may differ from ours, and how long the last pass may have waited for its probe:
// what is dated between then and now came since, and hasn't been copied from anywhere.
const skew = time.Hour

// newcomers are messages that are new in a folder.
type newcomers struct {
	route
	validity uint32
	messages []identity
}

// lookForMoves looks, before anything is copied, for messages that left one source folder and came into another, and returns
// what left as source UID -> target UID. What came is looked at up to the bounds alone, which were taken before: so where
// a move is seen at all, both of its halves are, or only that the message left. It then waits, and its pair is still known
// when the next pass sees it come.
func (w *worker) lookForMoves(ctx context.Context, jobs []job) (gone map[*ledger]map[uint32]uint32, err error) {
	routes := w.lookedAt(jobs)
	figures, err := w.src.figures(ctx, routes)
	if err != nil {
		return nil, err
	}
	if len(w.o.Bounds) == 0 {
		if w.o.Bounds, err = w.src.bounds(ctx, routes, figures); err != nil {
			return nil, err
		}
	}
	var lost []*ledger
	astray := false
	for _, l := range w.allLedgers() {
		if (l.paired() > 0 || w.borrows(l)) && l.mayHaveLost(figures[w.wireOf(l)]) {
			lost = append(lost, l)
		}
		astray = astray || len(w.strays(l)) > 0
	}
	if len(lost) == 0 && !astray {
		return nil, nil
	}
	fresh, err := w.came(ctx, jobs, figures)
	if err != nil || len(fresh) == 0 && !w.o.Rules.Deletions {
		return nil, err
	}
	if gone, err = w.left(ctx, lost); err != nil {
		return nil, err
	}
	return gone, w.findMoves(ctx, fresh, gone)
}

// lookedAt are the folders to copy, and those whose copies are known.
func (w *worker) lookedAt(jobs []job) []route {
	copying := names(jobs)
	return slices.DeleteFunc(slices.Clone(w.sources), func(r route) bool {
		return !slices.Contains(copying, r.name) && w.ledger(r.name).paired() == 0
	})
}

// wireOf is a folder's name at the source, empty where it is gone.
func (w *worker) wireOf(l *ledger) string {
	i := slices.IndexFunc(w.sources, func(r route) bool { return r.name == l.state.Source })
	if i < 0 {
		return ""
	}
	return w.sources[i].wire
}

// borrows reports whether copies that belong to the folder's messages are in other target folders than its own.
func (w *worker) borrows(l *ledger) bool {
	return slices.ContainsFunc(w.allLedgers(), func(other *ledger) bool { return other.lends(l.state.Source) })
}

// mayHaveLost reports whether messages may have left the folder, by its figures now; it has none where it is
// gone as a whole. Where as many are there as were and came, none has left.
func (l *ledger) mayHaveLost(figures map[string]uint64) bool {
	s := l.look()
	if len(figures) > 0 && figures["UIDVALIDITY"] != uint64(s.UIDValidity) {
		return false
	}
	came := int(int64(figures["UIDNEXT"]) - 1 - int64(s.Cursor))
	return s.Account.Gone > s.Deleted || !s.Account.Closes() || int(figures["MESSAGES"]) != s.Account.Source+came
}

// left finds what left the folders, as source UID -> target UID.
func (w *worker) left(ctx context.Context, lost []*ledger) (map[*ledger]map[uint32]uint32, error) {
	gone := map[*ledger]map[uint32]uint32{}
	for _, l := range lost {
		here := uids{}
		if wire := w.wireOf(l); wire != "" {
			validity, all, whole, err := w.listed(ctx, l.state.Source, wire)
			if err != nil {
				return nil, err
			}
			if !whole || validity != l.look().UIDValidity { // it says nothing of what left
				continue
			}
			for _, uid := range all {
				here[uid] = true
			}
		}
		if list := l.missing(here); len(list) > 0 {
			gone[l] = list
		}
		for _, other := range w.allLedgers() {
			other.takeBack(l.state.Source, func(uid uint32) bool { return here[uid] })
		}
	}
	return gone, nil
}

// listed opens a source folder and lists all of it; whole is false where the server doesn't do that.
func (w *worker) listed(ctx context.Context, name, wire string) (validity uint32, all []uint32, whole bool, err error) {
	sel, command := w.src.selectFolder("EXAMINE", wire)
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			return 0, nil, false, nil
		}
		return 0, nil, false, fmt.Errorf("opening the source folder %q: %w", name, err)
	}
	all, err = omitted(ctx, w.src, wire, sel, uids{})
	var short *migration.ShortListingError
	if errors.As(err, &short) {
		return sel.uidValidity, nil, false, nil
	}
	return sel.uidValidity, all, err == nil, err
}

// came finds what is new in the folders, below their bounds, and may have been copied from another.
func (w *worker) came(ctx context.Context, jobs []job, figures map[string]map[string]uint64) ([]newcomers, error) {
	var fresh []newcomers
	for _, j := range jobs {
		for _, r := range j.routes {
			s, f := w.ledger(r.name).look(), figures[r.wire]
			validity := uint32(f["UIDVALIDITY"])
			if r.target == "" || s.UIDValidity != 0 && validity != s.UIDValidity {
				continue
			}
			messages, err := w.newcomers(ctx, r, f, s.Cursor+1, w.bound(r.name, validity))
			if err != nil {
				return nil, err
			}
			messages = slices.DeleteFunc(messages, func(m identity) bool {
				return m.when >= w.o.Since.Add(skew).Unix() && m.when < w.began.Add(skew).Unix()
			})
			if len(messages) > 0 {
				fresh = append(fresh, newcomers{r, validity, messages})
			}
		}
	}
	return fresh, nil
}

// newcomers fetches the identities of a source folder's messages from first up to but not including end, as far as they
// have a date and aren't marked as deleted.
func (w *worker) newcomers(ctx context.Context, r route, figures map[string]uint64, first, end uint32) ([]identity, error) {
	if next, known := figures["UIDNEXT"]; end <= first || figures["MESSAGES"] == 0 || known && next <= uint64(first) {
		return nil, nil
	}
	sel, command := w.src.selectFolder("EXAMINE", r.wire)
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			return nil, nil
		}
		return nil, fmt.Errorf("opening the source folder %q: %w", r.name, err)
	}
	if sel.exists == 0 || uint64(sel.uidValidity) != figures["UIDVALIDITY"] {
		return nil, nil
	}
	var messages []identity
	err := w.src.fetch(ctx, fmt.Sprintf("%d:*", first), identityItems, func(f fetched) error {
		m := identify(f)
		if f.uid >= first && f.uid < end && m.dated && !hasFlag(f.flags, `\Deleted`) {
			messages = append(messages, m)
		}
		return nil
	})
	if err != nil && !partial(err) {
		return nil, err
	}
	return messages, nil
}
