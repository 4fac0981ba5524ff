package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// tenant is the one that is being recorded.
type tenant struct {
	client.Client
	world *fake.World
	ctx   context.Context
	// launch is the last, and run the first run of its chain: what is saved.
	launch string
	run    client.WorkflowRun
	rows   int
	plan   migration.Plan
}

// start makes the plan, starts the tenant and hands it its mailboxes.
func (t *tenant) start(s shape) error {
	t.launch = "20261123-1"
	t.plan = fake.Plan()
	t.world.MX["contoso.com"] = migration.Record{Name: "contoso.com", Type: "MX", TTL: 2, Data: []string{"10 mail.old.example"}}
	if err := t.upset(s.name); err != nil {
		return err
	}
	for i := range s.waves {
		t.plan.Waves = append(t.plan.Waves, migration.Wave{Name: fmt.Sprintf("wave-%02d", i+1)})
	}
	return t.begin(s.waves)
}

// begin starts the tenant and hands it its mailboxes.
func (t *tenant) begin(waves [][]string) error {
	run, err := t.ExecuteWorkflow(t.ctx, client.StartWorkflowOptions{ID: t.plan.Tenant, TaskQueue: activities.MigrateQueue},
		workflows.TenantType, workflows.TenantInput{Plan: t.plan, Launch: t.launch})
	if err != nil {
		return err
	}
	t.run = run
	return t.enroll("list", waves)
}

// mailbox is the ID of a user's mailbox, and wave that of a wave.
func (t *tenant) mailbox(user string) string {
	return workflows.MailboxID(t.plan.Tenant, t.launch, user+"@contoso.com")
}

func (t *tenant) wave(name string) string { return workflows.WaveID(t.plan.Tenant, t.launch, name) }

// upset has the world go as a shape needs it.
func (t *tenant) upset(shape string) error {
	switch shape {
	case "poison":
		t.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
			{Exit: migration.ExitPoison, Poison: &migration.Refusal{Folder: "INBOX", UID: 7, Kind: "poison"}, Remaining: []string{"INBOX"}},
			{Exit: migration.ExitDone, State: migration.MailboxState{
				Refusals: []migration.Refusal{{Folder: "INBOX", UID: 7, Kind: "poison", Words: "connection reset"}}, RefusalCount: 1,
			}},
			{Exit: migration.ExitSlice, Remaining: []string{"INBOX"}},
			{Exit: migration.ExitStopped, Remaining: []string{"INBOX"}},
		}
	case "waiting-step":
		broken := true
		t.world.Refuse = func(activity, _ string) error {
			if activity == "Connect" && broken {
				broken = false
				return fake.Problem("sign-in-refused", "the source says no")
			}
			return nil
		}
	case "left-out":
		t.world.Refuse = func(activity, what string) error {
			if activity == "OpenSources" && what == "ben@contoso.com" {
				return fake.Problem("sign-in-refused", "the source says no")
			}
			return nil
		}
	case "correction", "correction-short", "moved-row":
		t.world.Refuse = func(activity, what string) error {
			if activity == "OpenSources" && what == "ben@contoso.com" {
				return fake.Problem("sign-in-refused", "the source says no")
			}
			return nil
		}
	case "exclude-before-start":
		t.world.Refuse = func(activity, what string) error {
			if activity == "MailboxesAnswer" && what != "ada@contoso.com" {
				return fake.Problem(fake.NotYet, "")
			}
			return nil
		}
	case "late-row-after-cutover":
		t.plan.Timing.Quiet = migration.Duration(8 * time.Second)
	case "already-started":
		if err := t.occupy("ben"); err != nil {
			return err
		}
	case "retried":
		t.failOften()
	case "failing-runs":
		t.retrySoon()
		t.failOn("EnsureDomain")
	case "stragglers", "rollback":
		t.plan.Timing.QuietLimit = migration.Duration(3 * time.Second)
		t.plan.Timing.Quiet = migration.Duration(20 * time.Second)
	}
	return nil
}

// enroll hands the rows in, wave by wave, and commits them.
func (t *tenant) enroll(list string, waves [][]string) error {
	t.rows = 0
	for i, users := range waves {
		if err := t.chunk(list, i+1, len(waves), users); err != nil {
			return err
		}
		t.rows += len(users)
	}
	return t.update(workflows.UpdateEnrollCommit, workflows.EnrollCommitInput{Import: list, Rows: t.rows})
}

func (t *tenant) chunk(list string, chunk, of int, users []string) error {
	in := workflows.EnrollInput{Import: list, Chunk: chunk, Of: of}
	for _, u := range users {
		in.Rows = append(in.Rows, row(u, chunk))
	}
	return t.update(workflows.UpdateEnroll, in)
}

// list hands in a list of rows for one wave, and commits it.
func (t *tenant) list(name string, wave int, users ...string) error {
	in := workflows.EnrollInput{Import: name, Chunk: 1, Of: 1}
	for _, u := range users {
		in.Rows = append(in.Rows, row(u, wave))
	}
	if err := t.update(workflows.UpdateEnroll, in); err != nil {
		return err
	}
	return t.update(workflows.UpdateEnrollCommit, workflows.EnrollCommitInput{Import: name, Rows: len(users)})
}

// row is that of a user in the wave of the number.
func row(user string, wave int) migration.Mailbox {
	return fake.Row(fmt.Sprintf("wave-%02d", wave), user)
}

func (t *tenant) update(name string, in any) error {
	handle, err := t.UpdateWorkflow(t.ctx, client.UpdateWorkflowOptions{
		WorkflowID: t.plan.Tenant, UpdateName: name, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return handle.Get(t.ctx, nil)
}

func (t *tenant) signal(name string, payload any) error {
	return t.SignalWorkflow(t.ctx, t.plan.Tenant, "", name, payload)
}

func (t *tenant) status() (workflows.Status, error) {
	var s workflows.Status
	value, err := t.QueryWorkflow(t.ctx, t.plan.Tenant, "", workflows.QueryStatus)
	if err != nil {
		return s, err
	}
	return s, value.Get(&s)
}

// until waits until the tenant's status is as wanted.
func (t *tenant) until(what string, wanted func(workflows.Status) bool) error {
	var last workflows.Status
	for {
		s, err := t.status()
		if err == nil {
			if last = s; wanted(s) {
				return nil
			}
		}
		select {
		case <-t.ctx.Done():
			return fmt.Errorf("waiting for %s: %w; the status was %+v", what, t.ctx.Err(), last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (t *tenant) atGate() error {
	return t.until("the gate", func(s workflows.Status) bool { return s.Gate != nil })
}

// approve approves what stands at the gate.
func (t *tenant) approve() error {
	if err := t.atGate(); err != nil {
		return err
	}
	s, err := t.status()
	if err != nil || s.Gate == nil {
		return errors.Join(err, errors.New("the gate went away"))
	}
	return t.signal(workflows.SignalApprove, workflows.Decision{Digest: s.Gate.Digest, By: "Grace"})
}

// end waits for the end, which must be as said.
func (t *tenant) end(want migration.State) error {
	var result workflows.TenantResult
	if err := t.GetWorkflow(t.ctx, t.plan.Tenant, "").Get(t.ctx, &result); err != nil {
		return err
	}
	if result.State != want {
		return fmt.Errorf("it ended %s, not %s", result.State, want)
	}
	return nil
}

func (t *tenant) approveAndEnd() error {
	if err := t.approve(); err != nil {
		return err
	}
	return t.end(migration.Done)
}
