package imap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// FuzzServer sends anything to a server with a mailbox that is open: it must not crash, hang or lose the connection's end.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"1 UID FETCH 1:* (BODY.PEEK[1.2.HEADER.FIELDS (A \"B\")]<0.5> ENVELOPE BODYSTRUCTURE)\r\n",
		"1 SEARCH RETURN (ALL) OR (NOT UID 1:*) HEADER a {1+}\r\nb MODSEQ 5\r\n",
		"1 APPEND INBOX (\\Seen x) \" 1-Jan-2020 00:00:00 +0000\" ~{3}\r\nabc\r\n",
		"1 LIST (SPECIAL-USE) \"\" (\"*\" %) RETURN (STATUS (MESSAGES))\r\n1 LSUB \"\" *%*%\r\n",
		"1 UID STORE 1,2:* (UNCHANGEDSINCE 0) +FLAGS.SILENT \\Flagged y\r\n1 UID MOVE * a\r\n1 IDLE\r\nDONE\r\n",
		"1 CREATE a/b//c\r\n1 RENAME a/b \"a/b/c \"\r\n1 STATUS a (SIZE)\r\n1 DELETE a\r\n1 SELECT INBOX (CONDSTORE)\r\n",
		"1 AUTHENTICATE PLAIN\r\n*\r\n1 LOGIN a {99999999999999999999}\r\n1 ENABLE X\r\n1 ID (a NIL)\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	db, err := store.Open(filepath.Join(f.TempDir(), "world.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	s, err := store.New(db, "side")
	if err != nil {
		f.Fatal(err)
	}
	var boxes atomic.Int64
	f.Fuzz(func(t *testing.T, input []byte, asExchange bool) {
		mailbox := fmt.Sprint(boxes.Add(1))
		if err := s.Create(mailbox, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Append(mailbox, "INBOX", store.Message{Body: []byte("Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--")}); err != nil {
			t.Fatal(err)
		}
		d := Source()
		if asExchange {
			d = ExchangeOnline(Proxy)
		}
		server := NewServer(Config{Store: s, Dialect: d, Authenticate: func(_, _, _, secret string) (string, error) {
			if secret != "token" {
				return "", errors.New("wrong")
			}
			return mailbox, nil
		}})
		near, far := net.Pipe()
		if !server.start(far) {
			t.Fatal("the server is closed")
		}
		go func() {
			near.Write([]byte("1 AUTHENTICATE XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHRva2VuAQE=\r\n1 SELECT INBOX\r\n"))
			near.Write(input)
			near.Write([]byte("\r\nDONE\r\n1 LOGOUT\r\n"))
			time.Sleep(time.Millisecond)
			near.Close()
		}()
		var answers bytes.Buffer
		near.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := answers.ReadFrom(near); errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Fatalf("the server hangs after %q", answers.String())
		}
		server.running.Wait()
	})
}

// FuzzMessage takes anything apart as a message.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\n--b--\r\n"))
	f.Add([]byte("A: b\n c\n\nbody\n"))
	f.Add([]byte("\r\r\n\n\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		root := parseMessage(message)
		if got := len(root.head) + len(root.body); got != len(message) {
			t.Errorf("%d of %d bytes are left", got, len(message))
		}
		root.find([]int{1, 1, 1})
		longestLine(message)
		for _, r := range []Rewriting{{On: true}, {On: true, BareLFHeader: true, EncodesHeader: true, InventsMessageID: true}} {
			out := r.rewrite(message)
			if !bytes.Equal(out, r.rewrite(message)) {
				t.Error("the same message becomes something else")
			}
			if bytes.Contains(bytes.ReplaceAll(out, []byte("\r\n"), nil), []byte("\n")) {
				t.Errorf("a bare LF is left in %q", out)
			}
		}
	})
}

// FuzzMatchName compares with regular expressions.
func FuzzMatchName(f *testing.F) {
	f.Add("a/%*", "a/a/b")
	f.Add("%/b", "a/b")
	f.Add("%", "a/b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 50 || len(name) > 50 || !utf8.ValidString(pattern) || !utf8.ValidString(name) || len(pattern) >= 5 && strings.EqualFold(pattern[:5], "INBOX") {
			return
		}
		expression := strings.NewReplacer(`\*`, `.*`, `%`, `[^/]*`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`^(?s:` + expression + `)$`).MatchString(name)
		if got := matchName(pattern, name, "/"); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}
