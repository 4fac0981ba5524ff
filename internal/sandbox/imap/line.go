package imap

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// errCut says that a fault cut the connection.
var errCut = errors.New("the connection was cut by a fault")

// cutLine is a connection that can be cut after some bytes.
type cutLine struct {
	net.Conn

	mu sync.Mutex
	// in and out are how many bytes may still be read and written before the cut; negative is any number.
	in, out int64
}

func newLine(c net.Conn) *cutLine { return &cutLine{Conn: c, in: -1, out: -1} }

// cut arms a cut: after so many more bytes in one direction, negative for never.
func (l *cutLine) cut(in, out int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in, l.out = in, out
}

// snap ends the connection at once: without TLS's farewell, which could wait for a client that doesn't read.
func (l *cutLine) snap() error {
	if secure, ok := l.Conn.(*tls.Conn); ok {
		return secure.NetConn().Close()
	}
	return l.Conn.Close()
}

func (l *cutLine) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in < 0 {
		return n, err
	}
	if int64(n) >= l.in {
		n = int(l.in)
		return n, errors.Join(errCut, l.snap())
	}
	l.in -= int64(n)
	return n, err
}

func (l *cutLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out < 0 {
		return l.Conn.Write(p)
	}
	if int64(len(p)) < l.out {
		n, err := l.Conn.Write(p)
		l.out -= int64(n)
		return n, err
	}
	n, err := l.Conn.Write(p[:l.out])
	return n, errors.Join(errCut, err, l.snap())
}
