package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// ErrNoAccess is what Config.Authenticate returns where the credentials are good but don't open the mailbox, or it
// isn't there yet: a server like Exchange Online then says OK, and BAD to all that follows. It may be wrapped.
var ErrNoAccess = errors.New("no access to the mailbox")

// Config is what a server needs.
type Config struct {
	Store   *store.Store
	Dialect Dialect
	// TLS, where not nil, is spoken from the first byte, or after STARTTLS where StartTLS is set.
	TLS      *tls.Config
	StartTLS bool
	// Authenticate judges credentials and names the mailbox that they open. The mechanism is "LOGIN", "PLAIN" or
	// "XOAUTH2"; identity is PLAIN's authorisation identity, often empty; secret is a password or a token. Any error but
	// ErrNoAccess refuses the sign-in. It is called by many goroutines.
	Authenticate func(mechanism, user, identity, secret string) (mailbox string, err error)
	// Expires tells when a token ends; then the connection ends too. The zero time and a nil function mean never.
	Expires func(token string) time.Time
	// Log gets a line at debug level when a connection begins, before each of its commands, without arguments, and when it
	// has ended, that is when nothing of it is under way any more. Connections are numbered. Nil logs nothing.
	Log *slog.Logger
}

// Server serves one dialect. It is safe for concurrent use.
type Server struct {
	config Config

	mu          sync.Mutex
	dialect     Dialect
	connections map[*connection]bool
	// taken is how many connections there were, all in all.
	taken    int
	signedIn map[string]int
	budgets  map[string]*account
	faults   []*armed
	closed   bool
	running  sync.WaitGroup
}

// NewServer returns a server that serves nothing yet; see [Server.Serve].
func NewServer(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		config: c, dialect: c.Dialect, connections: make(map[*connection]bool), signedIn: make(map[string]int),
		budgets: make(map[string]*account),
	}
}

// Serve serves a listener until the context ends, then closes it and every connection.
func Serve(ctx context.Context, l net.Listener, c Config) error { return NewServer(c).Serve(ctx, l) }

// Serve accepts connections until the context ends or the listener fails, then closes both and waits for what runs.
// It may be called for several listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		l.Close()
		s.Close()
	})
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			l.Close()
			s.running.Wait()
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if !s.start(c) {
			c.Close()
		}
	}
}

func (s *Server) start(raw net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.taken++
	c := newConnection(s, raw, s.dialect)
	c.log = s.config.Log.With(slog.Int("connection", s.taken))
	s.connections[c] = true
	s.running.Go(c.run)
	return true
}

// forget takes a connection that is about to end off the books; its client may then count on its place being free.
func (s *Server) forget(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	if c.counted {
		s.signedIn[c.mailbox]--
	}
}

// Close cuts every connection and refuses new ones. Listeners are closed by their contexts.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.connections {
		c.snap()
	}
}

// Cut cuts the connections of a mailbox, or all where it is empty, and tells how many there were.
func (s *Server) Cut(mailbox string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := 0
	for c := range s.connections {
		if mailbox == "" || c.owner.Load() == mailbox {
			c.snap()
			cut++
		}
	}
	return cut
}

// Expire ends the sessions of a mailbox, or all where it is empty, as if their tokens had run out, in the middle of
// whatever they do.
func (s *Server) Expire(mailbox string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connections {
		if mailbox == "" || c.owner.Load() == mailbox {
			c.expire()
		}
	}
}

// Change changes the dialect for the connections that come after.
func (s *Server) Change(change func(*Dialect)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.dialect)
}

// admit counts a connection of a mailbox that signed in, unless it has too many.
func (s *Server) admit(mailbox string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most > 0 && s.signedIn[mailbox] >= most {
		return false
	}
	s.signedIn[mailbox]++
	return true
}

// account is what a mailbox has left of its budget.
type account struct {
	left  float64
	since time.Time
}

// spend takes one APPEND off a mailbox's budget, and tells whether it had one.
func (s *Server) spend(mailbox string, b Budget) bool {
	if b.Burst == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	a := s.budgets[mailbox]
	if a == nil {
		a = &account{float64(b.Burst), now}
		s.budgets[mailbox] = a
	}
	if b.Recharge > 0 {
		a.left = min(float64(b.Burst), a.left+float64(now.Sub(a.since))/float64(b.Recharge))
	}
	a.since = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
