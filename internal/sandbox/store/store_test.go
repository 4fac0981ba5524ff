package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

const ada = "ada@contoso.example"

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	db, err := store.Open(path)
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

func fresh(t testing.TB) *store.Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "world.db"))
	if err := s.Create(ada, []store.FolderSpec{{Name: "Sent", SpecialUse: `\Sent`}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *store.Store, folder string, m store.Message) uint32 {
	t.Helper()
	_, uid, err := s.Append(ada, folder, m)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func entries(t testing.TB, s *store.Store, folder uint64) []store.Entry {
	t.Helper()
	var list []store.Entry
	if err := s.Scan(folder, 1, 0, func(e store.Entry) error { list = append(list, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func folder(t testing.TB, s *store.Store, name string) store.Folder {
	t.Helper()
	f, err := s.Folder(ada, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMessageComesBackAsItWent(t *testing.T) {
	s := fresh(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	dates := []time.Time{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2099, 12, 31, 23, 59, 59, 0, time.FixedZone("", 14*3600)),
		time.Date(1969, 7, 20, 20, 17, 0, 0, time.FixedZone("", -(3*3600+30*60))),
	}
	bodies := [][]byte{{}, []byte("a\x00b\nc"), big}
	for i, body := range bodies {
		add(t, s, "inbox", store.Message{Body: body, Internal: dates[i], Flags: []string{`\Seen`, "$Label1", `\recent`, `\seen`}})
	}
	list := entries(t, s, folder(t, s, "INBOX").ID)
	for i, e := range list {
		got, err := s.Body(e).Bytes()
		if err != nil || !bytes.Equal(got, bodies[i]) {
			t.Errorf("body %d: %d bytes, %v", i, len(got), err)
		}
		if e.Internal.Format(time.RFC1123Z) != dates[i].Format(time.RFC1123Z) {
			t.Errorf("date %d is %v, want %v", i, e.Internal, dates[i])
		}
		if !slices.Equal(e.Flags, []string{`\Seen`, "$Label1"}) {
			t.Errorf("flags are %v", e.Flags)
		}
	}
	part := make([]byte, 100)
	offset := int64(256<<10 - 50)
	if _, err := s.Body(list[2]).ReadAt(part, offset); err != nil || !bytes.Equal(part, big[offset:offset+100]) {
		t.Errorf("a read across chunks gave %q, %v", part, err)
	}
	if n, err := s.Body(list[1]).ReadAt(part, 2); n != 3 || err != io.EOF {
		t.Errorf("a read over the end gave %d, %v", n, err)
	}
}

func TestCountsFollowEveryChange(t *testing.T) {
	s := fresh(t)
	inbox := folder(t, s, "INBOX")
	for i := range 4 {
		add(t, s, "INBOX", store.Message{Body: []byte(fmt.Sprint("message ", i))})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	changed, modified, err := s.ChangeFlags(inbox.ID, []uint32{1, 2, 9}, store.AddFlags, []string{`\Seen`, `\Deleted`}, 0)
	must(err)
	if len(changed) != 2 || len(modified) != 0 {
		t.Errorf("changed %v, modified %v", changed, modified)
	}
	_, modified, err = s.ChangeFlags(inbox.ID, []uint32{1, 3}, store.SetFlags, nil, changed[0].ModSeq-1)
	must(err)
	if !slices.Equal(modified, []uint32{1}) {
		t.Errorf("modified %v", modified)
	}
	gone, err := s.Expunge(inbox.ID, []uint32{1, 1, 7})
	must(err)
	if !slices.Equal(gone, []uint32{1}) {
		t.Errorf("expunged %v", gone)
	}
	from, to, _, err := s.Copy(inbox.ID, []uint32{2, 3}, "Sent", true)
	must(err)
	if !slices.Equal(from, []uint32{2, 3}) || !slices.Equal(to, []uint32{1, 2}) {
		t.Errorf("moved %v to %v", from, to)
	}
	got := folder(t, s, "INBOX")
	want := store.Folder{
		ID: inbox.ID, Address: ada, Name: "INBOX", Subscribed: true, UIDValidity: inbox.UIDValidity, UIDNext: 5,
		HighestModSeq: 8, Revised: 8, Messages: 1, Unseen: 1, Bytes: 9,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sent := folder(t, s, "Sent"); sent.Messages != 2 || sent.Unseen != 1 || sent.Deleted != 1 {
		t.Errorf("Sent is %+v", sent)
	}
	entry, err := s.Renumber(inbox.ID, 4)
	must(err)
	if entry.UID != 5 || folder(t, s, "INBOX").Messages != 1 {
		t.Errorf("renumbered to %d", entry.UID)
	}
	must(s.FlipUIDValidity(ada, "INBOX"))
	if now := folder(t, s, "INBOX"); now.UIDValidity <= inbox.UIDValidity || now.UIDNext != 2 || entries(t, s, inbox.ID)[0].UID != 1 {
		t.Errorf("after the flip %+v", now)
	}
}

func TestFolders(t *testing.T) {
	s := fresh(t)
	for _, name := range []string{"a", "a/b", "a/b/c", "ab"} {
		if _, err := s.CreateFolder(ada, store.FolderSpec{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.CreateFolder(ada, store.FolderSpec{Name: "Inbox"}); !errors.Is(err, store.ErrExists) {
		t.Errorf("a second INBOX: %v", err)
	}
	if err := s.RenameFolder(ada, "a", "x", "/"); err != nil {
		t.Fatal(err)
	}
	if err := s.RenameFolder(ada, "ab", "x", "/"); !errors.Is(err, store.ErrExists) {
		t.Errorf("a rename onto another: %v", err)
	}
	old := folder(t, s, "x/b")
	add(t, s, "x/b", store.Message{Body: []byte("b")})
	if err := s.DeleteFolder(ada, "x/b"); err != nil {
		t.Fatal(err)
	}
	again, err := s.CreateFolder(ada, store.FolderSpec{Name: "x/b"})
	if err != nil || again.UIDValidity <= old.UIDValidity || again.Messages != 0 {
		t.Errorf("made anew: %+v, %v", again, err)
	}
	folders, err := s.Folders(ada)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.Name)
	}
	if want := []string{"INBOX", "Sent", "ab", "x", "x/b", "x/b/c"}; !slices.Equal(names, want) {
		t.Errorf("folders are %q, want %q", names, want)
	}
	if _, err := s.Folders("nobody@contoso.example"); !errors.Is(err, store.ErrNoMailbox) {
		t.Errorf("a stranger's folders: %v", err)
	}
}

func TestDeliveryKeyDeliversOnce(t *testing.T) {
	s := fresh(t)
	m := store.Message{Body: []byte("once"), Delivery: "k1"}
	first := add(t, s, "INBOX", m)
	if again := add(t, s, "Sent", m); again != first {
		t.Errorf("the second delivery got UID %d, want %d", again, first)
	}
	if folder(t, s, "INBOX").Messages != 1 || folder(t, s, "Sent").Messages != 0 {
		t.Error("it was delivered twice")
	}
	if !s.Delivered(ada, "k1") || s.Delivered(ada, "k2") {
		t.Error("Delivered is wrong")
	}
}

func TestCreateAgainKeepsAll(t *testing.T) {
	s := fresh(t)
	add(t, s, "Sent", store.Message{Body: []byte("x")})
	before := folder(t, s, "Sent")
	if err := s.Create(ada, []store.FolderSpec{{Name: "Sent"}, {Name: "Drafts"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, folder(t, s, "Sent")); diff != "" {
		t.Error(diff)
	}
	folder(t, s, "Drafts")
}

func TestWatchWakesAfterTheChange(t *testing.T) {
	s := fresh(t)
	watch := s.Watch(folder(t, s, "INBOX").ID)
	add(t, s, "Sent", store.Message{})
	select {
	case <-watch:
		t.Error("another folder's change woke it")
	default:
	}
	add(t, s, "INBOX", store.Message{})
	<-watch
}

func TestConcurrentAppends(t *testing.T) {
	s := fresh(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if _, _, err := s.Append(ada, "INBOX", store.Message{Body: []byte("x")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if f := folder(t, s, "INBOX"); f.Messages != 200 || f.UIDNext != 201 {
		t.Errorf("%+v", f)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := fresh(b)
	m := store.Message{Body: bytes.Repeat([]byte("x"), 3000), Internal: time.Unix(1, 0)}
	for b.Loop() {
		add(b, s, "INBOX", m)
	}
}
