package imap

import (
	"bytes"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// internalDate is IMAP's date-time (RFC 9051, 9): a day below 10 has a blank before it, some clients send a zero.
const internalDate = "_2-Jan-2006 15:04:05 -0700"

func (c *connection) append() error {
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.SP(); err != nil {
		return err
	}
	m := store.Message{Internal: time.Now()}
	if err := c.appendOptions(&m); err != nil {
		return err
	}
	// The folder is looked for first: a client that waits with its literal needn't send it in vain.
	f, refusal := c.find(name)
	if refusal != nil {
		refusal = tryCreate(refusal)
		if next, err := c.r.Peek(); err != nil || next != '{' && next != '~' {
			return c.literalWanted()
		}
		return refusal
	}
	c.literalMost = c.dialect.MaxMessage
	literal, err := c.r.Literal()
	if err != nil {
		return err
	}
	if literal.Binary && !c.dialect.can("BINARY") {
		return bad(c.dialect.Words.Syntax)
	}
	if c.literalMost > 0 && literal.Size > c.literalMost {
		return no(c.dialect.Words.TooLarge)
	}
	m.Body = make([]byte, literal.Size)
	if _, err := io.ReadFull(literal, m.Body); err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	return c.keep(f, m)
}

// tryCreate adds the TRYCREATE code to a NO for a folder that isn't there (RFC 9051, 6.3.12).
func tryCreate(err error) error {
	if refused, ok := err.(*answer); ok && refused.kind == "NO" {
		_, text, found := strings.Cut(refused.text, "] ")
		if !found {
			text = refused.text
		}
		return no("[TRYCREATE] " + text)
	}
	return err
}

func (c *connection) literalWanted() error {
	_, err := c.r.Literal()
	return err
}

// appendOptions takes the flags and the date, both of which may be missing.
func (c *connection) appendOptions(m *store.Message) error {
	if next, err := c.r.Peek(); err != nil {
		return err
	} else if next == '(' {
		if m.Flags, err = c.flagList(); err != nil {
			return err
		}
		if err := c.r.SP(); err != nil {
			return err
		}
	}
	if next, err := c.r.Peek(); err != nil {
		return err
	} else if next != '"' {
		return nil
	}
	text, err := c.r.Quoted()
	if err != nil {
		return err
	}
	if m.Internal, err = time.Parse(internalDate, text); err != nil {
		return &imapwire.SyntaxError{Want: "a date-time", Near: text[:min(len(text), 40)]}
	}
	return c.r.SP()
}

func (c *connection) flagList() ([]string, error) {
	var flags []string
	err := c.r.List(func() error {
		flag, err := c.r.Atom()
		flags = append(flags, flag)
		return err
	})
	return flags, err
}

// keep stores a message, unless the dialect or a fault refuses it.
func (c *connection) keep(f store.Folder, m store.Message) error {
	if b := c.dialect.Budget; !c.server.spend(c.mailbox, b) {
		refusal := words(fmt.Sprintf(c.dialect.Words.Throttled, b.Backoff.Milliseconds()))
		if c.refusals++; c.refusals > b.Patience {
			// The refusal still goes out, and BYE behind it.
			if err := c.reply(refusal); err != nil {
				return err
			}
			return &goodbye{c.dialect.Words.Closed}
		}
		return refusal
	}
	if c.dialect.Refuses(m.Body) || f.Class != "" {
		return words(c.dialect.Words.Refused)
	}
	for _, fault := range c.server.forMessage(c.mailbox, f.Name, m.Body) {
		switch {
		case fault.Cut:
			return errLost
		case fault.Bye != "":
			return &goodbye{fault.Bye}
		case fault.Answer != "":
			return words(fault.Answer)
		}
	}
	m.Flags = c.dialect.permitted(m.Flags)
	if c.dialect.UnsureFlagged && contains(m.Flags, `\Flagged`) {
		m.Flags = append(m.Flags, Unsure)
	}
	m.Body = c.dialect.Rewrites.rewrite(m.Body)
	validity, uid, err := c.server.config.Store.Append(c.mailbox, f.Name, m)
	if err != nil {
		return c.asNo(err)
	}
	if c.dialect.can("UIDPLUS") && !c.dialect.NoAppendUID {
		c.code = fmt.Sprintf("APPENDUID %d %d", validity, uid)
	}
	return nil
}

// Refuses tells whether a server with the dialect never takes the message, whatever its size.
func (d *Dialect) Refuses(body []byte) bool {
	if len(body) == 0 && d.RefusesEmpty {
		return true
	}
	if d.RefusesReadReports && strings.HasPrefix(strings.TrimSpace(header(body).Get("Subject")), "Read:") {
		return true
	}
	return d.MaxLine > 0 && longestLine(body) > d.MaxLine
}

func longestLine(body []byte) int {
	longest := 0
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n')
		if end < 0 {
			end = len(body) - 1
		}
		line := bytes.TrimRight(body[:end+1], "\r\n")
		longest = max(longest, len(line))
		body = body[end+1:]
	}
	return longest
}

// header reads a message's header fields as well as it can: what comes before the first line that is empty.
func header(body []byte) textproto.MIMEHeader {
	fields := make(textproto.MIMEHeader)
	name := ""
	for _, line := range bytes.Split(body[:headerEnd(body)], []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && name != "" {
			last := len(fields[name]) - 1
			fields[name][last] += " " + string(bytes.TrimSpace(line))
			continue
		}
		before, after, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			name = ""
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(string(bytes.TrimRight(before, " \t")))
		fields[name] = append(fields[name], string(bytes.TrimSpace(after)))
	}
	return fields
}

// headerEnd is where the body begins: behind the empty line that ends the header. Without one all is header.
func headerEnd(message []byte) int {
	for at := 0; at < len(message); {
		end := bytes.IndexByte(message[at:], '\n')
		if end < 0 {
			return len(message)
		}
		line := message[at : at+end]
		at += end + 1
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return at
		}
	}
	return len(message)
}
