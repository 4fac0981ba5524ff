package imap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  imap.Fault
		script string
		stored int
	}{
		"a refusal, twice": {
			imap.Fault{Command: "APPEND", Answer: "NO Server Unavailable. 15", Times: 2}, `
			C: 1 APPEND INBOX {1+}
			C: a
			S: 1 NO Server Unavailable. 15
			C: 2 APPEND INBOX {1+}
			C: a
			S: 2 NO Server Unavailable. 15
			C: 3 APPEND INBOX {1+}
			C: a
			S~ 3 OK .*`, 3,
		},
		"one message is refused": {
			imap.Fault{MessageID: "<bad@x>", Answer: "BAD Command Argument Error. 11"}, `
			C: 1 APPEND INBOX {19+}
			C: Message-ID: <bad@x>
			S: 1 BAD Command Argument Error. 11
			C: 2 APPEND INBOX {1+}
			C: a
			S~ 2 OK .*`, 3,
		},
		"the answer is lost": {
			imap.Fault{Command: "APPEND", Lose: true, Skip: 1, Times: 1}, `
			C: 1 APPEND INBOX {1+}
			C: a
			S~ 1 OK .*
			C: 2 APPEND INBOX {1+}
			C: a
			S.`, 4,
		},
		"cut while the message comes in": {
			imap.Fault{Command: "NOOP", CutIn: 40, Times: 1}, `
			C: 1 NOOP
			S: 1 OK NOOP completed.
			C: 2 APPEND INBOX {1000+}
			C: ` + strings.Repeat("x", 1000) + `
			S.`, 2,
		},
		"cut while the answer goes out": {
			imap.Fault{Command: "CAPABILITY", CutOut: 12, Times: 1}, `
			C: 1 CAPABILITY
			S: * CAPABILITY
			S.`, 2,
		},
		"a goodbye": {
			imap.Fault{Command: "NOOP", Bye: "Server shutting down."}, `
			C: 1 NOOP
			S: * BYE Server shutting down.
			S.`, 2,
		},
		"one message can't be fetched": {
			imap.Fault{Command: "UID FETCH", UID: 1, Answer: "NO Message can't be read."}, `
			C: 1 EXAMINE INBOX
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ 1 OK .*
			C: 2 UID FETCH 1:2 RFC822.SIZE
			S: * 2 FETCH (UID 2 RFC822.SIZE 3)
			S: 2 NO Message can't be read.`, 2,
		},
		"a hidden message": {
			imap.Fault{UID: 1, Hide: true}, `
			C: 1 EXAMINE INBOX
			S: * 2 EXISTS
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ 1 OK .*
			C: 2 FETCH 1:2 RFC822.SIZE
			S: * 2 FETCH (RFC822.SIZE 3)
			S: 2 OK FETCH completed.
			C: 3 UID SEARCH ALL
			S: * SEARCH 2
			S: 3 OK SEARCH completed.`, 2,
		},
		"a message hidden from one command": {
			imap.Fault{Command: "UID FETCH", UID: 1, Hide: true}, `
			C: 1 EXAMINE INBOX
			S: * 2 EXISTS
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ 1 OK .*
			C: 2 UID FETCH 1:2 RFC822.SIZE
			S: * 2 FETCH (UID 2 RFC822.SIZE 3)
			S: 2 OK FETCH completed.
			C: 3 UID SEARCH ALL
			S: * SEARCH 1 2
			S: 3 OK SEARCH completed.`, 2,
		},
		"lies and emptiness": {
			imap.Fault{UID: 2, SizeBy: 100, Empty: true}, `
			C: 1 EXAMINE INBOX
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ .*
			S~ 1 OK .*
			C: 2 UID FETCH 2 (RFC822.SIZE BODY.PEEK[])
			S~ \* 2 FETCH \(UID 2 RFC822.SIZE 103 BODY\[\] \{0\}\n\)
			S: 2 OK FETCH completed.`, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, imap.Source())
			w.append(t, "INBOX", store.Message{Body: []byte("one")})
			w.append(t, "INBOX", store.Message{Body: []byte("two")})
			remove := w.Inject(test.fault)
			w.signedIn(t).talk(test.script)
			if n := len(w.entries(t, "INBOX")); n != test.stored {
				t.Errorf("%d messages are stored, want %d", n, test.stored)
			}
			remove()
			w.signedIn(t).talk("C: 9 NOOP\nS: 9 OK NOOP completed.")
		})
	}
}

func TestCutAndFlip(t *testing.T) {
	w := serve(t, imap.Source())
	w.append(t, "INBOX", store.Message{Body: []byte("one")})
	c := w.signedIn(t)
	c.selects("INBOX")
	if err := w.store.FlipUIDValidity(ada, "INBOX"); err != nil {
		t.Fatal(err)
	}
	c.talk("C: 1 NOOP\nS~ \\* BYE .*\nS.")
	c = w.signedIn(t)
	if n := w.Cut(ada); n == 0 {
		t.Error("no connection was cut")
	}
	c.talk("S.")
	c = w.signedIn(t)
	c.talk("C: 1 IDLE\nS~ \\+ .*")
	w.Expire(ada)
	c.talk("S: * BYE Session expired.\nS.")
}

func TestDelay(t *testing.T) {
	w := serve(t, imap.Source())
	w.Inject(imap.Fault{Command: "NOOP", Delay: 30 * time.Millisecond})
	c := w.signedIn(t)
	begin := time.Now()
	c.talk("C: 1 NOOP\nS: 1 OK NOOP completed.")
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// The server answers pipelined APPENDs in order, and quickly.
func TestPipelinedAppends(t *testing.T) {
	d := imap.ExchangeOnline(imap.Classic)
	w := serve(t, d)
	c := w.signedIn(t)
	const n = 500
	body := "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("some text\r\n", 300) + "--b--\r\n"
	var batch strings.Builder
	for i := range n {
		fmt.Fprintf(&batch, "a%d APPEND INBOX (\\Seen) {%d+}\r\n%s\r\n", i, len(body), body)
	}
	begin := time.Now()
	go c.conn.Write([]byte(batch.String()))
	for i := range n {
		if line := c.line(); !strings.HasPrefix(line, fmt.Sprintf("a%d OK [APPENDUID ", i)) || !strings.Contains(line, fmt.Sprintf(" %d]", i+1)) {
			t.Fatalf("answer %d is %q", i, line)
		}
	}
	t.Logf("%d messages in %v", n, time.Since(begin))
}
