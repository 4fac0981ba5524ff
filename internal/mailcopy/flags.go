package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// flagBatch is for how many messages flags are compared at a time.
const flagBatch = 200

// followFlags brings the flags of copies in line with the source's: those that could not be appended, and, while nobody
// works in the target, those that changed since the last pass.
func (p *pass) followFlags(ctx context.Context) error {
	if !p.o.AddOnly && p.o.Poison == nil {
		if err := p.rebuildPairs(ctx); err != nil {
			return err
		}
		for _, uid := range p.changed {
			if _, paired := p.ledger.target(uid); paired {
				p.ledger.mark(uid)
			}
		}
	}
	marked := p.ledger.marked()
	for len(marked) > 0 {
		n := min(len(marked), flagBatch)
		if err := p.alignFlags(ctx, marked[:n]); err != nil {
			return err
		}
		p.ledger.unmark(marked[:n])
		marked = marked[n:]
		if err := p.stopped(); err != nil {
			return err
		}
	}
	return nil
}

// alignFlags compares both sides' flags of some messages and stores the differences.
func (p *pass) alignFlags(ctx context.Context, list []uint32) error {
	want := map[uint32][]string{} // target UID -> the source's flags
	sourceOf := map[uint32]uint32{}
	var targets []uint32
	err := p.src.fetchAll(ctx, list, "(UID FLAGS)", func(f fetched) error {
		if target, ok := p.ledger.target(f.uid); ok {
			want[target], sourceOf[target] = f.flags, f.uid
			targets = append(targets, target)
		}
		return nil
	})
	if err != nil || len(targets) == 0 {
		return err
	}
	slices.Sort(targets)
	have := map[uint32][]string{}
	err = p.tgt.fetchAll(ctx, targets, "(UID FLAGS)", func(f fetched) error {
		if _, ours := want[f.uid]; ours {
			have[f.uid] = f.flags
		}
		return nil
	})
	if err != nil {
		return err
	}
	changes := map[string][]uint32{}
	for _, target := range targets {
		flags, here := have[target]
		if !here {
			continue // somebody moved it, or a later try finds it under its new UID
		}
		for _, change := range p.flagChanges(want[target], flags) {
			changes[change] = append(changes[change], target)
		}
	}
	return p.store(ctx, changes, sourceOf)
}

// flagChanges lists what has to be stored, as "+FLAGS (\Seen)". Where the mailbox is in use, \Flagged alone is added.
func (p *pass) flagChanges(want, have []string) []string {
	var changes []string
	for flag := range systemFlags {
		name := canonicalFlag[flag]
		w, h := hasFlag(want, flag), hasFlag(have, flag)
		switch {
		case flag == `\deleted` || w == h || p.o.AddOnly && flag != `\flagged`:
		case w:
			changes = append(changes, "+FLAGS.SILENT ("+name+")")
		case !p.o.AddOnly:
			changes = append(changes, "-FLAGS.SILENT ("+name+")")
		}
	}
	if p.o.AddOnly {
		return changes
	}
	for _, flag := range want {
		if !strings.HasPrefix(flag, `\`) && !hasFlag(have, flag) && p.takesKeyword(strings.ToLower(flag)) {
			changes = append(changes, "+FLAGS.SILENT ("+flag+")")
		}
	}
	return changes
}

var canonicalFlag = map[string]string{`\seen`: `\Seen`, `\answered`: `\Answered`, `\flagged`: `\Flagged`, `\deleted`: `\Deleted`, `\draft`: `\Draft`}

// store sends the changes, and where a target gives a message that was changed a new UID, reads that back.
func (p *pass) store(ctx context.Context, changes map[string][]uint32, sourceOf map[uint32]uint32) error {
	kinds := make([]string, 0, len(changes))
	for change := range changes {
		kinds = append(kinds, change)
	}
	sort.Strings(kinds)
	for _, change := range kinds {
		targets := p.current(changes[change], sourceOf)
		for _, set := range uidSets(targets, maxSet) {
			_, err := p.tgt.Send(&imapwire.Command{Name: "UID STORE", Args: func(w *imapwire.Writer) error {
				w.Raw(" " + set + " " + change)
				return nil
			}}).Wait(ctx)
			if err != nil && (!answered(err) || classify(err) != err) {
				return fmt.Errorf("setting flags at the target: %w", err)
			}
			if err != nil {
				p.observe("flags-refused", len(targets))
			}
		}
		if p.tgt.exchange {
			if err := p.readRenamed(ctx, targets, sourceOf); err != nil {
				return err
			}
		}
	}
	return nil
}

// current are the UIDs that the target messages have by now: a change before may have given them new ones.
func (p *pass) current(targets []uint32, sourceOf map[uint32]uint32) []uint32 {
	now := make([]uint32, 0, len(targets))
	for _, target := range targets {
		if uid, ok := p.ledger.target(sourceOf[target]); ok {
			sourceOf[uid] = sourceOf[target]
			now = append(now, uid)
		}
	}
	slices.Sort(now)
	return now
}

// readRenamed finds the new UIDs of target messages that have lost theirs.
func (p *pass) readRenamed(ctx context.Context, targets []uint32, sourceOf map[uint32]uint32) error {
	here := uids{}
	if _, err := p.tgt.Send(&imapwire.Command{Name: "NOOP"}).Wait(ctx); err != nil && !answered(err) {
		return err
	}
	err := p.tgt.fetchAll(ctx, targets, "(UID)", func(f fetched) error {
		here[f.uid] = true
		return nil
	})
	if err != nil {
		return err
	}
	var lost []uint32
	for _, target := range targets {
		if !here[target] {
			lost = append(lost, sourceOf[target])
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	doubtful, err := p.doubtful(ctx, p.ledger.look().TargetHigh)
	if err != nil {
		return err
	}
	source, err := p.src.identities(ctx, lost)
	if err != nil {
		return err
	}
	sortIdentities(source)
	for i, j := range match(source, doubtful, p.o.KeepsBytes) {
		if j >= 0 {
			p.ledger.copied(source[i].uid, doubtful[j].uid, source[i].size)
		}
	}
	return nil
}
