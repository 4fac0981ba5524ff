package mailcopy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash/maphash"
	"io"
	"mime"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// identity is by what a message is known on both sides. Every field but uid, date and size is a hash, 0 where the
// message has no such field; the seed is this process's own, so nobody can write mail that collides.
type identity struct {
	uid   uint32
	flags []string
	// when is the INTERNALDATE in seconds; dated is false where it can't be read.
	when  int64
	dated bool
	size  int64
	// id is the Message-ID's. exact are Date, From and Subject decoded; date, from and subject are what is left of each
	// under any rewriting.
	id, exact           uint64
	date, from, subject uint64
	// digest is the whole message's SHA-256, where it was read.
	digest [sha256.Size]byte
}

// identityItems asks for all of an identity.
const identityItems = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)])"

var seed = maphash.MakeSeed()

func hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	empty := true
	for _, part := range parts {
		empty = empty && part == ""
		h.WriteString(part)
		h.WriteByte(0)
	}
	if empty {
		return 0
	}
	return h.Sum64()
}

// identify makes the identity of a fetched message.
func identify(f fetched) identity {
	fields := headerFields(f.header)
	m := identity{uid: f.uid, flags: f.flags, size: f.size}
	if t, ok := f.when(); ok {
		m.when, m.dated = t.Unix(), true
	}
	date, from, subject := dateText(fields["date"]), addressText(fields["from"]), headerText(fields["subject"])
	m.id = hash(strings.Join(strings.Fields(fields["message-id"]), ""))
	m.exact = hash(date, from, subject)
	m.date, m.from, m.subject = hash(date), hash(letters(from)), hash(letters(subject))
	return m
}

// identities fetches those of the UIDs, in the server's order.
func (s *session) identities(ctx context.Context, uids []uint32) ([]identity, error) {
	var all []identity
	err := s.fetchAll(ctx, uids, identityItems, func(f fetched) error {
		all = append(all, identify(f))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// headerFields reads the first of each field of a header block, names in lower case, folding undone.
func headerFields(block string) map[string]string {
	fields := map[string]string{}
	name := ""
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "":
			return fields
		case line[0] == ' ' || line[0] == '\t':
			if name != "" {
				fields[name] += " " + strings.TrimSpace(line)
			}
		default:
			key, value, ok := strings.Cut(line, ":")
			key = strings.ToLower(strings.TrimSpace(key))
			name = ""
			if _, have := fields[key]; ok && !have {
				name = key
				fields[key] = strings.TrimSpace(value)
			}
		}
	}
	return fields
}

// dateText is the instant of a Date field, or the text where it is none.
func dateText(value string) string {
	if t, err := mail.ParseDate(value); err == nil {
		return strconv.FormatInt(t.Unix(), 10)
	}
	return strings.ToLower(strings.Join(strings.Fields(value), " "))
}

// addressText is the addresses of a From field, or the text where it holds none.
func addressText(value string) string {
	list, err := mail.ParseAddressList(value)
	if err != nil {
		return headerText(value)
	}
	var addresses []string
	for _, a := range list {
		addresses = append(addresses, strings.ToLower(a.Address))
	}
	return strings.Join(addresses, ",")
}

var decoder = mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
	e, err := htmlindex.Get(charset)
	if err != nil {
		return nil, err
	}
	return e.NewDecoder().Reader(r), nil
}}

// headerText is a field's text with encoded words decoded (RFC 2047), in lower case, blanks made one.
func headerText(value string) string {
	if decoded, err := decoder.DecodeHeader(value); err == nil {
		value = decoded
	}
	if !utf8.ValidString(value) {
		latin := make([]rune, 0, len(value))
		for _, c := range []byte(value) {
			latin = append(latin, rune(c))
		}
		value = string(latin)
	}
	return strings.ToLower(strings.Join(strings.Fields(value), " "))
}

// letters keeps the ASCII letters and digits: what any server leaves of raw 8-bit text.
func letters(s string) string {
	return string(bytes.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, []byte(strings.ToLower(s))))
}

// odd reports whether the date is one that servers are known not to keep: before 1980, or beyond 32 bits.
func (m *identity) odd() bool {
	return !m.dated || m.when < time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix() || m.when >= 1<<31-1
}
