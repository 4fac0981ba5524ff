package mailcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// windowBytes and windowMessages bound what has been sent to the target and not been answered.
	windowBytes    = 8 << 20
	windowMessages = 128
	// batch is how many messages one FETCH asks for.
	batch = 2000
	// refusalsInARow is how many refused appends end a connection: Exchange hangs up at about ten.
	refusalsInARow = 8
	// readBackAfter is how many appends wait for their UIDs to be read back where the target doesn't tell them.
	readBackAfter = 50
)

var errRefusals = errors.New("the target refused one message after the other")

// pump carries messages of one folder from the source's connection to the target's: the source's reading goroutine reads a
// FETCH response and writes the APPEND, the target's reads the answers. At most the window is on its way, so memory is
// bounded, and a slow target holds the source back.
type pump struct {
	*pass
	ctx     context.Context
	pending uids   // what was asked for and has not come yet
	buffer  []byte // holds the head of the message that is being read
	wire    string

	mu       sync.Mutex
	wake     *sync.Cond
	flight   int                // appends sent and not answered
	octets   int64              // theirs
	refusals int                // in a row
	err      error              // why nothing more may be sent
	suspect  *migration.Refusal // the first message that was under way then
	unread   []unread           // appended, target UID unknown, in order
	reading  bool               // a read-back is on its way
	lost     bool               // a read-back did not come out even
}

// unread is an append whose UID the target did not tell.
type unread struct {
	uid  uint32
	when int64
	size int64
}

// copy copies what is to be done.
func (p *pass) copy(ctx context.Context) error {
	remaining := p.ledger.remaining()
	if p.o.Poison != nil {
		remaining = only(remaining, p.o.Poison.UID)
	}
	p.expect(p.ledger, len(remaining))
	p.ledger.asks(len(remaining))
	if len(remaining) == 0 {
		return nil
	}
	u := &pump{pass: p, ctx: ctx, pending: uids{}, wire: imapwire.EncodeUTF7(p.target)}
	u.wake = sync.NewCond(&u.mu)
	defer context.AfterFunc(ctx, u.rouse)()
	defer context.AfterFunc(p.hard, u.rouse)()
	err := u.fetchAll(remaining)
	if err == nil {
		err = u.fetchMissing()
	}
	if err != nil {
		u.fail(err, nil)
	}
	// What was sent is waited for whatever happened: the answers are worth knowing.
	drained := u.drain()
	if err == nil || errors.Is(err, errSlice) || drained != nil && u.tgt.Err() != nil {
		if drained != nil {
			err = drained
		}
	}
	if known := u.resolve(); err == nil {
		err = known
	}
	if p.o.Poison != nil && err != nil && p.stopped() == nil {
		return u.poisoned(err)
	}
	return u.blame(err)
}

func only(remaining []uint32, uid uint32) []uint32 {
	for _, have := range remaining {
		if have == uid {
			return []uint32{uid}
		}
	}
	return nil
}

// blame names the message that was under way when an error came.
func (u *pump) blame(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil || u.suspect == nil || errors.Is(err, errRefusals) {
		return err
	}
	suspect := *u.suspect
	suspect.Kind, suspect.Words = "poison", words(err)
	return &migration.MessageError{Message: suspect, Cause: err}
}

// poisoned gives the message up that was tried alone.
func (u *pump) poisoned(err error) error {
	var later *migration.LaterError
	if _, problem := migration.AsProblem(err); problem || errors.As(classify(err), &later) {
		return err
	}
	r := *u.o.Poison
	r.Kind = "poison"
	if said := words(err); said != "" {
		r.Words = said
	} else if r.Words == "" {
		r.Words = err.Error()
	}
	u.engine.refuse(u.ledger, r)
	return nil
}

// fetchAll asks for the messages in batches, one after the other: two FETCHes on their way at once may be answered
// interleaved (Dovecot does so), and the order is what tells copies apart after a crash. A batch is so large that the
// wait between two doesn't count.
func (u *pump) fetchAll(remaining []uint32) error {
	for len(remaining) > 0 {
		list := fitting(remaining, batch, maxSet)
		if err := u.fetched(u.ask(list)); err != nil {
			return err
		}
		remaining = remaining[len(list):]
	}
	return nil
}

// ask sends a FETCH for the messages.
func (u *pump) ask(list []uint32) *imapwire.Command {
	u.mu.Lock()
	for _, uid := range list {
		u.pending[uid] = true
	}
	u.mu.Unlock()
	command := fetchCommand(uidSets(list, 0)[0], "(UID FLAGS INTERNALDATE BODY.PEEK[])", nil)
	command.Data = u.data
	return u.src.Send(command)
}

// fetched waits for a FETCH. That some of its messages can't be had is seen to later.
func (u *pump) fetched(command *imapwire.Command) error {
	_, err := command.Wait(u.ctx)
	if err == nil || answered(err) && classify(err) == err {
		return nil
	}
	var syntax *imapwire.SyntaxError
	var limit *imapwire.LimitError
	if errors.As(err, &syntax) || errors.As(err, &limit) {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	return fmt.Errorf("fetching from the source: %w", err)
}

func (u *pump) missing() []uint32 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pending.sorted()
}

func (u *pump) isPending(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pending[uid]
}

// data takes a FETCH response. Flags and date are asked for before the body and mostly come so; where they don't, the body
// is kept until they have.
func (u *pump) data(d *imapwire.Response) error {
	var early io.Reader
	var size int64
	release := func() {}
	defer func() { release() }()
	f, err := readFetch(d, func(f *fetched, l *imapwire.Literal, text string, ok bool) error {
		if !ok {
			return nil
		}
		var body io.Reader = strings.NewReader(text)
		size = int64(len(text))
		if l != nil {
			body, size = l, l.Size
		}
		if f.uid != 0 && f.date != "" && f.flags != nil {
			return u.message(*f, body, size)
		}
		file, done, err := spool(body)
		early, release = file, done
		return err
	})
	if err == nil && early != nil && f.uid != 0 {
		err = u.message(f, early, size)
	}
	return err
}

// message sends one message on. An error ends the source's connection.
func (u *pump) message(f fetched, body io.Reader, size int64) error {
	if !u.isPending(f.uid) {
		return nil // nobody asked for it
	}
	if err := u.admit(size); err != nil {
		return err
	}
	sent := false
	defer func() {
		if !sent {
			u.release(size)
		}
	}()
	u.mu.Lock()
	delete(u.pending, f.uid)
	u.mu.Unlock()
	u.trust(sourceSide)
	u.ledger.gives()
	m, buffer, err := readMessage(f, body, size, u.buffer)
	u.buffer = buffer
	if err != nil {
		err = fmt.Errorf("reading a message of the source: %w", err)
		u.fail(err, &migration.Refusal{Folder: u.name, UID: f.uid, Size: size})
		return err
	}
	sent, err = u.append(m)
	return err
}

// release takes a message off the way to the target.
func (u *pump) release(size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.flight--
	u.octets -= size
	u.wake.Broadcast()
}

// admit waits until there is room on the way to the target for a message of that size, and takes it.
func (u *pump) admit(size int64) error {
	u.mu.Lock()
	full := func() bool {
		return u.flight > 0 && (u.flight >= windowMessages || u.octets+size > windowBytes)
	}
	if full() {
		u.mu.Unlock()
		u.tgt.Flush()
		u.mu.Lock()
	}
	for full() && u.err == nil && u.ctx.Err() == nil && u.hard.Err() == nil {
		u.wake.Wait()
	}
	err := u.err
	if err == nil {
		u.flight++
		u.octets += size
	}
	ask := len(u.unread) >= readBackAfter && !u.reading && !u.lost
	u.mu.Unlock()
	if err != nil {
		return err
	}
	if err := u.stopped(); err != nil {
		u.release(size)
		u.fail(err, nil)
		return err
	}
	if ask {
		u.readBack()
	}
	return nil
}

// fail ends the pump for the first reason given. The first message known to be under way then is the suspect.
func (u *pump) fail(err error, suspect *migration.Refusal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.suspect == nil {
		u.suspect = suspect
	}
	if u.err == nil {
		u.err = err
	}
	u.wake.Broadcast()
}

// despair ends the pump for a side that refuses everything, whatever ended it before.
func (u *pump) despair(problem error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil || errors.Is(u.err, errRefusals) {
		u.err = problem
	}
	u.wake.Broadcast()
}

// rouse wakes whoever waits, to look at the contexts again.
func (u *pump) rouse() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wake.Broadcast()
}

// drain waits for the answers to everything that was sent.
func (u *pump) drain() error {
	u.tgt.Flush()
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.flight > 0 && u.hard.Err() == nil {
		u.wake.Wait()
	}
	if u.err != nil {
		return u.err
	}
	return u.hard.Err()
}
