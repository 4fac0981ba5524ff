package mailcopy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// A mailbox that somebody works in, though it isn't marked as live, is only added to from the delta on that finds it so.
func TestMailboxFoundInUse(t *testing.T) {
	for name, work := range map[string]func(*testing.T, *stage, uint32){
		"own mail": func(t *testing.T, s *stage, _ uint32) {
			deliver(t, s.targetStore, "INBOX", "own@example.org", "", time.Now())
		},
		"a copy deleted": func(t *testing.T, s *stage, target uint32) {
			_, err := s.targetStore.Expunge(folderID(t, s.targetStore, "INBOX"), []uint32{target})
			must(t, err)
		},
		"a copy filed": func(t *testing.T, s *stage, target uint32) {
			_, _, _, err := s.targetStore.Copy(folderID(t, s.targetStore, "INBOX"), []uint32{target}, "Archiv", true)
			must(t, err)
		},
		"a copy read": func(t *testing.T, s *stage, target uint32) {
			_, _, err := s.targetStore.ChangeFlags(folderID(t, s.targetStore, "INBOX"), []uint32{target}, store.AddFlags, []string{`\Seen`}, 0)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, state, first := filled(t)
			f := folderState(t, state, "INBOX")
			target, _ := pairOf(t, f, first+50)
			work(t, s, target)
			// At the source mail comes, another is answered, and one is deleted.
			deliver(t, s.sourceStore, "INBOX", "new@example.net", "", time.Now())
			_, _, err := s.sourceStore.ChangeFlags(folderID(t, s.sourceStore, "INBOX"), []uint32{first}, store.AddFlags, []string{`\Answered`}, 0)
			must(t, err)
			s.expunge(t, first+1, 1)
			before := counts(t, s.targetStore)
			o := follows()
			report := s.pass(t, &state, o)
			before["INBOX"]++
			if after := counts(t, s.targetStore); report.Progress.Messages != 1 || fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("%d messages copied; the target has %v, want %v", report.Progress.Messages, after, before)
			}
			if state.InUse == "" {
				t.Fatal("it is not found in use")
			}
			t.Log(state.InUse)
			answered, _ := pairOf(t, f, first)
			if entry, err := s.targetStore.Entry(folderID(t, s.targetStore, "INBOX"), answered); err != nil || entry.Has(`\Answered`) {
				t.Errorf("a flag was changed in a mailbox in use: %v, %v", entry.Flags, err)
			}
			part := state.Part([]string{"INBOX"})
			if part.InUse == "" {
				t.Error("a part of the state doesn't know of it")
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
		})
	}
}

// Nothing of what a copy itself leaves behind is taken for somebody's work.
func TestNotInUse(t *testing.T) {
	renumbering := imap.ExchangeOnline(imap.Proxy)
	renumbering.RenumbersFlagged = true
	silent := renumbering
	silent.NoAppendUID = true
	for name, test := range map[string]struct{ source, target imap.Dialect }{
		"classic":      {imap.Source(), imap.ExchangeOnline(imap.Classic)},
		"new UIDs":     {imap.Source(), renumbering},
		"no APPENDUID": {imap.OldSource(), silent},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, test.source, test.target, 120)
			for _, folder := range []string{"Ideas", "ideas"} { // one at the target
				_, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: folder})
				must(t, err)
				deliver(t, s.sourceStore, folder, "first@example.net", "", time.Now().Add(-time.Hour))
			}
			var state migration.MailboxState
			o := mailcopy.Options{}
			s.pass(t, &state, o)
			for n := range 6 {
				o.Since = time.Now()
				deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("n%d@example.net", n), "", time.Now(), `\Flagged`)
				uid := deliver(t, s.sourceStore, "ideas", fmt.Sprintf("i%d@example.net", n), "", time.Now().Add(-time.Hour))
				_, _, err := s.sourceStore.ChangeFlags(folderID(t, s.sourceStore, "INBOX"), []uint32{3, 4}, []store.FlagChange{store.AddFlags, store.RemoveFlags}[n%2], []string{`\Flagged`, `\Seen`}, 0)
				must(t, err)
				if n%2 == 1 { // a pass that dies in between
					remove := s.target.Inject(imap.Fault{Command: "APPEND", Times: 1, Lose: true})
					ctx, crashed := mailcopy.Options{Since: o.Since, Every: time.Millisecond}, fmt.Errorf("crashed")
					ctx.Checkpoint = func(_ migration.MailboxState, p migration.Progress) error {
						if p.Messages > 0 {
							return crashed
						}
						return nil
					}
					_, _, _ = mailcopy.Copy(t.Context(), s.from, s.to, state, ctx)
					remove()
				} else {
					_, _, _, err := s.sourceStore.Copy(folderID(t, s.sourceStore, "ideas"), []uint32{uid}, "Sent", true)
					must(t, err)
				}
				o.Folders = s.changed(t, state)
				part := state.Part(o.Folders)
				for range 3 { // in slices
					o.Rules.SliceMessages = 1
					learnt, _, err := mailcopy.Copy(t.Context(), s.from, s.to, part, o)
					must(t, err)
					state.Merge(clone(t, learnt))
					part = state.Part(o.Folders)
				}
				o.Rules.SliceMessages = 0
				s.pass(t, &state, o)
				if state.InUse != "" {
					t.Fatalf("after pass %d: %s", n, state.InUse)
				}
			}
			s.verify(t, state, mailcopy.Options{})
		})
	}
}

// When the source numbers a folder anew, copies that nobody recorded are not somebody's work, and a copy that is gone is.
func TestInUseWhenNumberedAnew(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		t.Run(fmt.Sprintf("a copy deleted %v", deleted), func(t *testing.T) {
			s, state, first := filled(t)
			copied, _ := pairOf(t, folderState(t, state, "INBOX"), first+50)
			if deleted {
				_, err := s.targetStore.Expunge(folderID(t, s.targetStore, "INBOX"), []uint32{copied})
				must(t, err)
			} else { // a pass that nobody learns of
				deliver(t, s.sourceStore, "INBOX", "new@example.net", "", time.Now())
				lost := clone(t, state)
				s.pass(t, &lost, mailcopy.Options{Since: time.Now()})
			}
			must(t, s.sourceStore.FlipUIDValidity(address, "INBOX"))
			before := counts(t, s.targetStore)
			s.pass(t, &state, follows())
			if after := counts(t, s.targetStore); fmt.Sprint(before) != fmt.Sprint(after) || deleted != (state.InUse != "") {
				t.Errorf("in use: %q; the target went from %v to %v", state.InUse, before, after)
			}
		})
	}
}
