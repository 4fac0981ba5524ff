package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

const (
	isRunning = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	isDone    = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
)

func operatorOf(f *fake) *Operator {
	o := New(f)
	o.now = func() time.Time { return began }
	return o
}

// accept takes every chunk in.
func accept(client.UpdateWorkflowOptions) (any, error) { return workflows.EnrollResult{}, nil }

// unchanged has three rows change nothing.
func unchanged(client.UpdateWorkflowOptions) (any, error) {
	return workflows.EnrollResult{Staged: 3, Unchanged: 3}, nil
}

func TestLaunch(t *testing.T) {
	f := newFake()
	f.update = accept
	plan, rows := contoso("mfbox1:a:first")
	launched, err := operatorOf(f).Launch(t.Context(), plan, rows)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Launched{Tenant: "contoso", Launch: "20261123-1", RunID: "run-of-contoso", Mailboxes: 3}); launched != want {
		t.Errorf("launched %+v, want %+v", launched, want)
	}
	start := f.started[0]
	if start.ID != "contoso" || start.TaskQueue != activities.MigrateQueue {
		t.Errorf("started %q on queue %q", start.ID, start.TaskQueue)
	}
	if got, _ := start.TypedSearchAttributes.GetKeyword(workflows.SearchLaunch); got != "20261123-1" {
		t.Errorf("%s is %q", workflows.SearchLaunch.GetName(), got)
	}
	var order []string
	for _, u := range f.updates {
		switch in := u.Args[0].(type) {
		case workflows.EnrollInput:
			for _, row := range in.Rows {
				order = append(order, fmt.Sprintf("%d/%d %s", in.Chunk, in.Of, row.Address))
			}
		case workflows.EnrollCommitInput:
			order = append(order, fmt.Sprintf("commit %d", in.Rows))
		}
	}
	want := []string{"1/2 bob@contoso.com", "2/2 ada@contoso.com", "2/2 eve@contoso.com", "commit 3"}
	if !slices.Equal(order, want) {
		t.Errorf("enrolled %q, want %q", order, want)
	}
}

// launchedBefore is a tenant as a launch left it.
func launchedBefore(t *testing.T, f *fake, state enumspb.WorkflowExecutionStatus, enrolled bool) {
	t.Helper()
	plan, rows := contoso("mfbox1:a:first")
	rec := record{Launch: "20261123-4", Started: began, Organisation: "Contoso Ltd", Rows: len(rows)}
	rec.Plan, _ = digest(plan)
	memo := workflows.Memo{State: migration.Running, Step: migration.StepMigrate, States: make([]migration.State, 11)}
	if enrolled {
		memo.States[migration.StepList-1] = migration.Done
	}
	f.add(t, "contoso", workflows.TenantType, state, map[string]any{memoLaunch: rec, workflows.MemoStatus: memo})
}

func TestLaunchAgain(t *testing.T) {
	otherPlan := func(p *migration.Plan, _ *[]migration.Mailbox) { p.Timing.Quiet = migration.Duration(time.Hour) }
	otherRows := func(_ *migration.Plan, rows *[]migration.Mailbox) { *rows = (*rows)[1:] }
	for _, test := range []struct {
		name     string
		state    enumspb.WorkflowExecutionStatus
		enrolled bool
		change   func(*migration.Plan, *[]migration.Mailbox)
		want     Launched
		lists    int
		updates  int
		refused  string
	}{
		{
			name: "cut short", state: isRunning, updates: 3,
			want: Launched{Tenant: "contoso", Launch: "20261123-4", RunID: "run-of-contoso", Mailboxes: 3, Continued: true},
		},
		{
			name: "complete", state: isRunning, enrolled: true, lists: 1, updates: 3,
			want: Launched{Tenant: "contoso", Launch: "20261123-4", RunID: "run-of-contoso", Mailboxes: 3, Continued: true, Unchanged: true, Same: 3},
		},
		{
			name: "ended", state: isDone, enrolled: true, updates: 3,
			want: Launched{Tenant: "contoso", Launch: "20261123-5", RunID: "run-of-contoso", Mailboxes: 3},
		},
		{name: "another plan", state: isRunning, change: otherPlan, refused: "with another plan: launch 20261123-4 of Contoso Ltd, 3 mailboxes, started 2026-11-23 09:00 UTC, at step 7 (Migrate and verify)"},
		{
			name: "another list, the first was cut short", state: isRunning, change: otherRows, updates: 3,
			want: Launched{Tenant: "contoso", Launch: "20261123-4", RunID: "run-of-contoso", Mailboxes: 2, Continued: true},
		},
		{
			name: "another list, the first was taken in a moment ago", state: isRunning, change: otherRows, lists: 1, updates: 3,
			want: Launched{Tenant: "contoso", Launch: "20261123-4", RunID: "run-of-contoso", Mailboxes: 2, Continued: true, Unchanged: true, Same: 3},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			f.update = unchanged
			f.answers["contoso"] = workflows.Status{Lists: test.lists}
			launchedBefore(t, f, test.state, test.enrolled)
			// The same files, read again, give other sealed secrets.
			plan, rows := contoso("mfbox1:a:second")
			if test.change != nil {
				test.change(&plan, &rows)
			}
			launched, err := operatorOf(f).Launch(t.Context(), plan, rows)
			if test.refused != "" {
				if !IsKind(err, Running) || !strings.Contains(err.Error(), test.refused) {
					t.Fatalf("error %v, want one with %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if launched != test.want {
				t.Errorf("launched %+v, want %+v", launched, test.want)
			}
			if len(f.updates) != test.updates {
				t.Errorf("%d updates, want %d", len(f.updates), test.updates)
			}
		})
	}
}

func TestLaunchWithoutWorker(t *testing.T) {
	f := newFake()
	f.workers = false
	plan, rows := contoso("")
	_, err := operatorOf(f).Launch(t.Context(), plan, rows)
	if !IsKind(err, NoWorker) || !strings.Contains(err.Error(), "contoso is started, but the list of mailboxes is not taken in: no worker is running") {
		t.Errorf("error %v", err)
	}
}

func TestLaunchRefusedByTheWorkflow(t *testing.T) {
	f := newFake()
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		return nil, temporal.NewApplicationError("line 3: ada@contoso.com is there twice", "rows")
	}
	plan, rows := contoso("")
	_, err := operatorOf(f).Launch(t.Context(), plan, rows)
	if !IsKind(err, Refused) || err.Error() != "the list of mailboxes is refused: line 3: ada@contoso.com is there twice" {
		t.Errorf("error %v", err)
	}
}

func TestLaunchRefusesBeforeItStarts(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(*migration.Plan, *[]migration.Mailbox)
	}{
		{"nothing", "the list has no mailboxes", func(_ *migration.Plan, r *[]migration.Mailbox) { *r = nil }},
		{"unknown wave", `ada@contoso.com is in wave "none"`, func(_ *migration.Plan, r *[]migration.Mailbox) { (*r)[0].Wave = "none" }},
		{"long row", "the row of ada@contoso.com is 2", func(_ *migration.Plan, r *[]migration.Mailbox) {
			(*r)[0].DisplayName = strings.Repeat("x", 2100)
		}},
		{"large wave", `wave "main" has 501 mailboxes`, func(_ *migration.Plan, r *[]migration.Mailbox) {
			*r = slices.Repeat([]migration.Mailbox{(*r)[0]}, 501)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			plan, rows := contoso("")
			test.change(&plan, &rows)
			_, err := operatorOf(f).Launch(t.Context(), plan, rows)
			if !IsKind(err, Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if len(f.started) != 0 {
				t.Error("started all the same")
			}
		})
	}
}

func TestNextLaunch(t *testing.T) {
	for last, want := range map[string]string{
		"":            "20261123-1",
		"20261122-7":  "20261123-1",
		"20261123-1":  "20261123-2",
		"20261123-9":  "20261123-10",
		"20261124-2":  "20261124-3", // by a clock that is ahead
		"unreadable":  "20261123-1",
		"20261123-x2": "20261123-1",
	} {
		if got := nextLaunch(began, last); got != want {
			t.Errorf("after %q comes %q, want %q", last, got, want)
		}
	}
}

func TestImportKnowsRowsButNoSecret(t *testing.T) {
	_, first := contoso("mfbox1:a:first")
	_, second := contoso("mfbox1:a:second")
	a, errA := Import(first)
	b, errB := Import(second)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("another sealing makes another import")
	}
	if first[0].Password != "mfbox1:a:first" {
		t.Error("the rows were changed")
	}
	second[2].User = "other"
	if c, _ := Import(second); c == a {
		t.Error("another user makes the same import")
	}
	second[2].User = "eve"
	second[2].Password = ""
	if c, _ := Import(second); c == a {
		t.Error("a row that lost its password makes the same import")
	}
}
