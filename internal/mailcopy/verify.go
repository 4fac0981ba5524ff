package mailcopy

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// maxFaults is how many faults a verification tells.
const maxFaults = 20

// verifier recounts one mailbox.
type verifier struct {
	o        Options
	src, tgt *session
	verdict  migration.Verification
	// buried is what was moved to the target's Deleted Items, trash, to follow the source.
	buried migration.Buried
	trash  string
	// shared are target folders that also take in source folders of which the state says nothing.
	shared map[string]bool
}

// strangers notes where the state is a part only, so that not every target message can be explained by it.
func (v *verifier) strangers(routes []route, state migration.MailboxState) {
	v.shared = map[string]bool{}
	for _, r := range routes {
		if !slices.ContainsFunc(state.Folders, func(f migration.FolderState) bool { return f.Source == r.name }) {
			v.shared[r.target] = true
		}
	}
}

// Verify recounts and compares both sides of what the state says was copied: every source message is accounted for,
// every copy is at the target and equal (by SHA-256 where the target keeps bytes, otherwise by INTERNALDATE, Message-ID,
// Date, From and Subject), and every target message above the baseline is explained. With Options.AddOnly the target is in
// use: what someone moved, deleted or put there is no fault. What arrived at the source after the pass is counted as
// late. Of folders in Options.Known only what is new is compared. A problem of the mailbox is in the verdict; an error means that the look itself failed.
func Verify(ctx context.Context, source, target Account, state migration.MailboxState, o Options) (migration.Verification, error) {
	o.AddOnly = o.AddOnly || state.InUse != ""
	v := &verifier{o: o}
	var err error
	if v.src, err = connect(ctx, "source", source); err != nil {
		return v.verdict, fmt.Errorf("opening the source: %w", err)
	}
	defer v.src.leave()
	if v.tgt, err = connect(ctx, "target", target); err != nil {
		return v.verdict, fmt.Errorf("opening the target: %w", err)
	}
	defer v.tgt.leave()
	from, err := v.src.place(ctx)
	if err != nil {
		return v.verdict, classify(err)
	}
	to, err := v.tgt.place(ctx)
	if err != nil {
		return v.verdict, classify(err)
	}
	v.trash, v.buried = to.trash(), state.Buried
	v.strangers(mapFolders(from, to, state, o), state)
	closes := true
	for _, group := range byTarget(state.Folders) {
		accounts, ok, err := v.deltaGroup(ctx, group, from.folders)
		if err == nil && !ok {
			accounts, err = v.group(ctx, group, from.folders)
		}
		if err != nil {
			return v.verdict, classify(err)
		}
		for _, a := range accounts {
			closes = closes && a.Account.Closes()
			if !a.Account.Closes() && len(v.verdict.Faults) == 0 {
				v.fault("folder %q doesn't close: %+v", a.Source, a.Account)
			}
		}
		v.verdict.Folders = append(v.verdict.Folders, accounts...)
	}
	order := map[string]int{}
	for i, f := range state.Folders {
		order[f.Source] = i
	}
	slices.SortStableFunc(v.verdict.Folders, func(a, b migration.FolderAccount) int { return order[a.Source] - order[b.Source] })
	v.verdict.Verified = closes && len(v.verdict.Faults) == 0
	return v.verdict, nil
}

// byTarget puts the folders together that share a target folder; those that are left out stand alone.
func byTarget(folders []migration.FolderState) [][]migration.FolderState {
	var groups [][]migration.FolderState
	at := map[string]int{}
	for _, f := range folders {
		if i, ok := at[f.Target]; ok && f.Target != "" {
			groups[i] = append(groups[i], f)
			continue
		}
		at[f.Target] = len(groups)
		groups = append(groups, []migration.FolderState{f})
	}
	return groups
}

func (v *verifier) fault(format string, args ...any) {
	if len(v.verdict.Faults) < maxFaults {
		v.verdict.Faults = append(v.verdict.Faults, fmt.Sprintf(format, args...))
	}
}

// side is one folder's messages by UID.
type side struct {
	order    []uint32
	validity uint32
	by       map[uint32]identity
	// unread are messages of which the server tells nothing but their UIDs.
	unread uids
	uidOK  bool // the UIDVALIDITY is the state's
}

// read opens a folder and fetches everything's identity.
func (v *verifier) read(ctx context.Context, s *session, wire string, validity uint32) (side, error) {
	sel, command := s.selectFolder("EXAMINE", wire)
	if _, err := command.Wait(ctx); err != nil {
		return side{}, err
	}
	found := side{validity: sel.uidValidity, by: map[uint32]identity{}, unread: uids{}, uidOK: validity == 0 || sel.uidValidity == validity}
	if sel.exists == 0 {
		return found, nil
	}
	take := func(m identity) {
		if _, again := found.by[m.uid]; !again {
			found.order = append(found.order, m.uid)
		}
		found.by[m.uid] = m
	}
	err := s.fetch(ctx, "1:*", identityItems, func(f fetched) error {
		take(identify(f))
		return nil
	})
	if err != nil && !partial(err) {
		return found, err
	}
	// What can't be read, or was left out, is there all the same.
	missing, err := omitted(ctx, s, wire, sel, found.by)
	if err != nil {
		return found, err
	}
	if len(missing) > 0 {
		again, err := s.identities(ctx, missing)
		if err != nil {
			return found, err
		}
		for _, m := range again {
			take(m)
		}
		for _, uid := range missing {
			if _, read := found.by[uid]; !read {
				take(identity{uid: uid})
				found.unread[uid] = true
			}
		}
	}
	slices.Sort(found.order)
	if v.o.KeepsBytes {
		return found, s.digests(ctx, []string{"1:*"}, found.by)
	}
	return found, nil
}

// group recounts the source folders that went to one target folder.
func (v *verifier) group(ctx context.Context, group []migration.FolderState, folders []folder) ([]migration.FolderAccount, error) {
	accounts := make([]migration.FolderAccount, len(group))
	if group[0].Target == "" {
		a := group[0].Account
		accounts[0] = migration.FolderAccount{Source: group[0].Source, Account: migration.Account{Source: a.Source, LeftOut: a.Source}}
		return accounts, nil
	}
	target, err := v.read(ctx, v.tgt, imapwire.EncodeUTF7(group[0].Target), group[0].TargetUIDValidity)
	if err != nil {
		if !answered(err) || classify(err) != err {
			return nil, fmt.Errorf("reading the target folder %q: %w", group[0].Target, err)
		}
		target = side{by: map[uint32]identity{}}
		if !v.o.AddOnly {
			v.fault("the target folder %q can't be opened: %v", group[0].Target, err)
		}
	}
	r := &recount{verifier: v, target: target, claimed: uids{}, baseline: group[0].Baseline}
	if group[0].Target == v.trash && target.validity == v.buried.UIDValidity {
		if r.claimed, err = parseUIDs(v.buried.UIDs); err != nil {
			return nil, fmt.Errorf("what was moved to Deleted Items: %w", err)
		}
	}
	for i := range group {
		r.baseline = min(r.baseline, group[i].Baseline)
		if group[i].PairsDropped {
			r.dropped = max(r.dropped, group[i].TargetHigh)
		}
		if err := r.claim(group[i]); err != nil {
			return nil, err
		}
	}
	for i, f := range group {
		source := side{by: map[uint32]identity{}, uidOK: true}
		if at := slices.IndexFunc(folders, func(have folder) bool { return have.name == f.Source }); at >= 0 {
			if source, err = v.read(ctx, v.src, folders[at].wire, f.UIDValidity); err != nil {
				return nil, fmt.Errorf("reading the source folder %q: %w", f.Source, err)
			}
		}
		account, err := r.folder(f, source)
		if err != nil {
			return nil, err
		}
		accounts[i] = migration.FolderAccount{Source: f.Source, Target: f.Target, Account: account}
	}
	if !v.shared[group[0].Target] {
		accounts[len(accounts)-1].Account.Unknown = r.unknown()
	}
	return accounts, nil
}

// recount compares a target folder with the source folders that went into it.
type recount struct {
	*verifier
	target   side
	claimed  uids // target UIDs that are explained
	baseline uint32
	// dropped is up to which target UID copies of messages that left the source can't be told, because pairs were dropped.
	dropped uint32
}

// claim takes every recorded copy of the folder as explained, those of messages that left the source too.
func (r *recount) claim(f migration.FolderState) error {
	p, err := parsePairs(f.Pairs)
	if err != nil {
		return fmt.Errorf("the state of folder %q: %w", f.Source, err)
	}
	if r.target.uidOK {
		p.each(func(_, target uint32) { r.claimed[target] = true })
	}
	return nil
}

// folder accounts for the messages of one source folder.
func (r *recount) folder(f migration.FolderState, source side) (migration.Account, error) {
	l, err := newLedger(f)
	if err != nil {
		return migration.Account{}, err
	}
	a := migration.Account{Gone: f.Account.Gone, Bytes: f.Account.Bytes}
	var unpaired []identity
	for _, uid := range source.order {
		m := source.by[uid]
		if !source.uidOK {
			unpaired = append(unpaired, m)
			continue
		}
		target, paired := l.pairs.get(uid)
		switch {
		case paired && r.target.uidOK:
			r.pair(l, &m, target, &a, &unpaired)
		case l.movedIn[uid]: // and its copy stayed where it was
			a.Moved++
		case l.leftOut[uid]:
			a.LeftOut++
			if r.o.Rules.Deleted || !source.unread[uid] && !hasFlag(m.flags, `\Deleted`) {
				r.fault("UID %d of folder %q was left out as deleted, and isn't marked so any more", uid, f.Source)
			}
		case l.refused[uid]:
			a.Refused++
		case uid > f.Cursor:
			r.verdict.Late++
			continue
		case l.open[uid]:
			r.fault("UID %d of folder %q has not been copied yet", uid, f.Source)
		default:
			unpaired = append(unpaired, m)
		}
		a.Source++
	}
	if !source.uidOK {
		a.Source = len(source.order)
	}
	r.search(l, source.uidOK, unpaired, &a)
	return a, nil
}

// pair looks at a recorded copy.
func (r *recount) pair(l *ledger, m *identity, target uint32, a *migration.Account, unpaired *[]identity) {
	f := l.state
	t, here := r.target.by[target]
	switch {
	case !here && r.o.AddOnly: // somebody moved or deleted it
	case !here:
		*unpaired = append(*unpaired, *m)
		return
	case r.o.KeepsBytes && t.digest != m.digest:
		r.fault("the copy of UID %d of folder %q has other bytes (target UID %d)", m.uid, f.Source, target)
	case !r.o.KeepsBytes && !equal(m, &t, false):
		r.fault("the copy of UID %d of folder %q differs (target UID %d)", m.uid, f.Source, target)
	}
	switch {
	case l.movedIn[m.uid]:
		a.Moved++
	case target < f.Baseline:
		a.Already++
	default:
		a.Copied++
	}
}

// search finds copies that have no pair, or another UID by now, by matching.
func (r *recount) search(l *ledger, uidOK bool, unpaired []identity, a *migration.Account) {
	f := l.state
	if len(unpaired) == 0 {
		return
	}
	var free []identity
	for _, uid := range r.target.order {
		if !r.claimed[uid] {
			free = append(free, r.target.by[uid])
		}
	}
	for i, j := range match(unpaired, free, r.o.KeepsBytes) {
		if j < 0 {
			if r.o.AddOnly && uidOK && (f.PairsDropped || l.known(unpaired[i].uid)) { // somebody moved or deleted its copy
				a.Copied++
			} else {
				r.fault("no copy of UID %d of folder %q is in %q", unpaired[i].uid, f.Source, f.Target)
			}
			continue
		}
		r.claimed[free[j].uid] = true
		if free[j].uid < f.Baseline {
			a.Already++
		} else {
			a.Copied++
		}
	}
}

// unknown counts the target's messages above the baseline that nothing explains. In a mailbox in use they are somebody's.
func (r *recount) unknown() int {
	if r.o.AddOnly || !r.target.uidOK {
		return 0
	}
	n := 0
	for _, uid := range r.target.order {
		if uid >= r.baseline && uid > r.dropped && !r.claimed[uid] {
			if n++; n == 1 {
				r.fault("target UID %d is not explained by any source message", uid)
			}
		}
	}
	return n
}
