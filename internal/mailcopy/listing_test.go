package mailcopy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// atTarget counts the copies of a message in the target's INBOX.
func (s *stage) atTarget(t testing.TB, id string) int {
	t.Helper()
	return len(slices.DeleteFunc(s.places(t, id), func(folder string) bool { return folder != "INBOX" }))
}

// places are the target folders in which a message is, each as often as it is there.
func (s *stage) places(t testing.TB, id string) []string {
	t.Helper()
	folders, err := s.targetStore.Folders(address)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, f := range folders {
		err := s.targetStore.Scan(f.ID, 1, 1<<32-1, func(e store.Entry) error {
			head := make([]byte, 4<<10)
			read, _ := s.targetStore.Body(e).Reader().Read(head)
			if strings.Contains(strings.ToLower(string(head[:read])), "message-id: <"+id+">") {
				places = append(places, f.Name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return places
}

// A source that counts a message and doesn't list it, or lists it and doesn't give it out, has not lost it: the message is
// copied when the server is well again, and the mailbox isn't verified before.
func TestShortListing(t *testing.T) {
	for name, fault := range map[string]imap.Fault{
		"from fetching": {Command: "UID FETCH", Hide: true},
		"everywhere":    {Hide: true},
	} {
		for _, when := range []string{"first copy", "delta", "add-only delta"} {
			t.Run(name+", "+when, func(t *testing.T) {
				s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30)
				var state migration.MailboxState
				var o mailcopy.Options
				if when != "first copy" {
					s.pass(t, &state, o)
					o.Since, o.AddOnly = time.Now(), when != "delta"
				}
				shy := deliver(t, s.sourceStore, "INBOX", "shy@example.net", "", time.Now())
				deliver(t, s.sourceStore, "INBOX", "after@example.net", "", time.Now())
				fault.Folder, fault.UID = "INBOX", shy
				remove := s.source.Inject(fault)
				learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, state, o)
				if err == nil {
					t.Errorf("the copy ended with %s", report.Exit)
				}
				state.Merge(clone(t, learnt))
				if verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o); err == nil && verdict.Verified && verdict.Late == 0 {
					t.Error("it is verified without the hidden message, which is not late either")
				}
				remove()
				s.pass(t, &state, o)
				if n := s.atTarget(t, "shy@example.net"); n != 1 {
					t.Errorf("the message is at the target %d times", n)
				}
				s.verify(t, state, o)
				if again := s.pass(t, &state, o); again.Progress.Messages != 0 {
					t.Errorf("another pass copied %d messages", again.Progress.Messages)
				}
			})
		}
	}
}

func TestListingShortOnce(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30)
	shy := deliver(t, s.sourceStore, "INBOX", "shy@example.net", "", time.Now())
	s.source.Inject(imap.Fault{Command: "UID FETCH", Folder: "INBOX", UID: shy, Hide: true, Times: 1})
	learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, migration.MailboxState{}, mailcopy.Options{})
	if err != nil || report.Exit != migration.ExitDone {
		t.Fatalf("%+v, %v", report, err)
	}
	s.verify(t, learnt, mailcopy.Options{})
	if n := s.atTarget(t, "shy@example.net"); n != 1 {
		t.Errorf("the message is at the target %d times", n)
	}
}

// What a cursor passed without an account, because the server hid it from the count too, is copied when it shows.
func TestShowsBelowTheCursor(t *testing.T) {
	for _, addOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("add only %v", addOnly), func(t *testing.T) {
			s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30)
			var state migration.MailboxState
			s.pass(t, &state, mailcopy.Options{})
			shy := deliver(t, s.sourceStore, "INBOX", "shy@example.net", "", time.Now().Add(-time.Hour))
			for i := range state.Folders {
				if state.Folders[i].Source == "INBOX" {
					state.Folders[i].Cursor = shy
				}
			}
			o := mailcopy.Options{AddOnly: addOnly, Since: time.Now()}
			if verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o); err != nil || verdict.Verified {
				t.Errorf("verified %v, %v", verdict.Verified, err)
			}
			if report := s.pass(t, &state, o); report.Progress.Messages != 1 || s.atTarget(t, "shy@example.net") != 1 {
				t.Errorf("%d messages were copied, %d of them the one that showed", report.Progress.Messages, s.atTarget(t, "shy@example.net"))
			}
			s.verify(t, state, o)
		})
	}
}

func TestUndeleted(t *testing.T) {
	for name, source := range map[string]imap.Dialect{"CONDSTORE": imap.Source(), "no extensions": imap.OldSource()} {
		for _, addOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, add only %v", name, addOnly), func(t *testing.T) {
				s := newStage(t, source, imap.ExchangeOnline(imap.Classic), 30)
				hidden := deliver(t, s.sourceStore, "INBOX", "hidden@example.net", "", time.Now().Add(-time.Hour), `\Deleted`)
				var state migration.MailboxState
				s.pass(t, &state, mailcopy.Options{})
				o := mailcopy.Options{AddOnly: addOnly, Since: time.Now()}
				if _, _, err := s.sourceStore.ChangeFlags(folderID(t, s.sourceStore, "INBOX"), []uint32{hidden}, store.RemoveFlags, []string{`\Deleted`}, 0); err != nil {
					t.Fatal(err)
				}
				if verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o); err != nil || verdict.Verified {
					t.Errorf("verified %v without it, %v", verdict.Verified, err)
				}
				o.Folders = s.changed(t, state)
				if report := s.pass(t, &state, o); report.Progress.Messages != 1 || s.atTarget(t, "hidden@example.net") != 1 {
					t.Errorf("a pass over %q copied %d messages", o.Folders, report.Progress.Messages)
				}
				s.verify(t, state, o)
			})
		}
	}
}

// When UIDs lose their meaning in a mailbox in use, only what the old state proves was copied is left alone.
func TestMatchedAnewInUse(t *testing.T) {
	sides := map[string]func(*stage) error{
		"source": func(s *stage) error { return s.sourceStore.FlipUIDValidity(address, "INBOX") },
		"target": func(s *stage) error { return s.targetStore.FlipUIDValidity(address, "INBOX") },
	}
	for name, flips := range map[string][]string{"source": {"source"}, "target": {"target"}, "both": {"source", "target"}} {
		t.Run(name, func(t *testing.T) {
			d := imap.ExchangeOnline(imap.Classic)
			d.MaxMessage = 20_000
			s := newStage(t, imap.Source(), d, 60)
			for n := range 10 {
				deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("m%d@example.net", n), "", time.Now().Add(-time.Hour))
			}
			deliver(t, s.sourceStore, "INBOX", "large@example.net", "X-Fill: "+strings.Repeat("large and larger\r\n ", 2000)+"\r\n", time.Now().Add(-time.Hour))
			var state migration.MailboxState
			s.pass(t, &state, mailcopy.Options{})
			before := folderState(t, state, "INBOX")
			refusals := state.RefusalCount
			if before.Account.Refused == 0 {
				t.Fatal("nothing was refused")
			}
			// Somebody deletes two copies, and files old mail of his archive into the source.
			var gone []uint32
			for n := range uint32(2) {
				target, ok := pairOf(t, before, before.Cursor-1-n)
				if !ok {
					t.Fatal("a message has no copy")
				}
				gone = append(gone, target)
			}
			if _, err := s.targetStore.Expunge(folderID(t, s.targetStore, "INBOX"), gone); err != nil {
				t.Fatal(err)
			}
			o := mailcopy.Options{AddOnly: true, Since: time.Now()}
			deliver(t, s.sourceStore, "INBOX", "archive@example.net", "", time.Now().Add(-300*24*time.Hour))
			for _, side := range flips {
				if err := sides[side](s); err != nil {
					t.Fatal(err)
				}
			}
			report := s.pass(t, &state, o)
			if n := s.atTarget(t, "archive@example.net"); n != 1 || report.Progress.Messages != 1 {
				t.Errorf("%d messages were copied, %d of them the one never copied before", report.Progress.Messages, n)
			}
			after := folderState(t, state, "INBOX").Account
			if after.Refused != before.Account.Refused || state.RefusalCount != refusals {
				t.Errorf("%d refused, %d told; before %d, %d", after.Refused, state.RefusalCount, before.Account.Refused, refusals)
			}
			if !after.Closes() || after.LeftOut != before.Account.LeftOut {
				t.Errorf("account %+v, before %+v", after, before.Account)
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
			if again := s.pass(t, &state, o); again.Progress.Messages != 0 {
				t.Errorf("another pass copied %d messages", again.Progress.Messages)
			}
		})
	}
}

// A copy that ends while everything is matched anew begins the matching again.
func TestMatchingAnewInterrupted(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 60)
	var state migration.MailboxState
	s.pass(t, &state, mailcopy.Options{})
	target, _ := pairOf(t, folderState(t, state, "INBOX"), 1)
	if _, err := s.targetStore.Expunge(folderID(t, s.targetStore, "INBOX"), []uint32{target}); err != nil {
		t.Fatal(err)
	}
	if err := s.sourceStore.FlipUIDValidity(address, "INBOX"); err != nil {
		t.Fatal(err)
	}
	before := counts(t, s.targetStore)
	o := mailcopy.Options{AddOnly: true, Since: time.Now(), Folders: []string{"INBOX"}}
	for skip := range 12 {
		remove := s.source.Inject(imap.Fault{Command: "UID FETCH", Skip: skip, Answer: "NO [UNAVAILABLE] Out of order."})
		learnt, _, _ := mailcopy.Copy(t.Context(), s.from, s.to, state, o)
		remove()
		state.Merge(clone(t, learnt))
	}
	s.pass(t, &state, o)
	if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the target went from %v to %v", before, after)
	}
}

// What was never copied isn't taken for what somebody deleted, when UIDs lose their meaning in a mailbox in use.
func TestMatchedAnewNeverCopied(t *testing.T) {
	for _, flips := range []string{"source", "both"} {
		t.Run(flips, func(t *testing.T) {
			s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30)
			uids := map[string]uint32{}
			for n, id := range []string{"before", "hidden", "tossed", "after", "left"} {
				var flags []string
				if id == "hidden" {
					flags = append(flags, `\Deleted`)
				}
				uids[id] = deliver(t, s.sourceStore, "INBOX", id+"@example.net", "", time.Now().Add(time.Duration(n-60)*time.Minute), flags...)
			}
			var state migration.MailboxState
			s.pass(t, &state, mailcopy.Options{})
			inbox, target := folderID(t, s.sourceStore, "INBOX"), folderID(t, s.targetStore, "INBOX")
			f := folderState(t, state, "INBOX")
			tossed, _ := pairOf(t, f, uids["tossed"])
			left, _ := pairOf(t, f, uids["left"])
			_, err := s.sourceStore.Expunge(inbox, []uint32{uids["left"]})
			must(t, err)
			s.pass(t, &state, mailcopy.Options{Since: time.Now()})
			_, err = s.targetStore.Expunge(target, []uint32{tossed, left})
			must(t, err)
			_, _, err = s.sourceStore.ChangeFlags(inbox, []uint32{uids["hidden"]}, store.RemoveFlags, []string{`\Deleted`}, 0)
			must(t, err)
			deliver(t, s.sourceStore, "INBOX", "archive@example.net", "", time.Now().Add(-300*24*time.Hour))
			must(t, s.sourceStore.FlipUIDValidity(address, "INBOX"))
			want := map[string]int{"hidden": 1, "archive": 1}
			if flips == "both" {
				must(t, s.targetStore.FlipUIDValidity(address, "INBOX"))
				want["tossed"] = 1 // which was never copied isn't known
			}
			s.pass(t, &state, mailcopy.Options{AddOnly: true, Since: time.Now()})
			for _, id := range []string{"hidden", "tossed", "archive"} {
				if n := s.atTarget(t, id+"@example.net"); n != want[id] {
					t.Errorf("%s is at the target %d times, want %d", id, n, want[id])
				}
			}
		})
	}
}
