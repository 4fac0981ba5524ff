package dovecottest

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Proxy stands before a server and can spoil what passes.
type Proxy struct {
	// Address takes connections.
	Address string

	target  string
	strip   bool
	mu      sync.Mutex
	conns   map[net.Conn]bool
	cutting int64 // after how many octets towards the server a connection is cut; 0 is never
	pace    int   // octets a second towards the server; 0 is as fast as it goes
}

// NewProxy starts a proxy. With strip it takes the APPENDUID codes out of the server's answers.
func NewProxy(t testing.TB, server string, strip bool) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &Proxy{Address: l.Addr().String(), target: server, strip: strip, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		l.Close()
		p.Cut()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

// Cut closes all connections that pass now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// CutAfter has every new connection cut after so many octets towards the server; 0 is never.
func (p *Proxy) CutAfter(octets int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutting = octets
}

// Pace holds new connections to so many octets a second towards the server; 0 is as fast as it goes.
func (p *Proxy) Pace(octets int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace = octets
}

func (p *Proxy) serve(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
	cutting, pace := p.cutting, p.pace
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, near)
		delete(p.conns, far)
	}()
	done := make(chan struct{}, 2)
	go func() {
		var from io.Reader = near
		if cutting > 0 {
			from = io.LimitReader(near, cutting)
		}
		paced(far, from, pace)
		done <- struct{}{}
	}()
	go func() {
		if p.strip {
			stripCodes(near, far)
		} else {
			io.Copy(near, far)
		}
		done <- struct{}{}
	}()
	<-done
}

// paced copies at most so many octets a second.
func paced(to io.Writer, from io.Reader, pace int) {
	if pace == 0 {
		io.Copy(to, from)
		return
	}
	const tick = 5 * time.Millisecond
	for {
		if _, err := io.CopyN(to, from, int64(pace)*int64(tick)/int64(time.Second)); err != nil {
			return
		}
		time.Sleep(tick)
	}
}

var appendUID = regexp.MustCompile(`^([a-zA-Z]+\d+ OK )\[APPENDUID \d+ [\d:,]+\] `)

func stripCodes(to io.Writer, from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes('\n')
		if _, werr := to.Write(appendUID.ReplaceAll(line, []byte("$1"))); err != nil || werr != nil {
			return
		}
	}
}
