package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// has reports whether the audit trail has an entry with the text.
func (s Status) has(text string) bool {
	for _, a := range s.Audit {
		if strings.Contains(a.What, text) {
			return true
		}
	}
	return false
}

func TestGateIgnoresWhatDoesNotCount(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.after(10*time.Second, func() {
		b.SignalWorkflow(SignalApprove, Decision{Digest: "early", By: "Grace"})
		b.update(UpdateApprove, "nothing waits for approval", Decision{Digest: "early", By: "Grace"})
	})
	b.after(3*time.Hour, func() {
		s := b.status()
		if s.Gate == nil || s.State != migration.Waiting || s.Steps[8].State != migration.Waiting {
			t.Fatalf("no gate: %+v", s)
		}
		b.SignalWorkflow(SignalApprove, Decision{Digest: "wrong", By: "Grace"})
		b.SignalWorkflow(SignalApprove, map[string]string{"digest": s.Gate.Digest, "by": "Grace", "extra": "field"})
		b.SignalWorkflow(SignalApprove, "not an object")
		b.SignalWorkflow(SignalApprove, Decision{Digest: s.Gate.Digest})
		b.update(UpdateApprove, "not that of what waits", Decision{Digest: "wrong", By: "Grace"})
		b.update(UpdateApprove, "who decides", Decision{Digest: s.Gate.Digest})
		b.SignalWorkflow(SignalReject, Decision{Digest: s.Gate.Digest, By: "Grace", Note: "not on a Monday"})
	})
	b.after(4*time.Hour, func() {
		s := b.status()
		if s.Gate == nil || !s.has("not that of what waits") || !s.has("unknown field") || !s.has("not as documented") || !s.has("rejected") {
			t.Errorf("after the wrong ones: gate %v, audit %+v", s.Gate, s.Audit)
		}
		if b.world.Count("ApplyChange 0 contoso") != 0 {
			t.Error("the MX was changed without approval")
		}
		b.update(UpdateApprove, "", Decision{Digest: s.Gate.Digest, By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if len(s.Approvals) != 2 || !s.Approvals[0].Rejected || s.Approvals[1].Rejected || s.State != migration.Done {
		t.Errorf("ended %s with approvals %+v", s.State, s.Approvals)
	}
	if !s.has("nothing waits for approval") {
		t.Errorf("the early approval is not in the audit trail")
	}
}

func TestGateComesBackWhenTheZoneChanged(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	changed := migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 someone.else"}}
	b.after(3*time.Hour, func() {
		b.world.MX["contoso.com"] = changed
		b.SignalWorkflow(SignalApprove, Decision{Digest: b.status().Gate.Digest, By: "Grace"})
	})
	b.after(4*time.Hour, func() {
		s := b.status()
		if s.Gate == nil || s.Gate.Changes[0].Before.Data[0] != "10 someone.else" || !s.has("back to the gate") {
			t.Fatalf("gate %+v, audit %+v", s.Gate, s.Audit)
		}
		// And once more in the very moment of the change.
		first := true
		b.world.Refuse = func(activity, what string) error {
			if activity == "ApplyChange" && first {
				first = false
				return fake.Problem(zoneChanged, "someone was faster")
			}
			return nil
		}
		b.SignalWorkflow(SignalApprove, Decision{Digest: s.Gate.Digest, By: "Grace"})
	})
	b.after(5*time.Hour, func() {
		s := b.status()
		if s.Gate == nil || !s.has("someone was faster") {
			t.Fatalf("gate %+v, audit %+v", s.Gate, s.Audit)
		}
		b.SignalWorkflow(SignalApprove, Decision{Digest: s.Gate.Digest, By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s: %+v", s.State, s.Audit)
	}
}

func TestAbortAtTheGateWaitsForNoApprovalAnyMore(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.after(3*time.Hour, func() {
		if b.status().Gate == nil {
			t.Fatal("there is no gate")
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if step := b.status().Steps[migration.StepCutover-1]; step.State != migration.Aborted || step.Text != "" {
		t.Errorf("step 9 is %s, %q", step.State, step.Text)
	}
}

func TestAbortBeforeTheCutoverLeavesEverything(t *testing.T) {
	for _, c := range []struct {
		name  string
		abort func(*bench)
		by    string
	}{
		{"signal", func(b *bench) { b.SignalWorkflow(SignalAbort, Order{By: "Grace", Reason: "budget"}) }, "Grace"},
		{"cancel", func(b *bench) { b.CancelWorkflow() }, "Temporal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
			b.world.Exits["cleo@contoso.com"] = []activities.CopyOutput{{Exit: migration.ExitProblem, Problem: &migration.Problem{Kind: "x", Text: "broken"}}}
			b.after(3*time.Hour, func() { c.abort(b) })
			err := b.run()
			if (err != nil) != (c.name == "cancel") {
				t.Fatal(err)
			}
			s := b.status()
			if s.State != migration.Aborted || len(b.world.Accounts) != 3 || b.world.Report == nil || b.world.Report.State != migration.Aborted {
				t.Errorf("ended %s, %d accounts, report %+v", s.State, len(b.world.Accounts), b.world.Report)
			}
			if got := b.world.MX["contoso.com"].Data[0]; got != "10 mail.old.example" {
				t.Errorf("the MX is %s", got)
			}
			if b.world.Count("Notify welcome") != 0 {
				t.Error("someone was welcomed")
			}
			if !s.has("aborted the migration") {
				t.Errorf("audit %+v", s.Audit)
			}
		})
	}
}

func TestAbortAfterTheCutoverRollsBack(t *testing.T) {
	for _, c := range []struct {
		name    string
		foreign bool
		mx      string
	}{{"records go back", false, "10 mail.old.example"}, {"a record of someone else stays", true, "10 someone.else"}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada"))
			b.approve(3 * time.Hour)
			b.after(24*time.Hour, func() {
				if c.foreign {
					b.world.MX["contoso.com"] = migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 someone.else"}}
				}
				b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
			})
			var passes int
			b.after(25*time.Hour, func() {
				s := b.status()
				if len(s.Waiting) != 1 || s.Waiting[0].Problem.Kind != "rolled-back" || s.State != migration.Waiting {
					t.Errorf("%s, waiting %+v", s.State, s.Waiting)
				}
				if got := s.Steps[migration.StepRouting-1].Text; got != "the records are set back" {
					t.Errorf("step 10 says %q", got)
				}
				if got := s.Steps[migration.StepCutover-1].Text; got != "set back, as Grace ordered" || len(s.Proofs) > 0 {
					t.Errorf("step 9 says %q, with the proofs %+v", got, s.Proofs)
				}
				if strings.Contains(s.Waiting[0].Problem.Text, "contoso.com was not set back") != c.foreign {
					t.Errorf("it says %s", s.Waiting[0].Problem.Text)
				}
				if got := b.world.MX["contoso.com"].Data[0]; got != c.mx {
					t.Errorf("the MX is %s", got)
				}
				passes = b.world.Count("Probe ada")
			})
			b.after(48*time.Hour, func() {
				if b.world.Count("Probe ada") == passes {
					t.Error("deltas stopped")
				}
				b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
			})
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			s := b.status()
			if s.State != migration.Aborted || b.world.Accounts["ada@contoso.com"].State != migration.Aborted || s.has("is left as it is") != c.foreign {
				t.Errorf("ended %s: %+v", s.State, s.Audit)
			}
		})
	}
}

func TestAbortAfterTheFinalDeltaIsRefusedInWords(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.approve(3 * time.Hour)
	b.world.Refuse = func(activity, _ string) error {
		if activity == "Notify welcome" {
			return fake.Problem("smtp", "no")
		}
		return nil
	}
	b.after(8*24*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
	b.after(9*24*time.Hour, func() {
		if s := b.status(); !s.has("by hand (contoso.com MX 10 mail.old.example)") {
			t.Errorf("audit %+v", s.Audit)
		}
		b.world.Refuse = nil
		b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepWelcome, By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s: %+v", s.State, s.Audit)
	}
}

func TestStepWaitsAndIsRetried(t *testing.T) {
	for _, c := range []struct {
		activity string
		step     migration.Step
		mailbox  string
	}{
		{"EnsureDomain", migration.StepSource, ""},
		{"EnsureUsers", migration.StepUsers, "ada@contoso.com"},
		{"Notify announcement", migration.StepAnnounce, "ada@contoso.com"},
		{"OpenSources", migration.StepCredentials, "ada@contoso.com"},
		{"Connect", migration.StepConnect, "ada@contoso.com"},
		{"Copy", migration.StepMigrate, "ada@contoso.com"},
		{"ReadRecord", migration.StepOptimise, ""},
		{"Notify welcome", migration.StepWelcome, "ada@contoso.com"},
		{"ArchiveReport", migration.StepWelcome, ""},
	} {
		t.Run(c.activity, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada", "ben"))
			broken := true
			b.world.Refuse = func(activity, what string) error {
				if broken && activity == c.activity && (c.mailbox == "" || what == c.mailbox) {
					return fake.Problem("broken", "it is broken")
				}
				return nil
			}
			b.approve(time.Hour)
			var look func()
			retried := false
			look = func() {
				s := b.status()
				if len(s.Waiting) > 0 && !retried {
					retried = true
					w := s.Waiting[0]
					if w.Step != c.step || w.Mailbox != c.mailbox || w.Problem.Kind != "broken" || s.State != migration.Waiting {
						t.Errorf("%s, waiting %+v", s.State, w)
					}
					if got := s.Steps[c.step-1].State; got != migration.Waiting {
						t.Errorf("step %d is %s", c.step, got)
					}
					b.SignalWorkflow(SignalRetry, StepOrder{Step: c.step%11 + 1, By: "Grace"}) // another step: ignored
					broken = false
					b.SignalWorkflow(SignalRetry, StepOrder{Step: c.step, Mailbox: c.mailbox, By: "Grace"})
				}
				if !s.State.Finished() {
					b.after(10*time.Minute, look)
				}
			}
			b.after(time.Minute, look)
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if s := b.status(); !retried || s.State != migration.Done || !s.has("nothing waits at step") {
				t.Errorf("retried %v, ended %s: %+v", retried, s.State, s.Audit)
			}
		})
	}
}

func TestBadRowStopsNoOther(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben", "cleo", "dan"))
	b.world.Refuse = func(activity, what string) error {
		switch {
		case activity == "OpenSources" && what == "ben@contoso.com", activity == "Copy" && what == "cleo@contoso.com":
			return fake.Problem("refused", "no")
		}
		return nil
	}
	b.after(3*time.Hour, func() {
		s := b.status()
		if s.Gate != nil || len(s.Waiting) != 2 || s.Totals.Verified != 2 {
			t.Errorf("gate %v, waiting %+v, totals %+v", s.Gate, s.Waiting, s.Totals)
		}
		b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepMigrate, By: "Grace"}) // not for the whole tenant
		b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepMigrate, Mailbox: "cleo@contoso.com", By: "Grace", Reason: "left"})
		b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepCredentials, Mailbox: "ben@contoso.com", By: "Grace"})
	})
	b.after(270*time.Minute, func() {
		s := b.status()
		if s.Gate == nil || len(s.Gate.Accepted) != 1 || s.Gate.Accepted[0] != "cleo@contoso.com" {
			t.Fatalf("gate %+v, waiting %+v", s.Gate, s.Waiting)
		}
		if !s.has("can't be skipped for a whole tenant") {
			t.Errorf("audit %+v", s.Audit)
		}
	})
	b.approve(5 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if s.State != migration.Done || s.Totals.Finished != 3 || s.Totals.Excluded != 1 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
	if got := b.world.Accounts["cleo@contoso.com"]; got.State != migration.Excluded || !strings.Contains(got.Note, "Grace") {
		t.Errorf("the account left out is %+v", got)
	}
}

func TestChildThatEndedWithoutReport(t *testing.T) {
	b := newBenchWith(t, func(ctx workflow.Context, in MailboxInput) error {
		if in.Mailbox.User == "ben" {
			return errors.New("terminated")
		}
		return Mailbox(ctx, in)
	})
	b.enroll(testRows("wave-01", "ada", "ben"))
	b.after(3*time.Hour, func() {
		s := b.status()
		if len(s.Waiting) != 1 || s.Waiting[0].Problem.Kind != "mailbox-ended" || s.Totals.Failed != 1 {
			t.Fatalf("waiting %+v, totals %+v", s.Waiting, s.Totals)
		}
		b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepMigrate, Mailbox: "ben@contoso.com", By: "Grace"})
	})
	b.approve(4 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || s.Totals.Excluded != 1 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
}

func TestEnrolment(t *testing.T) {
	b := newBench(t)
	first, second := testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo")
	bad := append(testRows("wave-01", "ada", "zoe"), migration.Mailbox{Address: "x@else.example", User: "x", Endpoint: "none", Wave: "wave-09"})
	b.after(time.Second, func() {
		b.update(UpdateEnroll, "", EnrollInput{Import: "list", Chunk: 1, Of: 2, Rows: first})
	})
	b.after(2*time.Second, func() {
		b.update(UpdateEnroll, "", EnrollInput{Import: "list", Chunk: 1, Of: 2, Rows: first}) // repeated
		b.update(UpdateEnrollCommit, "2 rows of the import are staged, not 3", EnrollCommitInput{Import: "list", Rows: 3})
		b.update(UpdateEnrollCommit, "1 of the import's 2 chunks", EnrollCommitInput{Import: "list", Rows: 2})
		b.update(UpdateEnrollCommit, "nothing is staged", EnrollCommitInput{Import: "other", Rows: 2})
		b.update(UpdateEnroll, "4 rows are refused", EnrollInput{Import: "list", Chunk: 2, Of: 2, Rows: bad})
		b.update(UpdateEnroll, "2 chunks, not 3", EnrollInput{Import: "list", Chunk: 3, Of: 3, Rows: second})
	})
	b.after(3*time.Second, func() {
		b.update(UpdateEnrollDiscard, "", EnrollCommitInput{Import: "list"})
	})
	b.after(4*time.Second, func() {
		b.update(UpdateEnroll, "", EnrollInput{Import: "list", Chunk: 1, Of: 2, Rows: first})
	})
	b.after(5*time.Second, func() {
		b.update(UpdateEnroll, "", EnrollInput{Import: "list", Chunk: 2, Of: 2, Rows: second})
	})
	b.after(6*time.Second, func() {
		b.update(UpdateEnrollCommit, "", EnrollCommitInput{Import: "list", Rows: 3})
	})
	b.after(7*time.Second, func() {
		b.update(UpdateEnrollCommit, "", EnrollCommitInput{Import: "list", Rows: 3}) // repeated
		b.update(UpdateEnrollDiscard, "is committed", EnrollCommitInput{Import: "list"})
	})
	b.after(2*time.Hour, func() {
		s := b.status()
		if s.Totals.Mailboxes != 3 || s.Totals.Verified != 3 {
			t.Errorf("totals %+v", s.Totals)
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}

func TestStragglersAreAccepted(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.approve(3 * time.Hour)
	b.world.Probes = 2 // the first two probes come by way of the source
	start := b.Now()
	for day := range 25 {
		b.after(time.Duration(day)*24*time.Hour, func() {
			b.world.Mu.Lock()
			defer b.world.Mu.Unlock()
			b.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{
				Count: 1, Last: start.Add(time.Duration(day) * 24 * time.Hour), From: []string{"scanner.example"},
			}}
		})
	}
	asked := false
	var look func()
	look = func() {
		s := b.status()
		for _, w := range s.Waiting {
			switch {
			case w.Problem.Kind != "stragglers" || !strings.Contains(w.Problem.Text, "scanner.example"):
				t.Errorf("waiting %+v", w)
			case !asked:
				asked = true
				b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepRouting, By: "Grace", Reason: "no"}) // never
				b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepRouting, By: "Grace", Reason: "accept: only a scanner"})
			}
		}
		if !s.State.Finished() {
			b.after(6*time.Hour, look)
		}
	}
	b.after(time.Hour, look)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	quiet := s.Proofs[len(s.Proofs)-1]
	if !asked || s.State != migration.Done || quiet.State != migration.ProofNotObtainable || !strings.Contains(quiet.Text, "Grace") {
		t.Errorf("asked %v, ended %s, %+v", asked, s.State, s.Proofs)
	}
	if n := b.world.Count("SendProbe"); n != 3 {
		t.Errorf("%d probes sent", n)
	}
}

func TestPauseAndResume(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.after(10*time.Second, func() { b.SignalWorkflow(SignalPause, Order{By: "Grace"}) })
	var before int
	b.after(time.Hour, func() {
		if s := b.status(); s.State != migration.Paused {
			t.Errorf("the tenant is %s", s.State)
		}
		before = len(b.world.Calls)
	})
	b.after(30*time.Hour, func() {
		if n := b.world.Count("Copy") + b.world.Count("Probe"); n > 2 {
			t.Errorf("%d passes while paused (%d calls)", n, before)
		}
		b.SignalWorkflow(SignalResume, nil)
	})
	b.approve(31 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s", s.State)
	}
}

var errPassing = errors.New("connection reset")

func TestPassingFaultsAreRetried(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	left := map[string]int{"Copy": 3, "ReadRecord": 2, "Probe": 1, "ArchiveAccount": 2, "Verify": 1, "Visible": 1}
	b.world.Refuse = func(activity, _ string) error {
		if left[activity] > 0 {
			left[activity]--
			return errPassing
		}
		return nil
	}
	b.approve(3 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s", s.State)
	}
}

func TestSlowDNSIsWaitedForAndThenAsked(t *testing.T) {
	for _, c := range []struct {
		call, kind string
		step       migration.Step
	}{
		{"VerifyDomain contoso.com", "domain-unverified", migration.StepSource},
		{"ServiceRecords contoso.com", "no-service-records", migration.StepSource},
		{"Visible TXT", "dns-slow", migration.StepSource},
	} {
		t.Run(c.kind, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada"))
			b.world.Refuse = func(activity, what string) error {
				if activity+" "+what == c.call {
					return fake.Problem(fake.NotYet, "")
				}
				return nil
			}
			b.after(9*time.Hour, func() {
				if s := b.status(); len(s.Waiting) != 0 || s.State != migration.Running {
					t.Errorf("before the limit: %s, waiting %+v", s.State, s.Waiting)
				}
			})
			b.after(11*time.Hour, func() {
				s := b.status()
				if len(s.Waiting) != 1 || s.Waiting[0].Problem.Kind != c.kind || s.Waiting[0].Step != c.step {
					t.Fatalf("after the limit: waiting %+v", s.Waiting)
				}
				b.world.Refuse = nil
				b.SignalWorkflow(SignalRetry, StepOrder{Step: c.step, By: "Grace"})
			})
			b.approve(12 * time.Hour)
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if s := b.status(); s.State != migration.Done {
				t.Errorf("ended %s", s.State)
			}
		})
	}
}

func TestRequiredProofThatCannotBeHadAsks(t *testing.T) {
	for _, call := range []string{"EnsureTrace ", "Trace contoso.com", "SendProbe ada@contoso.com", "FindProbe <probe-1@x>"} {
		t.Run(call, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada"))
			b.world.Refuse = func(activity, what string) error {
				if activity+" "+what == call {
					return fake.Problem("no", "it can't be had")
				}
				return nil
			}
			b.approve(3 * time.Hour)
			asked := false
			var look func()
			look = func() {
				s := b.status()
				if len(s.Waiting) > 0 && !asked {
					asked = true
					if p := s.Waiting[0].Problem; p.Kind != "proof-not-obtainable" || s.Steps[migration.StepRouting-1].State != migration.Waiting {
						t.Errorf("%s: waiting %+v", s.State, p)
					}
					b.world.Refuse = nil
					b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepRouting, By: "Grace", Reason: "granted now"})
				}
				if !s.State.Finished() {
					b.after(time.Hour, look)
				}
			}
			b.after(time.Hour, look)
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if s := b.status(); !asked || s.State != migration.Done {
				t.Errorf("asked %v, ended %s: %+v", asked, s.State, s.Proofs)
			}
		})
	}
}
