package workflows

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
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
		if n := len(s.Audit); n != firstAudit+1+lastAudit {
			t.Errorf("%d entries of the audit trail are kept", n)
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
	// Temporal's limit for what a run hands on is 2 MB.
	if n := len(on.Input.GetPayloads()[0].GetData()); n > 600_000 {
		t.Errorf("%d bytes are carried on", n)
	}
}

func TestAuditTrailKeepsItsEnds(t *testing.T) {
	const total = 2000
	var all []migration.AuditEntry
	start := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for i := range total {
		all = addAudit(all, migration.AuditEntry{At: start.Add(time.Duration(i) * time.Second), What: fmt.Sprint(i)})
		if i+1 == firstAudit+lastAudit && len(all) != i+1 {
			t.Fatalf("%d of %d entries are kept", len(all), i+1)
		}
	}
	if n := len(all); n != firstAudit+1+lastAudit {
		t.Fatalf("%d entries", n)
	}
	gap := all[firstAudit]
	if gap.LeftOut != total-firstAudit-lastAudit || !gap.At.Equal(start.Add((total-lastAudit-1)*time.Second)) {
		t.Errorf("the gap is %+v", gap)
	}
	for i, e := range all {
		place := i
		if i > firstAudit {
			place = total - len(all) + i
		}
		if want := fmt.Sprint(place); i != firstAudit && (e.What != want || e.LeftOut != 0) {
			t.Errorf("entry %d is %+v, want %s", i, e, want)
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
