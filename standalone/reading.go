package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// A reading is what an independent client finds in one mailbox.
type reading []found

// found is one message as it stands on a server.
type found struct {
	folder           string
	uid              uint32
	deleted, flagged bool
	key              string
}

// login is one mailbox on one server: what a mail program would be given.
type login struct {
	address  string
	tls      *tls.Config
	user     string
	password string
	// token, when set, is asked for an OAuth 2.0 bearer token, and the sign-in is XOAUTH2.
	token func(context.Context) (string, error)
}

// read lists every message of every folder, with go-imap's own client: the wire that the engine uses is not judged
// by itself.
func read(ctx context.Context, l login) (reading, error) {
	client, err := imapclient.DialTLS(l.address, &imapclient.Options{TLSConfig: l.tls})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.address, err)
	}
	defer client.Close()
	if err := signIn(ctx, client, l); err != nil {
		return nil, fmt.Errorf("sign in to %s as %s: %w", l.address, l.user, err)
	}
	folders, err := client.List("", "*", nil).Collect()
	if err != nil {
		return nil, fmt.Errorf("list the folders of %s: %w", l.user, err)
	}
	var all reading
	for _, folder := range folders {
		if hasAttribute(folder, imap.MailboxAttrNoSelect) || hasAttribute(folder, imap.MailboxAttrNonExistent) {
			continue
		}
		messages, err := readFolder(client, folder.Mailbox)
		if err != nil {
			return nil, fmt.Errorf("read %q of %s: %w", folder.Mailbox, l.user, err)
		}
		all = append(all, messages...)
	}
	return all, client.Logout().Wait()
}

func signIn(ctx context.Context, client *imapclient.Client, l login) error {
	if l.token == nil {
		return client.Login(l.user, l.password).Wait()
	}
	token, err := l.token(ctx)
	if err != nil {
		return err
	}
	return client.Authenticate(xoauth2{l.user, token})
}

// xoauth2 is Google's and Microsoft's SASL mechanism for bearer tokens.
type xoauth2 struct{ user, token string }

var _ sasl.Client = xoauth2{}

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x xoauth2) Next([]byte) ([]byte, error) { return nil, errors.New("the server refused the token") }

func hasAttribute(folder *imap.ListData, attribute imap.MailboxAttr) bool {
	for _, a := range folder.Attrs {
		if strings.EqualFold(string(a), string(attribute)) {
			return true
		}
	}
	return false
}

// identity are the header fields that tell messages apart; with the time of arrival they survive a server that
// stores a message's parts and writes it anew.
var identity = &imap.FetchItemBodySection{
	Specifier: imap.PartSpecifierHeader, Peek: true,
	HeaderFields: []string{"Message-ID", "Date", "From", "Subject"},
}

func readFolder(client *imapclient.Client, folder string) (reading, error) {
	selected, err := client.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, err
	}
	if selected.NumMessages == 0 {
		return nil, nil
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	messages, err := client.Fetch(all, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{identity},
	}).Collect()
	if err != nil {
		return nil, err
	}
	found := make(reading, 0, len(messages))
	for _, m := range messages {
		found = append(found, newFound(folder, m))
	}
	return found, nil
}

func newFound(folder string, m *imapclient.FetchMessageBuffer) found {
	f := found{folder: folder, uid: uint32(m.UID), key: key(m.InternalDate, m.FindBodySection(identity))}
	for _, flag := range m.Flags {
		f.deleted = f.deleted || flag == imap.FlagDeleted
		f.flagged = f.flagged || flag == imap.FlagFlagged
	}
	return f
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// key names a message by when it arrived and by the identity fields, whichever way their lines are folded, ended
// and ordered.
func key(arrived time.Time, header []byte) string {
	fields := map[string]string{}
	var name string
	for line := range strings.SplitSeq(strings.ReplaceAll(string(header), "\r", ""), "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if name != "" {
				fields[name] += " " + line
			}
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(field))
		if _, twice := fields[name]; !ok || twice {
			name = ""
			continue
		}
		fields[name] = value
	}
	parts := []string{instant(arrived)}
	for _, name := range []string{"message-id", "date", "from", "subject"} {
		parts = append(parts, strings.Join(strings.Fields(fields[name]), " "))
	}
	return strings.Join(parts, "\x00")
}

// prefix is the part of a key that the world's own ledger of deliveries has.
func prefix(key string) string {
	parts := strings.SplitN(key, "\x00", 3)
	return strings.Join(parts[:min(2, len(parts))], "\x00")
}

// short is such a part.
func short(arrived time.Time, messageID string) string { return instant(arrived) + "\x00" + messageID }

func readable(key string) string { return strings.ReplaceAll(key, "\x00", " | ") }
