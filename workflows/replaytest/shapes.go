package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// shape is one way in which a migration can go.
type shape struct {
	name string
	// short has the server suggest a new run every 50 events.
	short bool
	// waves are the users of each wave.
	waves [][]string
	// drive does what people and the world do, until the tenant has ended.
	drive func(*tenant) error
}

var (
	pilot = [][]string{{"ada"}}
	two   = [][]string{{"ada", "ben"}, {"cleo"}}
)

// shapes are all that were ever released.
var shapes = []shape{
	{"approve", false, two, (*tenant).approveAndEnd},
	{"approve-short", true, two, (*tenant).arrivals},
	{"reject", false, pilot, (*tenant).reject},
	{"abort", false, two, (*tenant).abort},
	{"abort-short", true, two, (*tenant).abort},
	{"cancel", false, pilot, (*tenant).cancel},
	{"waiting-step", false, pilot, (*tenant).waitingStep},
	{"left-out", false, two, (*tenant).leftOut},
	{"terminated-child", false, two, (*tenant).terminatedChild},
	{"poison", false, pilot, (*tenant).poison},
	{"zone-changed", false, pilot, (*tenant).zoneChanged},
	{"pause", false, pilot, (*tenant).pause},
	{"staged", false, pilot, (*tenant).staged},
	{"stragglers", false, pilot, (*tenant).stragglers},
	{"rollback", false, pilot, (*tenant).rollback},
	{"already-started", false, two, (*tenant).alreadyStarted},
	{"correction", false, two, (*tenant).correction},
	{"correction-short", true, two, (*tenant).correction},
	{"late-row", false, two, (*tenant).lateRow},
	{"late-row-after-cutover", false, two, (*tenant).lateRowAfterCutover},
	{"exclude-before-start", false, two, (*tenant).excludeBeforeStart},
	{"restart", false, two, (*tenant).restart},
	{"moved-row", false, two, (*tenant).movedRow},
	{"retried", true, two, (*tenant).approveAndEnd},
	{"failing-runs", true, two, (*tenant).failingRuns},
	{"second-launch", false, two, (*tenant).secondLaunch},
}

// arrivals has mail still arrive at the source.
func (t *tenant) arrivals() error {
	if err := t.atGate(); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // some deltas, so that the runs change
	t.world.Mu.Lock()
	t.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{Count: 2, Last: time.Now(), From: []string{"slow.example"}}}
	t.world.Probes = 1
	t.world.Mu.Unlock()
	return t.approveAndEnd()
}

func (t *tenant) reject() error {
	if err := t.atGate(); err != nil {
		return err
	}
	s, err := t.status()
	if err != nil {
		return err
	}
	wrong := t.signal(workflows.SignalApprove, workflows.Decision{Digest: "wrong", By: "Grace"})
	no := t.signal(workflows.SignalReject, workflows.Decision{Digest: s.Gate.Digest, By: "Grace", Note: "not today"})
	if err := errors.Join(wrong, no); err != nil {
		return err
	}
	if err := t.until("the rejection", func(s workflows.Status) bool { return len(s.Approvals) == 1 }); err != nil {
		return err
	}
	if err := t.update(workflows.UpdateApprove, workflows.Decision{Digest: s.Gate.Digest, By: "Grace"}); err != nil {
		return err
	}
	return t.end(migration.Done)
}

func (t *tenant) abort() error {
	if err := t.atGate(); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalAbort, workflows.Order{By: "Grace", Reason: "budget"}); err != nil {
		return err
	}
	return t.end(migration.Aborted)
}

func (t *tenant) cancel() error {
	if err := t.atGate(); err != nil {
		return err
	}
	if err := t.CancelWorkflow(t.ctx, t.plan.Tenant, ""); err != nil {
		return err
	}
	if err := t.end(migration.Aborted); err == nil {
		return errors.New("it did not end as cancelled")
	}
	return t.ctx.Err()
}

func (t *tenant) waiting(kind string) error {
	return t.until("the problem "+kind, func(s workflows.Status) bool {
		return slices.ContainsFunc(s.Waiting, func(w workflows.Waiting) bool { return w.Problem.Kind == kind })
	})
}

func (t *tenant) waitingStep() error {
	if err := t.waiting("sign-in-refused"); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalRetry, workflows.StepOrder{Step: migration.StepConnect, By: "Grace"}); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) leftOut() error {
	if err := t.waiting("sign-in-refused"); err != nil {
		return err
	}
	skip := workflows.StepOrder{Step: migration.StepCredentials, Mailbox: "ben@contoso.com", By: "Grace"}
	if err := t.signal(workflows.SignalSkip, skip); err != nil {
		return err
	}
	exclude := workflows.Order{By: "Grace", Reason: "left the company"}
	if err := t.until("the copies", func(s workflows.Status) bool { return s.Totals.Verified == 3 }); err != nil {
		return err
	}
	if err := t.SignalWorkflow(t.ctx, t.mailbox("cleo"), "", workflows.SignalExclude, exclude); err != nil {
		return err
	}
	if err := t.until("the exclusion", func(s workflows.Status) bool { return s.Gate != nil && len(s.Gate.Accepted) == 1 }); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) terminatedChild() error {
	if err := t.atGate(); err != nil {
		return err
	}
	id := t.mailbox("ben")
	t.world.Mu.Lock()
	t.world.Ended = []string{id}
	t.world.Mu.Unlock()
	if err := t.TerminateWorkflow(t.ctx, id, "", "by hand"); err != nil {
		return err
	}
	if err := t.waiting("mailbox-ended"); err != nil {
		return err
	}
	skip := workflows.StepOrder{Step: migration.StepMigrate, Mailbox: "ben@contoso.com", By: "Grace"}
	if err := t.signal(workflows.SignalSkip, skip); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) poison() error {
	if err := t.waiting("poison"); err != nil {
		return err
	}
	skip := workflows.StepOrder{Step: migration.StepMigrate, Mailbox: "ada@contoso.com", By: "Grace"}
	if err := t.signal(workflows.SignalSkip, skip); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) zoneChanged() error {
	if err := t.atGate(); err != nil {
		return err
	}
	s, err := t.status()
	if err != nil {
		return err
	}
	t.world.Mu.Lock()
	t.world.MX["contoso.com"] = migration.Record{Name: "contoso.com", Type: "MX", TTL: 1, Data: []string{"10 someone.else"}}
	t.world.Mu.Unlock()
	if err := t.signal(workflows.SignalApprove, workflows.Decision{Digest: s.Gate.Digest, By: "Grace"}); err != nil {
		return err
	}
	if err := t.until("another gate", func(now workflows.Status) bool { return now.Gate != nil && now.Gate.Digest != s.Gate.Digest }); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) pause() error {
	if err := t.signal(workflows.SignalPause, workflows.Order{By: "Grace"}); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := t.signal(workflows.SignalResume, workflows.Order{By: "Grace"}); err != nil {
		return err
	}
	if err := t.atGate(); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalSyncNow, nil); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// staged enrols, discards and enrols again while the first list is under way.
func (t *tenant) staged() error {
	if err := t.chunk("second", 1, 1, []string{"dan"}); err != nil {
		return err
	}
	if err := t.update(workflows.UpdateEnrollDiscard, workflows.EnrollCommitInput{Import: "second"}); err != nil {
		return err
	}
	if err := t.enroll("third", [][]string{{"eve", "fay"}}); err != nil {
		return err
	}
	return t.approveAndEnd()
}

func (t *tenant) stragglers() error {
	if err := t.approve(); err != nil {
		return err
	}
	if err := t.waiting("stragglers"); err != nil {
		return err
	}
	accept := workflows.StepOrder{Step: migration.StepRouting, By: "Grace", Reason: "accept: a scanner"}
	if err := t.signal(workflows.SignalRetry, accept); err != nil {
		return err
	}
	return t.end(migration.Done)
}

// rollback aborts after the MX change, and once more when the records are back.
func (t *tenant) rollback() error {
	if err := t.approve(); err != nil {
		return err
	}
	if err := t.until("the change", func(s workflows.Status) bool { return s.Steps[migration.StepRouting-1].State != migration.Pending }); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalAbort, workflows.Order{By: "Grace", Reason: "something is wrong"}); err != nil {
		return err
	}
	if err := t.waiting("rolled-back"); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalAbort, workflows.Order{By: "Grace"}); err != nil {
		return err
	}
	return t.end(migration.Aborted)
}

// occupy starts a workflow that has a mailbox's ID.
func (t *tenant) occupy(user string) error {
	_, err := t.ExecuteWorkflow(t.ctx, client.StartWorkflowOptions{
		ID: t.mailbox(user), TaskQueue: activities.MigrateQueue,
	}, workflows.MailboxType, workflows.MailboxInput{Parent: "nobody", Timing: t.plan.Timing})
	return err
}

// alreadyStarted finds a mailbox's ID taken, which is that row's fault alone.
func (t *tenant) alreadyStarted() error {
	if err := t.waiting("already-started"); err != nil {
		return err
	}
	if err := t.TerminateWorkflow(t.ctx, t.mailbox("ben"), "", "by hand"); err != nil {
		return err
	}
	if err := t.signal(workflows.SignalRetry, workflows.StepOrder{Step: migration.StepMigrate, By: "Grace"}); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// secondLaunch migrates the tenant again when that has ended: what is recorded finds its users, its records and all mail as
// they are to be, and one mailbox in use.
func (t *tenant) secondLaunch() error {
	if err := t.approveAndEnd(); err != nil {
		return err
	}
	t.launch = "20261123-2"
	t.world.Mu.Lock()
	stands := t.world.MX["contoso.com"]
	stands.TTL = 2 // it is waited out
	t.world.MX["contoso.com"] = stands
	for _, user := range []string{"ada", "ben", "cleo"} {
		found := migration.FolderState{Source: "INBOX", Target: "INBOX", Account: migration.Account{Source: 10, Already: 10}}
		out := activities.CopyOutput{Exit: migration.ExitDone, State: migration.MailboxState{Folders: []migration.FolderState{found}}}
		if user == "ada" {
			out.State.InUse = "it holds messages that were never at the source"
		}
		t.world.Exits[user+"@contoso.com"] = []activities.CopyOutput{out}
	}
	t.world.Mu.Unlock()
	if err := t.begin(two); err != nil {
		return err
	}
	if err := t.approveAndEnd(); err != nil {
		return err
	}
	if account := t.world.Accounts["ada@contoso.com"].Account; account.Already != 10 || account.Copied > 0 {
		return fmt.Errorf("the account of a mailbox that had been copied before is %+v", account)
	}
	return nil
}
