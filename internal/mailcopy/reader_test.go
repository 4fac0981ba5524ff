package mailcopy_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/mailcopy/dovecottest"
	"github.com/mailferry/mailferry/internal/migration"
)

// The tests put mail in and read it out with go-imap's own client, so that the copy engine is not judged by itself.

// login opens a mailbox.
func login(t testing.TB, address, user string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, dovecottest.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// mail is one message as it stands in a folder.
type mail struct {
	flags string
	date  time.Time
	body  []byte
}

func put(t testing.TB, c *imapclient.Client, folder string, m mail) {
	t.Helper()
	options := &imap.AppendOptions{Time: m.date}
	for _, flag := range strings.Fields(m.flags) {
		options.Flags = append(options.Flags, imap.Flag(flag))
	}
	a := c.Append(folder, int64(len(m.body)), options)
	if _, err := a.Write(m.body); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(); err != nil {
		t.Fatalf("putting a message into %q: %v", folder, err)
	}
}

// contents lists every message of a mailbox by folder, each as flags, date and digest, sorted.
func contents(t testing.TB, c *imapclient.Client) map[string][]string {
	t.Helper()
	folders, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, f := range folders {
		if slices.Contains(f.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(f.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}
		all[f.Mailbox] = messages(t, c, f.Mailbox)
	}
	return all
}

func messages(t testing.TB, c *imapclient.Client, folder string) []string {
	t.Helper()
	data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatalf("selecting %q: %v", folder, err)
	}
	list := []string{}
	if data.NumMessages == 0 {
		return list
	}
	var set imap.SeqSet
	set.AddRange(1, 0)
	rows, err := c.Fetch(set, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		var flags []string
		for _, flag := range row.Flags {
			if flag != "\\Recent" {
				flags = append(flags, string(flag))
			}
		}
		slices.Sort(flags)
		list = append(list, fmt.Sprintf("%v %s %x", flags, row.InternalDate.UTC().Format(time.DateTime), sha256.Sum256(row.BodySection[0].Bytes)))
	}
	slices.Sort(list)
	return list
}

// compare fails unless both mailboxes hold the same, folders named by the map from source to target names.
func compare(t testing.TB, source, target map[string][]string, names map[string]string) {
	t.Helper()
	want := map[string][]string{}
	for folder, list := range source {
		name := folder
		if n, ok := names[folder]; ok {
			name = n
		}
		want[name] = append(want[name], list...)
		slices.Sort(want[name])
	}
	for folder, list := range want {
		have := target[folder]
		if lost, doubled := difference(list, have), difference(have, list); len(lost)+len(doubled) > 0 {
			t.Errorf("folder %q has %d messages of %d: %d lost, %d too many: %.3q %.3q", folder, len(have), len(list), len(lost), len(doubled), lost, doubled)
		}
	}
	for folder, list := range target {
		if _, ok := want[folder]; !ok && len(list) > 0 {
			t.Errorf("folder %q has %d messages that are not the source's", folder, len(list))
		}
	}
}

// difference is what a has more of than b.
func difference(a, b []string) []string {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	var more []string
	for _, s := range a {
		if left[s] == 0 {
			more = append(more, s)
			continue
		}
		left[s]--
	}
	return more
}

// letter makes a message of about so many octets.
func letter(r *rand.Rand, n, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-ID: <%d.%d@example.org>\r\n", n, r.Uint32())
	fmt.Fprintf(&b, "Date: %s\r\nFrom: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: letter %d\r\n\r\n", day(n).Format(time.RFC1123Z), n)
	for b.Len() < size {
		fmt.Fprintf(&b, "%x %x %x %x\r\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	return b.Bytes()
}

func day(n int) time.Time {
	return time.Date(2015, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600)).Add(time.Duration(n) * 7 * time.Minute)
}

// strange are messages as servers have them, though no standard wants them.
func strange() []mail {
	m := func(flags, body string) mail { return mail{flags, day(1), []byte(body)} }
	twin := "From: a@example.org\r\nSubject: twins\r\n\r\nno id, no date\r\n"
	return []mail{
		m("", twin), m("", twin), m("\\Seen", twin),
		m("", "Message-ID: <same@example.org>\r\nSubject: one\r\n\r\n1\r\n"),
		m("", "Message-ID: <same@example.org>\r\nSubject: other\r\n\r\n2\r\n"),
		m("\\Flagged", "Subject: \xe4\xf6\xfc raw 8 bit\r\nFrom: \xff\xfe\r\n\r\nb\xe4h\r\n"),
		m("$Forwarded custom", "\r\nno header at all\r\n"),
		m("\\Draft", "Subject: no body\r\n\r\n"),
		m("\\Answered \\Seen", "Subject: ends without a line end\r\n\r\nend"),
		m("", "Subject: {5}\r\n\r\n* OK [APPENDUID 1 1] {5}\r\n)\r\nx OK done\r\n"),
		{"", time.Date(1979, 1, 2, 3, 4, 5, 0, time.UTC), []byte("Message-ID: <old@example.org>\r\nSubject: old\r\n\r\n")},
	}
}

// world is a source and a target with one user.
type world struct {
	source, target *dovecottest.Server
	user           string
}

func newWorld(t testing.TB) *world {
	return &world{dovecottest.Start(t, dovecottest.Options{}), dovecottest.Start(t, dovecottest.Options{Capabilities: dovecottest.Exchange}), "ada"}
}

func (w *world) accounts() (source, target mailcopy.Account) {
	source = mailcopy.Account{Address: w.source.TLSAddress, Roots: w.source.Roots, Security: migration.TLS, Auth: mailcopy.Auth{User: w.user, Password: dovecottest.Password}}
	target = mailcopy.Account{Address: w.target.Address, Roots: w.target.Roots, Security: migration.StartTLS, Auth: w.token()}
	return source, target
}

func (w *world) token() mailcopy.Auth {
	return mailcopy.Auth{Mechanism: "XOAUTH2", User: w.user, Token: w.tokenOf}
}
