package workflows

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// Whichever way a migration goes, nothing closes before what it leaves behind is in the archive.
func TestNothingClosesBeforeItIsArchived(t *testing.T) {
	const rows = 3
	for _, c := range []struct {
		name  string
		state migration.State
		drive func(*bench)
	}{
		{"through", migration.Done, func(b *bench) { b.approve(time.Hour) }},
		{"aborted", migration.Aborted, func(b *bench) {
			b.after(time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
		}},
		{"cancelled", migration.Aborted, func(b *bench) { b.after(time.Hour, b.CancelWorkflow) }},
		{"aborted before anything was copied", migration.Aborted, func(b *bench) {
			b.world.Refuse = func(activity, _ string) error {
				if activity == "EnsureUsers" {
					return fake.Problem("no-licence", "there is no licence left")
				}
				return nil
			}
			b.after(time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
		}},
		{"one left out", migration.Done, func(b *bench) {
			b.world.Refuse = func(activity, what string) error {
				if activity == "OpenSources" && what == "ben@contoso.com" {
					return fake.Problem("sign-in-refused", "no")
				}
				return nil
			}
			b.after(time.Hour, func() {
				b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepCredentials, Mailbox: "ben@contoso.com", By: "Grace", Reason: "gone"})
			})
			b.approve(2 * time.Hour)
		}},
		{"the archive is full for a day", migration.Done, func(b *bench) {
			full := true
			b.world.Refuse = func(activity, _ string) error {
				if full && strings.HasPrefix(activity, "Archive") {
					return fake.Problem("archive-full", "no space left on device")
				}
				return nil
			}
			b.approve(time.Hour)
			var look func()
			look = func() {
				s := b.status()
				if slices.ContainsFunc(s.Waiting, func(w Waiting) bool { return w.Problem.Kind == "archive-full" }) {
					if b.world.Report != nil || len(b.world.Accounts) > 0 || s.State.Finished() {
						b.t.Errorf("with a full archive it went on: %s", s.State)
					}
					full = false
					b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepWelcome, By: "Grace"})
				}
				if !s.State.Finished() {
					b.after(time.Hour, look)
				}
			}
			b.after(time.Hour, look)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
			c.drive(b)
			ended := 0
			refuse := b.world.Refuse
			b.world.Refuse = func(activity, what string) error {
				// The test's environment ends with the tenant, which may be before it has told of the last child.
				for i := 0; activity == "ArchiveReport" && ended < 2 && i < 200; i++ {
					b.world.Mu.Unlock()
					time.Sleep(5 * time.Millisecond)
					b.world.Mu.Lock()
				}
				if refuse == nil {
					return nil
				}
				return refuse(activity, what)
			}
			b.SetOnChildWorkflowCompletedListener(func(info *workflow.Info, _ converter.EncodedValue, _ error) {
				b.world.Mu.Lock()
				defer b.world.Mu.Unlock()
				ended++
				id := info.WorkflowExecution.ID
				switch info.WorkflowType.Name {
				case MailboxType:
					if _, kept := b.world.Accounts[id[strings.LastIndexByte(id, '/')+1:]]; !kept {
						t.Errorf("%s closed without its account", id)
					}
				case WaveType:
					want := map[string]int{"wave-01": 2, "wave-02": 1}[id[strings.LastIndexByte(id, '/')+1:]]
					n := 0
					for _, account := range b.world.Accounts {
						if strings.HasSuffix(id, account.Wave) {
							n++
						}
					}
					if n != want {
						t.Errorf("%s closed with %d accounts of %d", id, n, want)
					}
				}
			})
			err := b.run()
			var result TenantResult
			if err == nil {
				err = b.GetWorkflowResult(&result)
			}
			if (err != nil) != (c.name == "cancelled") {
				t.Fatalf("ended with %v", err)
			}
			r := b.world.Report
			if ended < 2 || len(b.world.Accounts) != rows || r == nil {
				t.Fatalf("%d children ended, %d accounts, report %v", ended, len(b.world.Accounts), r)
			}
			if r.State != c.state || r.Total != rows || r.Ended.IsZero() {
				t.Errorf("the report is of a migration that is %s, with %d mailboxes, ended %s", r.State, r.Total, r.Ended)
			}
			if missing, err := migration.CheckAudit(r.Audit, "contoso/20261123-1"); missing != 0 || err != nil || len(r.Audit) == 0 {
				t.Errorf("of the audit trail %d are missing, %v", missing, err)
			}
			for wave, audit := range b.world.Audit {
				if missing, err := migration.CheckAudit(audit, "contoso/20261123-1/"+wave); missing != 0 || err != nil {
					t.Errorf("of %s's audit trail %d are missing, %v", wave, missing, err)
				}
			}
			if c.name == "one left out" && len(b.world.Audit["wave-01"]) == 0 {
				t.Error("the wave's audit trail, which has the order to leave ben out, is not in the archive")
			}
			if result.Report != "" && (result.Report != "contoso/20261123-1/report.html" || len(result.Files) == 0 || result.Missing != 0) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

func TestReportTellsTimesAndProgress(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
	b.approve(time.Hour)
	b.after(10*time.Minute, func() {
		value, err := b.QueryWorkflow(QueryReport)
		var now migration.Report
		if err == nil {
			err = value.Get(&now)
		}
		if err != nil || !now.Ended.IsZero() || now.At.IsZero() || now.State == migration.Done || len(now.Steps) != 11 || now.Total != 3 {
			t.Errorf("the interim report is %+v, %v", now, err)
		}
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	r := b.world.Report
	if len(r.Steps) != 11 {
		t.Fatalf("%d steps", len(r.Steps))
	}
	for _, s := range r.Steps {
		if s.State != migration.Done || s.Began.IsZero() || s.Ended.Before(s.Began) || s.Began.Before(r.Started) || s.Ended.After(r.Ended) {
			t.Errorf("step %d is %s from %s to %s", s.Step, s.State, s.Began, s.Ended)
		}
	}
	if s := r.Steps[migration.StepRouting-1]; s.Least != b.plan.Timing.Quiet || s.Ended.Sub(s.Began) < s.Least.D() {
		t.Errorf("step 10 took %s, planned at least %s", s.Ended.Sub(s.Began), s.Least)
	}
	if s := r.Steps[migration.StepOptimise-1]; s.Least.D() != time.Hour {
		t.Errorf("step 8 is planned to last %s, the old TTL is an hour", s.Least)
	}
	first, last := r.Curve[0], r.Curve[len(r.Curve)-1]
	if first.Messages != 0 || !first.At.Equal(r.Started) || last.Mailboxes != 3 || last.Verified != 3 || last.Messages != 30 || r.Expected != 30 {
		t.Errorf("the curve goes from %+v to %+v, and %d messages were expected", first, last, r.Expected)
	}
	if len(r.Waves) != 2 || r.Waves[0].Wave != "wave-01" {
		t.Errorf("the waves are %+v", r.Waves)
	}
}

// Whoever skips the last step because the archive can't be written gets no report, and no word of one.
func TestNoReportIsSaidWhereThereIsNone(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.world.Refuse = func(activity, _ string) error {
		if activity == "ArchiveReport" {
			return fake.Problem("archive-full", "no space left on device")
		}
		return nil
	}
	b.approve(time.Hour)
	var look func()
	look = func() {
		s := b.status()
		if len(s.Waiting) > 0 && s.Waiting[0].Problem.Kind == "archive-full" {
			b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepWelcome, By: "Grace"})
		}
		if !s.State.Finished() {
			b.after(time.Hour, look)
		}
	}
	b.after(2*time.Hour, look)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	var result TenantResult
	if err := b.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); result.Report != "" || s.Report != "" || !s.has("without a closing report") {
		t.Errorf("the result is %+v, and the status names %q", result, s.Report)
	}
}
