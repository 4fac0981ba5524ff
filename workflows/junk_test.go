package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestTenantOutlastsJunk(t *testing.T) {
	b := newBench(t)
	carried := atTheGate(b, time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil)
	huge, long := strings.Repeat("A", 900_000), strings.Repeat("<", 1000) // a < is six bytes of JSON
	b.after(5*time.Minute, func() {
		for range 6 {
			b.SignalWorkflow(SignalApprove, Decision{Digest: "wrong", By: huge})
		}
	})
	b.after(6*time.Minute, func() {
		if s := b.status(); !s.has("approve-cutover was ignored: its payload has 900") || s.has("AAA") {
			t.Errorf("a huge approval: audit %.2000s", encode(s.Audit))
		}
		for range 150 {
			b.SignalWorkflow(SignalApprove, Decision{Digest: long[:300], By: long[:300]})
			b.SignalWorkflow(SignalReject, Decision{Digest: carried.Gate.Digest, By: long[:300], Note: long})
			b.SignalWorkflow(SignalSyncNow, Order{By: long[:300], Reason: long})
			b.SignalWorkflow(SignalSkip, StepOrder{Step: migration.StepConnect, Mailbox: long[:300], By: long[:300], Reason: long[:300]})
		}
	})
	b.after(7*time.Minute, func() {
		s := b.status()
		if n := len(s.Approvals); n != maxApprovals {
			t.Errorf("%d approvals are kept", n)
		}
		if n := len(s.Audit); n >= fullAudit {
			t.Errorf("%d entries of the audit trail are kept", n)
		}
		whole := slices.Concat(b.world.Audit[""], s.Audit)
		if missing, err := migration.CheckAudit(whole, "contoso/20261123-1"); err != nil || len(whole) < maxAudit || missing+len(whole) < 600 {
			t.Errorf("%d entries in the archive, %d kept, %d missing: %v", len(b.world.Audit[""]), len(s.Audit), missing, err)
		}
		b.SetContinueAsNewSuggested(true)
		b.SignalWorkflow(SignalSyncNow, Order{By: long, Reason: long})
	})
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1", Carried: &carried})
	err := b.GetWorkflowError()
	var on *workflow.ContinueAsNewError
	if !errors.As(err, &on) {
		t.Fatalf("ended with %v", err)
	}
	var next TenantInput
	if err := converter.GetDefaultDataConverter().FromPayloads(on.Input, &next); err != nil || len(next.Carried.Curve.Points) == 0 || len(next.Carried.Times) != 11 {
		t.Errorf("the curve and the steps' times are not carried on: %v", err)
	}
	// Temporal's limit for what a run hands on is 2 MB.
	if n := len(on.Input.GetPayloads()[0].GetData()); n > 600_000 {
		t.Errorf("%d bytes are carried on", n)
	}
}

func TestAuditTrailKeepsItsEnds(t *testing.T) {
	const total, subject = 2000, "contoso/20261123-1"
	var all []migration.AuditEntry
	start := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for i := range total {
		all = addAudit(all, subject, migration.AuditEntry{At: start.Add(time.Duration(i) * time.Second), What: fmt.Sprint(i + 1)})
		if i+1 <= maxAudit && len(all) != i+1 {
			t.Fatalf("%d of %d entries are kept", len(all), i+1)
		}
	}
	if missing, err := migration.CheckAudit(all, subject); len(all) != maxAudit || missing != total-maxAudit || err != nil {
		t.Fatalf("%d entries, %d missing, %v", len(all), missing, err)
	}
	for i, e := range all {
		number := i + 1
		if i >= firstAudit {
			number = total - len(all) + i + 1
		}
		if e.Number != number || e.What != fmt.Sprint(number) {
			t.Errorf("entry %d is %+v, want %d", i, e, number)
		}
	}
}

func TestCutBoundsTheJSON(t *testing.T) {
	for _, c := range []struct {
		text  string
		whole bool
	}{
		{"", true},
		{"Grace", true},
		{strings.Repeat("a", 100), true},
		{strings.Repeat("a", 101), false},
		{strings.Repeat("ü", 60), false},
		{strings.Repeat("<", 16), true},
		{strings.Repeat("<", 17), false},
		{strings.Repeat("\x00", 5000), false},
		{strings.Repeat("\u2028<é", 90), false},
	} {
		got := cut(c.text, 100)
		if n := len(encode(got)) - len(`""`); n > 100 || (got == c.text) != c.whole {
			t.Errorf("cut(%.10q…) = %q, %d bytes of JSON", c.text, got, n)
		}
	}
}
