package operator

import (
	"slices"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mailferry/mailferry/workflows"
)

const isTerminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED

// orphanage has a tenant that runs, one that was terminated, one that is gone, and one that runs another launch by now.
func orphanage(t *testing.T) *fake {
	f := newFake()
	f.add(t, "contoso", workflows.TenantType, isRunning, map[string]any{memoLaunch: record{Launch: launch1}})
	f.add(t, "fabrikam", workflows.TenantType, isTerminated, map[string]any{memoLaunch: record{Launch: launch1}})
	f.add(t, "tailspin", workflows.TenantType, isRunning, map[string]any{memoLaunch: record{Launch: "20261124-1"}})
	for _, tenant := range []string{"contoso", "fabrikam", "tailspin", "gone"} {
		f.add(t, workflows.WaveID(tenant, launch1, "pilot"), workflows.WaveType, isRunning, nil)
		f.add(t, workflows.MailboxID(tenant, launch1, "ada@x.com"), workflows.MailboxType, isRunning, nil)
		f.add(t, workflows.MailboxID(tenant, launch1, "bob@x.com"), workflows.MailboxType, isDone, nil)
	}
	f.add(t, workflows.WaveID("tailspin", "20261124-1", "pilot"), workflows.WaveType, isRunning, nil)
	return f
}

func ids(all []Orphan) string {
	var names []string
	for _, one := range all {
		names = append(names, one.ID)
	}
	return strings.Join(names, " ")
}

func TestOrphans(t *testing.T) {
	f := orphanage(t)
	f.pages = 2
	o := operatorOf(f)
	all, err := o.Orphans(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := "fabrikam/20261123-1/pilot gone/20261123-1/pilot tailspin/20261123-1/pilot " +
		"fabrikam/20261123-1/mailbox/ada@x.com gone/20261123-1/mailbox/ada@x.com tailspin/20261123-1/mailbox/ada@x.com"
	if got := ids(all); got != want {
		t.Errorf("orphans %q, want %q", got, want)
	}
	whys := []string{"fabrikam was terminated on 2026-11-25 09:00 UTC", "there is no migration gone any more", "tailspin runs launch 20261124-1 now"}
	for i, why := range whys {
		if all[i].Why != why {
			t.Errorf("%s is one because %q, want %q", all[i].ID, all[i].Why, why)
		}
	}
	if _, err := o.Orphans(t.Context(), "fabrikam"); err != nil || !strings.HasSuffix(f.queries[len(f.queries)-1], "MailferryTenant = 'fabrikam'") {
		t.Errorf("asked %q, %v", f.queries[len(f.queries)-1], err)
	}
	if _, err := o.Orphans(t.Context(), "x' OR WorkflowType = 'Tenant"); !IsKind(err, UnknownTenant) {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestAbortOrphans(t *testing.T) {
	f := orphanage(t)
	o := operatorOf(f)
	all, err := o.Orphans(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	// Meanwhile one has ended by itself, and one's migration was started again.
	f.add(t, "gone/20261123-1/mailbox/ada@x.com", workflows.MailboxType, isDone, nil)
	f.add(t, "fabrikam", workflows.TenantType, isRunning, map[string]any{memoLaunch: record{Launch: launch1}})
	reached, err := o.AbortOrphans(t.Context(), all, workflows.Order{By: "grace"})
	if want := "gone/20261123-1/pilot tailspin/20261123-1/pilot tailspin/20261123-1/mailbox/ada@x.com"; err != nil || ids(reached) != want {
		t.Errorf("reached %q, %v, want %q", ids(reached), err, want)
	}
	if slices.ContainsFunc(f.signals, func(s sent) bool {
		return s.name != workflows.SignalAbort || strings.HasPrefix(s.id, "contoso") || strings.HasPrefix(s.id, "fabrikam")
	}) {
		t.Errorf("sent %+v", f.signals)
	}
	f.add(t, "gone/20261123-1/pilot", workflows.WaveType, isDone, nil)
	delete(f.runs, "tailspin/20261123-1/pilot")
	if left, err := o.StillRunning(t.Context(), reached); err != nil || ids(left) != "tailspin/20261123-1/mailbox/ada@x.com" {
		t.Errorf("%q still run, %v", ids(left), err)
	}
}
