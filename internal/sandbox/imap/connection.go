package imap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// How long a client may be silent (RFC 9051, 5.4 asks for at least 30 minutes after sign-in).
const (
	idleBefore = time.Minute
	idleAfter  = 30 * time.Minute
	// farewell is how long a client may take to read its BYE.
	farewell = 5 * time.Second
)

// state is where a connection stands (RFC 9051, 3).
type state int

const (
	notSignedIn state = 1 << iota
	signedIn
	selected
	// notConnected is Exchange's: signed in, but without the mailbox.
	notConnected
)

// connection is one client's.
type connection struct {
	server  *Server
	log     *slog.Logger
	dialect Dialect
	line    *cutLine
	r       *imapwire.Reader
	w       *imapwire.Writer

	secure  bool
	state   state
	mailbox string
	counted bool
	// The mailbox and the line again, for other goroutines.
	owner   atomic.Value
	lineNow atomic.Pointer[cutLine]
	expired atomic.Bool
	timer   *time.Timer

	view        *view
	condstore   bool
	rev2        bool
	errors      int
	refusals    int // of a sign-in without access, or over budget
	command     imapwire.CommandLine
	code        string // the response code of the OK to come
	literalMost int64  // refuses a literal that is longer, 0 for none
	firstKey    string // SEARCH's first key, where it was read in the search for RETURN
}

func newConnection(s *Server, raw net.Conn, d Dialect) *connection {
	c := &connection{server: s, dialect: d, state: notSignedIn}
	if s.config.TLS != nil && !s.config.StartTLS {
		raw = tls.Server(raw, s.config.TLS)
		c.secure = true
	}
	c.attach(raw)
	return c
}

// attach speaks over a connection from here on.
func (c *connection) attach(raw net.Conn) {
	c.line = newLine(raw)
	c.lineNow.Store(c.line)
	c.r = imapwire.NewReader(c.line, imapwire.Limits{Line: c.dialect.MaxCommand, Literal: 256 << 20})
	c.w = imapwire.NewWriter(c.line)
	c.r.Continue = func(size int64) error {
		if c.literalMost > 0 && size > c.literalMost {
			return &answer{"NO", c.dialect.Words.TooLarge}
		}
		c.w.Raw("+ Ready for additional command text.\r\n")
		return c.w.Flush()
	}
}

// answer is a command's tagged answer when it isn't OK.
type answer struct{ kind, text string }

func (a *answer) Error() string { return a.kind + " " + a.text }

func no(text string) error  { return &answer{"NO", text} }
func bad(text string) error { return &answer{"BAD", text} }

// words splits a whole answer of the dialect, status included.
func words(whole string) error {
	kind, text, _ := strings.Cut(whole, " ")
	return &answer{kind, text}
}

// goodbye ends the connection with BYE.
type goodbye struct{ text string }

func (g *goodbye) Error() string { return "BYE " + g.text }

// errLost ends a connection as if the network had gone; errDone ends it in order, all having been said.
var (
	errLost = errors.New("the answer was lost by a fault")
	errDone = errors.New("the client has signed off")
)

func (c *connection) run() {
	c.log.Debug("imap connection")
	err := c.serve()
	c.server.forget(c)
	c.log.Debug("imap connection ended", slog.String("mailbox", c.mailbox))
	if c.timer != nil {
		c.timer.Stop()
	}
	if errors.Is(err, errLost) {
		c.snap()
		return
	}
	defer c.line.Close()
	var bye *goodbye
	if c.expired.Load() {
		bye = &goodbye{c.dialect.Words.Expired}
	} else if !errors.As(err, &bye) {
		return
	}
	// The client is told if it can be; the connection ends either way.
	if err := c.line.SetWriteDeadline(time.Now().Add(farewell)); err != nil {
		return
	}
	c.w.Status("*", "BYE", "", bye.text)
	_ = c.w.Flush()
}

// serve greets the client and carries out its commands until an error ends that.
func (c *connection) serve() error {
	// The first write shakes hands over TLS, which must not take for ever either.
	if err := c.line.SetReadDeadline(time.Now().Add(idleBefore)); err != nil {
		return err
	}
	c.w.Status("*", "OK", c.capabilityCode(), c.dialect.Greeting)
	err := c.w.Flush()
	for err == nil {
		err = c.next()
	}
	return err
}

// snap ends the connection from another goroutine.
func (c *connection) snap() {
	// There is nothing to do about a connection that is closed already.
	_ = c.lineNow.Load().snap()
}

// expire ends the connection with the dialect's words as soon as it reads again.
func (c *connection) expire() {
	c.expired.Store(true)
	_ = c.lineNow.Load().SetReadDeadline(time.Now())
}

// next carries one command out. Its error ends the connection.
func (c *connection) next() error {
	limit := idleAfter
	if c.state == notSignedIn {
		limit = idleBefore
	}
	if err := c.line.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	// A token that ran out meanwhile had its deadline overwritten just now.
	if c.expired.Load() {
		return &goodbye{c.dialect.Words.Expired}
	}
	c.code, c.literalMost, c.firstKey = "", 0, ""
	command, err := c.r.Command()
	c.command = command
	lost := false
	if err == nil {
		lost, err = c.carryOut()
	}
	if lost {
		return errLost
	}
	if err := c.reply(err); err != nil {
		return err
	}
	return c.w.Flush()
}

// carryOut runs the command's handler, between the faults that act on it. Lost says that the answer must not be sent.
func (c *connection) carryOut() (lost bool, err error) {
	c.log.Debug("imap command", slog.String("mailbox", c.mailbox), slog.String("command", c.command.Name))
	for _, f := range c.server.forCommand(c.mailbox, c.command.Name) {
		if f.Delay > 0 {
			time.Sleep(f.Delay)
		}
		if f.Do != nil {
			f.Do()
		}
		if f.CutIn > 0 || f.CutOut > 0 {
			c.line.cut(orNever(f.CutIn), orNever(f.CutOut))
		}
		lost = lost || f.Lose
		switch {
		case f.Cut:
			return true, nil
		case f.Bye != "":
			return false, &goodbye{f.Bye}
		case f.Answer != "":
			return false, words(f.Answer)
		}
	}
	h, ok := handlers[c.command.Name]
	switch {
	case c.state == notConnected && c.command.Name != "LOGOUT":
		return false, c.refuseWithoutAccess()
	case !ok || h.needs != "" && !c.dialect.can(h.needs):
		return false, bad(c.dialect.Words.Unknown)
	case c.state&h.in == 0:
		return false, bad(c.dialect.Words.Invalid)
	}
	if err := h.run(c); err != nil {
		return lost, err
	}
	return lost, c.sync(h.expunges)
}

func orNever(bytes int64) int64 {
	if bytes == 0 {
		return -1
	}
	return bytes
}

// refuseWithoutAccess answers what follows a sign-in without access: BAD, and BYE with the second.
func (c *connection) refuseWithoutAccess() error {
	c.refusals++
	if c.refusals < 2 {
		return bad(c.dialect.Words.NotConnected)
	}
	c.w.Status(c.command.Tag, "BAD", "", c.dialect.Words.NotConnected)
	return &goodbye{c.dialect.Words.Closed}
}

// reply writes the tagged answer for a handler's error, or returns the error where it ends the connection.
func (c *connection) reply(err error) error {
	tag := c.command.Tag
	if tag == "" {
		tag = "*"
	}
	var (
		refused *answer
		syntax  *imapwire.SyntaxError
		limit   *imapwire.LimitError
	)
	switch {
	case err == nil:
		c.w.Status(tag, "OK", c.code, c.completed())
		return nil
	case errors.Is(err, errAnswered):
		return nil
	case errors.As(err, &refused):
		c.w.Status(tag, refused.kind, "", refused.text)
		if refused.kind != "BAD" {
			return nil
		}
	case errors.As(err, &limit) && limit.What == "literal":
		c.w.Status(tag, "NO", "", c.dialect.Words.TooLarge)
		return nil
	case errors.As(err, &limit):
		c.w.Status(tag, "BAD", "", c.dialect.Words.TooLong)
	case errors.As(err, &syntax):
		c.w.Status(tag, "BAD", "", c.dialect.Words.Syntax)
	default:
		return err
	}
	if c.errors++; c.dialect.MaxErrors > 0 && c.errors >= c.dialect.MaxErrors {
		return &goodbye{c.dialect.Words.Closed}
	}
	return nil
}

func (c *connection) completed() string {
	text := c.dialect.Words.Completed
	if c.command.Name == "AUTHENTICATE" || c.command.Name == "LOGIN" {
		text = c.dialect.Words.SignInDone
	}
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, strings.TrimPrefix(c.command.Name, "UID "))
	}
	return text
}

// handler carries out one command.
type handler struct {
	// in are the states that allow it.
	in state
	// needs is the capability without which the command is unknown.
	needs string
	// expunges: EXPUNGE responses may be sent with its answer (RFC 9051, 7.5.1).
	expunges bool
	run      func(*connection) error
}

const anywhere = notSignedIn | signedIn | selected

var handlers map[string]handler

func init() {
	in := signedIn | selected
	handlers = map[string]handler{
		"CAPABILITY":   {anywhere, "", true, (*connection).capability},
		"NOOP":         {anywhere, "", true, (*connection).noop},
		"LOGOUT":       {anywhere, "", false, (*connection).logout},
		"ID":           {anywhere, "ID", true, (*connection).id},
		"STARTTLS":     {notSignedIn, "", false, (*connection).startTLS},
		"LOGIN":        {notSignedIn, "", false, (*connection).login},
		"AUTHENTICATE": {notSignedIn, "", false, (*connection).authenticate},
		"ENABLE":       {in, "ENABLE", true, (*connection).enable},
		"NAMESPACE":    {in, "NAMESPACE", true, (*connection).namespace},
		"LIST":         {in, "", true, (*connection).list},
		"LSUB":         {in, "", true, (*connection).lsub},
		"STATUS":       {in, "", true, (*connection).status},
		"SELECT":       {in, "", false, (*connection).selectFolder},
		"EXAMINE":      {in, "", false, (*connection).selectFolder},
		"CREATE":       {in, "", true, (*connection).create},
		"DELETE":       {in, "", true, (*connection).delete},
		"RENAME":       {in, "", true, (*connection).rename},
		"SUBSCRIBE":    {in, "", true, (*connection).subscribe},
		"UNSUBSCRIBE":  {in, "", true, (*connection).subscribe},
		"APPEND":       {in, "", true, (*connection).append},
		"IDLE":         {in, "IDLE", true, (*connection).idle},
		"CHECK":        {selected, "", true, (*connection).noop},
		"CLOSE":        {selected, "", false, (*connection).closeFolder},
		"UNSELECT":     {selected, "UNSELECT", false, (*connection).closeFolder},
		"EXPUNGE":      {selected, "", true, (*connection).expunge},
		"UID EXPUNGE":  {selected, "UIDPLUS", true, (*connection).expunge},
		"FETCH":        {selected, "", false, (*connection).fetch},
		"UID FETCH":    {selected, "", true, (*connection).fetch},
		"STORE":        {selected, "", false, (*connection).store},
		"UID STORE":    {selected, "", true, (*connection).store},
		"SEARCH":       {selected, "", false, (*connection).search},
		"UID SEARCH":   {selected, "", true, (*connection).search},
		"COPY":         {selected, "", true, (*connection).copy},
		"UID COPY":     {selected, "", true, (*connection).copy},
		"MOVE":         {selected, "MOVE", true, (*connection).copy},
		"UID MOVE":     {selected, "MOVE", true, (*connection).copy},
	}
}
