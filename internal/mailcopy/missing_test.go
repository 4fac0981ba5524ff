package mailcopy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// A message that the source can't give out for a moment isn't broken.
func TestBrokenForAMoment(t *testing.T) {
	for name, fault := range map[string]imap.Fault{
		"server bug":     {Answer: "NO [SERVERBUG] Internal error occurred."},
		"without a code": {Answer: "NO Cannot fetch the message."},
		"not given out":  {Hide: true},
		"in use":         {Answer: "NO [INUSE] The mailbox is being repaired."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 20)
			fault.UID = deliver(t, s.sourceStore, "INBOX", "moment@example.net", "", time.Now())
			fault.Command, fault.Folder, fault.Skip, fault.Times = "UID FETCH", "INBOX", 1, 3
			s.source.Inject(fault)
			learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, migration.MailboxState{}, mailcopy.Options{})
			if err != nil || report.Exit != migration.ExitDone {
				t.Fatalf("%+v, %v", report, err)
			}
			for _, r := range learnt.Refusals {
				if r.UID == fault.UID && r.Folder == "INBOX" {
					t.Errorf("refused: %+v", r)
				}
			}
			s.verify(t, learnt, mailcopy.Options{})
		})
	}
}

// One message that is never to be had doesn't stop the mailbox: it is named, so that it can be set aside.
func TestInUseForGood(t *testing.T) {
	s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 20)
	deliver(t, s.sourceStore, "INBOX", "before@example.net", "", time.Now())
	used := deliver(t, s.sourceStore, "INBOX", "used@example.net", "", time.Now())
	s.source.Inject(imap.Fault{Command: "UID FETCH", Folder: "INBOX", UID: used, Body: true, Answer: "NO [INUSE] The message is being repaired."})
	var state migration.MailboxState
	o := mailcopy.Options{Folders: []string{"INBOX"}}
	var report mailcopy.Report
	for range 2 {
		var learnt migration.MailboxState
		var err error
		learnt, report, err = mailcopy.Copy(t.Context(), s.from, s.to, state, o)
		state.Merge(clone(t, learnt))
		var at *migration.MessageError
		if !errors.As(err, &at) || at.Message.UID != used || report.Poison == nil {
			t.Fatalf("%+v, %v; want the message named", report, err)
		}
	}
	if n := s.atTarget(t, "before@example.net"); n != 1 {
		t.Errorf("the message before it is at the target %d times", n)
	}
	o.Poison = report.Poison
	learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, state, o)
	state.Merge(clone(t, learnt))
	if err != nil || len(state.Refusals) == 0 || state.Refusals[len(state.Refusals)-1].Kind != "poison" {
		t.Errorf("alone: %+v, %v, %+v", report, err, state.Refusals)
	}
	s.pass(t, &state, mailcopy.Options{})
	s.verify(t, state, mailcopy.Options{})
}
