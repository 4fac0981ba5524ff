package imap_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

func exchange(t *testing.T, change ...func(*imap.Config)) *world {
	t.Helper()
	w := serve(t, imap.ExchangeOnline(imap.Classic), change...)
	if err := w.store.Create(ada, imap.ExchangeFolders("en")); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestExchangeSignIn(t *testing.T) {
	w := exchange(t)
	good, other := xoauth2(ada, token), xoauth2(ada, "stolen")
	for name, script := range map[string]string{
		"capabilities, in one step": `
			S~ \* OK The Microsoft Exchange IMAP4 service is ready\. \[[A-Za-z0-9+/=]+\]
			C: 1 CAPABILITY
			S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+
			S: 1 OK CAPABILITY completed.
			C: 2 AUTHENTICATE XOAUTH2 ` + good + `
			S: 2 OK AUTHENTICATE completed.
			C: 3 CAPABILITY
			S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+ CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE
			S: 3 OK CAPABILITY completed.
			C: 4 NAMESPACE
			S: * NAMESPACE (("" "/")) NIL NIL
			S: 4 OK NAMESPACE completed.
			C: 5 LOGOUT
			S: * BYE Microsoft Exchange Server IMAP4 server signing off.
			S: 5 OK LOGOUT completed.
			S.`,
		"in two steps": `
			S~ .*
			C: 1 AUTHENTICATE XOAUTH2
			S~ \+ ?
			C: ` + good + `
			S: 1 OK AUTHENTICATE completed.`,
		"a bad token is refused without a challenge": `
			S~ .*
			C: 1 AUTHENTICATE XOAUTH2 ` + other + `
			S: 1 NO AUTHENTICATE failed.
			C: 2 AUTHENTICATE XOAUTH2 !
			S: 2 NO AUTHENTICATE failed.
			C: 3 SELECT INBOX
			S: 3 BAD Command received in Invalid state.
			C: 4 LOGIN ` + ada + ` wrong
			S: 4 NO LOGIN failed.
			C: 5 LOGIN ` + ada + ` "` + password + `"
			S: 5 OK LOGIN completed.`,
	} {
		t.Run(name, func(t *testing.T) { w.dial(t).talk(script) })
	}
}

func TestExchangeWithoutAccess(t *testing.T) {
	w := exchange(t)
	w.denied = fmt.Errorf("no FullAccess: %w", imap.ErrNoAccess)
	w.dial(t).talk(`
		S~ .*
		C: 1 AUTHENTICATE XOAUTH2 ` + xoauth2(ada, token) + `
		S: 1 OK AUTHENTICATE completed.
		C: 2 LIST "" *
		S: 2 BAD User is authenticated but not connected.
		C: 3 SELECT INBOX
		S: 3 BAD User is authenticated but not connected.
		S: * BYE Connection closed. 14
		S.`)
	w.denied = errors.New("no")
	w.dial(t).talk(`
		S~ .*
		C: 1 AUTHENTICATE XOAUTH2 ` + xoauth2(ada, token) + `
		S: 1 NO AUTHENTICATE failed.`)
}

func TestExchangeProxyGeneration(t *testing.T) {
	w := serve(t, imap.ExchangeOnline(imap.Proxy))
	w.append(t, "INBOX", store.Message{Body: []byte("Subject: x\r\n\r\n")})
	w.dial(t).talk(`
		S~ \* OK Microsoft Exchange IMAP4 service ready\. \S+ \(tcpproxy/15\.21\.\S+ BACKENDAUTHENTICATE\) \[\S+\]
		C: 1 LOGIN ` + ada + ` ` + password + `
		S: 1 NO LOGIN failed.
		C: 2 AUTHENTICATE PLAIN AGEAYg==
		S: 2 NO AUTHENTICATE failed.
		C: 3 AUTHENTICATE XOAUTH2 ` + xoauth2(ada, token) + `
		S: 3 OK AUTHENTICATE completed.
		C: 4 ENABLE IMAP4rev2
		S: * ENABLED IMAP4rev2
		S: 4 OK ENABLE completed.
		C: 5 LSUB "" *
		S~ 5 BAD .*
		C: 6 EXAMINE INBOX
		S~ \* 1 EXISTS
		S~ .* RECENT
		S~ .* FLAGS .*
		S~ .*PERMANENTFLAGS.*
		S~ .*UNSEEN.*
		S~ .*UIDVALIDITY.*
		S~ .*UIDNEXT.*
		S: 6 OK [READ-ONLY] EXAMINE completed.
		C: 7 UID SEARCH ALL
		S: * SEARCH
		S: 7 OK SEARCH completed.`)
}

func TestExchangeFoldersAreItsOwn(t *testing.T) {
	w := exchange(t)
	w.append(t, "Sent Items", store.Message{Body: []byte("x"), Flags: []string{`\Seen`}})
	w.append(t, "Sent Items", store.Message{Body: []byte("y")})
	w.signedIn(t).talk(`
		C: 1 LIST "" "*s"
		S: * LIST (\HasNoChildren) "/" Calendar/Birthdays
		S: * LIST (\HasNoChildren) "/" "Calendar/United States holidays"
		S: * LIST (\HasNoChildren) "/" Contacts
		S: * LIST (\HasNoChildren \Trash) "/" "Deleted Items"
		S: * LIST (\HasNoChildren \Drafts) "/" Drafts
		S: * LIST (\HasNoChildren) "/" Notes
		S: * LIST (\HasNoChildren) "/" "RSS Feeds"
		S: * LIST (\HasNoChildren \Sent) "/" "Sent Items"
		S: * LIST (\HasChildren) "/" "Sync Issues"
		S: * LIST (\HasNoChildren) "/" "Sync Issues/Conflicts"
		S: * LIST (\HasNoChildren) "/" "Sync Issues/Local Failures"
		S: * LIST (\HasNoChildren) "/" "Sync Issues/Server Failures"
		S: * LIST (\HasNoChildren) "/" Tasks
		S: 1 OK LIST completed.
		C: 2 LIST "" "inbox"
		S: * LIST (\HasNoChildren \Marked) "/" INBOX
		S: 2 OK LIST completed.
		C: 3 LIST "" "*" RETURN (SPECIAL-USE)
		S: 3 BAD Command Argument Error. 11
		C: 4 CREATE archive
		S: 4 NO Mailbox already exists
		C: 5 CREATE files
		S: 5 NO Folder name is reserved
		C: 6 CREATE "Entw&APw-rfe alt/a "
		S: 6 OK CREATE completed.
		C: 7 LIST "" "Ent*"
		S: * LIST (\HasChildren) "/" "Entw&APw-rfe alt"
		S: * LIST (\HasNoChildren) "/" "Entw&APw-rfe alt/a"
		S: 7 OK LIST completed.
		C: 8 SELECT "sent items"
		S: * 2 EXISTS
		S: * 0 RECENT
		S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)
		S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)] Permanent flags
		S: * OK [UNSEEN 2] Is the first unseen message
		S~ \* OK \[UIDVALIDITY [12][0-9]\] UIDVALIDITY value
		S: * OK [UIDNEXT 3] The next unique identifier value
		S: 8 OK [READ-WRITE] SELECT completed.
		C: 9 STATUS "Sent Items" (MESSAGES RECENT UIDNEXT UNSEEN)
		S: * STATUS "Sent Items" (MESSAGES 2 RECENT 0 UIDNEXT 3 UNSEEN 1)
		S: 9 OK STATUS completed.
		C: 10 STATUS INBOX (HIGHESTMODSEQ)
		S: 10 BAD Command Argument Error. 11
		C: 10b UID COPY 99 Archive
		S~ 10b OK \[COPYUID [12][0-9]  \] COPY completed\.
		C: 11 FETCH 1 (MODSEQ)
		S: 11 BAD Command Argument Error. 11
		C: 12 SELECT nowhere
		S: 12 NO [NONEXISTENT] The specified folder could not be found.
		C: 13 FETCH 1 FLAGS
		S: 13 BAD Command received in Invalid state.`)
}

func TestExchangeFolderNamesInOtherLanguages(t *testing.T) {
	for language, want := range map[string]string{"fr": "Éléments envoyés", "de": "Gesendete Elemente", "xx": "Sent Items"} {
		found := false
		for _, f := range imap.ExchangeFolders(language) {
			found = found || f.SpecialUse == `\Sent` && f.Name == want
		}
		if !found {
			t.Errorf("%s has no %q", language, want)
		}
	}
}

func TestExchangeAppend(t *testing.T) {
	w := exchange(t)
	c := w.signedIn(t)
	c.send(`1 APPEND "Sent Items" (\Seen \Flagged $Label1 Kunde) " 2-Jan-1970 03:04:05 -0330" {24+}`)
	c.raw("Subject: a\r\n\r\nThe text\r\n\r\n")
	c.talk(`
		S~ 1 OK \[APPENDUID \d+ 1\] APPEND completed\.
		C: 2 SELECT "Sent Items"
		S: * 1 EXISTS
		S~ .*
		S~ .*
		S~ .*
		S~ .*UIDV.*
		S~ .*UIDNEXT 2.*
		S~ 2 OK .*
		C: 3 UID FETCH 1 (FLAGS INTERNALDATE)
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Flagged) INTERNALDATE " 2-Jan-1970 03:04:05 -0330")
		S: 3 OK FETCH completed.`)
	if e := w.entries(t, "Sent Items")[0]; !e.Has(imap.Unsure) {
		t.Errorf("the flag is sure before STORE: %v", e.Flags)
	}
	c.talk(`
		C: 4 UID STORE 1 +FLAGS.SILENT (\Flagged)
		S~ .*FETCH.*
		S: 4 OK STORE completed.`)
	if e := w.entries(t, "Sent Items")[0]; e.Has(imap.Unsure) || !e.Has(`\Flagged`) {
		t.Errorf("the flag isn't sure after STORE: %v", e.Flags)
	}
}

func TestExchangeMayRenumberFlagged(t *testing.T) {
	w := exchange(t, func(c *imap.Config) { c.Dialect.RenumbersFlagged, c.Dialect.NoAppendUID = true, true })
	c := w.signedIn(t)
	c.send(`1 APPEND INBOX (\Flagged) {3+}`)
	c.raw("a\r\n\r\n")
	c.talk(`
		S: 1 OK APPEND completed.
		C: 2 SELECT INBOX
		S: * 1 EXISTS
		S~ .*
		S~ .*
		S~ .*
		S~ .*
		S~ .*
		S~ .*
		S~ 2 OK .*
		C: 3 UID STORE 1 +FLAGS.SILENT (\Flagged)
		S: * 1 EXPUNGE
		S: * 1 EXISTS
		S: * 0 RECENT
		S: 3 OK STORE completed.
		C: 4 UID SEARCH FLAGGED
		S: * SEARCH 2
		S: 4 OK SEARCH completed.`)
}

func TestExchangeRefusesMessages(t *testing.T) {
	w := exchange(t, func(c *imap.Config) { c.Dialect.MaxMessage, c.Dialect.MaxErrors = 50_000, 0 })
	line := strings.Repeat("x", 10_240)
	for name, test := range map[string]struct{ message, want string }{
		"too large":   {strings.Repeat("0123456\r\n", 6000), "NO Maximum size of appendable message has been exceeded"},
		"long line":   {"Subject: x\r\n\r\n" + line + "\r\n", "BAD Command Argument Error. 11"},
		"just short":  {"Subject: x\r\n\r\n" + line[1:] + "\r\n", "OK "},
		"read report": {"From: a\r\nSubject:\r\n Read: yours\r\n\r\n", "BAD Command Argument Error. 11"},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.signedIn(t)
			c.send(fmt.Sprintf("1 APPEND INBOX {%d+}", len(test.message)))
			c.raw(test.message + "\r\n")
			if got := c.line(); !strings.HasPrefix(got, "1 "+test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			c.talk("C: 2 NOOP\nS: 2 OK NOOP completed.")
		})
	}
	c := w.signedIn(t)
	c.talk(`
		C: 1 APPEND INBOX {60000}
		S: 1 NO Maximum size of appendable message has been exceeded
		C: 2 APPEND nowhere {10}
		S: 2 NO [TRYCREATE] The specified folder could not be found.
		C: 3 APPEND INBOX {3}
		S: + Ready for additional command text.
		C: abc
		S~ 3 OK .*
		C: 4 APPEND Calendar {3+}
		C: abc
		S: 4 BAD Command Argument Error. 11`)
	c.send("5 NOOP " + strings.Repeat("x", 9000))
	c.talk("S: * BAD command line limit exceeded\nC: 6 NOOP\nS: 6 OK NOOP completed.")
}

func TestExchangeRewrites(t *testing.T) {
	w := exchange(t)
	multipart := "From: a@b.example\r\nSubject: one two three four five six seven eight nine ten eleven twelve thirteen fourteen\r\n" +
		"Content-Type: multipart/mixed;\r\n boundary=\"old\"\r\n\r\n--old\r\nContent-Type: text/plain\r\n\r\nline\nline\r\n--old--\r\n"
	for name, test := range map[string]struct{ in, want string }{
		"bare LF in the header makes all of it body": {
			"From: a\nSubject: b\n\ntext\n", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nFrom: a\r\nSubject: b\r\n\r\ntext\r\n",
		},
		"fold":  {"A: one\r\n  two\r\n\r\nx\ny", "A: one two\r\n\r\nx\r\ny"},
		"empty": {"", ""},
		"multipart": {multipart, `From: a@b\.example\r\nSubject: one two .* twelve\r\n thirteen fourteen\r\nContent-Type: multipart/mixed; ` +
			`boundary="_000_[0-9A-F]{24}_"\r\n\r\n--_000_[0-9A-F]{24}_\r\nContent-Type: text/plain\r\n\r\nline\r\nline\r\n--_000_[0-9A-F]{24}_--\r\n`},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.signedIn(t)
			c.send(fmt.Sprintf("1 APPEND INBOX {%d+}\r\n%s", len(test.in), test.in))
			c.talk(`S~ 1 OK .*`)
			list := w.entries(t, "INBOX")
			got := w.body(t, list[len(list)-1])
			if got != test.want && !matches(test.want, got) {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestExchangeSizesAreEstimates(t *testing.T) {
	w := exchange(t)
	for range 20 {
		w.append(t, "INBOX", store.Message{Body: make([]byte, 10_000)})
	}
	c := w.signedIn(t)
	c.send("1 EXAMINE INBOX")
	for !strings.HasPrefix(c.line(), "1 OK") {
	}
	c.send("2 UID FETCH 1:* RFC822.SIZE")
	off := 0
	for {
		line := c.line()
		if strings.HasPrefix(line, "2 OK") {
			break
		}
		var n, uid, size int
		if _, err := fmt.Sscanf(line, "* %d FETCH (UID %d RFC822.SIZE %d)", &n, &uid, &size); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if size < 9_300 || size > 10_700 {
			t.Errorf("size %d is too far off", size)
		}
		if size != 10_000 {
			off++
		}
	}
	if off < 10 {
		t.Errorf("only %d of 20 sizes are off", off)
	}
}

func TestExchangeThrottles(t *testing.T) {
	w := exchange(t, func(c *imap.Config) {
		c.Dialect.Budget = imap.Budget{Burst: 2, Backoff: 299_999 * time.Millisecond, Patience: 1}
	})
	w.signedIn(t).talk(`
		C: 1 APPEND INBOX {1+}
		C: a
		S~ 1 OK .*
		C: 2 APPEND INBOX {1+}
		C: a
		S~ 2 OK .*
		C: 3 APPEND INBOX {1+}
		C: a
		S: 3 NO Request is throttled. Suggested Backoff Time: 299999 milliseconds
		C: 4 APPEND INBOX {1+}
		C: a
		S: 4 NO Request is throttled. Suggested Backoff Time: 299999 milliseconds
		S: * BYE Connection closed. 14
		S.`)
	if n := len(w.entries(t, "INBOX")); n != 2 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestExchangeCountsErrorsAndConnections(t *testing.T) {
	w := exchange(t, func(c *imap.Config) { c.Dialect.MaxConnections = 2 })
	c := w.signedIn(t)
	for range 9 {
		c.talk("C: 1 FROBNICATE\nS: 1 BAD Command Error. 12")
	}
	second := w.signedIn(t)
	w.dial(t).talk(`
		S~ .*
		C: 1 AUTHENTICATE XOAUTH2 ` + xoauth2(ada, token) + `
		S: * BYE Connection closed. 14
		S.`)
	c.talk("C: 1 FROBNICATE\nS: 1 BAD Command Error. 12\nS: * BYE Connection closed. 14\nS.")
	second.talk("C: 1 NOOP\nS: 1 OK NOOP completed.")
	w.signedIn(t)
}

func TestExchangeTokenRunsOut(t *testing.T) {
	w := exchange(t, func(c *imap.Config) {
		c.Expires = func(string) time.Time { return time.Now().Add(150 * time.Millisecond) }
	})
	for name, before := range map[string]string{
		"in IDLE": `
			C: 1 IDLE
			S: + IDLE accepted, awaiting DONE command.`,
		"in APPEND": `
			C: 1 APPEND INBOX {100000+}
			C: Subject: x`,
		"between commands": "C: 1 NOOP\nS: 1 OK NOOP completed.",
	} {
		t.Run(name, func(t *testing.T) {
			w.signedIn(t).talk(before + `
				S: * BYE Session invalidated - AccessTokenExpired
				S.`)
		})
	}
	if n := len(w.entries(t, "INBOX")); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestExchangeIdle(t *testing.T) {
	w := exchange(t)
	c := w.signedIn(t)
	c.send("1 SELECT INBOX")
	for !strings.HasPrefix(c.line(), "1 OK") {
	}
	c.talk("C: 2 IDLE\nS: + IDLE accepted, awaiting DONE command.")
	w.append(t, "INBOX", store.Message{Body: []byte("x")})
	c.talk(`
		S: * 1 EXISTS
		S: * 0 RECENT
		C: DONE
		S: 2 OK IDLE completed.
		C: 3 IDLE
		S: + IDLE accepted, awaiting DONE command.
		C: 4 NOOP
		S: 3 BAD Command received in Invalid state.`)
}
