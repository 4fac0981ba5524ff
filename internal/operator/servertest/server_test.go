package servertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/temporaltest"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// world is a Temporal server with the search attributes that migrations need.
type world struct {
	*operator.Operator
	client    client.Client
	namespace string
}

func start(t *testing.T) world {
	t.Helper()
	server := temporaltest.NewServer(temporaltest.WithT(t))
	c := server.GetDefaultClient()
	w := world{operator.New(c), c, server.GetDefaultNamespace()}
	// The new attributes take a moment to be known everywhere.
	if err := operator.Check(t.Context(), c, w.namespace, plan("contoso")); !operator.IsKind(err, operator.NoAttributes) && !operator.IsKind(err, operator.ShortMemory) {
		t.Errorf("a fresh namespace: %v", err)
	}
	w.addAttributes(t)
	return w
}

// addAttributes makes the search attributes that migrations need.
func (w world) addAttributes(t *testing.T) {
	t.Helper()
	_, err := w.client.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace: w.namespace, SearchAttributes: operator.Attributes(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// work runs a worker until the returned function is called.
func (w world) work(t *testing.T) (stop func()) {
	t.Helper()
	worker := worker.New(w.client, activities.MigrateQueue, worker.Options{})
	worker.RegisterWorkflowWithOptions(tenant, workflow.RegisterOptions{Name: workflows.TenantType})
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	return worker.Stop
}

func plan(name string) migration.Plan {
	return migration.Plan{
		Tenant: name, Organisation: "Contoso Ltd", Domains: []string{"contoso.com"}, Waves: []migration.Wave{{Name: "pilot"}},
		Archive: "file:///nowhere",
	}
}

func row(user string) migration.Mailbox {
	return migration.Mailbox{Address: user + "@contoso.com", User: user, Wave: "pilot", Endpoint: "old"}
}

func TestLife(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	rows := []migration.Mailbox{row("ada"), row("bob")}

	// No worker runs yet: the tenant is started, and its list waits.
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	_, err := w.Launch(short, plan("contoso"), rows)
	cancel()
	if err == nil {
		t.Fatal("launched without a worker")
	}
	s, err := w.Status(ctx, "contoso")
	if err != nil {
		t.Fatal(err)
	}
	if s.Worker || s.Note == "" || s.Organisation != "Contoso Ltd" || len(s.Steps) != 11 || s.State != migration.Running {
		t.Errorf("status without a worker: %+v", s)
	}

	// The same launch goes on, and once more changes nothing.
	stop := w.work(t)
	launched, err := w.Launch(ctx, plan("contoso"), rows)
	if err != nil {
		t.Fatal(err)
	}
	if !launched.Continued || launched.Unchanged || !strings.HasSuffix(launched.Launch, "-1") {
		t.Errorf("launched %+v", launched)
	}
	if launched, err = w.Launch(ctx, plan("contoso"), rows); err != nil || !launched.Unchanged {
		t.Errorf("launched once more %+v, %v", launched, err)
	}
	if again, err := w.Launch(ctx, plan("contoso"), rows[:1]); err != nil || !again.Unchanged || again.Same != 1 {
		t.Errorf("a part of the list: %+v, %v", again, err)
	}
	other := plan("contoso")
	other.Organisation = "Fabrikam"
	if _, err := w.Launch(ctx, other, rows); !operator.IsKind(err, operator.Running) || !strings.Contains(err.Error(), launched.Launch) {
		t.Errorf("another plan: %v", err)
	}

	// At the gate.
	if s, err = w.Status(ctx, "contoso"); err != nil || !s.Worker || s.Gate == nil || !s.NeedsPerson() || s.Totals.Mailboxes != 2 {
		t.Errorf("status %+v, %v", s, err)
	}
	if _, err := w.Approve(ctx, "contoso", workflows.Decision{Digest: "77aa", By: "grace"}); !operator.IsKind(err, operator.Refused) ||
		err.Error() != "not approved: the gate shows another digest" {
		t.Errorf("wrong digest: %v", err)
	}
	if err := w.Pause(ctx, "contoso", workflows.Order{By: "grace"}); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool {
		s, err := w.Status(ctx, "contoso")
		return err == nil && len(s.Audit) == 1 && s.Audit[0].What == workflows.SignalPause
	})
	if _, err := w.Status(ctx, "fabrikam"); !operator.IsKind(err, operator.UnknownTenant) {
		t.Errorf("unknown tenant: %v", err)
	}
	waitFor(t, func() bool {
		names, err := w.Tenants(ctx)
		return err == nil && len(names) == 1 && names[0] == "contoso"
	})
	if r, err := w.Report(ctx, "contoso"); err != nil || !r.Ended.IsZero() || r.Launch == "" {
		t.Errorf("report before the end: %+v, %v", r, err)
	}

	// To the end, by approval.
	if result, err := w.Approve(ctx, "contoso", workflows.Decision{Digest: "4f1d", By: "grace"}); err != nil || result.Digest != "4f1d" {
		t.Errorf("approved %+v, %v", result, err)
	}
	var last operator.Status
	for status, err := range w.Watch(ctx, "contoso", 50*time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		last = status
	}
	if last.Closed != "completed" || last.NeedsPerson() {
		t.Errorf("watched to %+v", last)
	}
	report, err := w.Report(ctx, "contoso")
	if err != nil || len(report.Approvals) != 1 || report.Approvals[0].By != "grace" {
		t.Errorf("report %+v, %v", report, err)
	}
	if err := w.Pause(ctx, "contoso", workflows.Order{By: "grace"}); !operator.IsKind(err, operator.NotRunning) {
		t.Errorf("an order after the end: %v", err)
	}

	// A second launch has a number of its own.
	if launched, err = w.Launch(ctx, plan("contoso"), rows); err != nil || launched.Continued || !strings.HasSuffix(launched.Launch, "-2") {
		t.Errorf("second launch %+v, %v", launched, err)
	}

	// Without a worker the memo still tells of the gate.
	stop()
	waitFor(t, func() bool {
		s, err := w.Status(ctx, "contoso")
		return err == nil && !s.Worker && s.Gate != nil && s.Gate.Digest == "4f1d" && s.WaitingCount == 1 && s.Totals.Mailboxes == 2
	})
}

func TestRefusedList(t *testing.T) {
	w := start(t)
	defer w.work(t)()
	_, err := w.Launch(t.Context(), plan("fabrikam"), []migration.Mailbox{row("nobody")})
	if !operator.IsKind(err, operator.Refused) || err.Error() != `the list of mailboxes is refused: row 1: there is no source account "nobody"` {
		t.Errorf("error %v", err)
	}
}

// TestNamespaces checks what is said of a server that isn't ready.
func TestNamespaces(t *testing.T) {
	server := temporaltest.NewServer(temporaltest.WithT(t))
	c := server.GetDefaultClient()
	plan := plan("contoso")
	plan.Timing.QuietLimit = migration.Duration(14 * 24 * time.Hour)
	if err := operator.Check(t.Context(), c, server.GetDefaultNamespace(), plan); !operator.IsKind(err, operator.ShortMemory) {
		t.Errorf("retention: %v", err)
	}
	if err := operator.Check(t.Context(), c, "nowhere", plan); !operator.IsKind(err, operator.NoNamespace) {
		t.Errorf("namespace: %v", err)
	}
	if _, err := operator.New(c).Launch(t.Context(), plan, []migration.Mailbox{row("ada")}); !operator.IsKind(err, operator.NoAttributes) {
		t.Errorf("search attributes: %v", err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Error("it did not come about in 30 seconds")
}
