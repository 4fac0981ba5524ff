package dovecottest

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
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

func (p *Proxy) serve(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
	cutting := p.cutting
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, near)
		delete(p.conns, far)
	}()
	done := make(chan struct{}, 2)
	go func() {
		if cutting > 0 {
			io.CopyN(far, near, cutting)
		} else {
			io.Copy(far, near)
		}
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

var appendUID = regexp.MustCompile(`\[APPENDUID \d+ [\d:,]+\] `)

func stripCodes(to io.Writer, from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes('\n')
		if _, werr := to.Write(appendUID.ReplaceAll(line, nil)); err != nil || werr != nil {
			return
		}
	}
}
