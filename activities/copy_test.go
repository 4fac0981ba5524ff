package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// heartbeatTimeout is that of every copy here; synctest's clock makes it last no time.
const heartbeatTimeout = 80 * time.Second

// folder is a state with one folder that is copied up to the cursor.
func folder(name string, cursor uint32) migration.MailboxState {
	return migration.MailboxState{Folders: []migration.FolderState{{Source: name, Cursor: cursor}}}
}

func copyInput() activities.CopyInput {
	in := activities.CopyInput{Changed: []string{"INBOX"}, Heartbeat: migration.Duration(heartbeatTimeout), State: folder("INBOX", 10)}
	in.Mailbox.Address = "a@x"
	return in
}

type copyFunc = func(context.Context, activities.CopyInput, activities.Checkpoint) (activities.CopyOutput, error)

// runCopy runs one attempt in a bubble of its own time.
func runCopy(t *testing.T, beats *heartbeats, earlier any, in activities.CopyInput, engine copyFunc) (out activities.CopyOutput, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &activities.Activities{Heartbeat: beats, Mailboxes: mailboxes{copy: engine}}
		out, err = run[activities.CopyOutput](t, a, earlier, a.Copy, in)
	})
	return out, err
}

func TestCopyExits(t *testing.T) {
	done := func(exit migration.Exit) copyFunc {
		return func(context.Context, activities.CopyInput, activities.Checkpoint) (activities.CopyOutput, error) {
			return activities.CopyOutput{Exit: exit, State: folder("INBOX", 20), Progress: migration.Progress{Messages: 10}}, nil
		}
	}
	fails := func(err error) copyFunc {
		return func(_ context.Context, _ activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
			if e := checkpoint(folder("INBOX", 15), migration.Progress{Messages: 5}); e != nil {
				return activities.CopyOutput{}, e
			}
			return activities.CopyOutput{}, err
		}
	}
	for name, test := range map[string]struct {
		engine copyFunc
		exit   migration.Exit
		cursor uint32
		delay  time.Duration
	}{
		"done":                 {done(migration.ExitDone), migration.ExitDone, 20, 0},
		"slice over":           {done(migration.ExitSlice), migration.ExitSlice, 20, 0},
		"a person is needed":   {fails(refused), migration.ExitProblem, 15, 0},
		"transient":            {fails(errBusy), "", 15, 0},
		"the server said when": {fails(&migration.LaterError{After: time.Minute, Cause: errBusy}), "", 15, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			beats := &heartbeats{}
			out, err := runCopy(t, beats, nil, copyInput(), test.engine)
			if test.exit != "" {
				if err != nil || out.Exit != test.exit || out.State.Folders[0].Cursor != test.cursor {
					t.Fatalf("got %+v, %v; want exit %q at %d", out, err, test.exit, test.cursor)
				}
				if (out.Exit == migration.ExitProblem) != (out.Problem != nil) {
					t.Errorf("problem %+v at exit %q", out.Problem, out.Exit)
				}
				return
			}
			if failure := applicationError(t, err); failure.NonRetryable() || failure.NextRetryDelay() != test.delay {
				t.Errorf("non-retryable %v, delay %s; want a retry after %s", failure.NonRetryable(), failure.NextRetryDelay(), test.delay)
			}
			var last activities.CopyCheckpoint
			beats.last(t, &last)
			if last.State.Folders[0].Cursor != test.cursor || !last.Released {
				t.Errorf("last heartbeat %+v; want the cursor at %d, released", last, test.cursor)
			}
		})
	}
}

func TestCopyGoesOnFromTheHeartbeat(t *testing.T) {
	earlier := activities.CopyCheckpoint{
		State:    migration.MailboxState{Folders: folder("INBOX", 15).Folders, RefusalCount: 1, Refusals: []migration.Refusal{{UID: 12}}},
		Progress: migration.Progress{Messages: 5, Bytes: 50, Arrivals: migration.Arrivals{Count: 1, From: []string{"mx.a"}}},
	}
	for name, test := range map[string]struct {
		released bool
		settle   time.Duration
	}{
		"after a crash it waits out the lease":       {false, heartbeatTimeout / 2},
		"after an error nobody is writing any more ": {true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			earlier.Released = test.released
			beats := &heartbeats{}
			out, err := runCopy(t, beats, earlier, copyInput(),
				func(_ context.Context, in activities.CopyInput, _ activities.Checkpoint) (activities.CopyOutput, error) {
					if in.State.Folders[0].Cursor != 15 || in.Settle != test.settle {
						t.Errorf("begins at %d after %s, want 15 after %s", in.State.Folders[0].Cursor, in.Settle, test.settle)
					}
					var first activities.CopyCheckpoint
					if beats.last(t, &first); first.State.Folders[0].Cursor != 15 || first.Released {
						t.Errorf("first heartbeat %+v; want what was carried over, not released", first)
					}
					return activities.CopyOutput{
						Exit: migration.ExitDone, State: folder("Sent", 3), Progress: migration.Progress{Messages: 3, Bytes: 30},
						Arrivals: migration.Arrivals{Count: 2, From: []string{"mx.b"}},
					}, nil
				})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.State.Folders) != 2 || out.State.RefusalCount != 1 || out.Progress.Messages != 8 || out.Progress.Bytes != 80 ||
				out.Arrivals.Count != 3 || len(out.Arrivals.From) != 2 {
				t.Errorf("result %+v; want what both attempts learnt", out)
			}
		})
	}
}

func TestCopyIsToldToStop(t *testing.T) {
	for name, answer := range map[string]error{
		"cancelled": temporal.NewCanceledError(),
		"paused":    activity.ErrActivityPaused,
		"reset":     activity.ErrActivityReset,
	} {
		t.Run(name, func(t *testing.T) {
			for _, patient := range []bool{true, false} {
				beats := &heartbeats{answer: func(count int) error {
					if count == 3 {
						return answer
					}
					return nil
				}}
				out, err := runCopy(t, beats, nil, copyInput(), untilStopped(t, patient))
				if err != nil || out.Exit != migration.ExitStopped || out.State.Folders[0].Cursor < 11 {
					t.Errorf("patient %v: got %+v, %v; want what was learnt with exit stopped", patient, out, err)
				}
			}
		})
	}
}

// untilStopped copies a message a second until its checkpoint, or if it isn't patient its context, ends it.
func untilStopped(t *testing.T, checkpoints bool) copyFunc {
	return func(ctx context.Context, in activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
		for cursor := in.State.Folders[0].Cursor + 1; ; cursor++ {
			err := checkpoint(folder("INBOX", cursor), migration.Progress{Messages: 1})
			if err != nil && checkpoints {
				return activities.CopyOutput{Exit: migration.ExitSlice, State: folder("INBOX", cursor)}, nil
			}
			select {
			case <-ctx.Done():
				return activities.CopyOutput{}, ctx.Err()
			case <-time.After(time.Second):
			}
			if cursor > 10000 {
				t.Error("nothing stopped the copy")
				return activities.CopyOutput{}, errBusy
			}
		}
	}
}

func TestLostLeaseClosesTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		within time.Duration
	}{
		"the server can't be reached":         {errors.New("connection refused"), heartbeatTimeout / 2},
		"the server has given the attempt up": {serviceerror.NewNotFound("activity not found"), heartbeatTimeout / 8},
	} {
		t.Run(name, func(t *testing.T) {
			var began, lastGood, closed time.Time
			beats := &heartbeats{answer: func(int) error {
				if !began.IsZero() && time.Since(began) > 2*heartbeatTimeout {
					return test.answer
				}
				lastGood = time.Now()
				return nil
			}}
			_, err := runCopy(t, beats, nil, copyInput(),
				func(ctx context.Context, in activities.CopyInput, c activities.Checkpoint) (activities.CopyOutput, error) {
					began = time.Now()
					_ = c(folder("INBOX", 12), migration.Progress{})
					<-ctx.Done() // a copy that hangs
					closed = time.Now()
					return activities.CopyOutput{}, ctx.Err()
				})
			if held := closed.Sub(lastGood); held > test.within {
				t.Errorf("the connection was held for %s after the last good heartbeat, want at most %s", held, test.within)
			}
			if err != nil {
				t.Errorf("error %v; want what was learnt, should the server still take it", err)
			}
		})
	}
}

func TestCheckpointsOverTheirRoomEndTheSlice(t *testing.T) {
	in := copyInput()
	in.State.Folders[0].Pairs = make(migration.Pairs, 100_000) // what the slice begins with is not what it learnt
	state := in.State
	out, err := runCopy(t, &heartbeats{}, nil, in,
		func(_ context.Context, in activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
			if err := checkpoint(state, migration.Progress{}); err != nil {
				t.Errorf("a checkpoint of what was known: %v", err)
			}
			for range 1000 {
				state.Refuse(migration.Refusal{Words: strings.Repeat("no ", 200)})
				if err := checkpoint(state, migration.Progress{}); err != nil {
					return activities.CopyOutput{State: state}, err
				}
			}
			return activities.CopyOutput{}, errors.New("no checkpoint was too large")
		})
	if err != nil || out.Exit != migration.ExitSlice || out.State.RefusalCount == 0 || len(out.Remaining) != 1 {
		t.Errorf("exit %q, %d refusals, remaining %v, %v; want a used-up slice", out.Exit, out.State.RefusalCount, out.Remaining, err)
	}
}

func TestResultStaysBelowItsLimit(t *testing.T) {
	out, err := runCopy(t, &heartbeats{}, nil, copyInput(),
		func(context.Context, activities.CopyInput, activities.Checkpoint) (activities.CopyOutput, error) {
			state := migration.MailboxState{}
			for i := range 6 {
				state.Folders = append(state.Folders, migration.FolderState{
					Source: string(rune('a' + i)), Cursor: 7, Pairs: make(migration.Pairs, 200_000+i),
				})
			}
			return activities.CopyOutput{Exit: migration.ExitDone, State: state}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := json.Marshal(out)
	dropped := 0
	for _, f := range out.State.Folders {
		if f.PairsDropped {
			dropped++
		}
	}
	if len(encoded) >= 1<<20 || dropped == 0 || dropped == 6 || !out.State.Folders[5].PairsDropped {
		t.Errorf("%d bytes with %d of 6 folders' pairs dropped; want below 1 MiB and the largest dropped first", len(encoded), dropped)
	}
}

func TestPoisonIsNamedAfterFiveAttempts(t *testing.T) {
	at := func(uid uint32) error {
		return &migration.MessageError{Message: migration.Refusal{Folder: "INBOX", UID: uid, Size: 9}, Cause: errBusy}
	}
	five := func(err error) []error { return []error{err, err, err, err, err} }
	for name, test := range map[string]struct {
		errs   []error
		moves  int // the attempt that makes progress, counted from 1
		poison bool
	}{
		"the same message":              {five(at(11)), 0, true},
		"another message in between":    {[]error{at(11), at(11), at(12), at(11), at(11)}, 0, false},
		"progress in between":           {five(at(11)), 3, false},
		"the server is down":            {five(errBusy), 0, false},
		"down now and then, one poison": {[]error{at(11), errBusy, at(11), at(11), errBusy, at(11), at(11)}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var earlier any
			var out activities.CopyOutput
			var err error
			for i, fault := range test.errs {
				beats := &heartbeats{}
				out, err = runCopy(t, beats, earlier, copyInput(),
					func(_ context.Context, in activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
						if i+1 == test.moves {
							_ = checkpoint(folder("INBOX", in.State.Folders[0].Cursor+1), migration.Progress{Messages: 1})
						}
						return activities.CopyOutput{}, fault
					})
				if err == nil {
					break
				}
				var last activities.CopyCheckpoint
				beats.last(t, &last)
				earlier = last
			}
			if !test.poison {
				if err == nil {
					t.Errorf("got exit %q, want an error each time", out.Exit)
				}
				return
			}
			if err != nil || out.Exit != migration.ExitPoison || out.Poison == nil || out.Poison.UID != 11 || out.Poison.Kind != "poison" || out.Poison.Words == "" {
				t.Errorf("got %+v (poison %+v), %v; want UID 11 named as poison", out, out.Poison, err)
			}
		})
	}
}

func TestCopyEndsWithItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &activities.Activities{Heartbeat: &heartbeats{}, Mailboxes: mailboxes{copy: untilStopped(t, true)}}
		stop := make(chan struct{})
		time.AfterFunc(30*time.Second, func() { close(stop) })
		out, err := runWith[activities.CopyOutput](t, a, stop, a.Copy, copyInput())
		if err != nil || out.Exit != migration.ExitStopped || out.State.Folders[0].Cursor < 40 {
			t.Errorf("got %+v, %v; want what was learnt with exit stopped", out, err)
		}
	})
}

// TestShortListingAsksInTheEnd: what a server counts and doesn't list may be there a minute later. Where it isn't after all
// attempts a person is asked, because a broken index heals by no retry.
func TestShortListingAsksInTheEnd(t *testing.T) {
	for side, kind := range map[string]string{"source": "source-listing-short", "target": "target-listing-short"} {
		fault := fmt.Errorf("folder %q: %w", "INBOX", &migration.ShortListingError{Side: side, Counted: 7, Listed: 6})
		tries := 0
		a := &activities.Activities{Heartbeat: &heartbeats{}, Mailboxes: mailboxes{
			copy: func(context.Context, activities.CopyInput, activities.Checkpoint) (activities.CopyOutput, error) {
				tries++
				return activities.CopyOutput{}, fault
			},
			verify: func(context.Context, activities.VerifyInput) (migration.Verification, error) {
				tries++
				return migration.Verification{}, fault
			},
		}}
		var copied activities.CopyOutput
		err := persistently(t, a, a.Copy, copyInput(), &copied)
		if err != nil || tries != activities.Attempts || copied.Exit != migration.ExitProblem || copied.Problem == nil || copied.Problem.Kind != kind ||
			!strings.Contains(copied.Problem.Text, `folder "INBOX": the `+side+` counts 7 messages in the folder and lists 6`) {
			t.Errorf("copy of %s: %+v (%+v), %v, after %d attempts", side, copied, copied.Problem, err, tries)
		}
		tries = 0
		err = persistently(t, a, a.Verify, activities.VerifyInput{}, nil)
		var problem migration.Problem
		if failed := applicationError(t, err); tries != activities.Attempts || failed.Type() != activities.ProblemType || failed.Details(&problem) != nil || problem.Kind != kind {
			t.Errorf("verification of %s: %v, after %d attempts", side, err, tries)
		}
	}
}

// persistently runs an activity in as many attempts as a workflow gives it.
func persistently(t *testing.T, a *activities.Activities, fn, in, out any) error {
	t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Hour,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1, MaximumAttempts: activities.Attempts},
		})
		return workflow.ExecuteActivity(ctx, fn, in).Get(ctx, out)
	})
	return env.GetWorkflowError()
}
