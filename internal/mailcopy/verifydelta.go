package mailcopy

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// deltaGroup verifies the source folders of one target folder as far as they changed since the cursors that are known:
// what is new is compared as ever, and of the rest both sides' counts must be what the state says. Where anything isn't as
// expected, or no cursor is known, ok is false, and the group is to be recounted whole.
func (v *verifier) deltaGroup(ctx context.Context, group []migration.FolderState, folders []folder) (accounts []migration.FolderAccount, ok bool, err error) {
	since := make([]migration.FolderCursor, len(group))
	high := uint32(0)
	for i, f := range group {
		at := slices.IndexFunc(v.o.Known, func(c migration.FolderCursor) bool { return c.Source == f.Source })
		if at < 0 || f.Target == "" || v.shared[f.Target] || len(f.Exceptions) > 0 || !f.Account.Closes() {
			return nil, false, nil
		}
		since[i] = v.o.Known[at]
		if since[i].UIDValidity != f.UIDValidity || since[i].TargetUIDValidity != f.TargetUIDValidity {
			return nil, false, nil
		}
		if i == 0 || since[i].TargetHigh < high {
			high = since[i].TargetHigh
		}
	}
	t := &newCopies{verifier: v, claimed: uids{}, source: map[uint32]identity{}}
	late := 0
	for i, f := range group {
		n, ok, err := t.folder(ctx, f, since[i], high, folders)
		if err != nil || !ok {
			return nil, false, err
		}
		late += n
		accounts = append(accounts, migration.FolderAccount{Source: f.Source, Target: f.Target, Account: f.Account})
	}
	if ok, err := t.compare(ctx, group[0], high); err != nil || !ok {
		return nil, false, err
	}
	v.verdict.Late += late
	return accounts, true, nil
}

// newCopies are the messages copied since a cursor, of all folders that go to one target folder.
type newCopies struct {
	*verifier
	claimed uids                // target UIDs that a pair explains
	source  map[uint32]identity // what is new, by its copy's UID
}

// folder takes in what is new in one source folder, and returns how many messages came since the pass.
func (t *newCopies) folder(ctx context.Context, f migration.FolderState, since migration.FolderCursor, high uint32, folders []folder) (late int, ok bool, err error) {
	l, err := newLedger(f)
	if err != nil {
		return 0, false, err
	}
	var wanted []uint32 // source UIDs of copies that are new at the target, or of messages that are new at the source
	l.pairs.each(func(source, target uint32) {
		t.claimed[target] = true
		if target > high || source > since.Cursor {
			wanted = append(wanted, source)
		}
	})
	at := slices.IndexFunc(folders, func(have folder) bool { return have.name == f.Source })
	if at < 0 {
		return 0, f.Account.Source == 0, nil
	}
	sel, command := t.src.selectFolder("EXAMINE", folders[at].wire)
	if _, err := command.Wait(ctx); err != nil {
		return 0, false, fmt.Errorf("reading the source folder %q: %w", f.Source, err)
	}
	if sel.uidValidity != f.UIDValidity {
		return 0, false, nil
	}
	if late, ok, err = t.accounted(ctx, l, sel, since.Cursor); err != nil || !ok {
		return 0, false, err
	}
	found := map[uint32]identity{}
	err = t.src.fetchAll(ctx, wanted, identityItems, func(m fetched) error {
		if _, paired := l.pairs.get(m.uid); paired {
			found[m.uid] = identify(m)
		}
		return nil
	})
	if err != nil || len(found) < len(wanted) {
		return 0, false, err
	}
	if t.o.KeepsBytes && len(found) > 0 {
		if err := t.src.digests(ctx, uidSets(sortedUIDs(found), maxSet), found); err != nil {
			return 0, false, err
		}
	}
	for uid, m := range found {
		target, _ := l.pairs.get(uid)
		t.source[target] = m
	}
	return late, true, nil
}

// accounted reports whether the open folder holds as many messages as the state accounts for, every one above the old
// cursor among them, and none that was left out as deleted is to be copied by now.
func (t *newCopies) accounted(ctx context.Context, l *ledger, sel *selected, cursor uint32) (late int, ok bool, err error) {
	if sel.exists > 0 && (sel.uidNext == 0 || sel.uidNext > cursor+1) {
		all, err := t.src.listUIDs(ctx, fmt.Sprintf("%d:*", cursor+1))
		if err != nil {
			return 0, false, err
		}
		for _, uid := range all {
			switch {
			case uid > l.state.Cursor:
				late++
			case uid > cursor && !l.known(uid):
				return 0, false, nil
			}
		}
	}
	if sel.exists != l.state.Account.Source+late {
		return 0, false, nil
	}
	deleted := uids{}
	err = t.src.fetchAll(ctx, l.leftOut.sorted(), "(UID FLAGS)", func(f fetched) error {
		if l.leftOut[f.uid] && hasFlag(f.flags, `\Deleted`) && !t.o.Rules.Deleted {
			deleted[f.uid] = true
		}
		return nil
	})
	return late, len(deleted) == len(l.leftOut), err
}

// compare reports whether the target folder has equal copies, and nothing else above the old high UID. In a mailbox in use
// copies may be gone and other mail there.
func (t *newCopies) compare(ctx context.Context, f migration.FolderState, high uint32) (ok bool, err error) {
	sel, command := t.tgt.selectFolder("EXAMINE", imapwire.EncodeUTF7(f.Target))
	if _, err := command.Wait(ctx); err != nil {
		return false, nil // the recount says what is the matter
	}
	if sel.uidValidity != f.TargetUIDValidity || !t.o.AddOnly && sel.exists != f.TargetMessages {
		return false, nil
	}
	if !t.o.AddOnly && sel.exists > 0 && (sel.uidNext == 0 || sel.uidNext > high+1) {
		if ok, err := t.explained(ctx, sel, f.Target, high); err != nil || !ok {
			return false, err
		}
	}
	copies := map[uint32]identity{}
	err = t.tgt.fetchAll(ctx, sortedUIDs(t.source), identityItems, func(m fetched) error {
		copies[m.uid] = identify(m)
		return nil
	})
	if err == nil && t.o.KeepsBytes && len(copies) > 0 {
		err = t.tgt.digests(ctx, uidSets(sortedUIDs(copies), maxSet), copies)
	}
	if err != nil {
		return false, err
	}
	for target, m := range t.source {
		c, here := copies[target]
		switch {
		case !here && t.o.AddOnly:
		case !here, t.o.KeepsBytes && c.digest != m.digest, !t.o.KeepsBytes && !equal(&m, &c, false):
			return false, nil
		}
	}
	return true, nil
}

// explained reports whether every target message above the old high UID is a copy.
func (t *newCopies) explained(ctx context.Context, sel *selected, target string, high uint32) (ok bool, err error) {
	buried := uids{}
	if target == t.trash && sel.uidValidity == t.buried.UIDValidity {
		if buried, err = parseUIDs(t.buried.UIDs); err != nil {
			return false, err
		}
	}
	ok = true
	err = t.tgt.fetch(ctx, fmt.Sprintf("%d:*", high+1), "(UID)", func(m fetched) error {
		ok = ok && (m.uid <= high || t.claimed[m.uid] || buried[m.uid])
		return nil
	})
	return ok, err
}

func sortedUIDs(by map[uint32]identity) []uint32 {
	all := make([]uint32, 0, len(by))
	for uid := range by {
		all = append(all, uid)
	}
	slices.Sort(all)
	return all
}
