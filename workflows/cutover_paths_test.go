package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// old is the MX before the change, as the fake world has it.
const old = "10 mail.old.example"

// changesMX reports whether an activity is about to put the tenant's MX into the zone, not to lower the old one's TTL.
func changesMX(activity, what string) bool {
	return activity == "ApplyChange" && !strings.HasPrefix(what, old)
}

// refuseMX has every change of the MX fail, until the returned function is called.
func (b *bench) refuseMX(err error) (mend func()) {
	refuses := true
	b.world.Refuse = func(activity, what string) error {
		if refuses && changesMX(activity, what) {
			return err
		}
		return nil
	}
	return func() { refuses = false }
}

func TestAbortWhileTheMXIsBeingChangedTakesItBack(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	sent := false
	b.world.Refuse = func(activity, what string) error {
		if changesMX(activity, what) && !sent {
			sent = true
			b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
			time.Sleep(100 * time.Millisecond) // let the workflow hear of it before the change is made
		}
		return nil
	}
	b.approve(3 * time.Hour)
	b.after(8*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Boss"}) })
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if mx := b.world.MX["contoso.com"]; mx.Data[0] != old {
		t.Errorf("the MX is %v after the abort; audit %+v", mx, s.Audit)
	}
	if !sent || s.State != migration.Aborted || s.has("everything stays as it is") || !s.has("is set back to "+old) {
		t.Errorf("ended %s with audit %+v", s.State, s.Audit)
	}
}

func TestRefusedChangeGoesBackToTheGate(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"))
	mend := b.refuseMX(fake.Problem("dns-refused", "the server refuses the key"))
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(4*time.Hour, func() {
		if s := b.status(); len(s.Waiting) != 1 || s.Waiting[0].Problem.Kind != "dns-refused" {
			t.Errorf("waiting for %+v", s.Waiting)
		}
		b.SignalWorkflow(SignalPause, Order{By: "Boss"})
		mend()
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepCutover, By: "Grace"})
	})
	b.after(6*time.Hour, func() {
		if mx := b.world.MX["contoso.com"]; mx.Data[0] != old {
			t.Errorf("the MX was changed to %v while the migration is paused", mx)
		}
		b.SignalWorkflow(SignalResume, Order{By: "Boss"})
	})
	b.approve(7 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || b.world.MX["contoso.com"].Data[0] == old {
		t.Errorf("ended %s with %v", s.State, b.world.MX["contoso.com"])
	}
}

func TestRollbackThatIsRefusedAsksAndIsNotSaidToBeDone(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	refuses := true
	b.world.Refuse = func(activity, what string) error {
		if refuses && activity == "ApplyChange" && strings.HasPrefix(what, old) && b.world.MX["contoso.com"].Data[0] != old {
			return fake.Problem("dns-by-hand", "the DNS of contoso.com is changed by hand")
		}
		return nil
	}
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(5*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Boss"}) })
	b.after(6*time.Hour, func() {
		s := b.status()
		found := false
		for _, w := range s.Waiting {
			found = found || w.Problem.Kind == "dns-by-hand"
			if w.Problem.Kind == "rolled-back" {
				t.Errorf("said to be done: %s", w.Problem.Text)
			}
		}
		if !found {
			t.Errorf("waiting for %+v", s.Waiting)
		}
		refuses = false
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepCutover, By: "Boss"})
	})
	b.after(9*time.Hour, func() {
		if mx := b.world.MX["contoso.com"]; mx.Data[0] != old {
			t.Errorf("the MX is %v", mx)
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Aborted {
		t.Errorf("ended %s", s.State)
	}
}

func TestSecondAbortEndsARollbackThatIsRefused(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.world.Refuse = func(activity, what string) error {
		if activity == "ApplyChange" && strings.HasPrefix(what, old) && b.world.MX["contoso.com"].Data[0] != old {
			return fake.Problem("dns-by-hand", "the DNS of contoso.com is changed by hand")
		}
		return nil
	}
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(5*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Boss"}) })
	b.after(6*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Boss"}) })
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if s.State != migration.Aborted || !s.has("the MX of contoso.com is still to be set back to "+old) || b.world.Report == nil {
		t.Errorf("ended %s: %+v", s.State, s.Audit)
	}
}

func TestAbortWhileAChangeFailsLeavesEverything(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	sent := false
	b.world.Refuse = func(activity, what string) error {
		if changesMX(activity, what) && !sent {
			sent = true
			b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
			time.Sleep(100 * time.Millisecond)
			return fake.Problem(zoneChanged, "someone was faster")
		}
		return nil
	}
	b.approve(3 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); !sent || s.State != migration.Aborted || b.world.MX["contoso.com"].Data[0] != old || !s.has("no MX was changed") {
		t.Errorf("ended %s with %v; audit %+v", s.State, b.world.MX["contoso.com"], s.Audit)
	}
}

// A person who has changed the MX by hand and then aborts finds it set back, not left behind.
func TestAbortAfterAChangeByHandTakesItBack(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.refuseMX(fake.Problem("dns-by-hand", "change it by hand"))
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(4*time.Hour, func() {
		b.world.MX["contoso.com"] = migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"0 contoso-com.mail.protection.outlook.com"}}
		b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
	})
	b.after(8*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Boss"}) })
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Aborted || b.world.MX["contoso.com"].Data[0] != old || !s.has("is set back to "+old) {
		t.Errorf("ended %s with %v; audit %+v", s.State, b.world.MX["contoso.com"], s.Audit)
	}
}

// The change that a person made by hand is the approved one, so nobody is asked to approve it again.
func TestChangeByHandNeedsOneApproval(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	mend := b.refuseMX(fake.Problem("dns-by-hand", "change it by hand"))
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(4*time.Hour, func() {
		mend()
		b.world.MX["contoso.com"] = migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"0 contoso-com.mail.protection.outlook.com"}}
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepCutover, By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if s.State != migration.Done || len(s.Approvals) != 1 || !s.has("the MX of contoso.com is changed from "+old) {
		t.Errorf("ended %s with approvals %+v; audit %+v", s.State, s.Approvals, s.Audit)
	}
}

func TestApprovalIsRejectedWhileItsChangeWaits(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	mend := b.refuseMX(fake.Problem("dns-refused", "the server refuses the key"))
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(4*time.Hour, func() {
		mend()
		b.SignalWorkflow(SignalReject, Decision{Digest: b.status().Approvals[0].Digest, By: "Boss"})
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepCutover, By: "Mallory"})
	})
	b.after(6*time.Hour, func() {
		if s := b.status(); s.Gate == nil || b.world.MX["contoso.com"].Data[0] != old {
			t.Errorf("gate %+v, MX %v; audit %+v", s.Gate, b.world.MX["contoso.com"], s.Audit)
		}
	})
	b.approve(7 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || len(s.Approvals) != 3 || !s.Approvals[1].Rejected {
		t.Errorf("ended %s with approvals %+v", s.State, s.Approvals)
	}
}

// A server that doesn't answer keeps no approval alive over a pause.
func TestSlowChangeIsLookedAtAgain(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	mend := b.refuseMX(temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, errPassing))
	b.after(3*time.Hour, func() { b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"}) })
	b.after(4*time.Hour, func() { b.SignalWorkflow(SignalPause, Order{By: "Boss"}) })
	b.after(5*time.Hour, mend)
	b.after(6*time.Hour, func() {
		if s := b.status(); b.world.MX["contoso.com"].Data[0] != old || !s.has("could not be changed within") || !s.has("the gate is closed") {
			t.Errorf("the MX is %v; audit %+v", b.world.MX["contoso.com"], s.Audit)
		}
		b.SignalWorkflow(SignalResume, Order{By: "Boss"})
	})
	b.approve(7 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s", s.State)
	}
}

func TestTTLOfTheRollbackIsWaitedForInANewRun(t *testing.T) {
	b := newBench(t)
	carried := atTheGate(b, b.Now())
	change := carried.Gate.Changes[0]
	carried.Gate = nil
	carried.Steps[migration.StepCutover-1].State = migration.Done
	carried.Domains[0].Change, carried.Domains[0].Changed, carried.Domains[0].Restored = &change, b.Now(), true
	carried.CutOver, carried.CachedUntil = b.Now(), b.Now().Add(2*time.Hour)
	carried.Rollback = &Order{By: "Boss"}
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil)
	rolledBack := func() bool { w := b.status().Waiting; return len(w) > 0 && w[0].Problem.Kind == "rolled-back" }
	b.after(time.Hour, func() {
		if rolledBack() {
			t.Error("rolled back before the TTL was over")
		}
	})
	b.after(3*time.Hour, func() {
		if !rolledBack() {
			t.Errorf("not rolled back: %+v", b.status().Waiting)
		}
		b.world.Mu.Lock()
		b.world.Ended = []string{WaveID("contoso", "20261123-1", "wave-01")} // nothing is left to wait for
		b.world.Mu.Unlock()
		b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
	})
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1", Carried: &carried})
	if err := b.GetWorkflowError(); err != nil {
		t.Error(err)
	}
}
