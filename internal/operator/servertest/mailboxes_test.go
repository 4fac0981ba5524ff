package servertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// part is the surface of a wave or a mailbox: it goes on as a new run once, waits for an abort and ends.
func part(ctx workflow.Context, state migration.State, again bool) error {
	_ = workflow.UpsertTypedSearchAttributes(ctx, workflows.SearchState.ValueSet(string(state)))
	if again {
		return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, state, false)
	}
	workflow.GetSignalChannel(ctx, workflows.SignalAbort).Receive(ctx, nil)
	return nil
}

const launched = "20261123-1"

// populate starts a tenant with a wave and five mailboxes, of which two wait for a person.
func (w world) populate(t *testing.T, name string) {
	t.Helper()
	start := func(id, kind string, state migration.State, memo any, args ...any) {
		options := client.StartWorkflowOptions{
			ID: id, TaskQueue: activities.MigrateQueue, Memo: map[string]any{workflows.MemoStatus: memo},
			TypedSearchAttributes: temporal.NewSearchAttributes(
				workflows.SearchTenant.ValueSet(name), workflows.SearchLaunch.ValueSet(launched), workflows.SearchState.ValueSet(string(state)),
			),
		}
		if kind == workflows.TenantType {
			options.Memo["launch"] = map[string]any{"launch": launched, "organisation": "Contoso Ltd"}
		}
		if _, err := w.client.ExecuteWorkflow(t.Context(), options, kind, args...); err != nil {
			t.Fatal(err)
		}
	}
	start(name, workflows.TenantType, migration.Running, workflows.Memo{State: migration.Running}, workflows.TenantInput{Plan: plan(name), Launch: launched})
	start(workflows.WaveID(name, launched, "pilot"), workflows.WaveType, migration.Running, workflows.Memo{State: migration.Running}, migration.Running, false)
	for i, user := range []string{"ada", "bob", "cleo", "dan", "eve"} {
		state := migration.Running
		if i%2 == 1 {
			state = migration.Waiting
		}
		address := user + "@contoso.com"
		memo := workflows.MailboxMemo{MailboxStatus: workflows.MailboxStatus{Address: address, Wave: "pilot", State: state}}
		start(workflows.MailboxID(name, launched, address), workflows.MailboxType, state, memo, state, true)
	}
}

// TestMailboxesAndOrphans: visibility, memos and search attributes of a real server are what the lists take them for.
func TestMailboxesAndOrphans(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	for _, name := range []string{"contoso", "fabrikam"} {
		w.populate(t, name)
	}
	// Each mailbox has two runs by the time that the worker is gone; one mailbox was terminated.
	parts := worker.New(w.client, activities.MigrateQueue, worker.Options{})
	for _, kind := range []string{workflows.WaveType, workflows.MailboxType} {
		parts.RegisterWorkflowWithOptions(part, workflow.RegisterOptions{Name: kind})
	}
	if err := parts.Start(); err != nil {
		t.Fatal(err)
	}
	list := func(q operator.MailboxQuery) []string {
		var all []string
		for {
			page, err := w.Mailboxes(ctx, "contoso", q)
			if err != nil {
				return []string{err.Error()}
			}
			for _, m := range page.Mailboxes {
				all = append(all, strings.TrimSuffix(m.Address, "@contoso.com"))
			}
			if q.Page = page.Next; q.Page == "" {
				break
			}
		}
		slices.Sort(all)
		return all
	}
	want := func(q operator.MailboxQuery, names string) {
		t.Helper()
		waitFor(t, func() bool { return strings.Join(list(q), " ") == names })
		if got := strings.Join(list(q), " "); got != names {
			t.Errorf("%+v lists %q, want %q", q, got, names)
		}
	}
	for limit := 1; limit <= 6; limit++ {
		want(operator.MailboxQuery{Limit: limit}, "ada bob cleo dan eve")
	}
	want(operator.MailboxQuery{State: "waiting"}, "bob dan")
	if err := w.client.TerminateWorkflow(ctx, workflows.MailboxID("contoso", launched, "eve@contoso.com"), "", "a test"); err != nil {
		t.Fatal(err)
	}
	want(operator.MailboxQuery{State: "failed"}, "eve")

	// A terminated tenant leaves orphans; one that runs has none.
	orphans := func() []operator.Orphan {
		all, err := w.Orphans(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := orphans(); len(all) != 0 {
		t.Errorf("orphans of tenants that run: %+v", all)
	}
	if err := w.client.TerminateWorkflow(ctx, "contoso", "", "a test"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(orphans()) == 5 })
	all := orphans()
	if all[0].Type != workflows.WaveType || !strings.HasPrefix(all[0].Why, "contoso was terminated on ") {
		t.Errorf("the first orphan is %+v", all[0])
	}
	reached, err := w.AbortOrphans(ctx, all, workflows.Order{By: "grace"})
	if err != nil || len(reached) != 5 {
		t.Fatalf("reached %d, %v", len(reached), err)
	}
	waitFor(t, func() bool {
		left, err := w.StillRunning(ctx, reached)
		return err == nil && len(left) == 0
	})
	waitFor(t, func() bool { return len(orphans()) == 0 })
	left, err := w.StillRunning(ctx, []operator.Orphan{{ID: workflows.WaveID("fabrikam", launched, "pilot")}})
	if err != nil || len(left) != 1 {
		t.Errorf("of the other tenant there run %s, %v", fmt.Sprint(left), err)
	}
	parts.Stop()
}
