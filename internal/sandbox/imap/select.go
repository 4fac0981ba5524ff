package imap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

func (c *connection) selectFolder() error {
	// A folder that is open is closed even where the new one can't be opened (RFC 9051, 6.3.2).
	c.view, c.state = nil, signedIn
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if more, err := c.r.Accept(' '); err != nil {
		return err
	} else if more {
		if err := c.selectParameters(); err != nil {
			return err
		}
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(name)
	if err != nil {
		return err
	}
	list, err := c.entries(f, 1)
	if err != nil {
		return err
	}
	c.view = &view{folder: f, readOnly: c.command.Name == "EXAMINE"}
	c.state = selected
	c.opened(list)
	c.code = "READ-WRITE"
	if c.view.readOnly {
		c.code = "READ-ONLY"
	}
	return nil
}

func (c *connection) selectParameters() error {
	return c.r.List(func() error {
		word, err := c.r.Word()
		if err != nil {
			return err
		}
		if word != "CONDSTORE" || !c.dialect.can("CONDSTORE") {
			return &imapwire.SyntaxError{Want: "a parameter that is known", Near: word}
		}
		c.condstore = true
		return nil
	})
}

// opened writes what SELECT tells of a folder, and fills the view.
func (c *connection) opened(list []store.Entry) {
	v := c.view
	unseen := 0
	flags := slices.Concat(systemFlags, c.dialect.Known)
	for _, e := range list {
		v.uids = append(v.uids, e.UID)
		if unseen == 0 && !e.Has(`\Seen`) {
			unseen = len(v.uids)
		}
		for _, flag := range e.Flags {
			if flag != Unsure && !contains(flags, flag) {
				flags = append(flags, flag)
			}
		}
	}
	permanent := strings.Join(flags, " ")
	if c.dialect.Keywords {
		permanent += ` \*`
	}
	if v.readOnly {
		permanent = ""
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	c.w.Raw("* " + strconv.Itoa(len(v.uids)) + " EXISTS\r\n* 0 RECENT\r\n* FLAGS (" + strings.Join(flags, " ") + ")\r\n")
	c.w.Status("*", "OK", "PERMANENTFLAGS ("+permanent+")", "Permanent flags")
	if unseen > 0 {
		c.w.Status("*", "OK", "UNSEEN "+strconv.Itoa(unseen), "Is the first unseen message")
	}
	c.w.Status("*", "OK", "UIDVALIDITY "+number(uint64(v.folder.UIDValidity)), "UIDVALIDITY value")
	if !c.dialect.NoUIDNext {
		c.w.Status("*", "OK", "UIDNEXT "+number(uint64(v.folder.UIDNext)), "The next unique identifier value")
	}
	if c.dialect.can("CONDSTORE") {
		c.w.Status("*", "OK", "HIGHESTMODSEQ "+number(v.folder.HighestModSeq), "Highest")
	}
}

func (c *connection) closeFolder() error {
	if err := c.r.End(); err != nil {
		return err
	}
	v := c.view
	c.view, c.state = nil, signedIn
	if c.command.Name == "UNSELECT" || v.readOnly {
		return nil
	}
	_, err := c.expungeDeleted(v, nil)
	return err
}

func (c *connection) status() error {
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.SP(); err != nil {
		return err
	}
	items, err := c.statusItems()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(name)
	if err != nil {
		return err
	}
	f.Name = name
	c.writeStatus(f, items)
	return nil
}

func (c *connection) statusItems() ([]string, error) {
	var items []string
	err := c.r.List(func() error {
		item, err := c.r.Word()
		known := slices.Contains([]string{"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"}, item) ||
			item == "HIGHESTMODSEQ" && c.dialect.can("CONDSTORE") || item == "SIZE" && c.dialect.can("STATUS=SIZE")
		if err == nil && !known {
			return &imapwire.SyntaxError{Want: "a status item that is known", Near: item}
		}
		if item != "UIDNEXT" || !c.dialect.NoUIDNext {
			items = append(items, item)
		}
		return err
	})
	return items, err
}

func (c *connection) writeStatus(f store.Folder, items []string) {
	c.w.Raw("* STATUS ")
	c.w.Mailbox(f.Name)
	c.w.Raw(" (")
	for i, item := range items {
		if i > 0 {
			c.w.SP()
		}
		c.w.Raw(item + " ")
		c.w.Number(map[string]uint64{
			"MESSAGES": uint64(f.Messages), "UIDNEXT": uint64(f.UIDNext), "UIDVALIDITY": uint64(f.UIDValidity),
			"UNSEEN": uint64(f.Unseen), "HIGHESTMODSEQ": f.HighestModSeq, "SIZE": uint64(f.Bytes),
		}[item])
	}
	c.w.Raw(")\r\n")
}
