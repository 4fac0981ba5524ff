package main

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

var errUnreachable = errors.New("dial tcp 192.0.2.7:443: no route to host")

// failOften has an activity of each level fail more often than it is tried at a time, and a copy say that it did.
func (t *tenant) failOften() {
	t.retrySoon()
	left := map[string]int{"EnsureDomain": activities.Attempts + 1, "EnsureUsers": activities.Attempts + 1, "Probe": activities.Attempts + 1}
	t.world.Refuse = func(activity, _ string) error {
		if left[activity] == 0 {
			return nil
		}
		left[activity]--
		return errUnreachable
	}
	t.world.Exits["cleo@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitLater, Words: "try again later", Remaining: []string{"INBOX"}},
	}
}

// retrySoon makes the rounds short in which what fails is tried.
func (t *tenant) retrySoon() { t.plan.Timing.RetryMax = migration.Duration(200 * time.Millisecond) }

// failOn has an activity fail until another does, or all is calm again.
func (t *tenant) failOn(name string) {
	t.world.Mu.Lock()
	defer t.world.Mu.Unlock()
	t.world.Refuse = func(activity, _ string) error {
		if activity == name {
			return errUnreachable
		}
		return nil
	}
}

// failingRuns has each workflow go on as a new run while something is wrong with it: the tenant and a wave while an activity
// fails in round after round, a mailbox while it is to be tried again later, and another while it waits for a person.
func (t *tenant) failingRuns() error {
	if err := goesOn(t, t.plan.Tenant, func(in workflows.TenantInput) bool { return in.Carried != nil && len(in.Carried.Retrying) > 0 }); err != nil {
		return err
	}
	t.failOn("EnsureUsers")
	if err := goesOn(t, t.wave("wave-01"), func(in workflows.WaveInput) bool { return in.Carried != nil && len(in.Carried.Retrying) > 0 }); err != nil {
		return err
	}
	t.world.Mu.Lock()
	t.world.Refuse = func(activity, what string) error {
		switch {
		case activity != "Probe":
			return nil
		case what == "ada@contoso.com":
			return fake.Problem("sign-in-refused", "the source says no")
		}
		return errUnreachable
	}
	t.world.Mu.Unlock()
	if err := t.waiting("sign-in-refused"); err != nil {
		return err
	}
	if err := goesOn(t, t.mailbox("ada"), func(in workflows.MailboxInput) bool { return in.Carried != nil && in.Carried.Problem != nil }); err != nil {
		return err
	}
	if err := goesOn(t, t.mailbox("ben"), func(in workflows.MailboxInput) bool { return in.Carried != nil && !in.Carried.RetryAt.IsZero() }); err != nil {
		return err
	}
	t.calm()
	if err := t.signal(workflows.SignalRetry, workflows.StepOrder{Step: migration.StepMigrate, By: "Grace"}); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// goesOn gives a workflow orders that change nothing until it has gone on as a new run that carries what it shall.
func goesOn[In any](t *tenant, id string, carries func(In) bool) error {
	for {
		if err := t.SignalWorkflow(t.ctx, id, "", workflows.SignalResume, workflows.Order{By: "Grace"}); err != nil {
			return err
		}
		first, err := t.GetWorkflowHistory(t.ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		if err != nil {
			return err
		}
		var in In
		if err := converter.GetDefaultDataConverter().FromPayloads(first.GetWorkflowExecutionStartedEventAttributes().Input, &in); err != nil {
			return err
		}
		if carries(in) {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}
