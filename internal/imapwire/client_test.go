package imapwire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script plays a server: lines "S: ..." are sent, lines "C: ..." are what the client must send. A trailing backslash
// leaves the line's end away.
func script(t *testing.T, name string) *Client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		r := bufio.NewReader(far)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			what, ok := strings.CutPrefix(line, "S: ")
			end := "\r\n"
			if strings.HasSuffix(line, `\`) {
				end = ""
				what, line = strings.TrimSuffix(what, `\`), strings.TrimSuffix(line, `\`)
			}
			if ok {
				if _, err := io.WriteString(far, what+end); err != nil {
					t.Errorf("sending %q: %v", what, err)
					return
				}
				continue
			}
			want, ok := strings.CutPrefix(line, "C: ")
			if !ok {
				continue
			}
			got := make([]byte, len(want)+len(end))
			if _, err := io.ReadFull(r, got); err != nil || string(got) != want+end {
				t.Errorf("the client sent %q (%v), want %q", got, err, want+end)
				return
			}
		}
	}()
	c := NewClient(near, ClientOptions{Timeout: 5 * time.Second})
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

func args(s string) func(*Writer) error {
	return func(w *Writer) error { w.Raw(s); return nil }
}

func TestClientPipelines(t *testing.T) {
	c := script(t, "pipeline.txt")
	ctx := t.Context()
	if s, err := c.Greeting(ctx); err != nil || s.Words != "[CAPABILITY IMAP4rev1] ready, and waiting" {
		t.Fatalf("greeting %v, %v", s, err)
	}
	var exists uint32
	var body string
	selected := c.Send(&Command{Name: "SELECT", Args: args(" INBOX"), Hold: true, Names: []string{"EXISTS"}, Data: func(d *Response) error {
		exists = d.Num
		return nil
	}})
	fetch := c.Send(&Command{Name: "UID FETCH", Args: args(" 1:* (UID BODY.PEEK[])"), Names: []string{"FETCH"}, Data: func(d *Response) error {
		if err := d.SP(); err != nil {
			return err
		}
		return d.List(func() error {
			item, err := d.Item()
			if err != nil {
				return err
			}
			if err := d.SP(); err != nil {
				return err
			}
			if item != "BODY[]" {
				return d.Skip()
			}
			l, err := d.Literal()
			if err != nil {
				return err
			}
			octets, err := io.ReadAll(l)
			body += string(octets)
			return err
		})
	}})
	unselect := c.Send(&Command{Name: "UNSELECT"})
	if s, err := selected.Wait(ctx); err != nil || s.Code != "READ-WRITE" {
		t.Errorf("SELECT: %v, %v", s, err)
	}
	if _, err := fetch.Wait(ctx); err != nil {
		t.Errorf("FETCH: %v", err)
	}
	if exists != 2 || body != "onetwo" {
		t.Errorf("%d messages, bodies %q", exists, body)
	}
	var no *StatusError
	if _, err := unselect.Wait(ctx); !errors.As(err, &no) || no.Error() != "UNSELECT: BAD [FOO \"]\" 1] Command Argument Error. 11" || no.Text != "Command Argument Error. 11" {
		t.Errorf("UNSELECT: %v", err)
	}
}

func TestClientLiterals(t *testing.T) {
	c := script(t, "literals.txt")
	ctx := t.Context()
	send := func(body string) *Command {
		return c.Send(&Command{Name: "APPEND", Args: func(w *Writer) error {
			w.SP()
			w.Mailbox("Entwürfe")
			w.SP()
			w.Literal(strings.NewReader(body), int64(len(body)))
			return nil
		}})
	}
	if _, err := send("hello").Wait(ctx); err != nil {
		t.Errorf("asked for: %v", err)
	}
	var no *StatusError
	if _, err := send("refused").Wait(ctx); !errors.As(err, &no) || no.Code != "TRYCREATE" {
		t.Errorf("refused: %v", err)
	}
	c.SetNonSync(func(int64) bool { return true })
	one, two := send("one"), send("two")
	if _, err := one.Wait(ctx); err != nil {
		t.Errorf("first: %v", err)
	}
	if _, err := two.Wait(ctx); err != nil {
		t.Errorf("second: %v", err)
	}
}

func TestClientBye(t *testing.T) {
	c := script(t, "bye.txt")
	auth := c.Send(&Command{Name: "AUTHENTICATE", Args: args(" XOAUTH2"), Answer: func(string) string { return "" }})
	var no *StatusError
	if _, err := auth.Wait(t.Context()); !errors.As(err, &no) || no.Words != "AUTHENTICATE failed." {
		t.Errorf("AUTHENTICATE: %v", err)
	}
	var bye *ByeError
	if _, err := c.Send(&Command{Name: "NOOP"}).Wait(t.Context()); !errors.As(err, &bye) || bye.Words != "Session invalidated - AccessTokenExpired" {
		t.Errorf("NOOP: %v", err)
	}
	if _, err := c.Send(&Command{Name: "NOOP"}).Wait(t.Context()); !errors.As(err, &bye) {
		t.Errorf("NOOP after the end: %v", err)
	}
}

func TestClientSilence(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := NewClient(near, ClientOptions{Timeout: 20 * time.Millisecond})
	defer c.Close()
	var timeout net.Error
	if _, err := c.Greeting(context.Background()); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a silent server: %v", err)
	}
}

func TestClientDataError(t *testing.T) {
	c := script(t, "malformed.txt")
	list := c.Send(&Command{Name: "LIST", Args: args(` "" *`), Data: func(d *Response) error { return d.Expect('!') }})
	var syntax *SyntaxError
	if _, err := list.Wait(t.Context()); !errors.As(err, &syntax) {
		t.Errorf("LIST: %v", err)
	}
	if _, err := c.Send(&Command{Name: "NOOP"}).Wait(t.Context()); err != nil {
		t.Errorf("the connection must survive a malformed response: %v", err)
	}
}
