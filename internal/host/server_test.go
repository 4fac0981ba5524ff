package host_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/linetest"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/standalone/embedded"
)

// heartbeatTimeout is long enough for a busy machine and short enough to wait for.
const heartbeatTimeout = 4 * time.Second

// writer copies a message every 50 ms and writes down when it held the target, to show that no two ever did.
type writer struct {
	activities.Mailboxes
	started chan struct{} // one for each attempt that began to write

	mu    sync.Mutex
	spans []span
	// down has every attempt fail after it has copied one message.
	down bool
}

type span struct {
	settle     time.Duration
	from       uint32 // the cursor at which it began
	begin, end time.Time
}

// enough is the cursor at which a writer is done.
const enough = 120

func (w *writer) Copy(ctx context.Context, in activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
	at := span{settle: in.Settle}
	if len(in.State.Folders) > 0 {
		at.from = in.State.Folders[0].Cursor
	}
	defer func() {
		at.end = time.Now()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.spans = append(w.spans, at)
	}()
	select {
	case <-time.After(in.Settle):
	case <-ctx.Done():
		return activities.CopyOutput{}, ctx.Err()
	}
	at.begin = time.Now()
	select {
	case w.started <- struct{}{}:
	default: // nobody waits for a second attempt
	}
	for cursor := at.from + 1; ; cursor++ {
		state := migration.MailboxState{Folders: []migration.FolderState{{Source: "INBOX", Cursor: cursor}}}
		progress := migration.Progress{Messages: int(cursor - at.from)}
		w.mu.Lock()
		down := w.down
		w.mu.Unlock()
		if down && cursor > at.from+1 {
			return activities.CopyOutput{State: state, Progress: progress}, errors.New("the target is down for maintenance")
		}
		if cursor >= enough {
			return activities.CopyOutput{Exit: migration.ExitDone, State: state, Progress: progress}, nil
		}
		if checkpoint(state, progress) != nil {
			return activities.CopyOutput{Exit: migration.ExitStopped, State: state, Progress: progress, Remaining: in.Changed}, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return activities.CopyOutput{State: state, Progress: progress}, ctx.Err()
		}
	}
}

// bench is a real server with one worker that copies.
type bench struct {
	client client.Client
	worker worker.Worker
	writer *writer
	line   *linetest.Line
}

func newBench(t *testing.T) *bench {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		Dir: t.TempDir(), Port: freePort(t), UIPort: freePort(t), Namespace: client.DefaultNamespace, Retention: 90 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{
		client: dial(t, server.Address), writer: &writer{started: make(chan struct{}, 1)}, line: linetest.New(t, server.Address),
	}
	worked := dial(t, b.line.Address)
	b.worker = worker.New(worked, activities.CopyQueue, worker.Options{WorkerStopTimeout: 10 * time.Second})
	b.worker.RegisterActivity(&activities.Activities{Mailboxes: b.writer, Heartbeat: worked})
	b.worker.RegisterWorkflowWithOptions(oneCopy, workflow.RegisterOptions{Name: "OneCopy"})
	if err := b.worker.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

func dial(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
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

// oneCopy schedules one copy as a mailbox's workflow does.
func oneCopy(ctx workflow.Context) (activities.CopyOutput, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: activities.CopyQueue, StartToCloseTimeout: time.Minute, HeartbeatTimeout: heartbeatTimeout, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1},
	})
	var out activities.CopyOutput
	err := workflow.ExecuteActivity(ctx, "Copy", activities.CopyInput{Changed: []string{"INBOX"}}).Get(ctx, &out)
	return out, err
}

func (b *bench) start(t *testing.T) client.WorkflowRun {
	t.Helper()
	select {
	case <-b.writer.started: // an attempt of an earlier test that nobody waited for
	default:
	}
	run, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: t.Name(), TaskQueue: activities.CopyQueue}, "OneCopy")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.writer.started:
	case <-time.After(30 * time.Second):
		t.Fatal("the copy didn't begin within 30 s")
	}
	return run
}

// result waits for the workflow's end.
func result(t *testing.T, run client.WorkflowRun) (out activities.CopyOutput, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = run.Get(ctx, &out)
	return out, err
}

func TestCopyOnARealServer(t *testing.T) {
	b := newBench(t)

	t.Run("cancelled, it returns what it learnt", func(t *testing.T) {
		run := b.start(t)
		time.Sleep(time.Second)
		if err := b.client.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
			t.Fatal(err)
		}
		if out, err := result(t, run); err != nil || out.Exit != migration.ExitStopped || out.State.Folders[0].Cursor < 10 {
			t.Errorf("got %+v, %v; want what was learnt with exit stopped", out, err)
		}
	})

	t.Run("cut off, it stops before another begins", func(t *testing.T) {
		b.writer.mu.Lock()
		b.writer.spans = nil
		b.writer.mu.Unlock()
		run := b.start(t)
		time.Sleep(time.Second)
		b.line.Down()
		cut := time.Now()
		time.Sleep(heartbeatTimeout + time.Second)
		b.line.Up()
		out, err := result(t, run)
		if err != nil {
			t.Fatal(err)
		}
		if out.Exit != migration.ExitDone || out.State.Folders[0].Cursor != enough {
			t.Errorf("got %+v; want the copy done", out)
		}
		b.writer.mu.Lock()
		defer b.writer.mu.Unlock()
		spans := b.writer.spans
		if len(spans) != 2 {
			t.Fatalf("%d attempts, want 2: %+v", len(spans), spans)
		}
		if held := spans[0].end.Sub(cut); held > heartbeatTimeout*3/4 {
			t.Errorf("the target was held for %s after the line was cut, want half of %s, and a moment", held, heartbeatTimeout)
		}
		if next := spans[1]; next.from == 0 || next.settle != heartbeatTimeout/2 || next.begin.Before(spans[0].end.Add(next.settle)) {
			t.Errorf("the next attempt %+v; want it to go on from the heartbeat after half of %s", next, heartbeatTimeout)
		}
	})

	t.Run("failing again and again, it returns what it learnt", func(t *testing.T) {
		down := func(down bool) {
			b.writer.mu.Lock()
			defer b.writer.mu.Unlock()
			b.writer.down = down
		}
		down(true)
		defer down(false)
		out, err := result(t, b.start(t))
		if err != nil || out.Exit != migration.ExitLater || !strings.Contains(out.Words, "maintenance") {
			t.Fatalf("got %+v, %v; want that it is tried later", out, err)
		}
		if cursor := out.State.Folders[0].Cursor; cursor < activities.Attempts {
			t.Errorf("it learnt of %d messages, want one of each of %d attempts", cursor, activities.Attempts)
		}
	})

	t.Run("stopping, the worker gives it back", func(t *testing.T) {
		run := b.start(t)
		time.Sleep(time.Second)
		b.worker.Stop()
		// The workflow needs a worker to take the result in.
		again := worker.New(b.client, activities.CopyQueue, worker.Options{})
		again.RegisterWorkflowWithOptions(oneCopy, workflow.RegisterOptions{Name: "OneCopy"})
		if err := again.Start(); err != nil {
			t.Fatal(err)
		}
		defer again.Stop()
		if out, err := result(t, run); err != nil || out.Exit != migration.ExitStopped || out.State.Folders[0].Cursor < 10 {
			t.Errorf("got %+v, %v; want what was learnt with exit stopped", out, err)
		}
	})
}
