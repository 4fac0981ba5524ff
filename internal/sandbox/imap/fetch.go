package imap

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// fetchItem is one data item that FETCH asks for.
type fetchItem struct {
	// name is the item's, in capitals: "FLAGS", "BODY" with a section, "RFC822.SIZE".
	name string
	// section is what stands in brackets, whole where it is empty but hasSection is set.
	section    section
	hasSection bool
	peek       bool
	// echo is how the item is named in the response.
	echo string
}

// marks tells whether fetching the item sets \Seen.
func (i fetchItem) marks() bool {
	return i.hasSection && !i.peek || i.name == "RFC822" || i.name == "RFC822.TEXT"
}

var macros = map[string][]string{
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

// fetchArguments are FETCH's.
type fetchArguments struct {
	set          []span
	items        []fetchItem
	changedSince uint64
}

func (c *connection) fetch() error {
	a, err := c.fetchArguments()
	if err != nil {
		return err
	}
	uids := c.view.resolve(a.set, c.isUID())
	if len(uids) == 0 {
		return nil
	}
	var list []store.Entry
	err = c.server.config.Store.Scan(c.view.folder.ID, uids[0], uids[len(uids)-1], func(e store.Entry) error {
		if _, ok := slices.BinarySearch(uids, e.UID); ok && (a.changedSince == 0 || e.ModSeq > a.changedSince) {
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var failed error
	for _, e := range list {
		if c.hides(e.UID) {
			continue
		}
		if err := c.fetchOne(e, a.items, &failed); err != nil {
			return err
		}
	}
	return failed
}

// hides reports whether a fault leaves the message out of the command's answer.
func (c *connection) hides(uid uint32) bool {
	return c.server.hides(c.mailbox, c.command.Name, c.view.folder.Name, uid)
}

// fetchOne writes one message's response. A fault that refuses the message is put into failed: the rest still come.
func (c *connection) fetchOne(e store.Entry, items []fetchItem, failed *error) error {
	t := &text{entry: e, body: c.server.config.Store.Body(e)}
	for _, f := range c.server.forUID(c.mailbox, c.command.Name, c.view.folder.Name, e.UID) {
		if f.Body && !slices.ContainsFunc(items, func(i fetchItem) bool { return i.hasSection && i.section.whole() }) {
			continue
		}
		t.sizeBy += f.SizeBy
		t.empty = t.empty || f.Empty
		switch {
		case f.Cut:
			if err := c.w.Flush(); err != nil {
				return err
			}
			return errLost
		case f.Bye != "":
			return &goodbye{f.Bye}
		case f.Answer != "":
			*failed = words(f.Answer)
			return nil
		}
		if f.CutOut > 0 {
			if err := c.w.Flush(); err != nil {
				return err
			}
			c.line.cut(-1, f.CutOut)
		}
	}
	marked := slices.ContainsFunc(items, fetchItem.marks) && !c.view.readOnly && !e.Has(`\Seen`)
	if marked {
		changed, _, err := c.server.config.Store.ChangeFlags(c.view.folder.ID, []uint32{e.UID}, store.AddFlags, []string{`\Seen`}, 0)
		if err != nil {
			return err
		}
		if len(changed) == 1 {
			t.entry = changed[0]
			if c.view.own == nil {
				c.view.own = make(map[uint32]uint64)
			}
			c.view.own[e.UID] = t.entry.ModSeq
		}
	}
	c.w.Raw("* " + strconv.Itoa(c.view.number(e.UID)) + " FETCH (")
	separator := ""
	if c.isUID() && !slices.ContainsFunc(items, func(i fetchItem) bool { return i.name == "UID" }) {
		items = append([]fetchItem{{name: "UID", echo: "UID"}}, items...)
	}
	if marked && !slices.ContainsFunc(items, func(i fetchItem) bool { return i.name == "FLAGS" }) {
		items = append(items[:len(items):len(items)], fetchItem{name: "FLAGS", echo: "FLAGS"})
	}
	for _, item := range items {
		c.w.Raw(separator + item.echo + " ")
		separator = " "
		if err := c.fetchItem(t, item); err != nil {
			return err
		}
	}
	c.w.Raw(")\r\n")
	return nil
}

func (c *connection) fetchItem(t *text, item fetchItem) error {
	switch item.name {
	case "UID":
		c.w.Number(uint64(t.entry.UID))
	case "FLAGS":
		c.w.Raw("(" + c.shown(t.entry) + ")")
	case "INTERNALDATE":
		c.w.Raw(`"` + t.entry.Internal.Format(internalDate) + `"`)
	case "RFC822.SIZE":
		c.w.Raw(strconv.FormatInt(c.size(t), 10))
	case "MODSEQ":
		c.w.Raw("(" + strconv.FormatUint(t.entry.ModSeq, 10) + ")")
	case "ENVELOPE":
		root, err := t.tree()
		if err != nil {
			return err
		}
		c.envelope(root)
	case "BODYSTRUCTURE", "BODY":
		if item.hasSection {
			return c.literal(t, item.section)
		}
		root, err := t.tree()
		if err != nil {
			return err
		}
		c.structure(root, item.name == "BODYSTRUCTURE")
	default:
		return c.literal(t, item.section)
	}
	return nil
}

// size is RFC822.SIZE, off by up to the dialect's share where it only estimates, the same for a message each time.
func (c *connection) size(t *text) int64 {
	size := t.entry.Size
	if off := int64(c.dialect.SizeError); off > 0 {
		share := int64(t.entry.UID*2654435761>>8)%(2*off+1) - off
		size += size * share / 100
	}
	return max(size+t.sizeBy, 0)
}

// literal writes a section as a literal. A whole message is streamed.
func (c *connection) literal(t *text, s section) error {
	if s.whole() && !t.empty {
		c.w.Literal(t.body.Reader(), t.entry.Size)
		return nil
	}
	octets, ok, err := t.section(s)
	if err != nil {
		return err
	}
	if !ok {
		c.w.Raw("NIL")
		return nil
	}
	c.w.Literal(strings.NewReader(string(octets)), int64(len(octets)))
	return nil
}

func (c *connection) fetchArguments() (a fetchArguments, err error) {
	if err := c.r.SP(); err != nil {
		return a, err
	}
	if a.set, err = c.sequenceSet(); err != nil {
		return a, err
	}
	if err := c.r.SP(); err != nil {
		return a, err
	}
	one := func() error {
		text, err := c.r.Item()
		if err != nil {
			return err
		}
		item, err := c.parseItem(text)
		a.items = append(a.items, item)
		return err
	}
	next, err := c.r.Peek()
	switch {
	case err != nil:
		return a, err
	case next == '(':
		err = c.r.List(one)
	default:
		err = c.macroOr(one, &a)
	}
	if err != nil {
		return a, err
	}
	if more, err := c.r.Accept(' '); err != nil {
		return a, err
	} else if more {
		if a.changedSince, err = c.modifier("CHANGEDSINCE"); err != nil {
			return a, err
		}
		if !slices.ContainsFunc(a.items, func(i fetchItem) bool { return i.name == "MODSEQ" }) {
			a.items = append(a.items, fetchItem{name: "MODSEQ", echo: "MODSEQ"})
		}
	}
	return a, c.r.End()
}

// macroOr takes a single item, or a macro's.
func (c *connection) macroOr(one func() error, a *fetchArguments) error {
	if err := one(); err != nil {
		return err
	}
	names := macros[a.items[0].name]
	if names == nil {
		return nil
	}
	a.items = nil
	for _, name := range names {
		a.items = append(a.items, fetchItem{name: name, echo: name})
	}
	return nil
}

func (c *connection) parseItem(text string) (fetchItem, error) {
	name, rest, bracket := strings.Cut(text, "[")
	item := fetchItem{name: name, hasSection: bracket, echo: name}
	unknown := &imapwire.SyntaxError{Want: "a data item that is known", Near: text[:min(len(text), 40)]}
	if bracket {
		base, peek := strings.CutSuffix(name, ".PEEK")
		s, err := parseSection(rest)
		if base != "BODY" || err != nil {
			return item, unknown
		}
		item.name, item.peek, item.section = base, peek, s
		item.echo = "BODY[" + s.echo() + "]"
		if s.partial {
			item.echo += "<" + strconv.FormatInt(s.offset, 10) + ">"
		}
		return item, nil
	}
	switch name {
	case "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "RFC822", "ALL", "FAST", "FULL":
	case "RFC822.HEADER":
		item.section.text = "HEADER"
	case "RFC822.TEXT":
		item.section.text = "TEXT"
	case "MODSEQ":
		if !c.dialect.can("CONDSTORE") {
			return item, unknown
		}
		c.condstore = true
	default:
		return item, unknown
	}
	return item, nil
}

// text is a message while it is fetched; it is read no more often than needed.
type text struct {
	entry  store.Entry
	body   store.Body
	sizeBy int64
	empty  bool
	head   []byte
	all    []byte
	root   *part
}

func (t *text) bytes() ([]byte, error) {
	if t.empty {
		return nil, nil
	}
	if t.all == nil {
		var err error
		if t.all, err = t.body.Bytes(); err != nil {
			return nil, err
		}
	}
	return t.all, nil
}

// header reads the message's header with the empty line that ends it, and not much more.
func (t *text) header() ([]byte, error) {
	if t.head != nil || t.empty {
		return t.head, nil
	}
	if t.all != nil {
		t.head = t.all[:headerEnd(t.all)]
		return t.head, nil
	}
	for size := int64(16 << 10); ; size *= 8 {
		start := make([]byte, min(size, t.body.Size()))
		if _, err := t.body.ReadAt(start, 0); err != nil && err != io.EOF {
			return nil, err
		}
		if end := headerEnd(start); end < len(start) || int64(len(start)) == t.body.Size() {
			t.head = start[:end]
			return t.head, nil
		}
	}
}

func (t *text) tree() (*part, error) {
	if t.root == nil {
		all, err := t.bytes()
		if err != nil {
			return nil, err
		}
		t.root = parseMessage(all)
	}
	return t.root, nil
}
