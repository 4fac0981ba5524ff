package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/workflows"
)

// given are the updates that a tenant was sent, in words.
func (f *fake) given() []string {
	var all []string
	for _, u := range f.updates {
		switch in := u.Args[0].(type) {
		case workflows.EnrollInput:
			all = append(all, fmt.Sprintf("%s %d/%d %s", u.UpdateName, in.Chunk, in.Of, in.Import[64:]))
		case workflows.EnrollCommitInput:
			all = append(all, fmt.Sprintf("%s %d %s", u.UpdateName, in.Rows, in.Import[64:]))
		}
	}
	return all
}

func TestLaterListIsShownAndTakenInOrDiscarded(t *testing.T) {
	refusal := temporal.NewApplicationError("1 rows are refused: eve@contoso.com comes too late", "rows")
	for _, test := range []struct {
		name    string
		answer  error // of ask
		refuses string
		want    []string
		err     string
	}{
		{"taken in", nil, "", []string{"enroll 1/2 -3", "enroll 2/2 -3", "enroll-commit 3 -3"}, ""},
		{"discarded", errors.New("not done"), "", []string{"enroll 1/2 -3", "enroll 2/2 -3", "enroll-discard 0 -3"}, "not done"},
		{"refused", nil, "enroll 2", []string{"enroll 1/2 -3", "enroll 2/2 -3", "enroll-discard 0 -3"}, "the list of mailboxes is refused: 1 rows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			launchedBefore(t, f, isRunning, true)
			f.answers["contoso"] = workflows.Status{Lists: 3}
			f.update = func(u client.UpdateWorkflowOptions) (any, error) {
				if in, ok := u.Args[0].(workflows.EnrollInput); ok && test.refuses == fmt.Sprintf("enroll %d", in.Chunk) {
					return nil, refusal
				}
				return workflows.EnrollResult{Staged: 3, New: 1, Corrected: 1, Unchanged: 1, Changes: []workflows.RowChange{{Address: "eve@contoso.com", What: "new"}}}, nil
			}
			var asked []Change
			plan, rows := contoso("mfbox1:a:second")
			launched, err := operatorOf(f).LaunchAsking(t.Context(), plan, rows, func(c Change) error {
				asked = append(asked, c)
				return test.answer
			})
			if got := f.given(); !slices.Equal(got, test.want) {
				t.Errorf("sent %q, want %q", got, test.want)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if test.refuses == "" && (len(asked) != 1 || asked[0].New != 1 || asked[0].Same != 1 || asked[0].Named[0].Address != "eve@contoso.com") {
				t.Errorf("asked about %+v", asked)
			}
			if err == nil && (launched.New != 1 || launched.Corrected != 1 || launched.Same != 1 || launched.Unchanged) {
				t.Errorf("launched %+v", launched)
			}
		})
	}
}

// Whoever is interrupted at the question leaves nothing staged, by which rows that it moves would be held.
func TestInterruptedAtTheQuestionTheListIsDiscarded(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	f.answers["contoso"] = workflows.Status{Lists: 3}
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		return workflows.EnrollResult{Staged: 3, New: 1, Unchanged: 2}, nil
	}
	ctx, interrupt := context.WithCancel(t.Context())
	plan, rows := contoso("mfbox1:a:second")
	_, err := operatorOf(f).LaunchAsking(ctx, plan, rows, func(Change) error {
		interrupt()
		return ctx.Err()
	})
	if want := []string{"enroll 1/2 -3", "enroll 2/2 -3", "enroll-discard 0 -3"}; !slices.Equal(f.given(), want) {
		t.Errorf("sent %q, want %q; error %v", f.given(), want, err)
	}
}

func TestLaterListNeedsAWorker(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	f.workers = false
	plan, rows := contoso("mfbox1:a:second")
	if _, err := operatorOf(f).Launch(t.Context(), plan, rows); !IsKind(err, NoWorker) {
		t.Errorf("error %v", err)
	}
}

func TestHolderIsWhoHasTheMailboxInHand(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	const started, waits = "contoso/20261123-4/mailbox/ada@contoso.com", "contoso/20261123-4/pilot"
	f.add(t, started, workflows.MailboxType, isRunning, nil)
	f.add(t, waits, workflows.WaveType, isRunning, nil)
	f.answers["contoso?where[bob@contoso.com]"] = workflows.Where{Enrolled: true, Wave: waits}
	f.answers["contoso?where[nobody@contoso.com]"] = workflows.Where{}
	o := operatorOf(f)
	order := workflows.Order{By: "grace", Reason: "gone"}
	row := func(user string) workflows.RowOrder {
		return workflows.RowOrder{Mailbox: user + "@contoso.com", By: "grace", Reason: "gone"}
	}
	for _, test := range []struct {
		address string
		workers bool
		id      string
		payload any
	}{
		{"Ada@contoso.com", true, started, order},
		{"bob@contoso.com", true, waits, row("bob")},
		{"bob@contoso.com", false, "contoso", row("bob")},
	} {
		f.workers, f.signals = test.workers, nil
		h, err := o.Holder(t.Context(), "contoso", test.address)
		if err == nil {
			err = o.Exclude(t.Context(), h, order)
		}
		if err != nil || len(f.signals) != 1 || f.signals[0] != (sent{test.id, workflows.SignalExclude, test.payload}) {
			t.Errorf("%s: %v, sent %+v", test.address, err, f.signals)
		}
	}
	f.workers = true
	if _, err := o.Holder(t.Context(), "contoso", "nobody@contoso.com"); !IsKind(err, UnknownTenant) || err.Error() != `contoso has no mailbox "nobody@contoso.com"` {
		t.Errorf("unknown: %v", err)
	}
}
