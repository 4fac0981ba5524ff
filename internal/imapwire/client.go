package imapwire

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ClientOptions are what a client needs to know beforehand; the zero value will do.
type ClientOptions struct {
	Limits Limits
	// Timeout is how long the server may be silent while a command waits for it, and how long a write may take, unless
	// the command says otherwise; 2 minutes. A message on its way counts as a sign of life.
	Timeout time.Duration
	// Greeting is set where the caller has read it already, before STARTTLS.
	Greeting *Status
	// Unasked takes the untagged responses that no command wants; on the client's reading goroutine.
	Unasked func(*Response) error
}

// Client is a client's connection. Commands may be sent from any goroutine; they go out whole, one after the other.
type Client struct {
	conn    net.Conn
	reader  *Reader
	options ClientOptions

	writing sync.Mutex // held while a command goes out
	writer  *Writer

	mu       sync.Mutex
	queue    []*Command // sent and not answered, in order
	tag      uint64
	plus     func(size int64) bool
	greeting *Status
	bye      *ByeError
	err      error // why the connection is over
	greeted  chan struct{}
	over     chan struct{}
}

// Response is one untagged response. The embedded Reader stands behind the name, before the space if one follows.
type Response struct {
	*Reader
	// Name is in upper case: FETCH, LIST, EXISTS, OK.
	Name string
	// Num is the number before the name (a message's sequence number, a count), 0 without one.
	Num uint32
	// Status is set for OK, NO, BAD, BYE and PREAUTH.
	Status *Status
}

// NewClient takes over a connection, which Close closes, and starts reading.
func NewClient(conn net.Conn, o ClientOptions) *Client {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	c := &Client{conn: conn, options: o, greeting: o.Greeting, greeted: make(chan struct{}), over: make(chan struct{})}
	c.reader = NewReader(readFunc(c.read), o.Limits)
	c.writer = NewWriter(writeFunc(c.write))
	c.plus = func(int64) bool { return false }
	if o.Greeting != nil {
		close(c.greeted)
	}
	go c.run()
	return c
}

// SetNonSync says for which sizes of a literal the server takes the octets unasked: all with LITERAL+, up to 4096 with
// LITERAL- (RFC 7888); none before this is called.
func (c *Client) SetNonSync(plus func(size int64) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plus = plus
}

// Greeting waits for the server's first words.
func (c *Client) Greeting(ctx context.Context) (*Status, error) {
	select {
	case <-c.greeted:
		return c.greeting, nil
	case <-c.over:
		return nil, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the connection; commands that wait fail with net.ErrClosed.
func (c *Client) Close() error {
	c.fail(net.ErrClosed)
	return nil
}

// Over is closed when the connection has ended; Err then says why: a *ByeError where the server said BYE.
func (c *Client) Over() <-chan struct{} { return c.over }

// Err is nil while the connection stands.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Buffered is how many octets from the server can be read without waiting. It may only be called from a Data function.
func (c *Client) Buffered() int { return c.reader.Buffered() }

// fail ends the connection for the first reason given. The commands that wait are told by the reading goroutine, so that
// none is told while its Data function still runs.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if c.bye != nil && !errors.Is(err, net.ErrClosed) {
		err = c.bye
	}
	c.err = err
	close(c.over)
	c.mu.Unlock()
	c.conn.Close()
}

// run reads until the connection ends.
func (c *Client) run() {
	for {
		if err := c.line(); err != nil {
			c.fail(unexpected(err))
			break
		}
	}
	c.mu.Lock()
	waiting, err := c.queue, c.err
	c.queue = nil
	c.mu.Unlock()
	for _, command := range waiting {
		command.finish(nil, err)
	}
}

// line reads one line from the server and hands it to whom it is for.
func (c *Client) line() error {
	if err := c.reader.Next(); err != nil {
		return err
	}
	if ok, err := c.reader.Accept('+'); err != nil {
		return err
	} else if ok {
		return c.continuation()
	}
	tag, err := c.reader.Atom()
	if err == nil {
		err = c.reader.SP()
	}
	if err != nil {
		return err
	}
	if tag != "*" {
		return c.tagged(tag)
	}
	return c.untagged()
}

func (c *Client) continuation() error {
	text, err := c.reader.Text()
	if err != nil {
		return err
	}
	if len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	c.mu.Lock()
	var last *Command // the one that is going out: nothing is sent behind one that has to be asked for
	if len(c.queue) > 0 {
		last = c.queue[len(c.queue)-1]
	}
	c.mu.Unlock()
	switch {
	case last == nil:
		return &SyntaxError{Want: "no continuation request", Near: text}
	case last.Answer != nil:
		c.writing.Lock()
		defer c.writing.Unlock()
		c.writer.Raw(last.Answer(text) + "\r\n")
		return c.writer.Flush()
	}
	select {
	case last.asked <- struct{}{}:
		return nil
	default: // asked twice
		return &SyntaxError{Want: "no continuation request", Near: text}
	}
}

func (c *Client) tagged(tag string) error {
	kind, err := c.reader.Word()
	if err != nil {
		return err
	}
	words, err := c.words()
	if err != nil {
		return err
	}
	c.mu.Lock()
	at := slices.IndexFunc(c.queue, func(command *Command) bool { return command.tag == tag })
	if at < 0 {
		c.mu.Unlock()
		return &SyntaxError{Want: "the tag of a command on its way", Near: tag}
	}
	command := c.queue[at]
	c.queue = slices.Delete(c.queue, at, at+1)
	c.mu.Unlock()
	command.finish(parseStatus(kind, words), nil)
	return nil
}

// words takes what stands behind the kind of a status response.
func (c *Client) words() (string, error) {
	if _, err := c.reader.Accept(' '); err != nil {
		return "", err
	}
	return c.reader.Text()
}

func (c *Client) untagged() error {
	d := Response{Reader: c.reader}
	next, err := c.reader.Peek()
	if err != nil {
		return err
	}
	if '0' <= next && next <= '9' {
		if d.Num, err = c.reader.Number32(); err != nil {
			return err
		}
		if err := c.reader.SP(); err != nil {
			return err
		}
	}
	if d.Name, err = c.reader.Word(); err != nil {
		return err
	}
	if isStatus(d.Name) {
		words, err := c.words()
		if err != nil {
			return err
		}
		d.Status = parseStatus(d.Name, words)
		if c.first(d.Status) {
			return nil
		}
	}
	return c.deliver(&d)
}

// first keeps the greeting, which is the first status response, and a BYE, which explains the connection's end.
func (c *Client) first(s *Status) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Kind == "BYE" {
		c.bye = &ByeError{Words: s.Words}
	}
	if c.greeting != nil || s.Kind == "BYE" {
		return false
	}
	c.greeting = s
	close(c.greeted)
	return true
}

// deliver gives an untagged response to the first waiting command that wants it. A line that its taker cannot read
// fails that command alone; any other error of a taker ends the connection.
func (c *Client) deliver(d *Response) error {
	c.mu.Lock()
	at := slices.IndexFunc(c.queue, func(command *Command) bool { return command.wants(d.Name) })
	var taker *Command
	if at >= 0 {
		taker = c.queue[at]
	}
	c.mu.Unlock()
	if taker == nil {
		if c.options.Unasked == nil {
			return nil
		}
		return c.options.Unasked(d)
	}
	err := taker.Data(d)
	var syntax *SyntaxError
	var limit *LimitError
	if errors.As(err, &syntax) || errors.As(err, &limit) {
		if taker.dataErr == nil {
			taker.dataErr = err
		}
		return nil
	}
	return err
}

// read is the connection's Read with the time limit of the oldest waiting command.
func (c *Client) read(p []byte) (int, error) {
	c.mu.Lock()
	c.conn.SetReadDeadline(c.deadline())
	c.mu.Unlock()
	return c.conn.Read(p)
}

func (c *Client) write(p []byte) (int, error) {
	c.mu.Lock()
	limit := c.deadline()
	if limit.IsZero() {
		limit = time.Now().Add(c.options.Timeout)
	}
	c.conn.SetWriteDeadline(limit)
	c.mu.Unlock()
	n, err := c.conn.Write(p)
	c.mu.Lock()
	c.conn.SetReadDeadline(c.deadline())
	c.mu.Unlock()
	return n, err
}

// deadline is when the server must have said something; c.mu is held.
func (c *Client) deadline() time.Time {
	switch {
	case len(c.queue) > 0 && c.queue[0].Timeout > 0:
		return time.Now().Add(c.queue[0].Timeout)
	case len(c.queue) > 0 || c.greeting == nil:
		return time.Now().Add(c.options.Timeout)
	}
	return time.Time{}
}

func (c *Client) nextTag() string {
	c.tag++
	return "m" + strconv.FormatUint(c.tag, 10)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

var (
	_ io.Reader = readFunc(nil)
	_ io.Writer = writeFunc(nil)
)
