package imap

import (
	"mime"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// criterion tells whether a message is wanted; number is its sequence number.
type criterion func(t *text, number int) (bool, error)

// maxKeys bounds how many keys a search may have.
const maxKeys = 1000

func (c *connection) search() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	options, err := c.searchReturn()
	if err != nil {
		return err
	}
	keys := maxKeys
	want, err := c.searchKeys(&keys)
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	found, err := c.matching(want)
	if err != nil {
		return err
	}
	if c.rev2 {
		// Exchange's IMAP4rev2 mode answers searches wrongly: as if nothing were there.
		found = nil
	}
	if options != nil {
		c.extendedAnswer(found, options)
		return nil
	}
	c.w.Raw("* SEARCH")
	for _, n := range found {
		c.w.SP()
		c.w.Number(uint64(n))
	}
	c.w.CRLF()
	return nil
}

// searchReturn takes RETURN (...) of RFC 4731, nil where there is none.
func (c *connection) searchReturn() (options []string, err error) {
	if !c.dialect.can("ESEARCH") {
		return nil, nil
	}
	next, err := c.r.Peek()
	if err != nil || next != 'R' && next != 'r' {
		return nil, err
	}
	word, err := c.r.Word()
	if err != nil {
		return nil, err
	}
	if word != "RETURN" {
		c.firstKey = word
		return nil, nil
	}
	if err := c.r.SP(); err != nil {
		return nil, err
	}
	options = []string{}
	err = c.r.List(func() error {
		word, err := c.r.Word()
		if err == nil && !contains([]string{"MIN", "MAX", "ALL", "COUNT"}, word) {
			return &imapwire.SyntaxError{Want: "a return option", Near: word}
		}
		options = append(options, word)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(options) == 0 {
		options = append(options, "ALL")
	}
	return options, c.r.SP()
}

func (c *connection) extendedAnswer(found []uint32, options []string) {
	c.w.Raw(`* ESEARCH (TAG `)
	c.w.Quoted(c.command.Tag)
	c.w.Raw(")")
	if c.isUID() {
		c.w.Raw(" UID")
	}
	for _, option := range options {
		switch {
		case option == "COUNT":
			c.w.Raw(" COUNT " + strconv.Itoa(len(found)))
		case len(found) == 0:
		case option == "MIN":
			c.w.Raw(" MIN " + strconv.Itoa(int(found[0])))
		case option == "MAX":
			c.w.Raw(" MAX " + strconv.Itoa(int(found[len(found)-1])))
		default:
			c.w.Raw(" ALL " + formatSet(found))
		}
	}
	c.w.CRLF()
}

// matching lists the numbers (UIDs for UID SEARCH) of the messages that are wanted.
func (c *connection) matching(want criterion) ([]uint32, error) {
	v := c.view
	var entries []store.Entry
	if err := c.server.config.Store.Scan(v.folder.ID, 1, 0, func(e store.Entry) error {
		entries = append(entries, e)
		return nil
	}); err != nil {
		return nil, err
	}
	var found []uint32
	for _, e := range entries {
		number := v.number(e.UID)
		if number == 0 || c.hides(e.UID) {
			continue
		}
		ok, err := want(&text{entry: e, body: c.server.config.Store.Body(e)}, number)
		if err != nil {
			return nil, err
		}
		switch {
		case ok && c.isUID():
			found = append(found, e.UID)
		case ok:
			found = append(found, uint32(number))
		}
	}
	return found, nil
}

// searchKeys takes keys up to the end of the line or list; all of them must match.
func (c *connection) searchKeys(left *int) (criterion, error) {
	var all []criterion
	for {
		one, err := c.searchKey(left)
		if err != nil {
			return nil, err
		}
		if one != nil {
			all = append(all, one)
		}
		if more, err := c.r.Accept(' '); err != nil {
			return nil, err
		} else if !more {
			return and(all), nil
		}
	}
}

func and(all []criterion) criterion {
	return func(t *text, number int) (bool, error) {
		for _, one := range all {
			if ok, err := one(t, number); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}
}

func byFlag(flag string, set bool) criterion {
	return func(t *text, _ int) (bool, error) { return t.entry.Has(flag) == set, nil }
}

func always(answer bool) criterion { return func(*text, int) (bool, error) { return answer, nil } }

var flagKeys = map[string]criterion{
	"ALL": always(true), "NEW": always(false), "RECENT": always(false), "OLD": always(true),
	"ANSWERED": byFlag(`\Answered`, true), "UNANSWERED": byFlag(`\Answered`, false),
	"DELETED": byFlag(`\Deleted`, true), "UNDELETED": byFlag(`\Deleted`, false),
	"DRAFT": byFlag(`\Draft`, true), "UNDRAFT": byFlag(`\Draft`, false),
	"FLAGGED": byFlag(`\Flagged`, true), "UNFLAGGED": byFlag(`\Flagged`, false),
	"SEEN": byFlag(`\Seen`, true), "UNSEEN": byFlag(`\Seen`, false),
}

// searchKey takes one key; nil is one that says nothing about messages.
func (c *connection) searchKey(left *int) (criterion, error) {
	if *left--; *left < 0 {
		return nil, bad(c.dialect.Words.TooLong)
	}
	next, err := c.r.Peek()
	switch {
	case err != nil:
		return nil, err
	case c.firstKey != "":
	case next == '(':
		var inner criterion
		err := c.r.List(func() (err error) {
			inner, err = c.searchKeys(left)
			return err
		})
		return inner, err
	case next == '*' || '0' <= next && next <= '9':
		set, err := c.sequenceSet()
		return c.inSet(set, false), err
	}
	key, err := c.keyWord()
	if err != nil {
		return nil, err
	}
	if simple := flagKeys[key]; simple != nil {
		return simple, nil
	}
	if err := c.r.SP(); err != nil {
		return nil, err
	}
	return c.searchArgument(key, left)
}

// keyWord takes a key's name, which may have been read already in the search for RETURN.
func (c *connection) keyWord() (string, error) {
	if key := c.firstKey; key != "" {
		c.firstKey = ""
		return key, nil
	}
	return c.r.Word()
}

func (c *connection) searchArgument(key string, left *int) (criterion, error) {
	switch key {
	case "CHARSET":
		charset, err := c.r.AString()
		if err == nil && !strings.EqualFold(charset, "UTF-8") && !strings.EqualFold(charset, "US-ASCII") {
			return nil, no("[BADCHARSET (US-ASCII UTF-8)] Unknown charset.")
		}
		return nil, err
	case "NOT":
		one, err := c.searchKey(left)
		if err != nil || one == nil {
			return one, err
		}
		return func(t *text, number int) (bool, error) {
			ok, err := one(t, number)
			return !ok, err
		}, nil
	case "OR":
		return c.either(left)
	case "UID":
		set, err := c.sequenceSet()
		return c.inSet(set, true), err
	case "KEYWORD", "UNKEYWORD":
		flag, err := c.r.Atom()
		return byFlag(flag, key == "KEYWORD"), err
	case "LARGER", "SMALLER":
		size, err := c.r.Number()
		return func(t *text, _ int) (bool, error) {
			if key == "LARGER" {
				return c.size(t) > int64(size), nil
			}
			return c.size(t) < int64(size), nil
		}, err
	case "MODSEQ":
		if !c.dialect.can("CONDSTORE") {
			return nil, bad(c.dialect.Words.Syntax)
		}
		c.condstore = true
		least, err := c.r.Number()
		return func(t *text, _ int) (bool, error) { return t.entry.ModSeq >= least, nil }, err
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE":
		return c.byDate(key)
	case "FROM", "TO", "CC", "BCC", "SUBJECT":
		value, err := c.r.AString()
		return inHeader(key, value), err
	case "HEADER":
		field, err := c.r.AString()
		if err != nil {
			return nil, err
		}
		if err := c.r.SP(); err != nil {
			return nil, err
		}
		value, err := c.r.AString()
		return inHeader(field, value), err
	case "BODY", "TEXT":
		value, err := c.r.AString()
		return inText(value, key == "BODY"), err
	}
	return nil, &imapwire.SyntaxError{Want: "a search key", Near: key}
}

func (c *connection) either(left *int) (criterion, error) {
	one, err := c.searchKey(left)
	if err != nil {
		return nil, err
	}
	if err := c.r.SP(); err != nil {
		return nil, err
	}
	other, err := c.searchKey(left)
	if err != nil || one == nil || other == nil {
		return nil, err
	}
	return func(t *text, number int) (bool, error) {
		if ok, err := one(t, number); err != nil || ok {
			return ok, err
		}
		return other(t, number)
	}, nil
}

func (c *connection) inSet(set []span, byUID bool) criterion {
	wanted := make(map[uint32]bool)
	for _, uid := range c.view.resolve(set, byUID) {
		wanted[uid] = true
	}
	return func(t *text, _ int) (bool, error) { return wanted[t.entry.UID], nil }
}

// byDate compares days: of INTERNALDATE, or for SENT of the Date field, zones disregarded (RFC 9051, 6.4.4).
func (c *connection) byDate(key string) (criterion, error) {
	value, err := c.r.AString()
	if err != nil {
		return nil, err
	}
	day, err := time.Parse("2-Jan-2006", value)
	if err != nil {
		return nil, &imapwire.SyntaxError{Want: "a date", Near: value[:min(len(value), 40)]}
	}
	kind, sent := strings.CutPrefix(key, "SENT")
	return func(t *text, _ int) (bool, error) {
		when := t.entry.Internal
		if sent {
			head, err := t.header()
			if err != nil {
				return false, err
			}
			if when, err = mail.ParseDate(header(head).Get("Date")); err != nil {
				return false, nil
			}
		}
		date := time.Date(when.Year(), when.Month(), when.Day(), 0, 0, 0, 0, time.UTC)
		switch kind {
		case "BEFORE":
			return date.Before(day), nil
		case "ON":
			return date.Equal(day), nil
		default:
			return !date.Before(day), nil
		}
	}, nil
}

var words2047 = &mime.WordDecoder{}

// inHeader looks for text in a header field, in any case, encoded words decoded. Empty text asks for the field alone.
func inHeader(field, value string) criterion {
	value = strings.ToLower(value)
	return func(t *text, _ int) (bool, error) {
		head, err := t.header()
		if err != nil {
			return false, err
		}
		for _, line := range header(head).Values(field) {
			decoded, err := words2047.DecodeHeader(line)
			if err != nil {
				decoded = line
			}
			if strings.Contains(strings.ToLower(line), value) || strings.Contains(strings.ToLower(decoded), value) {
				return true, nil
			}
		}
		return false, nil
	}
}

// inText looks for text in the body, or in all of the message.
func inText(value string, bodyOnly bool) criterion {
	value = strings.ToLower(value)
	return func(t *text, _ int) (bool, error) {
		all, err := t.bytes()
		if err != nil {
			return false, err
		}
		if bodyOnly {
			all = all[headerEnd(all):]
		}
		return strings.Contains(strings.ToLower(string(all)), value), nil
	}
}
