package imap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

const nested = "From: Ada <ada@a.example>\r\nTo: ben@b.example\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <n@a.example>\r\n" +
	"Date: Mon, 2 Mar 2020 10:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n"

// source is a source with four messages in INBOX.
func source(t *testing.T) (*world, *client) {
	t.Helper()
	w := serve(t, imap.Source())
	when := time.Date(2020, 3, 2, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, m := range []store.Message{
		{Body: []byte(nested), Internal: when, Flags: []string{`\Seen`, "Kunde"}},
		{Body: []byte("Subject: second\r\nX-Long: a\r\n b\r\n\r\nbody two\r\n"), Internal: when.AddDate(0, 0, 1)},
		{Body: []byte("Subject: third\n\nbare\x00LF\n"), Internal: when.AddDate(0, 0, 2), Flags: []string{`\Deleted`}},
		{Internal: when.AddDate(50, 0, 0), Flags: []string{`\Flagged`, `\Deleted`}},
	} {
		w.append(t, "INBOX", m)
	}
	if err := w.store.Create(ada, []store.FolderSpec{{Name: "Sent", SpecialUse: `\Sent`, Subscribed: true}, {Name: "a/b"}}); err != nil {
		t.Fatal(err)
	}
	return w, w.signedIn(t)
}

func (c *client) selects(folder string) {
	c.t.Helper()
	c.send("s SELECT " + folder)
	for line := c.line(); !strings.HasPrefix(line, "s OK"); line = c.line() {
		if line == "" || strings.HasPrefix(line, "s ") {
			c.t.Fatalf("SELECT %s: %q", folder, line)
		}
	}
}

func TestSourceSelect(t *testing.T) {
	_, c := source(t)
	c.talk(`
		C: 1 SELECT INBOX (CONDSTORE)
		S: * 4 EXISTS
		S: * 0 RECENT
		S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft Kunde)
		S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft Kunde \*)] Permanent flags
		S: * OK [UNSEEN 2] Is the first unseen message
		S: * OK [UIDVALIDITY 11] UIDVALIDITY value
		S: * OK [UIDNEXT 5] The next unique identifier value
		S: * OK [HIGHESTMODSEQ 5] Highest
		S: 1 OK [READ-WRITE] SELECT completed.
		C: 2 STATUS Sent (MESSAGES SIZE HIGHESTMODSEQ)
		S: * STATUS Sent (MESSAGES 0 SIZE 0 HIGHESTMODSEQ 1)
		S: 2 OK STATUS completed.`)
}

func TestSourceLists(t *testing.T) {
	_, c := source(t)
	c.talk(`
		C: 1 LIST "" "*"
		S: * LIST (\HasNoChildren) "/" INBOX
		S: * LIST (\HasNoChildren) "/" Sent
		S: * LIST (\Noselect \HasChildren) "/" a
		S: * LIST (\HasNoChildren) "/" a/b
		S: 1 OK LIST completed.
		C: 2 LIST "" "%" RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES))
		S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
		S: * STATUS INBOX (MESSAGES 4)
		S: * LIST (\HasNoChildren \Subscribed \Sent) "/" Sent
		S: * STATUS Sent (MESSAGES 0)
		S: * LIST (\Noselect \HasChildren) "/" a
		S: 2 OK LIST completed.
		C: 3 LIST (SPECIAL-USE) "" ("*")
		S: * LIST (\HasNoChildren \Sent) "/" Sent
		S: 3 OK LIST completed.
		C: 4 LSUB "" "*"
		S: * LSUB (\HasNoChildren) "/" INBOX
		S: * LSUB (\HasNoChildren) "/" Sent
		S: 4 OK LSUB completed.
		C: 5 LIST "" ""
		S: * LIST (\Noselect) "/" ""
		S: 5 OK LIST completed.
		C: 6 RENAME a/b "x&-y"
		S: 6 OK RENAME completed.
		C: 7 SUBSCRIBE "x&-y"
		S: 7 OK SUBSCRIBE completed.
		C: 8 LSUB "" "x*"
		S: * LSUB (\HasNoChildren) "/" x&-y
		S: 8 OK LSUB completed.
		C: 9 DELETE "x&-y"
		S: 9 OK DELETE completed.
		C: 10 DELETE "x&-y"
		S: 10 NO [NONEXISTENT] Mailbox doesn't exist.`)
}

func TestSourceFetchesSections(t *testing.T) {
	_, c := source(t)
	c.selects("INBOX")
	for item, want := range map[string]string{
		"BODY.PEEK[HEADER.FIELDS (Subject Message-ID)]": "BODY[HEADER.FIELDS (SUBJECT MESSAGE-ID)] {67}\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <n@a.example>\r\n\r\n",
		"BODY.PEEK[1]":         "BODY[1] {5}\nhello",
		"BODY.PEEK[1.MIME]":    "BODY[1.MIME] {28}\nContent-Type: text/plain\r\n\r\n",
		"BODY.PEEK[2]":         "BODY[2] {24}\nSubject: inner\r\n\r\ninside",
		"BODY.PEEK[2.HEADER]":  "BODY[2.HEADER] {18}\nSubject: inner\r\n\r\n",
		"BODY.PEEK[2.TEXT]":    "BODY[2.TEXT] {6}\ninside",
		"BODY.PEEK[2.1]":       "BODY[2.1] {6}\ninside",
		"BODY.PEEK[3]":         "BODY[3] NIL",
		"BODY.PEEK[]<6.3>":     "BODY[]<6> {3}\nAda",
		"BODY.PEEK[]<99999.3>": "BODY[]<99999> {0}\n",
		"RFC822.SIZE":          "RFC822.SIZE 304",
		"INTERNALDATE":         `INTERNALDATE " 2-Mar-2020 12:00:00 +0100"`,
		"MODSEQ":               "MODSEQ (2)",
		"RFC822.HEADER":        "RFC822.HEADER {194}\n" + nested[:194],
		"ENVELOPE": `ENVELOPE ("Mon, 2 Mar 2020 10:00:00 +0100" "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=" (("Ada" NIL "ada" "a.example")) ` +
			`(("Ada" NIL "ada" "a.example")) (("Ada" NIL "ada" "a.example")) ((NIL NIL "ben" "b.example")) NIL NIL NIL "<n@a.example>")`,
		"BODY": `BODY (("text" "plain" NIL NIL NIL "7bit" 5 0)("message" "rfc822" NIL NIL NIL "7bit" 24 ` +
			`(NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 6 0) 2) "mixed")`,
	} {
		c.send("1 UID FETCH 1 " + item)
		if got := c.line(); !strings.HasPrefix(got, "* 1 FETCH (UID 1 "+want) {
			t.Errorf("%s:\n got %q\nwant %q", item, got, "* 1 FETCH (UID 1 "+want)
		}
		for line := "*"; strings.HasPrefix(line, "*") || line == ")"; {
			line = c.line()
			if strings.HasPrefix(line, "1 OK") {
				break
			}
		}
	}
	c.talk(`
		C: 2 FETCH 2 BODY[TEXT]
		S~ \* 2 FETCH \(BODY\[TEXT\] \{10\}\nbody two\r\n FLAGS \(\\Seen\)\)
		S: 2 OK FETCH completed.
		C: 3 FETCH 3,4 FAST
		S: * 3 FETCH (FLAGS (\Deleted) INTERNALDATE " 4-Mar-2020 12:00:00 +0100" RFC822.SIZE 24)
		S: * 4 FETCH (FLAGS (\Flagged \Deleted) INTERNALDATE " 2-Mar-2070 12:00:00 +0100" RFC822.SIZE 0)
		S: 3 OK FETCH completed.
		C: 4 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4)
		S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (6))
		S: * 4 FETCH (UID 4 FLAGS (\Flagged \Deleted) MODSEQ (5))
		S: 4 OK FETCH completed.
		C: 5 FETCH 1 (FROBNICATE)
		S: 5 BAD Error in IMAP command: invalid arguments.
		C: 6 FETCH 1 BODY[HEADER
		S: 6 BAD Error in IMAP command: invalid arguments.`)
}

func TestSourceSearches(t *testing.T) {
	_, c := source(t)
	c.selects("INBOX")
	for query, want := range map[string]string{
		"ALL":                                  " 1 2 3 4",
		"UNSEEN UNDELETED":                     " 2",
		"RECENT":                               "",
		"OR SEEN FLAGGED":                      " 1 4",
		"NOT DELETED":                          " 1 2",
		"KEYWORD kunde":                        " 1",
		`HEADER Message-ID "<n@a.example>"`:    " 1",
		`HEADER X-Long ""`:                     " 2",
		`HEADER X-Long "a b"`:                  " 2",
		`SUBJECT gr`:                           " 1",
		`FROM ADA@A`:                           " 1",
		"BODY bare":                            " 3",
		"TEXT subject":                         " 1 2 3",
		"SINCE 3-Mar-2020 BEFORE 1-Jan-2030":   " 2 3",
		"ON 2-Mar-2020":                        " 1",
		"SENTSINCE 1-Jan-2020":                 " 1",
		"UID 2:*":                              " 2 3 4",
		"2:3":                                  " 2 3",
		"1,* (DELETED)":                        " 4",
		"LARGER 100":                           " 1",
		"SMALLER 1":                            " 4",
		"MODSEQ 4":                             " 3 4",
		"CHARSET UTF-8 SUBJECT third":          " 3",
		"UID 5:*":                              " 4",
		"RETURN (MIN MAX COUNT) DELETED":       `E (TAG "1") UID MIN 3 MAX 4 COUNT 2`,
		"RETURN () NOT UID 2":                  `E (TAG "1") UID ALL 1,3:4`,
		"RETURN (ALL) SUBJECT nothing-of-this": `E (TAG "1") UID`,
	} {
		c.send("1 UID SEARCH " + query)
		got := c.line()
		plain := "* SEARCH" + want
		if strings.HasPrefix(want, "E") {
			plain = "* ESEARCH" + want[1:]
		}
		if got != plain {
			t.Errorf("%s: got %q, want %q", query, got, plain)
		}
		if strings.HasPrefix(got, "1 ") {
			continue
		}
		c.talk("S: 1 OK SEARCH completed.")
	}
	c.talk(`
		C: 2 SEARCH CHARSET x-unheard-of SUBJECT a
		S: 2 NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset.
		C: 3 SEARCH NONSENSE 1
		S: 3 BAD Error in IMAP command: invalid arguments.`)
}

func TestSourceChanges(t *testing.T) {
	w, c := source(t)
	c.selects("INBOX")
	other := w.signedIn(t)
	other.selects("INBOX")
	c.talk(`
		C: 1 UID STORE 2:3 +FLAGS (Neu \Answered)
		S: * 2 FETCH (UID 2 FLAGS (Neu \Answered))
		S: * 3 FETCH (UID 3 FLAGS (\Deleted Neu \Answered))
		S: 1 OK STORE completed.
		C: 2 STORE 2 (UNCHANGEDSINCE 3) FLAGS.SILENT ()
		S: 2 OK [MODIFIED 2] STORE completed.
		C: 3 UID COPY 1,3 Sent
		S~ 3 OK \[COPYUID 12 1,3 1:2\] COPY completed\.
		C: 4 UID MOVE 2 Sent
		S~ \* OK \[COPYUID 12 2 3\] Moved
		S: * 2 EXPUNGE
		S: 4 OK MOVE completed.
		C: 5 UID EXPUNGE 3
		S: * 2 EXPUNGE
		S: 5 OK EXPUNGE completed.
		C: 6 UID COPY 1 nowhere
		S: 6 NO [TRYCREATE] Mailbox doesn't exist.
		C: 7 FETCH 1:* UID
		S: * 1 FETCH (UID 1)
		S: * 2 FETCH (UID 4)
		S: 7 OK FETCH completed.`)
	// The other client's numbers hold while it fetches by number, and follow afterwards.
	other.talk(`
		C: 1 FETCH 4 UID
		S: * 4 FETCH (UID 4)
		S: 1 OK FETCH completed.
		C: 2 NOOP
		S: * 3 EXPUNGE
		S: * 2 EXPUNGE
		S: 2 OK NOOP completed.
		C: 3 CLOSE
		S: 3 OK CLOSE completed.
		C: 4 EXAMINE INBOX
		S: * 1 EXISTS`)
}

func TestSourceAppends(t *testing.T) {
	w, c := source(t)
	c.send("1 APPEND Sent (\\Seen Kunde \\Recent) \" 1-Jan-2001 00:00:00 +1400\" {3+}\r\na\x00b")
	c.talk(`
		S~ 1 OK \[APPENDUID 12 1\] APPEND completed\.
		C: 2 APPEND INBOX {0+}
		C:
		S: 2 NO [CANNOT] Message can't be saved.
		C: 3 APPEND INBOX "31-Feb-2001 00:00:00 +0000" {1+}
		C: a
		S: 3 BAD Error in IMAP command: invalid arguments.`)
	e := w.entries(t, "Sent")[0]
	if w.body(t, e) != "a\x00b" || strings.Join(e.Flags, " ") != `\Seen Kunde` || e.Internal.Format(time.RFC3339) != "2001-01-01T00:00:00+14:00" {
		t.Errorf("stored %q with %v at %v", w.body(t, e), e.Flags, e.Internal)
	}
}

func TestSourceSignsInOverSTARTTLS(t *testing.T) {
	w := serve(t, imap.Source(), withTLS(t), func(c *imap.Config) { c.StartTLS = true })
	roots := w.roots
	w.roots = nil
	c := w.dial(t)
	c.talk(`
		S~ \* OK \[CAPABILITY IMAP4rev1 .*STARTTLS\] .*
		C: 1 STARTTLS
		S~ 1 OK .*`)
	c.upgrade(roots)
	c.talk(`
		C: 2 CAPABILITY
		S~ \* CAPABILITY IMAP4rev1 .*AUTH=XOAUTH2
		S~ 2 OK .*
		C: 3 AUTHENTICATE PLAIN
		S~ \+ ?
		C: AGFkYUBjb250b3NvLmV4YW1wbGUAc2VzYW1l
		S~ 3 OK \[CAPABILITY .*CONDSTORE.*\] Logged in`)
}

func TestOldSourceKnowsNoExtension(t *testing.T) {
	w := serve(t, imap.OldSource())
	c := w.dial(t)
	c.talk(`
		S: * OK IMAP4rev1 server ready
		C: 1 LOGIN ` + ada + ` ` + password + `
		S: 1 OK Logged in
		C: 2 CAPABILITY
		S: * CAPABILITY IMAP4rev1
		S: 2 OK CAPABILITY completed.
		C: 3 NAMESPACE
		S: 3 BAD Unknown command.
		C: 4 LIST "" "*"
		S: * LIST () "/" INBOX
		S: 4 OK LIST completed.
		C: 5 STATUS INBOX (HIGHESTMODSEQ)
		S~ 5 BAD .*`)
}
