package imap

import (
	"errors"
	"slices"
	"strconv"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// view is the selected folder as the client knows it: sequence numbers are places in uids.
type view struct {
	folder   store.Folder
	uids     []uint32
	readOnly bool
	// own are changes that the client made itself and was told of: UID to mod-sequence.
	own map[uint32]uint64
}

// number is a message's sequence number, 0 where the client doesn't know it.
func (v *view) number(uid uint32) int {
	at, ok := slices.BinarySearch(v.uids, uid)
	if !ok {
		return 0
	}
	return at + 1
}

// entries reads the folder's messages from a UID on, those that came after f was read left out.
func (c *connection) entries(f store.Folder, from uint32) ([]store.Entry, error) {
	var list []store.Entry
	if from >= f.UIDNext {
		return nil, nil
	}
	err := c.server.config.Store.Scan(f.ID, from, f.UIDNext-1, func(e store.Entry) error {
		list = append(list, e)
		return nil
	})
	return list, err
}

// sync tells the client what has changed in the selected folder. Where something was expunged and that may not be
// told now, all waits.
func (c *connection) sync(expunges bool) error {
	if c.view == nil {
		return nil
	}
	v := c.view
	f, err := c.server.config.Store.FolderByID(v.folder.ID)
	if errors.Is(err, store.ErrNoFolder) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.UIDValidity != v.folder.UIDValidity {
		return &goodbye{"The selected mailbox was rebuilt."}
	}
	if f.HighestModSeq == v.folder.HighestModSeq {
		return nil
	}
	before := len(v.uids)
	from := v.folder.UIDNext
	if f.Revised != v.folder.Revised {
		if !expunges {
			return nil
		}
		from = 1
	}
	list, err := c.entries(f, from)
	if err != nil {
		return err
	}
	if from == 1 {
		before = c.expunged(list)
		c.reflagged(list)
	}
	for _, e := range list {
		if e.UID >= v.folder.UIDNext {
			v.uids = append(v.uids, e.UID)
		}
	}
	if len(v.uids) > before {
		c.w.Raw("* " + strconv.Itoa(len(v.uids)) + " EXISTS\r\n* 0 RECENT\r\n")
	}
	v.folder, v.own = f, nil
	return nil
}

// expunged tells which messages are not in the list any more, from the last to the first, and returns how many stay.
func (c *connection) expunged(list []store.Entry) int {
	v := c.view
	there := make(map[uint32]bool, len(list))
	for _, e := range list {
		there[e.UID] = true
	}
	for i := len(v.uids) - 1; i >= 0; i-- {
		if !there[v.uids[i]] {
			c.w.Raw("* " + strconv.Itoa(i+1) + " EXPUNGE\r\n")
		}
	}
	v.uids = slices.DeleteFunc(v.uids, func(uid uint32) bool { return !there[uid] })
	return len(v.uids)
}

// reflagged tells of flags that others changed.
func (c *connection) reflagged(list []store.Entry) {
	for _, e := range list {
		number := c.view.number(e.UID)
		if number == 0 || e.ModSeq <= c.view.folder.HighestModSeq || c.view.own[e.UID] == e.ModSeq {
			continue
		}
		c.flagsLine(number, e, true)
	}
}

// flagsLine writes a FETCH response with a message's flags.
func (c *connection) flagsLine(number int, e store.Entry, flags bool) {
	c.w.Raw("* " + strconv.Itoa(number) + " FETCH (UID ")
	c.w.Number(uint64(e.UID))
	if flags {
		c.w.Raw(" FLAGS (" + c.shown(e) + ")")
	}
	if c.condstore {
		c.w.Raw(" MODSEQ (")
		c.w.Number(e.ModSeq)
		c.w.Raw(")")
	}
	c.w.Raw(")\r\n")
}
