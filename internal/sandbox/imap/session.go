package imap

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (c *connection) capabilities() []string {
	list := c.dialect.After
	if c.state == notSignedIn {
		list = c.dialect.Before
		if c.server.config.TLS != nil && !c.secure {
			list = append(slices.Clone(list), "STARTTLS")
		}
	}
	return list
}

// capabilityCode is the CAPABILITY response code where the dialect sends it unasked.
func (c *connection) capabilityCode() string {
	if !c.dialect.CapabilityCode {
		return ""
	}
	return "CAPABILITY " + strings.Join(c.capabilities(), " ")
}

func (c *connection) capability() error {
	if err := c.r.End(); err != nil {
		return err
	}
	c.w.Raw("* CAPABILITY " + strings.Join(c.capabilities(), " ") + "\r\n")
	return nil
}

func (c *connection) noop() error { return c.r.End() }

func (c *connection) logout() error {
	if err := c.r.End(); err != nil {
		return err
	}
	c.w.Status("*", "BYE", "", c.dialect.Words.Bye)
	c.w.Status(c.command.Tag, "OK", "", c.completed())
	if err := c.w.Flush(); err != nil {
		return err
	}
	return errDone
}

func (c *connection) id() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	if err := c.r.Skip(); err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	if len(c.dialect.ID) == 0 {
		c.w.Raw("* ID NIL\r\n")
		return nil
	}
	c.w.Raw("* ID (")
	for i, word := range c.dialect.ID {
		if i > 0 {
			c.w.SP()
		}
		c.w.Quoted(word)
	}
	c.w.Raw(")\r\n")
	return nil
}

func (c *connection) startTLS() error {
	if err := c.r.End(); err != nil {
		return err
	}
	if c.server.config.TLS == nil || c.secure {
		return bad(c.dialect.Words.Unknown)
	}
	// What was sent ahead of the handshake in the clear is not to be read as if it came after it (RFC 9051, 6.2.1).
	if c.r.Buffered() > 0 {
		return errDone
	}
	c.w.Status(c.command.Tag, "OK", "", "Begin TLS negotiation now.")
	if err := c.w.Flush(); err != nil {
		return err
	}
	c.attach(tls.Server(c.line.Conn, c.server.config.TLS))
	c.secure = true
	return errAnswered
}

// errAnswered says that the command was answered already.
var errAnswered = errors.New("answered")

func (c *connection) login() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	user, err := c.r.AString()
	if err != nil {
		return err
	}
	if err := c.r.SP(); err != nil {
		return err
	}
	password, err := c.r.AString()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	if contains(c.dialect.Before, "LOGINDISABLED") {
		return c.signInFailed()
	}
	return c.signIn("LOGIN", user, "", password)
}

func (c *connection) authenticate() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	mechanism, err := c.r.Word()
	if err != nil {
		return err
	}
	initial, err := c.initialResponse()
	if err != nil {
		return err
	}
	if !contains(c.dialect.Before, "AUTH="+mechanism) {
		return c.signInFailed()
	}
	octets, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		return c.signInFailed()
	}
	switch mechanism {
	case "PLAIN":
		fields := strings.Split(string(octets), "\x00")
		if len(fields) != 3 {
			return c.signInFailed()
		}
		return c.signIn(mechanism, fields[1], fields[0], fields[2])
	case "XOAUTH2":
		user, token, ok := parseXOAUTH2(string(octets))
		if !ok {
			return c.signInFailed()
		}
		return c.signIn(mechanism, user, "", token)
	default:
		return c.signInFailed()
	}
}

// initialResponse takes the client's first answer: from the command line (RFC 4959), or from a line of its own.
func (c *connection) initialResponse() (string, error) {
	if given, err := c.r.Accept(' '); err != nil {
		return "", err
	} else if given {
		initial, err := c.r.Text()
		return strings.TrimPrefix(initial, "="), err
	}
	if err := c.r.End(); err != nil {
		return "", err
	}
	c.w.Raw("+ \r\n")
	if err := c.w.Flush(); err != nil {
		return "", err
	}
	if err := c.r.Next(); err != nil {
		return "", err
	}
	initial, err := c.r.Text()
	if err == nil && initial == "*" {
		err = bad(c.dialect.Words.Syntax)
	}
	return initial, err
}

// parseXOAUTH2 takes "user=" name ^A "auth=Bearer " token ^A ^A apart.
func parseXOAUTH2(text string) (user, token string, ok bool) {
	for _, field := range strings.Split(text, "\x01") {
		if value, found := strings.CutPrefix(field, "user="); found {
			user = value
		}
		if value, found := strings.CutPrefix(field, "auth=Bearer "); found {
			token = value
		}
	}
	return user, token, user != "" && token != ""
}

func (c *connection) signIn(mechanism, user, identity, secret string) error {
	mailbox, err := c.server.config.Authenticate(mechanism, user, identity, secret)
	if errors.Is(err, ErrNoAccess) {
		c.state = notConnected
		return nil
	}
	if err != nil {
		return c.signInFailed()
	}
	if !c.server.config.Store.Has(mailbox) {
		c.state = notConnected
		return nil
	}
	if !c.server.admit(mailbox, c.dialect.MaxConnections) {
		return &goodbye{c.dialect.Words.Closed}
	}
	c.mailbox, c.counted, c.state = mailbox, true, signedIn
	c.owner.Store(mailbox)
	if mechanism == "XOAUTH2" && c.server.config.Expires != nil {
		if end := c.server.config.Expires(secret); !end.IsZero() {
			c.timer = time.AfterFunc(time.Until(end), c.expire)
		}
	}
	c.code = c.capabilityCode()
	return nil
}

func (c *connection) signInFailed() error {
	text := c.dialect.Words.SignInFailed
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, c.command.Name)
	}
	return no(text)
}

func (c *connection) enable() error {
	enabled := ""
	for {
		if more, err := c.r.Accept(' '); err != nil {
			return err
		} else if !more {
			break
		}
		word, err := c.r.Atom()
		if err != nil {
			return err
		}
		switch word = strings.ToUpper(word); {
		case word == "CONDSTORE" && c.dialect.can(word):
			c.condstore = true
			enabled += " " + word
		case word == "IMAP4REV2" && c.dialect.can(word):
			c.rev2 = true
			enabled += " IMAP4rev2"
		}
	}
	if err := c.r.End(); err != nil {
		return err
	}
	c.w.Raw("* ENABLED" + enabled + "\r\n")
	return nil
}

func (c *connection) namespace() error {
	if err := c.r.End(); err != nil {
		return err
	}
	c.w.Raw("* NAMESPACE ((")
	c.w.Quoted(c.dialect.Prefix)
	c.w.SP()
	c.w.Quoted(c.dialect.Separator)
	c.w.Raw(")) NIL NIL\r\n")
	return nil
}

// idle tells of changes until the client says DONE (RFC 2177).
func (c *connection) idle() error {
	if err := c.r.End(); err != nil {
		return err
	}
	c.w.Raw("+ " + c.dialect.Words.Idle + "\r\n")
	if err := c.w.Flush(); err != nil {
		return err
	}
	type line struct {
		text string
		err  error
	}
	done := make(chan line, 1)
	go func() {
		err := c.r.Next()
		text := ""
		if err == nil {
			text, err = c.r.Text()
		}
		done <- line{text, err}
	}()
	for {
		var changed <-chan struct{}
		if c.view != nil {
			changed = c.server.config.Store.Watch(c.view.folder.ID)
			if err := c.sync(true); err != nil {
				return err
			}
			if err := c.w.Flush(); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case l := <-done:
			if l.err == nil && !strings.EqualFold(l.text, "DONE") {
				return bad(c.dialect.Words.Invalid)
			}
			return l.err
		}
	}
}
