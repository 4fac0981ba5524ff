package imapwire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Command is what a client sends, and then what became of it.
type Command struct {
	// Name goes out as it stands: "UID FETCH".
	Name string
	// Args writes everything behind the name but the line's end, from the space on; nil for none. Its error, or that of
	// a stream that it writes, ends the connection, since half a command is out by then.
	Args func(*Writer) error
	// Data takes the untagged responses that come while the command waits for its answer, on the client's reading
	// goroutine. Names, where set, are the only ones that it wants.
	Data  func(*Response) error
	Names []string
	// Answer makes AUTHENTICATE's answer to a challenge, both in base64 as they stand on the line.
	Answer func(challenge string) string
	// Timeout replaces the client's where not 0.
	Timeout time.Duration
	// Hold leaves the command in the buffer, to go out with the next one or with Client.Flush.
	Hold bool
	// Done, where set, is called once, as soon as the command is answered or can't be any more, before Wait returns.
	Done func(*Status, error)

	tag     string
	asked   chan struct{}
	dataErr error
	done    chan struct{}
	status  *Status
	err     error
}

// errAnswered says that the server answered a command instead of asking for its literal.
var errAnswered = errors.New("answered before the literal was sent")

// Send sends the command and returns it. It waits only while the connection takes no more, or where a literal has to be
// asked for. What fails is told by Wait.
func (c *Client) Send(command *Command) *Command {
	command.asked, command.done = make(chan struct{}, 1), make(chan struct{})
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.enqueue(command) {
		return command
	}
	w := &Writer{to: c.writer.to, synchronise: func(size int64) (bool, func() error) { return c.synchronise(command, size) }}
	w.Raw(command.tag + " " + command.Name)
	var err error
	if command.Args != nil {
		err = command.Args(w)
	}
	if errors.Is(w.err, errAnswered) {
		return command
	}
	w.CRLF()
	if err == nil && !command.Hold {
		err = w.Flush()
	}
	if err == nil {
		err = w.err
	}
	if err != nil {
		c.fail(fmt.Errorf("sending %s: %w", command.Name, err))
	}
	return command
}

// enqueue puts the command among those that wait, or fails it where the connection is over.
func (c *Client) enqueue(command *Command) bool {
	c.mu.Lock()
	err := c.err
	if err == nil {
		command.tag = c.nextTag()
		c.queue = append(c.queue, command)
		if len(c.queue) == 1 {
			c.conn.SetReadDeadline(c.deadline())
		}
	}
	c.mu.Unlock()
	if err != nil {
		command.finish(nil, err)
	}
	return err == nil
}

// synchronise says how a literal of the command goes out.
func (c *Client) synchronise(command *Command, size int64) (bool, func() error) {
	c.mu.Lock()
	plus := c.plus
	c.mu.Unlock()
	if plus(size) {
		return true, func() error { return nil }
	}
	return false, func() error {
		if err := c.writer.Flush(); err != nil {
			return err
		}
		select {
		case <-command.asked:
			return nil
		case <-command.done:
			if command.status != nil {
				return errAnswered
			}
			return command.err
		}
	}
}

// Flush sends what commands with Hold left in the buffer.
func (c *Client) Flush() {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.writer.Flush(); err != nil {
		c.fail(fmt.Errorf("sending: %w", err))
	}
}

// Wait waits for the answer. Once it has returned, the command's Data function runs no more, unless ctx ended first. Its
// error is a *StatusError for NO and BAD, beside which the status is returned too; a
// SyntaxError or LimitError where the command's own data could not be read; otherwise why the connection ended.
func (command *Command) Wait(ctx context.Context) (*Status, error) {
	select {
	case <-command.done:
		return command.status, command.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (command *Command) finish(s *Status, err error) {
	if s != nil && s.Kind != "OK" {
		err = &StatusError{Command: command.Name, Status: *s}
	}
	if err == nil {
		err = command.dataErr
	}
	command.status, command.err = s, err
	if command.Done != nil {
		command.Done(s, err)
	}
	close(command.done)
}

func (command *Command) wants(name string) bool {
	return command.Data != nil && (len(command.Names) == 0 || slices.Contains(command.Names, name))
}
