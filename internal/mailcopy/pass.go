package mailcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// pass is one try at one source folder.
type pass struct {
	*worker
	route
	ledger *ledger
	// src and tgt are the connections of this try; the worker may have others by the time that the last of them ends.
	src, tgt *session
	// from and to are the folders as they were opened.
	from, to *selected
	// flags are those of the source messages that were looked at; whole says that those are all of the folder's.
	flags map[uint32][]string
	whole bool
	// rematch: UIDs lost their meaning on one side, so everything there is matched anew.
	rematch bool
	// begin is the cursor at which this try began; changed are messages below it whose flags may have changed.
	begin   uint32
	changed []uint32
	// bound is the first source UID that is left to the next pass.
	bound uint32
	// appends are those that the target took since it was opened.
	appends atomic.Int32
}

// run brings the target folder up to the source's.
func (p *pass) run(ctx context.Context) error {
	if p.target == "" {
		return p.leaveOutFolder(ctx)
	}
	from, examine := p.src.selectFolder("EXAMINE", p.wire)
	to, err := p.selectTarget(ctx)
	if err != nil {
		return err
	}
	if _, err := examine.Wait(ctx); err != nil {
		return p.unreadable(err)
	}
	p.from, p.to = from, to
	if !p.src.caps["CONDSTORE"] {
		p.from.modSeq = 0
	}
	p.bound = p.engine.bound(p.name, from.uidValidity)
	p.validity()
	if err := p.scan(ctx); err != nil {
		return err
	}
	if err := p.settleTarget(ctx); err != nil {
		return err
	}
	if err := p.follow(ctx); err != nil {
		return err
	}
	if err := p.copy(ctx); err != nil {
		return err
	}
	if err := p.followFlags(ctx); err != nil {
		return err
	}
	p.finish()
	return nil
}

// unreadable is a folder that the source lists but doesn't open. The other folders are copied all the same.
func (p *pass) unreadable(err error) error {
	if !answered(err) || classify(err) != err {
		return fmt.Errorf("opening the source folder: %w", err)
	}
	return &folderError{migration.NeedsPerson("folder-unreadable", fmt.Sprintf("the source doesn't open its folder %q: %v", p.name, err),
		"give the sign-in the right to read it, or leave the folder out of the copy (copy.exclude)", err)}
}

// folderError keeps one folder from being copied, and no other.
type folderError struct{ error }

func (e *folderError) Unwrap() error { return e.error }

// leaveOutFolder counts a folder that a rule leaves out.
func (p *pass) leaveOutFolder(ctx context.Context) error {
	status, err := p.src.status(ctx, p.wire, []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY"})
	if err != nil {
		return p.unreadable(err)
	}
	p.ledger.change(func(s *migration.FolderState) {
		s.UIDValidity = uint32(status["UIDVALIDITY"])
		s.Account = migration.Account{Source: int(status["MESSAGES"]), LeftOut: int(status["MESSAGES"])}
		if next := status["UIDNEXT"]; next > 0 {
			s.Cursor = uint32(next - 1)
		}
	})
	p.ledger.complete = true
	return nil
}

// status asks for a folder's figures without opening it.
func (s *session) status(ctx context.Context, wire string, items []string) (map[string]uint64, error) {
	figures := map[string]uint64{}
	_, err := s.Send(statusCommand(wire, items, figures)).Wait(ctx)
	return figures, err
}

func statusCommand(wire string, items []string, figures map[string]uint64) *imapwire.Command {
	return &imapwire.Command{
		Name:  "STATUS",
		Names: []string{"STATUS"},
		Args: func(w *imapwire.Writer) error {
			w.SP()
			w.AString(wire)
			w.Raw(" (" + strings.Join(items, " ") + ")")
			return nil
		},
		Data: func(d *imapwire.Response) error {
			if err := d.SP(); err != nil {
				return err
			}
			if _, err := d.AString(); err != nil {
				return err
			}
			if err := d.SP(); err != nil {
				return err
			}
			return readStatusItems(d, figures)
		},
	}
}

// readStatusItems reads (MESSAGES 3 UIDNEXT 4 ...).
func readStatusItems(d *imapwire.Response, figures map[string]uint64) error {
	return d.List(func() error {
		item, err := d.Word()
		if err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
		if c, err := d.Peek(); err != nil || c < '0' || c > '9' {
			return errors.Join(err, d.Skip())
		}
		figures[item], err = d.Number()
		return err
	})
}

// selectTarget opens the target folder, and makes it and subscribes to it if it isn't there: clients show subscribed
// folders only.
func (p *pass) selectTarget(ctx context.Context) (*selected, error) {
	wire := imapwire.EncodeUTF7(p.target)
	to, command := p.tgt.selectFolder("SELECT", wire)
	_, err := command.Wait(ctx)
	if err == nil || !answered(err) || classify(err) != err {
		if err != nil {
			err = fmt.Errorf("opening the target folder %q: %w", p.target, err)
		}
		return to, err
	}
	p.creating.Lock() // two folders made at once get in each other's way with their common parents
	defer p.creating.Unlock()
	name := func(w *imapwire.Writer) error {
		w.SP()
		w.AString(wire)
		return nil
	}
	create := p.tgt.Send(&imapwire.Command{Name: "CREATE", Args: name})
	_, createErr := create.Wait(ctx)
	if createErr != nil && (!answered(createErr) || classify(createErr) != createErr) {
		return nil, fmt.Errorf("making the target folder %q: %w", p.target, createErr)
	}
	subscribe := p.tgt.Send(&imapwire.Command{Name: "SUBSCRIBE", Args: name})
	to, command = p.tgt.selectFolder("SELECT", wire)
	_, err = command.Wait(ctx)
	if err != nil && answered(err) && classify(err) == err {
		return nil, &folderError{migration.NeedsPerson("folder-refused",
			fmt.Sprintf("the target can't take the folder %q as %q: %v; %v", p.name, p.target, createErr, err),
			"rename the folder at the source, or make one of that name at the target", err)}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the target folder %q: %w", p.target, err)
	}
	if _, err := subscribe.Wait(ctx); err != nil && !answered(err) {
		return nil, fmt.Errorf("subscribing to the target folder %q: %w", p.target, err)
	}
	return to, nil
}

// validity compares both folders' UIDVALIDITY with the state's. Where one has changed its UIDs mean nothing any more,
// and everything is matched anew: nothing that is there is copied again, and nothing is deleted.
func (p *pass) validity() {
	s := p.ledger.look()
	sourceNew := s.UIDValidity != 0 && p.from.uidValidity != s.UIDValidity
	targetNew := s.TargetUIDValidity != 0 && p.to.uidValidity != s.TargetUIDValidity
	if sourceNew {
		p.observe("source-uidvalidity-changed", 1)
	}
	if targetNew {
		p.observe("target-uidvalidity-changed", 1)
	}
	if sourceNew || targetNew {
		p.ledger.forget(sourceNew, targetNew)
	}
	p.rematch = p.ledger.old != nil
	p.ledger.change(func(s *migration.FolderState) {
		s.UIDValidity, s.TargetUIDValidity = p.from.uidValidity, p.to.uidValidity
	})
}

// finish closes the folder's account.
func (p *pass) finish() {
	if len(p.ledger.remaining()) > 0 || p.o.Poison != nil {
		return
	}
	if p.whole {
		p.ledger.recount(p.flags)
		for _, other := range p.allLedgers() {
			other.takeBack(p.name, func(uid uint32) bool { _, here := p.flags[uid]; return here })
		}
	} else {
		p.ledger.change(func(s *migration.FolderState) { s.Account.Source += p.fresh() })
	}
	p.ledger.change(func(s *migration.FolderState) { s.ModSeq = p.from.modSeq })
	high := p.ledger.look().TargetHigh
	for _, other := range p.siblings(p.ledger) {
		if other.settled && other.look().TargetHigh < high { // what came since is this folder's
			other.change(func(s *migration.FolderState) { s.TargetHigh = high })
		}
	}
	p.holds()
	p.ledger.complete = !p.ledger.pending
}

func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(have string) bool { return strings.EqualFold(have, flag) })
}
