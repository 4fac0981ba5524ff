package imap_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client speaks raw IMAP.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (w *world) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	if w.roots != nil {
		conn = tls.Client(conn, &tls.Config{RootCAs: w.roots, ServerName: "localhost"})
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

// signedIn is a client that has signed in with LOGIN or, where that is off, with XOAUTH2.
func (w *world) signedIn(t testing.TB) *client {
	t.Helper()
	c := w.dial(t)
	c.line()
	c.send("a0 AUTHENTICATE XOAUTH2 " + xoauth2(ada, token))
	if line := c.line(); !strings.HasPrefix(line, "a0 OK") {
		t.Fatalf("sign-in: %q", line)
	}
	return c
}

func xoauth2(user, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01"))
}

func (c *client) send(line string) { c.raw(line + "\r\n") }

func (c *client) raw(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatalf("writing %.60q: %v", text, err)
	}
}

// line reads a line with the literals in it; "" is the end of the connection.
func (c *client) line() string {
	c.t.Helper()
	all := ""
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return all + line
		}
		line = strings.TrimSuffix(line, "\r\n")
		all += line
		size := literalAt.FindStringSubmatch(line)
		if size == nil {
			return all
		}
		n, _ := strconv.Atoi(size[1])
		octets := make([]byte, n)
		for read := 0; read < n; {
			m, err := c.r.Read(octets[read:])
			if err != nil {
				return all
			}
			read += m
		}
		all += "\n" + string(octets)
	}
}

var literalAt = regexp.MustCompile(`\{(\d+)\}$`)

// talk plays a script: a line "C: " is sent, a line "S: " must come, "S~ " is a pattern for what must come, and "S." is
// the end of the connection.
func (c *client) talk(script string) {
	c.t.Helper()
	for _, step := range strings.Split(strings.TrimSpace(script), "\n") {
		step = strings.TrimLeft(step, "\t ")
		switch {
		case step == "":
		case step == "C:":
			c.send("")
		case strings.HasPrefix(step, "C: "):
			c.send(step[3:])
		case strings.HasPrefix(step, "S: "):
			if line := c.line(); line != step[3:] {
				c.t.Fatalf("\n got %q\nwant %q", line, step[3:])
			}
		case strings.HasPrefix(step, "S~ "):
			if line := c.line(); !regexp.MustCompile("^(?s:" + step[3:] + ")$").MatchString(line) {
				c.t.Fatalf("\n got %q\nwant %s", line, step[3:])
			}
		case step == "S.":
			if line := c.line(); line != "" {
				c.t.Fatalf("got %q, want the end", line)
			}
		default:
			c.t.Fatalf("no such step: %q", step)
		}
	}
}

func (c *client) upgrade(roots *x509.CertPool) {
	c.conn = tls.Client(c.conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	c.r = bufio.NewReader(c.conn)
}

func matches(pattern, text string) bool {
	return regexp.MustCompile("^(?s:" + pattern + ")$").MatchString(text)
}
