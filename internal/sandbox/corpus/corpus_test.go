package corpus_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

var spec = corpus.Spec{Addresses: []string{"ada@contoso.example", "ben@contoso.example"}, Messages: 120}

func fresh(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "world.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := store.New(db, "source")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// line says all about a message that must not differ.
func line(folder string, m store.Message) string {
	flags := slices.Clone(m.Flags)
	slices.Sort(flags)
	return fmt.Sprintf("%s %x %s %v", folder, sha256.Sum256(m.Body), m.Internal.Format("2006-01-02T15:04:05-0700"), flags)
}

func expected(t *testing.T, address string) (lines []string) {
	t.Helper()
	if err := corpus.Each(7, spec, func(item corpus.Item) error {
		if item.Address == address {
			lines = append(lines, line(item.Folder, item.Message))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func stored(t *testing.T, s *store.Store, address string) (lines []string) {
	t.Helper()
	folders, err := s.Folders(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		var entries []store.Entry
		if err := s.Scan(folder.ID, 1, 0, func(e store.Entry) error { entries = append(entries, e); return nil }); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			body, err := s.Body(e).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line(folder.Name, store.Message{Body: body, Internal: e.Internal, Flags: e.Flags}))
		}
	}
	return lines
}

func TestFillStoresWhatEachTells(t *testing.T) {
	s := fresh(t)
	for range 2 {
		if err := corpus.Fill(s, 7, spec); err != nil {
			t.Fatal(err)
		}
		for _, address := range spec.Addresses {
			want, got := expected(t, address), stored(t, s, address)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Fatalf("%s: %d messages are stored, %d wanted, or they differ", address, len(got), len(want))
			}
		}
	}
}

// A store in which another seed's messages stand for nothing; what a killed Fill left must be kept, in the same order.
func TestFillGoesOnWhereItWasKilled(t *testing.T) {
	whole, cut := fresh(t), fresh(t)
	if err := corpus.Fill(whole, 7, spec); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, address := range spec.Addresses {
		if err := cut.Create(address, corpus.Folders(spec)); err != nil {
			t.Fatal(err)
		}
	}
	if err := corpus.Each(7, spec, func(item corpus.Item) error {
		if n++; n > 77 {
			return nil
		}
		_, _, err := cut.Append(item.Address, item.Folder, item.Message)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := corpus.Fill(cut, 7, spec); err != nil {
		t.Fatal(err)
	}
	for _, address := range spec.Addresses {
		if !slices.Equal(stored(t, whole, address), stored(t, cut, address)) {
			t.Errorf("%s differs from one filled at once", address)
		}
	}
}

func TestEveryKindIsThere(t *testing.T) {
	got := make(map[string]corpus.Item)
	big := spec
	big.Big, big.Messages = true, corpus.Kinds
	if err := corpus.Each(7, big, func(item corpus.Item) error {
		if item.Address == "ada@contoso.example" {
			got[item.Kind] = item
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != corpus.Kinds+1 {
		t.Errorf("%d kinds, want %d", len(got), corpus.Kinds+1)
	}
	body := func(kind string) []byte { return got[kind].Message.Body }
	for kind, ok := range map[string]bool{
		"empty":               len(body("empty")) == 0,
		"big":                 len(body("big")) > 29_000_000 && len(body("big")) < 35_000_000,
		"NUL bytes":           bytes.IndexByte(body("NUL bytes"), 0) > 0,
		"bare LF":             !bytes.Contains(body("bare LF"), []byte("\r")),
		"8-bit header":        bytes.Contains(body("8-bit header"), []byte("Gr\xfc\xdfe")),
		"no Message-ID":       !bytes.Contains(body("no Message-ID"), []byte("Message-ID")),
		"long line":           slices.ContainsFunc(strings.Split(string(body("long line")), "\r\n"), func(l string) bool { return len(l) > 10_239 }),
		"exact duplicate":     bytes.Equal(body("exact duplicate"), body("plain")) && got["exact duplicate"].Folder == got["plain"].Folder,
		"repeated Message-ID": bytes.Contains(body("repeated Message-ID again"), []byte("<same-for-all@")),
		"dated 1970":          got["dated 1970"].Message.Internal.Year() == 1970,
	} {
		if !ok {
			t.Errorf("%q is not what it says: %.80q", kind, body(kind))
		}
	}
}

func TestSeparators(t *testing.T) {
	for separator, want := range map[string]string{"/": "a.b.c\\d", ".": "INBOX.a/b/c\\d"} {
		s := corpus.Spec{Separator: separator}
		if separator == "." {
			s.Prefix = "INBOX."
		}
		found := false
		for _, f := range corpus.Folders(s) {
			found = found || f.Name == want
		}
		if !found {
			t.Errorf("with %q there is no folder %q", separator, want)
		}
	}
}
