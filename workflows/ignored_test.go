package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// given is an order that doesn't count, and what its workflow's trail says of it.
type given struct {
	id, name string
	order    any
	want     string
}

// ignores gives orders at a time and looks soon after for what the trails say of them.
func (b *bench) ignores(at time.Duration, orders []given) {
	b.after(at, func() {
		for _, o := range orders {
			b.signalAt(o.id, o.name, o.order)
		}
	})
	b.after(at+time.Minute, func() {
		for _, o := range orders {
			want := o.name + " was ignored: " + o.want
			if trail := b.trailAt(o.id); !slices.ContainsFunc(trail, func(e migration.AuditEntry) bool { return e.What == want }) {
				b.t.Errorf("the trail of %s lacks %q: %+v", o.id, want, trail)
			}
		}
	})
}

const wave01 = "contoso/20261123-1/wave-01"

func mailboxOf(user string) string { return MailboxID("contoso", "20261123-1", user+"@contoso.com") }

// TestOrdersThatDoNotCount: each is shown with its reason where it was given.
func TestOrdersThatDoNotCount(t *testing.T) {
	b := newBench(t)
	b.plan.Endpoints[0].MailboxesAtOnce = 10
	b.enroll(testRows("wave-01", "ada", "ben", "cleo", "dan", "eve"))
	b.world.Exits["cleo@contoso.com"] = []activities.CopyOutput{{Exit: migration.ExitProblem, Problem: &migration.Problem{Kind: "target-full", Text: "no room"}}}
	b.world.Verdicts["dan@contoso.com"] = []bool{false, false, false}
	b.world.Refuse = func(activity, what string) error {
		switch {
		case activity == "OpenSources" && what == "ben@contoso.com":
			return fake.Problem("sign-in-refused", "no")
		case activity == "Copy" && what == "eve@contoso.com":
			return errPassing
		}
		return nil
	}
	by, row := Order{By: "Grace"}, func(user string) RowOrder { return RowOrder{Mailbox: user + "@contoso.com", By: "Grace"} }
	b.ignores(3*time.Hour, []given{
		{"contoso", SignalAbort, nil, `it must say who gives it: {"by": "..."}`},
		{"contoso", SignalExclude, Order{By: "Grace"}, `it must say which mailbox, and who gives it: {"mailbox": "ada@example.com", "by": "..."}`},
		{"contoso", SignalRestart, row("nobody"), "no list has nobody@contoso.com"},
		{"contoso", SignalRetry, StepOrder{Step: 6}, `it must say who gives it: {"step": 6, "by": "..."}`},
		{"contoso", SignalRetry, StepOrder{Step: 12, By: "Grace"}, "there is no step 12; they are numbered from 1 to 11"},
		{"contoso", SignalRetry, StepOrder{Step: 9, By: "Grace"}, "nothing waits at step 9"},
		{"contoso", SignalSkip, StepOrder{Step: 3, By: "Grace"}, "nothing waits at step 3"},
		{wave01, SignalExclude, row("nobody"), "nobody@contoso.com is not in this wave"},
		{wave01, SignalRestart, row("nobody"), "nobody@contoso.com is not in this wave"},
		{wave01, SignalRestart, row("ben"), "ben@contoso.com has not begun to copy; retry the step that waits"},
		{wave01, SignalRetry, StepOrder{Step: 4, Mailbox: "ada@contoso.com", By: "Grace"}, "nothing waits at step 4 of ada@contoso.com"},
		{mailboxOf("ada"), SignalRetry, StepOrder{Step: 7, By: "Grace"}, "step 7 of this mailbox does not wait"},
		{mailboxOf("ada"), SignalSkip, StepOrder{Step: 7, By: "Grace"}, "step 7 of this mailbox does not wait"},
		{mailboxOf("cleo"), SignalRetry, StepOrder{Step: 7, Mailbox: "ben@contoso.com", By: "Grace"}, "it is for ben@contoso.com, and this is the mailbox of cleo@contoso.com"},
		{mailboxOf("cleo"), SignalSkip, StepOrder{Step: 7, Mailbox: "ben@contoso.com", By: "Grace"}, "it is for ben@contoso.com, and this is the mailbox of cleo@contoso.com"},
		{mailboxOf("cleo"), SignalSyncNow, by, "the first copy isn't complete; the wave says when it may run"},
		{mailboxOf("dan"), SignalSyncNow, by, "the mailbox waits for a person; retry its step"},
		{mailboxOf("eve"), SignalRestart, by, "a pass is under way; pause the mailbox first"},
	})
	b.after(4*time.Hour, func() {
		b.signalAt(wave01, SignalExclude, row("ada"))
		b.signalAt(wave01, SignalExclude, row("ben"))
	})
	b.ignores(5*time.Hour, []given{
		{wave01, SignalExclude, row("ben"), "ben@contoso.com is left out already"},
		{wave01, SignalExclude, row("ada"), "ada@contoso.com is left out already"},
		{mailboxOf("ada"), SignalExclude, by, "the mailbox is left out already"},
		{mailboxOf("ada"), SignalSyncNow, by, "the mailbox is left out"},
	})
	b.after(6*time.Hour, func() { b.SignalWorkflow(SignalAbort, by) })
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}

// TestOrdersThatComeTooLate: after the MX change and after the final delta there is less to order.
func TestOrdersThatComeTooLate(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"))
	by := Order{By: "Grace"}
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "ben@contoso.com", By: "Grace"}) })
	b.after(4*time.Hour, func() {
		gate := b.status().Gate
		b.SignalWorkflow(SignalApprove, Decision{Digest: gate.Digest, By: "Grace"})
		b.SignalWorkflow(SignalApprove, Decision{Digest: gate.Digest, By: "Hopper"})
		b.update(UpdateApprove, "Grace has approved it already", Decision{Digest: gate.Digest, By: "Hopper"})
	})
	b.ignores(5*time.Hour, []given{
		{"contoso", SignalApprove, Decision{Digest: "late", By: "Hopper"}, "nothing waits for approval"},
		{wave01, SignalRestart, RowOrder{Mailbox: "ben@contoso.com", By: "Grace"}, tooLateToReturn("ben@contoso.com")},
		{mailboxOf("ben"), SignalRestart, by, tooLateToReturn("ben@contoso.com")},
	})
	b.world.Refuse = func(activity, _ string) error {
		if activity == "Notify welcome" {
			return fake.Problem("notice-refused", "no")
		}
		return nil
	}
	finished := 8 * 24 * time.Hour
	b.ignores(finished, []given{
		{"contoso", SignalSyncNow, by, "the final delta of every mailbox is ordered"},
		{wave01, SignalSyncNow, by, "the final delta is ordered"},
		{mailboxOf("ada"), SignalSyncNow, by, "the final delta is done"},
		{mailboxOf("ada"), SignalExclude, by, "the final delta is done"},
		{mailboxOf("ada"), SignalRestart, by, "the mailbox is finished"},
	})
	b.after(finished+time.Hour, func() {
		if s := b.status(); !s.has("approve-cutover was ignored: Grace has approved it already") {
			t.Errorf("audit %+v", s.Audit)
		}
		b.world.Refuse = nil
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepWelcome, By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || s.Totals.Finished != 1 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
}
