package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// failing has an activity fail of something that may pass, until the returned function is called.
func failing(refuse *func(activity, what string) error, name string) (mend func()) {
	down := true
	*refuse = func(activity, _ string) error {
		if down && activity == name {
			return errors.New("dial tcp 192.0.2.7:443: no route to host")
		}
		return nil
	}
	return func() { down = false }
}

// hasWords reports whether something fails, of these words, since before the time.
func hasWords(all []Retrying, words string, since time.Time) bool {
	for _, r := range all {
		if strings.Contains(r.Words, words) && r.Since.Before(since) {
			return true
		}
	}
	return false
}

func TestTenantSaysWhatFailsForADay(t *testing.T) {
	b := newBench(t)
	mend := failing(&b.world.Refuse, "EnsureDomain")
	b.enroll(testRows("wave-01", "ada"))
	b.after(20*time.Hour, func() {
		s := b.status()
		if !hasWords(s.Retrying, "no route to host", b.Now().Add(-17*time.Hour)) || len(s.Waiting) > 0 || s.State != migration.Running {
			t.Errorf("after 20 hours the tenant is %s, fails at %+v and waits for %+v", s.State, s.Retrying, s.Waiting)
		}
		mend()
	})
	b.approve(21 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || len(s.Retrying) > 0 {
		t.Errorf("the tenant ended %s, and fails at %+v", s.State, s.Retrying)
	}
}

// A storage that is away for a night needs nobody when it is back: neither for accounts, nor for what is left of a trail.
func TestArchiveThatComesBackNeedsNobody(t *testing.T) {
	for _, name := range []string{"ArchiveAccount", "ArchiveAudit", "ArchiveReport"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			mend := failing(&b.world.Refuse, name)
			b.enroll(testRows("wave-01", "ada", "ben"))
			b.after(time.Minute, func() {
				for _, signal := range []string{SignalPause, SignalResume} {
					if err := b.SignalWorkflowByID("contoso/20261123-1/wave-01", signal, Order{By: "Grace"}); err != nil {
						t.Error(err)
					}
				}
			})
			b.approve(time.Hour)
			var look func()
			look = func() {
				s := b.status()
				if len(s.Waiting) > 0 && s.Gate == nil {
					t.Errorf("it waits for %+v", s.Waiting)
					mend()
					b.CancelWorkflow()
					return
				}
				if hasWords(s.Retrying, "no route to host", b.Now().Add(-10*time.Hour)) {
					mend()
				}
				if !s.State.Finished() {
					b.after(time.Hour, look)
				}
			}
			b.after(time.Hour, look)
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if len(b.world.Audit["wave-01"]) == 0 || len(b.world.Accounts) != 2 || b.world.Report == nil {
				t.Errorf("the archive has %d accounts, the trails %+v, and the report %v", len(b.world.Accounts), b.world.Audit, b.world.Report)
			}
		})
	}
}

// TestNewRunWhileSomethingFails: a new run doesn't wait until what fails has passed, and orders don't wait for it.
func TestNewRunWhileSomethingFails(t *testing.T) {
	b := newBench(t)
	failing(&b.world.Refuse, "EnsureDomain")
	carried := newTenantState(b.plan, b.Now())
	carried.Imports = []*importState{{ID: "list", Of: 1, Chunks: []int{1}, Rows: 1, Committed: true}}
	carried.Waves[0].Started, carried.Waves[0].Rows = true, 1
	var paused time.Time
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, signalOrders, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			if arg.(waveOrders).Paused {
				paused = b.Now()
			}
			return nil
		})
	var ordered time.Time
	b.after(time.Hour, func() {
		b.SetContinueAsNewSuggested(true)
		b.SignalWorkflow("nothing", nil) // a task in which the tenant learns of it
	})
	b.after(time.Hour+time.Minute, func() {
		ordered = b.Now()
		b.SignalWorkflow(SignalPause, Order{By: "Grace"})
	})
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1", Carried: &carried})
	var on *workflow.ContinueAsNewError
	if err := b.GetWorkflowError(); !errors.As(err, &on) {
		t.Fatalf("the tenant ended with %v, want a new run", err)
	}
	if paused.IsZero() || paused.Sub(ordered) > time.Second {
		t.Errorf("the pause of %s was ordered on %s", ordered, paused)
	}
	var in TenantInput
	if err := converter.GetDefaultDataConverter().FromPayloads(on.Input, &in); err != nil {
		t.Fatal(err)
	}
	if !hasWords(in.Carried.Retrying, "no route to host", b.Now().Add(time.Second)) || !in.Carried.Paused {
		t.Errorf("the new run begins with %+v, paused %v", in.Carried.Retrying, in.Carried.Paused)
	}
}

func TestWaveSaysWhatFails(t *testing.T) {
	p := newPier(t)
	mend := failing(&p.world.Refuse, "EnsureUsers")
	p.life(testRows("wave-01", "ada", "ben"))
	p.after(110*time.Minute, mend)
	p.ExecuteWorkflow(WaveType, WaveInput{
		Scope: activities.Scope{Tenant: "contoso", Launch: "20261123-1"}, Parent: "contoso", Name: "wave-01", Plan: p.plan,
	})
	if err := p.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	said := false
	for _, r := range p.reports {
		said = said || hasWords(r.Status.Retrying, "no route to host", p.Now())
		if len(r.Status.Waiting) > 0 {
			t.Errorf("a person is waited for: %+v", r.Status.Waiting)
		}
	}
	last := p.reports[len(p.reports)-1]
	if !said || len(last.Status.Retrying) > 0 || last.Status.Totals.Finished != 2 {
		t.Errorf("said %v; the last report is %+v", said, last.Status)
	}
}

func TestMailboxGoesOnAfterWhatFails(t *testing.T) {
	c := newCabin(t)
	words := "throttled: try again later"
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitLater, Words: words, Remaining: []string{"INBOX"}},
		{Exit: migration.ExitLater, Words: words, Remaining: []string{"INBOX"}, Progress: migration.Progress{Messages: 3}},
		{Exit: migration.ExitLater, Words: words, Remaining: []string{"INBOX"}},
	}
	c.sync(24 * time.Hour)
	c.after(time.Minute, func() {
		s := c.status()
		if s.Retrying == nil || s.Retrying.Words != words || c.last().Retrying == nil || c.world.Count("Copy") != 1 {
			t.Errorf("after the first failure: %+v, reported %+v, %d copies", s.Retrying, c.last().Retrying, c.world.Count("Copy"))
		}
		c.SignalWorkflow(SignalSyncNow, Order{By: "Grace"}) // at once, and then again at once, because it got on
	})
	c.after(2*time.Minute, func() {
		if n := c.world.Count("Copy"); n != 3 {
			t.Errorf("%d copies after sync-now, want 3", n)
		}
	})
	c.after(20*time.Minute, func() {
		if s := c.status(); s.Retrying != nil || s.Passes != 1 || c.last().Retrying != nil {
			t.Errorf("when it has passed: %+v, %d passes, reported %+v", s.Retrying, s.Passes, c.last().Retrying)
		}
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if !c.last().Finished || !c.last().Final {
		t.Errorf("the last report is %+v", c.last())
	}
}

// TestMailboxLooksAgainAfterADay: the first look fails for a day, and a delta asked for meanwhile isn't forgotten.
func TestMailboxLooksAgainAfterADay(t *testing.T) {
	c := newCabin(t)
	c.sync(4 * 24 * time.Hour)
	var mend func()
	c.after(3*time.Hour, func() {
		mend = failing(&c.world.Refuse, "Probe")
		c.SignalWorkflow(SignalSyncNow, Order{By: "Grace"})
	})
	c.after(23*time.Hour, func() {
		if s := c.status(); s.Retrying == nil || !strings.Contains(s.Retrying.Words, "no route") || s.Problem != nil {
			t.Errorf("after a day: %+v, %+v", s.Retrying, s.Problem)
		}
		mend()
	})
	c.after(24*time.Hour, func() {
		if s := c.status(); s.Retrying != nil || s.Passes != 3 {
			t.Errorf("when it has passed: %+v, %d passes", s.Retrying, s.Passes)
		}
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
}
