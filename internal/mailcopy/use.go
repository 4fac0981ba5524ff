package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// sample is of how many of a folder's newest copies the flags are looked at for traces of people.
const sample = 200

// traces are what tells that somebody works in a target folder.
type traces struct{ foreign, lost, flagged int }

func (t traces) found() bool { return t.foreign+t.lost+t.flagged > 0 }

// String tells them in words.
func (t traces) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{t.foreign, "messages that are not the source's"}, {t.lost, "copies moved or deleted"}, {t.flagged, "copies with changed flags"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	return strings.Join(parts, ", ")
}

// findUse looks, before a delta changes anything, whether somebody works in the target mailbox, though it isn't marked as
// live: then this pass and all later ones only add.
func (w *worker) findUse(ctx context.Context, jobs []job) error {
	if w.o.AddOnly || w.o.Since.IsZero() || w.o.Poison != nil {
		return nil
	}
	for _, j := range jobs {
		t, err := w.tracesIn(ctx, j.routes[0].target)
		if err != nil {
			return err
		}
		if t.found() {
			w.inUse(fmt.Sprintf("in folder %q of the target there are %s", j.routes[0].target, t))
			return nil
		}
	}
	return nil
}

// inUse has everything from now on only add. No other worker runs yet.
func (e *engine) inUse(why string) {
	e.o.AddOnly = true
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learnt.InUse = why
}

// tracesIn looks at one target folder. Its count, its UIDNEXT and some flags tell at once that nothing happened; only where
// they don't are messages compared.
func (w *worker) tracesIn(ctx context.Context, target string) (traces, error) {
	var t traces
	ledgers := w.filledFrom(target)
	if len(ledgers) == 0 {
		return t, nil
	}
	held, high := 0, uint32(0)
	for _, l := range ledgers {
		s := l.look()
		held, high = max(held, s.TargetMessages), max(high, s.TargetHigh)
	}
	sel, command := w.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(target))
	if _, err := command.Wait(ctx); err != nil {
		if answered(err) && classify(err) == err {
			t.lost = held // somebody deleted or renamed the folder
			return t, nil
		}
		return t, fmt.Errorf("opening the target folder %q: %w", target, err)
	}
	if ledgers[0].look().TargetUIDValidity != sel.uidValidity {
		return t, nil // everything is matched anew
	}
	if sel.exists != held || sel.uidNext == 0 || sel.uidNext > high+1 {
		if err := w.compare(ctx, sel, ledgers, &t); err != nil {
			return t, err
		}
	}
	for _, l := range ledgers {
		if t.found() {
			return t, nil
		}
		if err := w.compareFlags(ctx, target, l, &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// filledFrom are the ledgers of the folders that were copied to the target folder; none where there is one of which
// nothing is known.
func (w *worker) filledFrom(target string) []*ledger {
	var all []*ledger
	for _, l := range w.allLedgers() {
		s := l.look()
		switch {
		case s.Target != target || target == "":
		case l.wire != "":
			return nil
		case s.Baseline > 0:
			all = append(all, l)
		}
	}
	return all
}

// compare counts the target messages above the baseline that nothing explains, and the copies that are gone. What isn't
// recorded may be the copy of a message at the source all the same: a predecessor died, or Exchange gave it a new UID.
func (w *worker) compare(ctx context.Context, sel *selected, ledgers []*ledger, t *traces) error {
	here, err := w.tgt.listAll(ctx, sel)
	if err != nil {
		return err
	}
	first := ledgers[0].look()
	claimed, base := uids{}, first.Baseline
	if first.Target == w.trash {
		if claimed, err = w.buriedUIDs(sel.uidValidity); err != nil {
			return err
		}
	}
	for _, l := range ledgers {
		base = min(base, l.look().Baseline)
		for uid := range l.targets() {
			claimed[uid] = true
		}
	}
	for _, l := range ledgers {
		if s := l.look(); s.PairsDropped { // whose copies can't be told from others below
			base = max(base, s.TargetHigh+1)
		}
	}
	var unknown []uint32
	for uid := range here {
		if uid >= base && !claimed[uid] {
			unknown = append(unknown, uid)
		}
	}
	var unpaired []identity // source messages without a copy where it should be
	lost := uids{}
	astray := 0 // copies that are gone of messages whose UIDs lost their meaning
	for _, l := range ledgers {
		found, renumbered, err := w.withoutCopy(ctx, l, here, len(unknown) > 0)
		if err != nil {
			return err
		}
		if renumbered {
			astray += l.astray(here)
		}
		for _, m := range found {
			if _, paired := l.target(m.uid); paired && !renumbered {
				lost[uint32(len(unpaired))] = true
			}
			unpaired = append(unpaired, m)
		}
	}
	if len(unknown) == 0 {
		t.lost += len(lost) + astray
		return nil
	}
	slices.Sort(unknown)
	_, command := w.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(first.Target))
	if _, err := command.Wait(ctx); err != nil {
		return fmt.Errorf("opening the target folder: %w", err)
	}
	doubtful, err := w.tgt.identities(ctx, unknown)
	if err != nil {
		return err
	}
	sortIdentities(doubtful)
	t.foreign += len(doubtful)
	for i, j := range match(unpaired, doubtful, w.o.KeepsBytes) {
		if j >= 0 {
			t.foreign--
			astray--
			delete(lost, uint32(i))
		}
	}
	t.lost += len(lost) + max(astray, 0)
	return nil
}

// astray counts the pairs whose copies are not among those here.
func (l *ledger) astray(here uids) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	l.pairs.each(func(_, target uint32) {
		if !here[target] {
			n++
		}
	})
	return n
}

// listAll lists the open folder's UIDs. It fails where the listing is short.
func (s *session) listAll(ctx context.Context, sel *selected) (uids, error) {
	all := uids{}
	if sel.exists == 0 {
		return all, nil
	}
	err := s.fetch(ctx, "1:*", "(UID)", func(f fetched) error {
		all[f.uid] = true
		return nil
	})
	if err == nil && len(all) < sel.exists {
		err = &migration.ShortListingError{Side: s.side, Counted: sel.exists, Listed: len(all)}
	}
	return all, err
}

// withoutCopy fetches the identities of a folder's source messages whose copy is not among those here; with all set those
// too that have no pair. It reports whether the folder was numbered anew, so that no pair says anything of them.
func (w *worker) withoutCopy(ctx context.Context, l *ledger, here uids, all bool) (found []identity, renumbered bool, err error) {
	i := slices.IndexFunc(w.folders, func(f folder) bool { return f.name == l.look().Source })
	if i < 0 {
		return nil, false, nil // the folder is gone
	}
	sel, command := w.src.selectFolder("EXAMINE", w.folders[i].wire)
	if _, err := command.Wait(ctx); err != nil {
		return nil, false, fmt.Errorf("opening the source folder %q: %w", l.look().Source, err)
	}
	if sel.exists == 0 {
		return nil, false, nil
	}
	list, err := w.src.listUIDs(ctx, "1:*")
	if err != nil {
		return nil, false, err
	}
	renumbered = sel.uidValidity != l.look().UIDValidity
	var wanted []uint32
	for _, uid := range list {
		target, paired := l.target(uid)
		if renumbered || paired && !here[target] || !paired && all {
			wanted = append(wanted, uid)
		}
	}
	slices.Sort(wanted)
	found, err = w.src.identities(ctx, slices.Compact(wanted))
	sortIdentities(found)
	return found, renumbered, err
}

// compareFlags looks at the flags of the newest copies. A flag that is at the target and not at the source was set by
// somebody: of \Answered that is always so, of \Seen where the server says that the source's flags are the old ones.
func (w *worker) compareFlags(ctx context.Context, target string, l *ledger, t *traces) error {
	s := l.look()
	newest := l.newest(sample)
	i := slices.IndexFunc(w.folders, func(f folder) bool { return f.name == s.Source })
	if i < 0 || len(newest) == 0 {
		return nil
	}
	sel, command := w.src.selectFolder("EXAMINE", w.folders[i].wire)
	if _, err := command.Wait(ctx); err != nil {
		return fmt.Errorf("opening the source folder %q: %w", s.Source, err)
	}
	if sel.exists == 0 || sel.uidValidity != s.UIDValidity {
		return nil
	}
	items := "(UID FLAGS)"
	if w.src.caps["CONDSTORE"] && s.ModSeq > 0 {
		items = "(UID FLAGS MODSEQ)"
	}
	source := map[uint32]fetched{}
	var targets []uint32
	err := w.src.fetchAll(ctx, newest, items, func(f fetched) error {
		if copied, paired := l.target(f.uid); paired {
			source[copied] = f
			targets = append(targets, copied)
		}
		return nil
	})
	if err != nil || len(targets) == 0 {
		return err
	}
	slices.Sort(targets)
	_, command = w.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(target))
	if _, err := command.Wait(ctx); err != nil {
		return fmt.Errorf("opening the target folder %q: %w", target, err)
	}
	return w.tgt.fetchAll(ctx, slices.Compact(targets), "(UID FLAGS)", func(f fetched) error {
		from, ours := source[f.uid]
		unchanged := from.modSeq > 0 && from.modSeq <= s.ModSeq
		added := func(flag string) bool { return hasFlag(f.flags, flag) && !hasFlag(from.flags, flag) }
		if ours && (added(`\Answered`) || unchanged && added(`\Seen`)) {
			t.flagged++
		}
		return nil
	})
}

// newest are the last n source UIDs that we copied and whose flags are all set, ascending.
func (l *ledger) newest(n int) []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []uint32
	for i := len(l.pairs.runs) - 1; i >= 0 && len(list) < n; i-- {
		r := l.pairs.runs[i]
		for k := r.Length; k > 0 && len(list) < n; k-- {
			if uid := r.Source + k - 1; r.Target+k-1 >= l.state.Baseline && !l.unflagged[uid] {
				list = append(list, uid)
			}
		}
	}
	slices.Reverse(list)
	return list
}

// holds notes how many messages the target folder has as the pass leaves it.
func (p *pass) holds() {
	n := p.to.exists + int(p.appends.Load())
	for _, l := range append(p.siblings(p.ledger), p.ledger) {
		if l == p.ledger || l.look().Baseline > 0 {
			l.change(func(s *migration.FolderState) { s.TargetMessages = n })
		}
	}
}
