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

func cursors(state migration.MailboxState) []migration.FolderCursor {
	var all []migration.FolderCursor
	for _, f := range state.Folders {
		all = append(all, f.Cursors())
	}
	return all
}

// A delta's verification reads what is new, and whatever isn't as expected has it read everything.
func TestDeltaIsVerified(t *testing.T) {
	for name, source := range map[string]imap.Dialect{"CONDSTORE": imap.Source(), "no extensions": imap.OldSource()} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, source, imap.ExchangeOnline(imap.Classic), 60)
			deliver(t, s.sourceStore, "INBOX", "undeleted@example.net", "", time.Now().Add(-time.Hour), `\Deleted`)
			deliver(t, s.sourceStore, "INBOX", "deleted@example.net", "", time.Now().Add(-time.Hour), `\Deleted`)
			var state migration.MailboxState
			s.pass(t, &state, mailcopy.Options{})
			o := mailcopy.Options{Since: time.Now(), Known: cursors(state)}
			inbox := folderID(t, s.sourceStore, "INBOX")
			deliver(t, s.sourceStore, "INBOX", "new@example.net", "", time.Now())
			_, _, err := s.sourceStore.ChangeFlags(inbox, s.deleted(t, "INBOX")[:1], store.RemoveFlags, []string{`\Deleted`}, 0)
			must(t, err)
			_, err = s.sourceStore.Expunge(inbox, []uint32{1})
			must(t, err)
			s.pass(t, &state, o)
			late := deliver(t, s.sourceStore, "INBOX", "late@example.net", "", time.Now())
			// Old mail isn't read: it can't be just now.
			var removes []func()
			for uid := range uint32(10) {
				removes = append(removes, s.source.Inject(imap.Fault{Command: "UID FETCH", Folder: "INBOX", UID: uid + 2, Answer: "NO Storage is slow."}))
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
			if err != nil || !verdict.Verified || verdict.Late != 1 {
				t.Errorf("%+v, %v", verdict, err)
			}
			for _, remove := range removes {
				remove()
			}
			whole, err := mailcopy.Verify(t.Context(), s.from, s.to, state, mailcopy.Options{})
			if err != nil || fmt.Sprint(whole) != fmt.Sprint(verdict) {
				t.Errorf("the whole is %+v, %v; the delta %+v", whole, err, verdict)
			}
			_, err = s.sourceStore.Expunge(inbox, []uint32{late})
			must(t, err)
			s.faults(t, state, o)
		})
	}
}

// faults are found by a delta's verification too.
func (s *stage) faults(t *testing.T, state migration.MailboxState, o mailcopy.Options) {
	t.Helper()
	verified := func() bool {
		t.Helper()
		verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
		must(t, err)
		return verdict.Verified
	}
	if !verified() {
		t.Error("it isn't verified")
	}
	_, _, err := s.sourceStore.ChangeFlags(folderID(t, s.sourceStore, "INBOX"), s.deleted(t, "INBOX"), store.RemoveFlags, []string{`\Deleted`}, 0)
	must(t, err)
	if verified() {
		t.Error("it is verified without an undeleted message")
	}
	s.pass(t, &state, mailcopy.Options{Since: o.Since})
	if !verified() {
		t.Error("it isn't verified with the undeleted message")
	}
	target := folderID(t, s.targetStore, "INBOX")
	own := deliver(t, s.targetStore, "INBOX", "own@example.org", "", time.Now())
	if verified() {
		t.Error("it is verified with a message that nothing explains")
	}
	_, err = s.targetStore.Expunge(target, []uint32{own})
	must(t, err)
	if !verified() {
		t.Error("it isn't verified without that message")
	}
	copied, _ := pairOf(t, folderState(t, state, "INBOX"), folderState(t, state, "INBOX").Cursor-1)
	_, err = s.targetStore.Expunge(target, []uint32{copied})
	must(t, err)
	deliver(t, s.targetStore, "INBOX", "other@example.org", "", time.Now())
	if verified() {
		t.Error("it is verified with another message in a copy's place")
	}
}
