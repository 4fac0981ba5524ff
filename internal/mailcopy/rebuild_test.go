package mailcopy_test

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Pairs that were dropped are found again when flags are to follow, and what left the source meanwhile is no fault.
func TestDroppedPairs(t *testing.T) {
	for name, source := range map[string]imap.Dialect{"CONDSTORE": imap.Source(), "no extensions": imap.OldSource()} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, source, imap.ExchangeOnline(imap.Classic), 60)
			uid := deliver(t, s.sourceStore, "INBOX", "one@example.net", "", time.Now().Add(-time.Hour))
			deliver(t, s.sourceStore, "INBOX", "two@example.net", "", time.Now().Add(-time.Hour))
			o := mailcopy.Options{}
			var state migration.MailboxState
			s.pass(t, &state, o)
			inbox := folderID(t, s.sourceStore, "INBOX")
			copied, _ := pairOf(t, folderState(t, state, "INBOX"), uid)
			for state.DropPairs() {
			}
			_, err := s.sourceStore.Expunge(inbox, []uint32{1})
			must(t, err)
			_, _, err = s.sourceStore.ChangeFlags(inbox, []uint32{uid}, store.AddFlags, []string{`\Answered`}, 0)
			must(t, err)
			deliver(t, s.sourceStore, "INBOX", "three@example.net", "", time.Now())
			o.Since = time.Now()
			if report := s.pass(t, &state, o); report.Progress.Messages != 1 || state.InUse != "" {
				t.Errorf("%d messages copied, in use: %q", report.Progress.Messages, state.InUse)
			}
			entry, err := s.targetStore.Entry(folderID(t, s.targetStore, "INBOX"), copied)
			if err != nil || !entry.Has(`\Answered`) {
				t.Errorf("the copy's flags don't follow: %v, %v", entry.Flags, err)
			}
			verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
		})
	}
}
