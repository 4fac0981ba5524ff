package mailcopy_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// deliver puts a message into a store as a server would.
func deliver(t testing.TB, s *store.Store, folder, id, more string, when time.Time, flags ...string) uint32 {
	t.Helper()
	_, uid, err := s.Append(address, folder, store.Message{
		Body:     []byte(more + "Message-ID: <" + id + ">\r\nDate: " + when.Format(time.RFC1123Z) + "\r\nFrom: bob@example.net\r\nSubject: " + id + "\r\n\r\nhello\r\n"),
		Internal: when, Flags: flags,
	})
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func folderID(t testing.TB, s *store.Store, name string) uint64 {
	t.Helper()
	f, err := s.Folder(address, name)
	if err != nil {
		t.Fatal(err)
	}
	return f.ID
}

// probe asks what changed, and fails on anything but what is wanted.
func (s *stage) probe(t testing.TB, state migration.MailboxState, changed ...string) []string {
	t.Helper()
	var cursors []migration.FolderCursor
	for _, f := range state.Folders {
		cursors = append(cursors, f.Cursors())
	}
	found, err := mailcopy.Probe(t.Context(), s.from, cursors, mailcopy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := found.Folders()
	if !slices.Equal(got, changed) {
		t.Errorf("changed folders %q, want %q", got, changed)
	}
	return got
}

func folderState(t testing.TB, state migration.MailboxState, name string) migration.FolderState {
	t.Helper()
	for _, f := range state.Folders {
		if f.Source == name {
			return f
		}
	}
	t.Fatalf("no state of folder %q", name)
	return migration.FolderState{}
}

func TestDelta(t *testing.T) {
	for name, source := range map[string]imap.Dialect{"CONDSTORE": imap.Source(), "no extensions": imap.OldSource()} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, source, imap.ExchangeOnline(imap.Classic), 60)
			if name == "no extensions" { // what is deleted there needs a look each time
				if _, err := s.sourceStore.Expunge(folderID(t, s.sourceStore, "Trash"), s.deleted(t, "Trash")); err != nil {
					t.Fatal(err)
				}
			}
			var state migration.MailboxState
			began := time.Now()
			s.pass(t, &state, mailcopy.Options{})
			s.probe(t, state)
			before := state.Account()

			inbox := folderID(t, s.sourceStore, "INBOX")
			plain := deliver(t, s.sourceStore, "INBOX", "new1@example.net", "Received: from mx.example.net (x [1.2.3.4])\r\n by Mail.Example.org with ESMTP; now\r\n", time.Now())
			deliver(t, s.sourceStore, "INBOX", "new2@example.net", "Received: from a by elsewhere.example.net; now\r\n", time.Now(), `\Flagged`)
			deliver(t, s.sourceStore, "INBOX", "mailferry@notice", "Received: from a by mail.example.org; now\r\n", time.Now())
			hidden := deliver(t, s.sourceStore, "INBOX", "deleted@example.net", "", time.Now(), `\Deleted`)
			if _, err := s.sourceStore.Expunge(inbox, []uint32{1}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: "Fresh"}); err != nil {
				t.Fatal(err)
			}
			changed := s.probe(t, state, "INBOX", "Fresh")
			o := mailcopy.Options{Since: began, SourceHosts: []string{"mail.example.org"}}
			o.Folders = changed
			report := s.pass(t, &state, o)
			if report.Progress.Messages != 3 {
				t.Errorf("%d messages copied, want 3", report.Progress.Messages)
			}
			if a := report.Arrivals; a.Count != 1 || !slices.Equal(a.From, []string{"mx.example.net"}) || time.Since(a.Last) > time.Minute {
				t.Errorf("arrivals %+v", a)
			}
			after := state.Account()
			if after.Gone != before.Gone+1 || after.LeftOut != before.LeftOut+1 || after.Source != before.Source+3 {
				t.Errorf("before %+v, after %+v", before, after)
			}
			if name == "CONDSTORE" {
				s.probe(t, state)
			} else {
				s.probe(t, state, "INBOX")
			}

			// Flags follow the source, and a message that is not deleted any more is copied.
			if _, _, err := s.sourceStore.ChangeFlags(inbox, []uint32{plain}, store.AddFlags, []string{`\Seen`, `\Flagged`}, 0); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.sourceStore.ChangeFlags(inbox, []uint32{hidden}, store.RemoveFlags, []string{`\Deleted`}, 0); err != nil {
				t.Fatal(err)
			}
			report = s.pass(t, &state, mailcopy.Options{Folders: []string{"INBOX"}})
			if report.Progress.Messages != 1 {
				t.Errorf("%d messages copied, want the undeleted one", report.Progress.Messages)
			}
			target, _ := pairOf(t, folderState(t, state, "INBOX"), plain)
			entry, err := s.targetStore.Entry(folderID(t, s.targetStore, "INBOX"), target)
			if err != nil || !entry.Has(`\Seen`) || !entry.Has(`\Flagged`) || entry.Has(imap.Unsure) {
				t.Errorf("the copy's flags don't follow: %v, %v", entry.Flags, err)
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, mailcopy.Options{})
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
		})
	}
}

// deleted are the UIDs of a source folder's messages that are marked as deleted.
func (s *stage) deleted(t testing.TB, folder string) []uint32 {
	t.Helper()
	var uids []uint32
	err := s.sourceStore.Scan(folderID(t, s.sourceStore, folder), 1, 1<<32-1, func(e store.Entry) error {
		if e.Has(`\Deleted`) {
			uids = append(uids, e.UID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return uids
}

func pairOf(t testing.TB, f migration.FolderState, uid uint32) (uint32, bool) {
	t.Helper()
	runs, err := f.Pairs.Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if uid >= r.Source && uid-r.Source < r.Length {
			return r.Target + uid - r.Source, true
		}
	}
	return 0, false
}

func TestAddOnlyRespectsPeople(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 60)
	var state migration.MailboxState
	s.pass(t, &state, mailcopy.Options{})
	inbox, target := folderID(t, s.sourceStore, "INBOX"), folderID(t, s.targetStore, "INBOX")
	f := folderState(t, state, "INBOX")
	copyOf1, _ := pairOf(t, f, 1)
	copyOf2, _ := pairOf(t, f, 2)
	// Somebody deletes, files and writes at the target; flags change at the source.
	if _, err := s.targetStore.Expunge(target, []uint32{copyOf1}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.targetStore.Copy(target, []uint32{copyOf2}, "Archiv", true); err != nil {
		t.Fatal(err)
	}
	deliver(t, s.targetStore, "INBOX", "own@example.org", "", time.Now())
	if _, _, err := s.sourceStore.ChangeFlags(inbox, []uint32{3}, store.AddFlags, []string{`\Answered`}, 0); err != nil {
		t.Fatal(err)
	}
	deliver(t, s.sourceStore, "INBOX", "late@example.net", "", time.Now())
	before := counts(t, s.targetStore)
	o := mailcopy.Options{AddOnly: true, Since: time.Now()}
	if report := s.pass(t, &state, o); report.Progress.Messages != 1 {
		t.Errorf("%d messages copied, want 1", report.Progress.Messages)
	}
	after := counts(t, s.targetStore)
	before["INBOX"]++
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the target changed from %v to %v", before, after)
	}
	copyOf3, _ := pairOf(t, f, 3)
	if entry, err := s.targetStore.Entry(target, copyOf3); err != nil || entry.Has(`\Answered`) {
		t.Errorf("a flag was changed in a mailbox in use: %v, %v", entry.Flags, err)
	}
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
	if err != nil || !verdict.Verified {
		t.Errorf("%+v, %v", verdict, err)
	}
}

func TestUIDValidityChanges(t *testing.T) {
	for name, flip := range map[string]func(*stage) error{
		"at the source": func(s *stage) error { return s.sourceStore.FlipUIDValidity(address, "INBOX") },
		"at the target": func(s *stage) error { return s.targetStore.FlipUIDValidity(address, "INBOX") },
	} {
		for _, addOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, add only %v", name, addOnly), func(t *testing.T) {
				s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 120)
				var state migration.MailboxState
				s.pass(t, &state, mailcopy.Options{})
				if addOnly {
					copyOf1, _ := pairOf(t, folderState(t, state, "INBOX"), 1)
					if _, err := s.targetStore.Expunge(folderID(t, s.targetStore, "INBOX"), []uint32{copyOf1}); err != nil {
						t.Fatal(err)
					}
				}
				before := counts(t, s.targetStore)
				if err := flip(s); err != nil {
					t.Fatal(err)
				}
				deliver(t, s.sourceStore, "INBOX", "new@example.net", "", time.Now().Add(time.Hour))
				o := mailcopy.Options{AddOnly: addOnly, Since: time.Now()}
				report := s.pass(t, &state, o)
				after := counts(t, s.targetStore)
				before["INBOX"]++
				if report.Progress.Messages != 1 || fmt.Sprint(before) != fmt.Sprint(after) {
					t.Errorf("%d messages copied; the target went from %v to %v", report.Progress.Messages, before, after)
				}
				if again := s.pass(t, &state, o); again.Progress.Messages != 0 {
					t.Errorf("the next pass copied %d", again.Progress.Messages)
				}
				verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
				if err != nil || !verdict.Verified {
					t.Errorf("%+v, %v", verdict, err)
				}
			})
		}
	}
}

func TestTargetHoldsMailAlready(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 120)
	var earlier migration.MailboxState
	s.pass(t, &earlier, mailcopy.Options{})
	deliver(t, s.targetStore, "INBOX", "own@example.org", "", time.Now())
	deliver(t, s.sourceStore, "INBOX", "new@example.net", "", time.Now())
	before := counts(t, s.targetStore)
	var state migration.MailboxState
	report := s.pass(t, &state, mailcopy.Options{})
	before["INBOX"]++
	if after := counts(t, s.targetStore); report.Progress.Messages != 1 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("%d messages copied; the target went from %v to %v", report.Progress.Messages, before, after)
	}
	a := state.Account()
	if a.Already != earlier.Account().Copied || a.Copied != 1 || !a.Closes() {
		t.Errorf("account %+v", a)
	}
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, mailcopy.Options{})
	if err != nil || !verdict.Verified {
		t.Errorf("%+v, %v", verdict, err)
	}
}

func TestMergedFolders(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 20)
	for _, name := range []string{"Ideas", "ideas"} {
		if _, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: name}); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			deliver(t, s.sourceStore, name, fmt.Sprintf("same%d@example.net", n), "", time.Now().Truncate(time.Hour))
		}
	}
	var state migration.MailboxState
	s.pass(t, &state, mailcopy.Options{Rules: migration.CopyRules{SliceMessages: 7, Connections: 2}})
	s.verify(t, state, mailcopy.Options{})
	deliver(t, s.sourceStore, "Ideas", "same3@example.net", "", time.Now().Truncate(time.Hour))
	part := state.Part([]string{"Ideas"})
	learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, part, mailcopy.Options{Folders: []string{"Ideas"}})
	if err != nil || report.Progress.Messages != 1 {
		t.Errorf("a delta copied %d messages, %v", report.Progress.Messages, err)
	}
	state.Merge(learnt)
	s.verify(t, state, mailcopy.Options{})
	// Without the other folder's state its copies are told apart by looking at it.
	for _, name := range []string{"Ideas", "ideas"} {
		deliver(t, s.sourceStore, name, "same4@example.net", "", time.Now().Truncate(time.Hour))
		part = migration.MailboxState{Folders: []migration.FolderState{folderState(t, state, name)}}
		part.Folders[0].TargetHigh = 0 // much is in doubt
		learnt, report, err = mailcopy.Copy(t.Context(), s.from, s.to, part, mailcopy.Options{Folders: []string{name}})
		if err != nil || report.Progress.Messages != 1 {
			t.Errorf("a delta of %q alone copied %d messages, %v", name, report.Progress.Messages, err)
		}
		state.Merge(learnt)
		verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, migration.MailboxState{Folders: []migration.FolderState{folderState(t, state, name)}}, mailcopy.Options{})
		if err != nil || !verdict.Verified {
			t.Errorf("%q alone: %+v, %v", name, verdict, err)
		}
	}
	s.verify(t, state, mailcopy.Options{})
}

func TestSizeLimitIsLearnt(t *testing.T) {
	d := imap.ExchangeOnline(imap.Classic)
	d.MaxMessage = 5000
	s := newStage(t, imap.Source(), d, 20)
	for n, size := range []int{6000, 9000, 4000, 7000} {
		body := make([]byte, size)
		for i := range body {
			body[i] = "abcdefghi\r\n"[i%11]
		}
		deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("big%d@example.net", n), "X-Fill: "+string(body[:9])+"\r\nComment: x\r\n", time.Now())
		if _, _, err := s.sourceStore.Append(address, "INBOX", store.Message{Body: append([]byte("Subject: big\r\n\r\n"), body...), Internal: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	var state migration.MailboxState
	s.pass(t, &state, mailcopy.Options{})
	if state.MaxMessage < 5000 || state.MaxMessage >= 6020 {
		t.Errorf("the limit learnt is %d", state.MaxMessage)
	}
	s.verify(t, state, mailcopy.Options{})
	state = migration.MailboxState{MaxMessage: state.MaxMessage}
	s.pass(t, &state, mailcopy.Options{})
	kinds := map[string]int{}
	for _, r := range state.Refusals {
		kinds[r.Kind]++
	}
	if kinds["too-large"] < 3 {
		t.Errorf("refusals %v", kinds)
	}
}

func TestBrokenAndPoison(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 20)
	broken := deliver(t, s.sourceStore, "INBOX", "broken@example.net", "", time.Now())
	poison := deliver(t, s.sourceStore, "INBOX", "poison@example.net", "", time.Now())
	deliver(t, s.sourceStore, "INBOX", "after@example.net", "", time.Now())
	s.source.Inject(imap.Fault{Command: "UID FETCH", Folder: "INBOX", UID: broken, Answer: "NO [SERVERBUG] can't read the file"})
	s.target.Inject(imap.Fault{MessageID: "poison@example.net", Cut: true})
	var state migration.MailboxState
	var err error
	var report mailcopy.Report
	var learnt migration.MailboxState
	for range 3 {
		learnt, report, err = mailcopy.Copy(t.Context(), s.from, s.to, state, mailcopy.Options{Folders: []string{"INBOX"}})
		state.Merge(learnt)
	}
	var at *migration.MessageError
	if !errors.As(err, &at) || at.Message.UID != poison || report.Poison == nil || report.Poison.UID != poison {
		t.Fatalf("%+v, %v", report, err)
	}
	learnt, report, err = mailcopy.Copy(t.Context(), s.from, s.to, state, mailcopy.Options{Folders: []string{"INBOX"}, Poison: report.Poison})
	if err != nil || report.Exit != migration.ExitDone || !slices.Equal(report.Remaining, []string{"INBOX"}) {
		t.Errorf("alone: %+v, %v", report, err)
	}
	state.Merge(learnt)
	s.pass(t, &state, mailcopy.Options{})
	s.verify(t, state, mailcopy.Options{})
	kinds := map[string]uint32{}
	for _, r := range state.Refusals {
		kinds[r.Kind] = r.UID
	}
	if kinds["source-broken"] != broken || kinds["poison"] != poison {
		t.Errorf("refusals %+v", state.Refusals)
	}
}

func TestProblems(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 20)
	remove := s.target.Inject(imap.Fault{Command: "APPEND", Answer: "NO [OVERQUOTA] Quota exceeded"})
	_, report, err := mailcopy.Copy(t.Context(), s.from, s.to, migration.MailboxState{}, mailcopy.Options{})
	if err != nil || report.Exit != migration.ExitProblem || report.Problem.Kind != "target-full" {
		t.Errorf("a full mailbox: %+v, %v", report, err)
	}
	remove()
	s.from.Auth.Password = "wrong"
	_, report, err = mailcopy.Copy(t.Context(), s.from, s.to, migration.MailboxState{}, mailcopy.Options{})
	if err != nil || report.Exit != migration.ExitProblem || report.Problem.Kind != "sign-in-refused" {
		t.Errorf("a wrong password: %+v, %v", report, err)
	}
	remove = s.target.Inject(imap.Fault{Answer: "BAD User is authenticated but not connected.", Command: "NAMESPACE"})
	if err := mailcopy.Open(t.Context(), s.to); !errors.Is(err, mailcopy.ErrNoAccess) {
		t.Errorf("no access: %v", err)
	}
	remove()
	if err := mailcopy.Open(t.Context(), s.to); err != nil {
		t.Errorf("open: %v", err)
	}
}

func TestFind(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 5)
	deliver(t, s.targetStore, "Junk-E-Mail", "probe@example.net", "Received: from b\r\n\tby c\r\nReceived: from a by b\r\n", time.Now())
	found, received, err := mailcopy.Find(t.Context(), s.to, "<probe@example.net>")
	if err != nil || !found || !slices.Equal(received, []string{"from b by c", "from a by b"}) {
		t.Errorf("%v, %q, %v", found, received, err)
	}
	if found, _, err := mailcopy.Find(t.Context(), s.to, "<robe@example.net>"); err != nil || found {
		t.Errorf("part of an ID was found: %v, %v", found, err)
	}
}

func TestInspect(t *testing.T) {
	s := newStage(t, imap.DottedSource(), imap.ExchangeOnline(imap.Classic), 60)
	facts, err := mailcopy.Inspect(t.Context(), s.from, mailcopy.Options{Rules: migration.CopyRules{Exclude: []string{"INBOX.Archive"}}})
	if err != nil || facts.Separator != "." || facts.Prefix != "INBOX." || len(facts.Folders) < 5 {
		t.Fatalf("%+v, %v", facts, err)
	}
	for _, f := range facts.Folders {
		t.Logf("%s (%s): %d messages, %d bytes, to %s", f.Name, f.SpecialUse, f.Messages, f.Bytes, f.Target)
	}
}

func TestMovesFollow(t *testing.T) {
	for _, addOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("add only %v", addOnly), func(t *testing.T) {
			s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 60)
			for n := range 5 {
				deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("filed%d@example.net", n), "", time.Now().Add(-time.Hour))
			}
			for _, name := range []string{"Reading/Later", "Old name"} {
				if _, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: name}); err != nil {
					t.Fatal(err)
				}
			}
			for n := range 7 {
				deliver(t, s.sourceStore, "Old name", fmt.Sprintf("renamed%d@example.net", n), "", time.Now().Add(-time.Hour))
			}
			var state migration.MailboxState
			s.pass(t, &state, mailcopy.Options{})
			inbox := folderID(t, s.sourceStore, "INBOX")
			last := folderState(t, state, "INBOX").Cursor
			if _, _, _, err := s.sourceStore.Copy(inbox, []uint32{last, last - 2, last - 3}, "Reading/Later", true); err != nil {
				t.Fatal(err)
			}
			if err := s.sourceStore.RenameFolder(address, "Old name", "New name", "/"); err != nil {
				t.Fatal(err)
			}
			before := counts(t, s.targetStore)
			o := mailcopy.Options{Since: time.Now(), AddOnly: addOnly, Folders: s.probe(t, state, s.changed(t, state)...)}
			report := s.pass(t, &state, o)
			if report.Progress.Messages != 0 {
				t.Errorf("%d messages were copied again", report.Progress.Messages)
			}
			if !addOnly {
				before["INBOX"] -= 3
				before["Reading/Later"] = 3
				before["New name"], before["Old name"] = 7, 0
				delete(before, "Old name")
			}
			if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("the target has %v, want %v", after, before)
			}
			if a := state.Account(); a.Moved != 10 || !a.Closes() {
				t.Errorf("account %+v", a)
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
			if again := s.pass(t, &state, mailcopy.Options{Since: time.Now(), AddOnly: addOnly}); again.Progress.Messages != 0 {
				t.Errorf("the next pass copied %d", again.Progress.Messages)
			}
			s.probe(t, state)
		})
	}
}

// changed is what a probe finds.
func (s *stage) changed(t testing.TB, state migration.MailboxState) []string {
	t.Helper()
	var cursors []migration.FolderCursor
	for _, f := range state.Folders {
		cursors = append(cursors, f.Cursors())
	}
	found, err := mailcopy.Probe(t.Context(), s.from, cursors, mailcopy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Folders()
}
