package imap_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// go-imap's client reads the whole corpus, bytes, dates and flags, from a source with "." between folders.
func TestGoIMAPReadsTheWholeSource(t *testing.T) {
	d := imap.DottedSource()
	w := serve(t, d)
	spec := corpus.Spec{Addresses: []string{ada}, Messages: 200, Separator: d.Separator, Prefix: d.Prefix}
	if err := corpus.Fill(w.store, 5, spec); err != nil {
		t.Fatal(err)
	}
	c, err := imapclient.DialInsecure(w.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(ada, password).Wait(); err != nil {
		t.Fatal(err)
	}
	if space, err := c.Namespace().Wait(); err != nil || space.Personal[0] != (goimap.NamespaceDescriptor{Prefix: "INBOX.", Delim: '.'}) {
		t.Errorf("namespace %+v, %v", space, err)
	}
	list, err := c.List("", "*", &goimap.ListOptions{ReturnSpecialUse: true, ReturnStatus: &goimap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, folder := range list {
		if slices.Contains(folder.Attrs, goimap.MailboxAttrNoSelect) {
			continue
		}
		lines := readFolder(t, c, folder.Mailbox)
		if n := folder.Status.NumMessages; n == nil || int(*n) != len(lines) {
			t.Errorf("%q has %d messages, its status says %v", folder.Mailbox, len(lines), n)
		}
		got = append(got, lines...)
	}
	if err := corpus.Each(5, spec, func(item corpus.Item) error {
		m := item.Message
		want = append(want, describe(item.Folder, m.Body, m.Internal.Format("2006-01-02T15:04:05-0700"), m.Flags))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d messages were read, %d are there, or they differ", len(got), len(want))
	}
}

func readFolder(t *testing.T, c *imapclient.Client, folder string) (lines []string) {
	t.Helper()
	data, err := c.Select(folder, &goimap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatalf("selecting %q: %v", folder, err)
	}
	if data.NumMessages == 0 {
		return nil
	}
	messages, err := c.Fetch(goimap.UIDSet{{Start: 1}}, &goimap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true, Envelope: true,
		BodyStructure: &goimap.FetchItemBodyStructure{Extended: true},
		BodySection:   []*goimap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		t.Fatalf("fetching from %q: %v", folder, err)
	}
	for _, m := range messages {
		body := m.FindBodySection(&goimap.FetchItemBodySection{Peek: true})
		if int64(len(body)) != m.RFC822Size {
			t.Errorf("%q, UID %d: %d bytes came, the size is %d", folder, m.UID, len(body), m.RFC822Size)
		}
		var flags []string
		for _, f := range m.Flags {
			flags = append(flags, string(f))
		}
		lines = append(lines, describe(folder, body, m.InternalDate.Format("2006-01-02T15:04:05-0700"), flags))
	}
	return lines
}

func describe(folder string, body []byte, date string, flags []string) string {
	flags = slices.Sorted(slices.Values(flags))
	return fmt.Sprintf("%s %x %s %v", folder, sha256.Sum256(body), date, flags)
}
