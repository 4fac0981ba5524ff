package activities_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestNoticeInDoubtIsNeverSentAgain(t *testing.T) {
	unknown := fmt.Errorf("sending: %w", migration.ErrOutcomeUnknown)
	inFlight := map[string]any{"outcomes": []any{nil}, "intents": []string{"sending"}}
	for name, test := range map[string]struct {
		earlier any
		afterMX bool
		send    error
		found   bool
		look    error
		sent    int
		done    bool
		note    string
		fails   bool
	}{
		"sent":                                {sent: 1, done: true},
		"sent by the tenant":                  {afterMX: true, sent: 1, done: true},
		"refused for now":                     {send: errBusy, sent: 1, fails: true},
		"refused for good":                    {send: refused, sent: 1},
		"unknown, then found":                 {send: unknown, found: true, sent: 1, done: true, note: "then found"},
		"unknown, not found":                  {send: unknown, sent: 1, done: true, note: "may have been sent"},
		"unknown, can't be looked for":        {send: unknown, look: errBusy, sent: 1, done: true, note: "may have been sent"},
		"worker died, then found":             {earlier: inFlight, found: true, done: true, note: "then found"},
		"worker died after MX, not found":     {earlier: inFlight, afterMX: true, done: true, note: "may have been sent"},
		"worker died, mailbox does not open":  {earlier: inFlight, look: refused, done: true, note: "may have been sent"},
		"worker died after MX and then found": {earlier: inFlight, afterMX: true, found: true, done: true, note: "then found"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				beats := &heartbeats{}
				var sent []migration.Notice
				var servers []string
				looked := map[string]int{}
				look := func(where string) func(string) (bool, error) {
					return func(string) (bool, error) { looked[where]++; return test.found, test.look }
				}
				a := &activities.Activities{
					Heartbeat: beats,
					Notifier: notifier{notify: func(s migration.SMTP, n migration.Notice) error {
						var details struct{ Intents []string }
						beats.last(t, &details)
						if details.Intents[0] == "" {
							t.Error("the notice was sent before that was on record")
						}
						sent, servers = append(sent, n), append(servers, s.Host)
						return test.send
					}},
					Mailboxes: mailboxes{findAtSource: look("source"), findAtTarget: look("target")},
				}
				row := migration.Mailbox{Address: "ada@new.example", SourceAddress: "ada@old.example", Endpoint: "old"}
				out, err := run[activities.OutcomesOutput](t, a, test.earlier, a.Notify, activities.NotifyInput{
					Scope: activities.Scope{Tenant: "t", Launch: "20261123-1"}, Kind: migration.NoticeAnnouncement, AfterMX: test.afterMX,
					Endpoints: endpoints, To: []activities.Recipient{{Mailbox: row}},
					Notices: migration.Notices{From: "it@old.example", Before: migration.SMTP{Host: "before"}, After: migration.SMTP{Host: "after"}},
				})
				if len(sent) != test.sent {
					t.Errorf("sent %d times, want %d", len(sent), test.sent)
				}
				if test.sent > 0 {
					to, server := "ada@old.example", "before"
					if test.afterMX {
						to, server = "ada@new.example", "after"
					}
					if sent[0].To != to || servers[0] != server {
						t.Errorf("sent to %q by %q, want %q by %q", sent[0].To, servers[0], to, server)
					}
				}
				if test.fails {
					var details struct{ Intents []string }
					beats.last(t, &details)
					if err == nil || details.Intents[0] != "" {
						t.Errorf("error %v, intent %q; want an error and no intent", err, details.Intents[0])
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				want := migration.Outcome{Address: "ada@new.example", Done: test.done, Note: test.note}
				if !test.done {
					want.Problem = &migration.Problem{Kind: "sign-in-refused"}
				}
				sameOutcomes(t, out.Outcomes, []migration.Outcome{want})
				if wrong := map[bool]string{true: "source", false: "target"}[test.afterMX]; looked[wrong] > 0 {
					t.Errorf("looked at the %s", wrong)
				}
			})
		})
	}
}

func TestNoticeIsNotSentWhenThatCannotBeRecorded(t *testing.T) {
	sent := 0
	a := &activities.Activities{
		Heartbeat: &heartbeats{answer: func(count int) error {
			if count > 1 {
				return errors.New("no connection")
			}
			return nil
		}},
		Notifier: notifier{notify: func(migration.SMTP, migration.Notice) error { sent++; return nil }},
	}
	_, err := run[activities.OutcomesOutput](t, a, nil, a.Notify, activities.NotifyInput{To: []activities.Recipient{{Mailbox: rows("a@x")[0]}}})
	if err == nil || sent != 0 {
		t.Errorf("sent %d, error %v", sent, err)
	}
}

func TestNoticesKeepTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &activities.Activities{
			Heartbeat: &heartbeats{},
			Notifier:  notifier{notify: func(migration.SMTP, migration.Notice) error { return nil }},
		}
		in := activities.NotifyInput{Notices: migration.Notices{PerMinute: 30}}
		for _, m := range rows("a@x", "b@x", "c@x") {
			in.To = append(in.To, activities.Recipient{Mailbox: m})
		}
		began := time.Now()
		for range 2 { // two batches share the rate
			if _, err := run[activities.OutcomesOutput](t, a, nil, a.Notify, in); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("six notices at 30 a minute took %s, want 10s", took)
		}
	})
}
