package mailcopy_test

import (
	"context"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// TestGivenUpCopyWaitsForNothing: a copy whose context ends because it was given up lets go at once, though its next
// checkpoint is far and appends are on their way.
func TestGivenUpCopyWaitsForNothing(t *testing.T) {
	const answered = 5
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 200)
	s.target.Inject(imap.Fault{Command: "APPEND", Skip: answered, Times: 1, Delay: 3 * time.Second})
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		for inbox, err := s.targetStore.Folder(address, store.Inbox); err == nil && inbox.Messages == 0 && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
			inbox, err = s.targetStore.Folder(address, store.Inbox)
		}
		giveUp()
	}()
	_, report, err := mailcopy.Copy(ctx, s.from, s.to, migration.MailboxState{}, mailcopy.Options{
		Every: time.Hour, Checkpoint: func(migration.MailboxState, migration.Progress) error { return ctx.Err() },
	})
	if err != nil || report.Exit != migration.ExitStopped || report.Progress.Messages > answered {
		t.Errorf("the report is %+v, %v; want it stopped, with no answer that came later than the first %d", report, err, answered)
	}
}
