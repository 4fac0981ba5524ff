package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// atTheGate is the state of a tenant that a run before has brought to the gate.
func atTheGate(b *bench, since time.Time) TenantState {
	s := newTenantState(b.plan, since)
	for _, step := range migration.Steps() {
		if step < migration.StepCutover {
			s.Steps[step-1].State = migration.Done
		}
	}
	s.Imports = []*importState{{ID: "list", Of: 1, Chunks: []int{1}, Rows: 1, Committed: true}}
	wave := s.Waves[0]
	wave.Started, wave.Begun, wave.Rows = true, true, 1
	wave.Report = waveReport{Number: 1, Mailboxes: 1, Verified: true}
	wave.Report.Status.Totals.Mailboxes = 1
	domain := s.Domains[0]
	domain.Verified, domain.Ready = true, true
	domain.Wanted = migration.Record{Name: domain.Name, Type: "MX", TTL: 3600, Data: []string{"0 contoso-com.mail.protection.outlook.com"}}
	before := b.world.MX[domain.Name]
	after := domain.Wanted
	after.TTL = b.plan.DNS.TTL
	s.Gate = &Gate{Domains: []string{domain.Name}, Changes: []migration.Change{{Before: before, After: after}}, Since: since}
	s.Gate.Digest = s.Gate.digest()
	s.Steps[migration.StepCutover-1].State, s.Steps[migration.StepCutover-1].Since = migration.Waiting, since
	return s
}

func TestGateStandsInANewRun(t *testing.T) {
	b := newBench(t)
	since := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	carried := atTheGate(b, since)
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil)
	b.after(5*time.Minute, func() {
		s := b.status()
		if s.Gate == nil || s.Gate.Digest != carried.Gate.Digest || !s.Gate.Since.Equal(since) {
			t.Errorf("the gate is %+v, and was %+v", s.Gate, carried.Gate)
		}
		step := s.Steps[migration.StepCutover-1]
		if step.State != migration.Waiting || !step.Since.Equal(since) || s.State != migration.Waiting {
			t.Errorf("the step is %+v and the tenant %s; want both waiting, since %s", step, s.State, since)
		}
		b.world.Mu.Lock()
		b.world.Ended = []string{WaveID("contoso", "20261123-1", "wave-01")} // nothing is left to wait for
		b.world.Mu.Unlock()
		b.CancelWorkflow()
	})
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1", Carried: &carried})
}

// TestNewRunWhileAWaveIsSilent: a wave that was ended after it was handed rows never says what they change. The list is
// refused after a while, and no new run waits for it.
func TestNewRunWhileAWaveIsSilent(t *testing.T) {
	b := newBench(t)
	carried := atTheGate(b, time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	var dropped []importMessage
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, _, _, name string, arg any) error {
			if name == signalImport {
				dropped = append(dropped, arg.(importMessage))
			}
			return nil
		})
	refused := false
	b.after(5*time.Minute, func() {
		b.UpdateWorkflow(UpdateEnroll, "silent", answer{t: t, name: UpdateEnroll, want: "wave wave-01 does not answer", answered: &refused},
			EnrollInput{Import: "second", Chunk: 1, Of: 1, Rows: testRows("wave-01", "ada")})
	})
	b.after(6*time.Minute, func() {
		b.SetContinueAsNewSuggested(true)
		b.SignalWorkflow(SignalSyncNow, Order{By: "Grace"}) // a task in which the tenant learns of it
	})
	b.after(48*time.Hour, func() { b.CancelWorkflow() })
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1", Carried: &carried})
	var on *workflow.ContinueAsNewError
	if err := b.GetWorkflowError(); !errors.As(err, &on) {
		t.Fatalf("the tenant ended with %v, want a new run", err)
	}
	if !refused || len(dropped) != 1 || dropped[0].Commit {
		t.Errorf("refused: %v, and the wave was told %+v", refused, dropped)
	}
}
