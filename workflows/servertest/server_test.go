package servertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/standalone/embedded"
	"github.com/mailferry/mailferry/workflows"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// bench is a tenant on a real server.
type bench struct {
	*operator.Operator
	t      *testing.T
	client client.Client
	world  *world
	plan   migration.Plan
}

// newBench starts the server that standalone embeds, with its database in a file. Values of its dynamic configuration
// can be given.
func newBench(t *testing.T, w *world, plan migration.Plan, dynamic map[string]any) *bench {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		Dir: memoryDir(t), Port: freePort(t), UIPort: freePort(t), Namespace: "default", Retention: 90 * 24 * time.Hour, Dynamic: dynamic,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, domain := range plan.Domains {
		w.MX[domain] = migration.Record{Name: domain, Type: "MX", TTL: 1, Data: []string{"10 mail.old.example"}}
	}
	return &bench{operator.New(c), t, c, w, plan}
}

// memoryDir is a directory on a memory disk where there is one with room: what is tested here is not the disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	const disk, room = "/dev/shm", 2 << 30
	var free syscall.Statfs_t
	if err := syscall.Statfs(disk, &free); err != nil || free.Bavail*uint64(free.Bsize) < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(disk, "mailferry-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// work runs a worker on each queue until the returned function is called. What panics or doesn't replay fails its
// workflow, and so the test.
func (b *bench) work() (stop func()) {
	b.t.Helper()
	var workers []worker.Worker
	for _, queue := range []string{activities.MigrateQueue, activities.CopyQueue} {
		w := worker.New(b.client, queue, worker.Options{
			WorkflowPanicPolicy: worker.FailWorkflow, WorkerStopTimeout: 10 * time.Second, DeadlockDetectionTimeout: time.Minute,
			MaxConcurrentActivityExecutionSize: 200, Interceptors: workflows.Interceptors(),
		})
		w.RegisterActivityWithOptions(b.world, activity.RegisterOptions{SkipInvalidStructFunctions: true})
		if queue == activities.MigrateQueue {
			workflows.Register(w)
		}
		if err := w.Start(); err != nil {
			b.t.Fatal(err)
		}
		workers = append(workers, w)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		for _, w := range workers {
			w.Stop()
		}
	}
	b.t.Cleanup(stop)
	return stop
}

// pressed is the plan of the tests here: more mailboxes at once, and deltas further apart.
func pressed() migration.Plan {
	plan := fake.Plan()
	plan.Endpoints[0].MailboxesAtOnce = 6
	plan.Timing.Delta = migration.Duration(3 * time.Second)
	return plan
}

// rows are mailboxes of a wave.
func (b *bench) rows(wave string, users ...string) []migration.Mailbox {
	rows := make([]migration.Mailbox, len(users))
	for i, user := range users {
		rows[i] = fake.Row(wave, user)
	}
	return rows
}

// must fails the test on an error.
func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// until waits until the tenant's status is as wanted.
func (b *bench) until(what string, limit time.Duration, wanted func(operator.Status) bool) operator.Status {
	b.t.Helper()
	var s operator.Status
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if s, err = b.Status(b.t.Context(), b.plan.Tenant); err == nil && (s.Worker || s.Closed != "") && wanted(s) {
			return s
		}
		if s.Closed != "" && s.Closed != "completed" {
			break
		}
	}
	b.t.Fatalf("%s did not come about in %s; the status is %+v, %v", what, limit, s, err)
	return s
}

// approve approves whatever stands at the gate until the MX is changed: a pause, or a mailbox that isn't verified any
// more, closes the gate and takes the approval back.
func (b *bench) approve(limit time.Duration) {
	b.t.Helper()
	b.until("the change of MX", limit, func(s operator.Status) bool {
		if s.Gate != nil {
			_, _ = b.Approve(b.t.Context(), b.plan.Tenant, workflows.Decision{Digest: s.Gate.Digest, By: "Grace"})
		}
		return s.Steps[migration.StepCutover-1].State == migration.Done
	})
}

// end waits for the tenant's end.
func (b *bench) end(limit time.Duration, want migration.State) {
	b.t.Helper()
	s := b.until("the end", limit, func(s operator.Status) bool { return s.Closed != "" })
	if s.Closed != "completed" || s.State != want {
		b.t.Fatalf("the tenant %s as %s, want completed as %s", s.Closed, s.State, want)
	}
}

// update sends an update to the tenant, whichever run takes it.
func (b *bench) update(name string, in any) error {
	for {
		handle, err := b.client.UpdateWorkflow(b.t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: b.plan.Tenant, UpdateName: name, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(b.t.Context(), nil)
		}
		// It goes on as a new run in this very moment.
		var between *serviceerror.NotFound
		var busy *serviceerror.WorkflowNotReady
		if !errors.As(err, &between) && !errors.As(err, &busy) || b.t.Context().Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// figures are the largest of some runs.
type figures struct {
	runs, events int
	bytes        int64
}

func (f figures) String() string {
	return fmt.Sprintf("%d runs, the largest %d events and %.2f MB", f.runs, f.events, float64(f.bytes)/1e6)
}

// measure lists every run of a type of workflow. One that is terminated, failed or timed out fails the test.
func (b *bench) measure(ctx context.Context, kind string) (f figures) {
	b.t.Helper()
	b.each(ctx, kind, func(info *workflowpb.WorkflowExecutionInfo) {
		switch info.Status {
		case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
			b.t.Errorf("%s has ended as %s", info.Execution.WorkflowId, info.Status)
		}
		f.runs++
		f.events = max(f.events, int(info.HistoryLength))
		f.bytes = max(f.bytes, info.HistorySizeBytes)
	})
	return f
}

// each visits every run of a type of workflow.
func (b *bench) each(ctx context.Context, kind string, visit func(*workflowpb.WorkflowExecutionInfo)) {
	b.t.Helper()
	var page []byte
	for {
		response, err := b.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: 1000, NextPageToken: page, Query: fmt.Sprintf("WorkflowType = '%s'", kind),
		})
		b.must(err)
		for _, info := range response.Executions {
			visit(info)
		}
		if page = response.NextPageToken; len(page) == 0 {
			return
		}
	}
}
