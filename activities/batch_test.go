package activities_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func asError[E error](err error, into *E) bool { return errors.As(err, into) }

var (
	endpoints = []migration.Endpoint{{Name: "old"}}
	errBusy   = errors.New("the server is busy")
	refused   = migration.NeedsPerson("sign-in-refused", "the source refused the sign-in", "correct the password", nil)
)

func TestErrorsBecomeWhatTemporalShallDo(t *testing.T) {
	for name, test := range map[string]struct {
		err          error
		kind         string
		nonRetryable bool
		delay        time.Duration
	}{
		"a person is needed":   {refused, activities.ProblemType, true, 0},
		"the server said when": {&migration.LaterError{After: 42 * time.Second, Cause: errBusy}, activities.LaterType, false, 42 * time.Second},
		"anything else":        {errBusy, "", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := &activities.Activities{
				Heartbeat: &heartbeats{},
				Directory: directory{domain: func() (migration.Domain, error) { return migration.Domain{}, test.err }},
			}
			_, err := run[activities.DomainOutput](t, a, nil, a.EnsureDomain, activities.DomainInput{Domain: "example.com"})
			got := applicationError(t, err)
			if got.Type() != test.kind || got.NonRetryable() != test.nonRetryable || got.NextRetryDelay() != test.delay {
				t.Errorf("type %q, non-retryable %v, delay %s; want %q, %v, %s",
					got.Type(), got.NonRetryable(), got.NextRetryDelay(), test.kind, test.nonRetryable, test.delay)
			}
			var problem migration.Problem
			if test.nonRetryable {
				if err := got.Details(&problem); err != nil || problem.Kind != "sign-in-refused" {
					t.Errorf("detail %+v, %v; want the problem", problem, err)
				}
			}
		})
	}
}

func TestOneBadMailboxStopsNoOther(t *testing.T) {
	for name, test := range map[string]struct {
		faults map[string]error
		want   []migration.Outcome
		fails  bool
	}{
		"all is well": {nil, []migration.Outcome{{Address: "a@x", Done: true}, {Address: "b@x", Done: true}}, false},
		"one needs a person": {
			map[string]error{"a@x": refused},
			[]migration.Outcome{{Address: "a@x", Problem: &migration.Problem{Kind: "sign-in-refused"}}, {Address: "b@x", Done: true}},
			false,
		},
		"one fails for now": {
			map[string]error{"a@x": errBusy},
			[]migration.Outcome{{Address: "a@x", Note: errBusy.Error()}, {Address: "b@x", Done: true}},
			false,
		},
		"all fail for now":           {map[string]error{"a@x": errBusy, "b@x": errBusy}, nil, true},
		"the server said when, once": {map[string]error{"b@x": &migration.LaterError{After: time.Second, Cause: errBusy}}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &activities.Activities{
				Heartbeat: &heartbeats{},
				Mailboxes: mailboxes{openSource: func(m migration.Mailbox) error { return test.faults[m.Address] }},
			}
			out, err := run[activities.OutcomesOutput](t, a, nil, a.OpenSources,
				activities.OpenSourcesInput{Endpoints: endpoints, Mailboxes: rows("a@x", "b@x")})
			if test.fails {
				if err == nil {
					t.Fatalf("got %+v, want an error", out)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sameOutcomes(t, out.Outcomes, test.want)
		})
	}
}

func sameOutcomes(t *testing.T, got, want []migration.Outcome) {
	t.Helper()
	same := slices.EqualFunc(got, want, func(x, y migration.Outcome) bool {
		problems := (x.Problem == nil) == (y.Problem == nil)
		if x.Problem != nil && y.Problem != nil {
			problems = x.Problem.Kind == y.Problem.Kind
		}
		return x.Address == y.Address && x.Done == y.Done && strings.Contains(x.Note, y.Note) && problems
	})
	if !same {
		t.Errorf("outcomes\n got %+v\nwant %+v", got, want)
	}
}

func TestBatchGoesOnFromTheHeartbeat(t *testing.T) {
	beats := &heartbeats{}
	var opened []string
	fail := true
	a := &activities.Activities{Heartbeat: beats, Mailboxes: mailboxes{openSource: func(m migration.Mailbox) error {
		opened = append(opened, m.Address)
		if m.Address == "b@x" && fail {
			return &migration.LaterError{After: time.Second, Cause: errBusy}
		}
		return nil
	}}}
	in := activities.OpenSourcesInput{Endpoints: endpoints, Mailboxes: rows("a@x", "b@x", "c@x")}
	if _, err := run[activities.OutcomesOutput](t, a, nil, a.OpenSources, in); err == nil {
		t.Fatal("the first attempt succeeded")
	}
	var left map[string]any
	beats.last(t, &left)
	fail = false
	out, err := run[activities.OutcomesOutput](t, a, left, a.OpenSources, in)
	if err != nil {
		t.Fatal(err)
	}
	sameOutcomes(t, out.Outcomes, []migration.Outcome{{Address: "a@x", Done: true}, {Address: "b@x", Done: true}, {Address: "c@x", Done: true}})
	if want := []string{"a@x", "b@x", "b@x", "c@x"}; !slices.Equal(opened, want) {
		t.Errorf("opened %v, want %v", opened, want)
	}
}

func TestBatchEndsWhenToldTo(t *testing.T) {
	for name, answer := range map[string]error{
		"cancelled": temporal.NewCanceledError(),
		"paused":    activity.ErrActivityPaused,
		"reset":     activity.ErrActivityReset,
	} {
		t.Run(name, func(t *testing.T) {
			opened := 0
			a := &activities.Activities{
				Heartbeat: &heartbeats{answer: func(count int) error {
					if count == 2 {
						return answer
					}
					return nil
				}},
				Mailboxes: mailboxes{openSource: func(migration.Mailbox) error { opened++; return nil }},
			}
			_, err := run[activities.OutcomesOutput](t, a, nil, a.OpenSources,
				activities.OpenSourcesInput{Endpoints: endpoints, Mailboxes: rows("a@x", "b@x", "c@x")})
			if err == nil || opened != 1 {
				t.Errorf("opened %d, error %v; want the batch to end after the first", opened, err)
			}
		})
	}
}

func TestFirstPasswordIsOnRecordBeforeItsUserExists(t *testing.T) {
	beats := &heartbeats{}
	made := 0
	var seen []migration.Sealed
	created, result := false, error(nil)
	a := &activities.Activities{
		Heartbeat: beats,
		Passwords: passwords(func() (migration.Sealed, error) { made++; return migration.Sealed(strings.Repeat("x", made)), nil }),
		Directory: directory{ensureUser: func(u migration.User) (migration.UserResult, error) {
			var details struct{ Intents []string }
			beats.last(t, &details)
			if details.Intents[0] != string(u.Password) {
				t.Errorf("the user is made with %q while %q is on record", u.Password, details.Intents[0])
			}
			seen = append(seen, u.Password)
			return migration.UserResult{ID: "1", Created: created}, result
		}},
	}
	in := activities.EnsureUsersInput{Mailboxes: rows("a@x"), Users: migration.Users{UsageLocation: "DE", Licence: "L"}}

	result = errBusy // the user was created, but the answer was lost
	if _, err := run[activities.EnsureUsersOutput](t, a, nil, a.EnsureUsers, in); err == nil {
		t.Fatal("an attempt without an outcome succeeded")
	}
	var left map[string]any
	beats.last(t, &left)
	result = nil
	out, err := run[activities.EnsureUsersOutput](t, a, left, a.EnsureUsers, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Outcomes[0]; got.Password != "x" || made != 1 || !got.Done || got.Note == "" {
		t.Errorf("outcome %+v after %d passwords; want the first password, and a note", got, made)
	}

	created = true
	out, err = run[activities.EnsureUsersOutput](t, a, nil, a.EnsureUsers, in)
	if err != nil || out.Outcomes[0].Password != seen[len(seen)-1] || out.Outcomes[0].Note != "" {
		t.Errorf("a created user: %+v, %v", out, err)
	}
	created = false
	out, err = run[activities.EnsureUsersOutput](t, a, nil, a.EnsureUsers, in)
	if err != nil || out.Outcomes[0].Password != "" {
		t.Errorf("an adopted user: %+v, %v; want no password", out, err)
	}
}

func TestMailboxesAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		graph, open bool
		err         error
		want        migration.Outcome
	}{
		"not in Graph yet": {false, true, nil, migration.Outcome{Address: "a@x", Note: "no mailbox"}},
		"no access yet":    {true, false, nil, migration.Outcome{Address: "a@x", Note: "script"}},
		"answers":          {true, true, nil, migration.Outcome{Address: "a@x", Done: true}},
		"a problem":        {true, true, refused, migration.Outcome{Address: "a@x", Problem: &migration.Problem{Kind: "sign-in-refused"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := &activities.Activities{
				Heartbeat: &heartbeats{},
				Directory: directory{answers: func(string) (bool, error) { return test.graph, nil }},
				Mailboxes: mailboxes{openTarget: func(string) (bool, error) { return test.open, test.err }},
			}
			out, err := run[activities.OutcomesOutput](t, a, nil, a.MailboxesAnswer, activities.MailboxesAnswerInput{Mailboxes: rows("a@x")})
			if err != nil {
				t.Fatal(err)
			}
			sameOutcomes(t, out.Outcomes, []migration.Outcome{test.want})
		})
	}
}

func TestConnectCounts(t *testing.T) {
	a := &activities.Activities{
		Heartbeat: &heartbeats{},
		Mailboxes: mailboxes{
			inspect: func(migration.Mailbox) (migration.SourceFacts, error) {
				return migration.SourceFacts{Folders: []migration.FolderFacts{{Messages: 3, Bytes: 30}, {Messages: 4, Bytes: 40}}}, nil
			},
			openTarget: func(address string) (bool, error) { return address == "a@x", nil },
		},
	}
	in := activities.ConnectInput{Endpoints: endpoints, Mailboxes: append(rows("a@x", "b@x"), migration.Mailbox{Address: "c@x", Endpoint: "new"})}
	out, err := run[activities.ConnectOutput](t, a, nil, a.Connect, in)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []migration.Outcome
	for _, o := range out.Outcomes {
		outcomes = append(outcomes, o.Outcome)
	}
	sameOutcomes(t, outcomes, []migration.Outcome{
		{Address: "a@x", Done: true},
		{Address: "b@x", Note: "script"},
		{Address: "c@x", Problem: &migration.Problem{Kind: "endpoint-unknown"}},
	})
	if o := out.Outcomes[0]; o.Messages != 7 || o.Bytes != 70 || o.Folders != 2 {
		t.Errorf("counted %d messages, %d bytes, %d folders", o.Messages, o.Bytes, o.Folders)
	}
}
