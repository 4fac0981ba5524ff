// Package linetest is what lies between a client and a server in a test: a TCP line that can be slowed, cut, taken down,
// stalled, and that can spoil what the server answers.
package linetest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Line passes on what a client and a server say. It is safe for concurrent use.
type Line struct {
	// Address takes connections.
	Address string

	server  string
	answers func(line []byte) []byte

	mu      sync.Mutex
	conns   map[net.Conn]bool
	down    bool
	flows   chan struct{} // closed while what is said passes
	cutting int64
	pace    int
}

// New lays a line to a server, which ends with the test.
func New(t testing.TB, server string) *Line {
	t.Helper()
	return Spoiling(t, server, nil)
}

// Spoiling lays a line that changes each line of the server's answers.
func Spoiling(t testing.TB, server string, answers func(line []byte) []byte) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{
		Address: listener.Addr().String(), server: server, answers: answers, conns: map[net.Conn]bool{}, flows: make(chan struct{}),
	}
	close(l.flows)
	t.Cleanup(func() {
		listener.Close()
		l.Down()
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(near)
		}
	}()
	return l
}

// Cut closes the connections that there are; new ones can be made.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		conn.Close()
	}
}

// Down closes the connections that there are, and new ones as soon as they are made, until Up.
func (l *Line) Down() {
	l.set(true)
	l.Cut()
}

// Stall lets nothing pass any more, and closes nothing: neither side learns of it. It lasts until Up or Down.
func (l *Line) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flows:
		l.flows = make(chan struct{})
	default: // it is stalled already
	}
}

// Up ends what Down or Stall began.
func (l *Line) Up() { l.set(false) }

func (l *Line) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	select {
	case <-l.flows:
	default:
		close(l.flows)
	}
}

// CutAfter has every new connection cut after so many octets towards the server; 0 is never.
func (l *Line) CutAfter(octets int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutting = octets
}

// Pace holds new connections to so many octets a second towards the server; 0 is as fast as it goes.
func (l *Line) Pace(octets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pace = octets
}

func (l *Line) serve(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer far.Close()
	defer l.forget(near, far)
	cutting, pace, up := l.keep(near, far)
	if !up {
		return
	}
	done := make(chan struct{}, 2)
	go func() {
		var from io.Reader = near
		if cutting > 0 {
			from = io.LimitReader(near, cutting)
		}
		paced(gate{far, l}, from, pace)
		done <- struct{}{}
	}()
	go func() {
		if l.answers != nil {
			spoil(gate{near, l}, far, l.answers)
		} else {
			io.Copy(gate{near, l}, far)
		}
		done <- struct{}{}
	}()
	<-done
}

// keep notes the two ends of a connection, and says what it is subject to.
func (l *Line) keep(near, far net.Conn) (cutting int64, pace int, up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[near], l.conns[far] = true, true
	return l.cutting, l.pace, !l.down
}

func (l *Line) forget(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		delete(l.conns, conn)
	}
}
