package imap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// shown are a message's flags as IMAP shows them.
func (c *connection) shown(e store.Entry) string {
	flags := slices.DeleteFunc(slices.Clone(e.Flags), func(flag string) bool { return flag == Unsure })
	return strings.Join(flags, " ")
}

// storeArguments are STORE's.
type storeArguments struct {
	set            []span
	unchangedSince uint64
	conditional    bool
	change         store.FlagChange
	silent         bool
	flags          []string
}

func (c *connection) store() error {
	a, err := c.storeArguments()
	if err != nil {
		return err
	}
	if c.view.readOnly {
		return no("[READ-ONLY] Mailbox is read-only.")
	}
	uids := c.view.resolve(a.set, c.isUID())
	flags := c.dialect.permitted(a.flags)
	changed, modified, err := c.changeFlags(uids, a, flags)
	if err != nil {
		return err
	}
	if c.view.own == nil {
		c.view.own = make(map[uint32]uint64)
	}
	for _, e := range changed {
		c.view.own[e.UID] = e.ModSeq
		number := c.view.number(e.UID)
		if number > 0 && (!a.silent || c.condstore) {
			c.flagsLine(number, e, !a.silent)
		}
	}
	if len(modified) > 0 {
		if !c.isUID() {
			for i, uid := range modified {
				modified[i] = uint32(c.view.number(uid))
			}
		}
		c.code = "MODIFIED " + formatSet(modified)
	}
	return nil
}

// changeFlags changes the flags in the store; where the dialect is unsure of \Flagged it becomes sure, or is gone.
func (c *connection) changeFlags(uids []uint32, a storeArguments, flags []string) (changed []store.Entry, modified []uint32, err error) {
	s, folder := c.server.config.Store, c.view.folder.ID
	var unsure []uint32
	if c.dialect.UnsureFlagged && (contains(flags, `\Flagged`) || a.change == store.SetFlags) {
		unsure = c.unsure(uids)
	}
	if a.conditional && a.unchangedSince == 0 {
		// No message has a mod-sequence of 0: all of them count as modified (RFC 7162, 3.1.3).
		return nil, uids, nil
	}
	changed, modified, err = s.ChangeFlags(folder, uids, a.change, flags, a.unchangedSince)
	if err != nil || len(unsure) == 0 {
		return changed, modified, err
	}
	if a.change != store.SetFlags {
		if _, _, err := s.ChangeFlags(folder, unsure, store.RemoveFlags, []string{Unsure}, 0); err != nil {
			return nil, nil, err
		}
	}
	if c.dialect.RenumbersFlagged {
		for _, uid := range unsure {
			if _, err := s.Renumber(folder, uid); err != nil {
				return nil, nil, err
			}
		}
		changed = slices.DeleteFunc(changed, func(e store.Entry) bool { return slices.Contains(unsure, e.UID) })
	}
	return changed, modified, nil
}

// unsure lists the messages whose \Flagged came with APPEND.
func (c *connection) unsure(uids []uint32) []uint32 {
	var found []uint32
	for _, uid := range uids {
		if e, err := c.server.config.Store.Entry(c.view.folder.ID, uid); err == nil && e.Has(Unsure) {
			found = append(found, uid)
		}
	}
	return found
}

func (c *connection) storeArguments() (a storeArguments, err error) {
	if err := c.r.SP(); err != nil {
		return a, err
	}
	if a.set, err = c.sequenceSet(); err != nil {
		return a, err
	}
	if err := c.r.SP(); err != nil {
		return a, err
	}
	if next, err := c.r.Peek(); err != nil {
		return a, err
	} else if next == '(' {
		if a.unchangedSince, err = c.modifier("UNCHANGEDSINCE"); err != nil {
			return a, err
		}
		a.conditional = true
		if err := c.r.SP(); err != nil {
			return a, err
		}
	}
	if plus, err := c.r.Accept('+'); err != nil {
		return a, err
	} else if plus {
		a.change = store.AddFlags
	} else if minus, err := c.r.Accept('-'); err != nil {
		return a, err
	} else if minus {
		a.change = store.RemoveFlags
	}
	item, err := c.r.Word()
	if err != nil {
		return a, err
	}
	item, a.silent = strings.CutSuffix(item, ".SILENT")
	if item != "FLAGS" {
		return a, &imapwire.SyntaxError{Want: "FLAGS", Near: item}
	}
	if err := c.r.SP(); err != nil {
		return a, err
	}
	if a.flags, err = c.flagsOrList(); err != nil {
		return a, err
	}
	return a, c.r.End()
}

// flagsOrList takes flags in a list, or bare.
func (c *connection) flagsOrList() ([]string, error) {
	if next, err := c.r.Peek(); err != nil || next == '(' {
		if err != nil {
			return nil, err
		}
		return c.flagList()
	}
	var flags []string
	for {
		flag, err := c.r.Atom()
		if err != nil {
			return nil, err
		}
		flags = append(flags, flag)
		if more, err := c.r.Accept(' '); err != nil || !more {
			return flags, err
		}
	}
}

// modifier takes a list that holds one modifier with a number, such as (UNCHANGEDSINCE 5) (RFC 7162).
func (c *connection) modifier(name string) (value uint64, err error) {
	if !c.dialect.can("CONDSTORE") {
		return 0, bad(c.dialect.Words.Syntax)
	}
	c.condstore = true
	err = c.r.List(func() error {
		word, err := c.r.Word()
		if err != nil {
			return err
		}
		if word != name {
			return &imapwire.SyntaxError{Want: name, Near: word}
		}
		if err := c.r.SP(); err != nil {
			return err
		}
		value, err = c.r.Number()
		return err
	})
	return value, err
}

func (c *connection) copy() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	set, err := c.sequenceSet()
	if err != nil {
		return err
	}
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(name)
	if err != nil {
		return tryCreate(err)
	}
	move := strings.HasSuffix(c.command.Name, "MOVE")
	if move && c.view.readOnly {
		return no("[READ-ONLY] Mailbox is read-only.")
	}
	from, to, validity, err := c.server.config.Store.Copy(c.view.folder.ID, c.view.resolve(set, c.isUID()), f.Name, move)
	if err != nil {
		return c.asNo(err)
	}
	if !c.dialect.can("UIDPLUS") || len(from) == 0 && !c.dialect.EmptyCopyUID {
		return nil
	}
	code := fmt.Sprintf("COPYUID %d %s %s", validity, formatSet(from), formatSet(to))
	if move {
		c.w.Status("*", "OK", code, "Moved")
		return nil
	}
	c.code = code
	return nil
}

func (c *connection) expunge() error {
	var only []span
	if c.isUID() {
		if err := c.r.SP(); err != nil {
			return err
		}
		var err error
		if only, err = c.sequenceSet(); err != nil {
			return err
		}
	}
	if err := c.r.End(); err != nil {
		return err
	}
	if c.view.readOnly {
		return no("[READ-ONLY] Mailbox is read-only.")
	}
	_, err := c.expungeDeleted(c.view, only)
	return err
}

// expungeDeleted expunges what is flagged \Deleted, of all messages of the view or of those in a set of UIDs.
func (c *connection) expungeDeleted(v *view, only []span) ([]uint32, error) {
	candidates := v.uids
	if only != nil {
		candidates = v.resolve(only, true)
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	var deleted []uint32
	err := c.server.config.Store.Scan(v.folder.ID, candidates[0], candidates[len(candidates)-1], func(e store.Entry) error {
		if _, ok := slices.BinarySearch(candidates, e.UID); ok && e.Has(`\Deleted`) {
			deleted = append(deleted, e.UID)
		}
		return nil
	})
	if err != nil || len(deleted) == 0 {
		return nil, err
	}
	return c.server.config.Store.Expunge(v.folder.ID, deleted)
}
