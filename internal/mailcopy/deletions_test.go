package mailcopy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

const deletedItems = "Gelöschte Elemente"

// follows are options of a delta that follows deletions.
func follows() mailcopy.Options {
	return mailcopy.Options{Since: time.Now(), Rules: migration.CopyRules{Deletions: true}}
}

// filled is a stage whose source's INBOX has a hundred messages more, all copied; first is the first's UID.
func filled(t testing.TB) (s *stage, state migration.MailboxState, first uint32) {
	t.Helper()
	s = newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 60)
	for n := range 100 {
		uid := deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("m%d@example.net", n), "", time.Now().Add(-time.Hour))
		if n == 0 {
			first = uid
		}
	}
	s.pass(t, &state, mailcopy.Options{})
	return s, state, first
}

// expunge takes n messages out of the source's INBOX.
func (s *stage) expunge(t testing.TB, first uint32, n int) {
	t.Helper()
	var uids []uint32
	for i := range n {
		uids = append(uids, first+uint32(i))
	}
	if _, err := s.sourceStore.Expunge(folderID(t, s.sourceStore, "INBOX"), uids); err != nil {
		t.Fatal(err)
	}
}

func TestDeletionsFollow(t *testing.T) {
	s, state, first := filled(t)
	s.expunge(t, first, 3)
	before := counts(t, s.targetStore)
	o := follows()
	o.Folders = s.probe(t, state, "INBOX")
	s.pass(t, &state, o)
	before["INBOX"] -= 3
	before[deletedItems] += 3
	if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the target has %v, want %v", after, before)
	}
	if f := folderState(t, state, "INBOX"); f.Deleted != 3 || f.Account.Gone != 3 || !f.Account.Closes() {
		t.Errorf("%d deleted, account %+v", f.Deleted, f.Account)
	}
	// What was moved there is explained, for verification and for the next pass.
	deliver(t, s.sourceStore, "Trash", "tossed@example.net", "", time.Now())
	o.Folders = nil
	if report := s.pass(t, &state, o); report.Progress.Messages != 1 || state.InUse != "" {
		t.Errorf("%d messages copied; in use: %q", report.Progress.Messages, state.InUse)
	}
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
	if err != nil || !verdict.Verified {
		t.Errorf("%+v, %v", verdict, err)
	}
}

// Where more than a few messages left at once a person is asked, and lets exactly so many go.
func TestManyDeletions(t *testing.T) {
	s, state, first := filled(t)
	s.expunge(t, first, 60)
	deliver(t, s.sourceStore, "Drafts", "new@example.net", "", time.Now())
	before := counts(t, s.targetStore)
	ask := func(o mailcopy.Options, want int) {
		t.Helper()
		learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, state, o)
		state.Merge(clone(t, learnt))
		if err != nil || report.Exit != migration.ExitProblem || report.Problem.Kind != "many-deletions" || report.Deletions != want {
			t.Fatalf("%+v, %v; want a question about %d deletions", report, err, want)
		}
		if !strings.Contains(report.Problem.Text, fmt.Sprint(want)) || len(report.Remaining) != 1 || report.Remaining[0] != "INBOX" {
			t.Errorf("%q, remaining %q", report.Problem.Text, report.Remaining)
		}
	}
	o := follows()
	ask(o, 60)
	before["Entwürfe"]++
	if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the target has %v, want %v", after, before)
	}
	s.expunge(t, first+60, 1)
	o.Folders = []string{"INBOX"}
	o.DeletionsAllowed = 60
	ask(o, 61)
	o.DeletionsAllowed = 61
	s.pass(t, &state, o)
	before["INBOX"] -= 61
	before[deletedItems] += 61
	if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the target has %v, want %v", after, before)
	}
	o.DeletionsAllowed, o.Folders = 0, nil
	s.pass(t, &state, o)
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
	if err != nil || !verdict.Verified || state.InUse != "" {
		t.Errorf("%+v, %v, in use: %q", verdict, err, state.InUse)
	}
}

func TestNothingIsDeleted(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *stage, *mailcopy.Options){
		"by default":          func(_ *testing.T, _ *stage, o *mailcopy.Options) { o.Rules.Deletions = false },
		"in a mailbox in use": func(_ *testing.T, _ *stage, o *mailcopy.Options) { o.AddOnly = true },
		"when UIDs changed": func(t *testing.T, s *stage, _ *mailcopy.Options) {
			must(t, s.sourceStore.FlipUIDValidity(address, "INBOX"))
		},
		"when the target's did": func(t *testing.T, s *stage, _ *mailcopy.Options) {
			must(t, s.targetStore.FlipUIDValidity(address, "INBOX"))
		},
		"when a folder vanished": func(t *testing.T, s *stage, _ *mailcopy.Options) {
			must(t, s.sourceStore.DeleteFolder(address, "Sent"))
		},
		"when a listing is short": func(t *testing.T, s *stage, _ *mailcopy.Options) {
			s.source.Inject(imap.Fault{Command: "UID SEARCH", Folder: "INBOX", UID: 1, Hide: true})
		},
		"when someone works there": func(t *testing.T, s *stage, _ *mailcopy.Options) {
			deliver(t, s.targetStore, "INBOX", "own@example.org", "", time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, state, first := filled(t)
			s.expunge(t, first, 2)
			before := counts(t, s.targetStore)[deletedItems]
			o := follows()
			change(t, s, &o)
			s.pass(t, &state, o)
			if after := counts(t, s.targetStore)[deletedItems]; after != before {
				t.Errorf("%d copies were deleted", after-before)
			}
		})
	}
}

// A message that was filed elsewhere is moved, not deleted.
func TestMovedIsNotDeleted(t *testing.T) {
	s, state, first := filled(t)
	if _, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: "Filed"}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.sourceStore.Copy(folderID(t, s.sourceStore, "INBOX"), []uint32{first, first + 1}, "Filed", true); err != nil {
		t.Fatal(err)
	}
	s.expunge(t, first+2, 1)
	before := counts(t, s.targetStore)
	report := s.pass(t, &state, follows())
	before["INBOX"] -= 3
	before["Filed"] = 2
	before[deletedItems]++
	if after := counts(t, s.targetStore); report.Progress.Messages != 0 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("%d messages copied; the target has %v, want %v", report.Progress.Messages, after, before)
	}
	s.pass(t, &state, follows())
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, mailcopy.Options{})
	if err != nil || !verdict.Verified || state.InUse != "" {
		t.Errorf("%+v, %v, in use: %q", verdict, err, state.InUse)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
