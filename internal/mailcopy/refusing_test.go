package mailcopy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// A side that refuses everything for a while is a person's problem or a fault to retry; no message is given up for it.
func TestRefusingSide(t *testing.T) {
	for name, test := range map[string]struct {
		source, target []imap.Fault
		kind           string // of the problem; empty where it is retried
	}{
		"target read-only":        {target: []imap.Fault{{Command: "APPEND", Answer: "NO Mailbox is read only."}}, kind: "target-refuses"},
		"target read-only later":  {target: []imap.Fault{{Command: "APPEND", Skip: 40, Answer: "NO Mailbox is read only."}}, kind: "target-refuses"},
		"source broken":           {source: []imap.Fault{{Command: "UID FETCH", Answer: "NO Internal error."}}, kind: "source-refuses"},
		"source offline":          {source: []imap.Fault{{Command: "UID FETCH", Answer: "NO [UNAVAILABLE] Storage is offline for maintenance."}}},
		"source offline in words": {source: []imap.Fault{{Command: "UID FETCH", Skip: 3, Answer: "NO Temporary failure, try again."}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30)
			for i := range 60 {
				deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("m%d@example.net", i), "", time.Now())
			}
			var healthy migration.MailboxState
			newStage(t, imap.Source(), imap.ExchangeOnline(imap.Classic), 30).pass(t, &healthy, mailcopy.Options{})
			var removes []func()
			for _, f := range test.source {
				removes = append(removes, s.source.Inject(f))
			}
			for _, f := range test.target {
				removes = append(removes, s.target.Inject(f))
			}
			var state migration.MailboxState
			learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, state, mailcopy.Options{})
			state.Merge(clone(t, learnt))
			switch {
			case test.kind == "" && (err == nil || report.Exit == migration.ExitDone):
				t.Errorf("exit %v, %v; want an error to be retried", report.Exit, err)
			case test.kind != "" && (report.Problem == nil || report.Problem.Kind != test.kind):
				t.Fatalf("exit %v, problem %v, %v; want %s", report.Exit, report.Problem, err, test.kind)
			}
			if report.Problem != nil {
				faults := append(test.source, test.target...)
				if said := strings.TrimPrefix(faults[0].Answer, "NO "); !strings.Contains(report.Problem.Text, said) {
					t.Errorf("%q doesn't tell the server's words", report.Problem.Text)
				}
			}
			for _, remove := range removes {
				remove()
			}
			s.pass(t, &state, mailcopy.Options{})
			s.verify(t, state, mailcopy.Options{})
			if a := state.Account(); a.Refused != healthy.Account().Refused || state.RefusalCount != healthy.RefusalCount {
				t.Errorf("%d refused, %d told, want %d", a.Refused, state.RefusalCount, healthy.RefusalCount)
			}
		})
	}
}
