package servertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// world is one whose copies take time and remember every append, so that a message that comes twice or never is found.
type world struct {
	*fake.World
	// pace is how long a message takes.
	pace time.Duration

	mu sync.Mutex
	// source is how many messages each mailbox has at the source; they have the UIDs from 1 on. target has the UIDs that
	// were appended, in order.
	source map[string]int
	target map[string][]uint32
	// firsts and archived count first copies that came to their end, and accounts that were archived.
	firsts, archived map[string]int
}

func newWorld(pace time.Duration) *world {
	return &world{
		World: fake.New(), pace: pace, source: map[string]int{}, target: map[string][]uint32{}, firsts: map[string]int{},
		archived: map[string]int{},
	}
}

// fill puts messages into a source.
func (w *world) fill(address string, messages int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source[address] += messages
}

// held is how many messages the source has.
func (w *world) held(address string) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint32(w.source[address])
}

// Probe stands in the activity's place.
func (w *world) Probe(_ context.Context, in activities.ProbeInput) (activities.ProbeOutput, error) {
	if len(in.Cursors) == 0 || in.Cursors[0].Cursor < w.held(in.Mailbox.Address) {
		return activities.ProbeOutput{Changed: []string{"INBOX"}}, nil
	}
	return activities.ProbeOutput{}, nil
}

// Copy stands in the activity's place. It begins where the workflow says that the last slice ended, and looks at nothing
// else: what the workflow forgets is appended again.
func (w *world) Copy(ctx context.Context, in activities.CopyInput) (activities.CopyOutput, error) {
	address := in.Mailbox.Address
	folder := migration.FolderState{Source: "INBOX", Target: "INBOX"}
	first := len(in.State.Folders) == 0 || in.Since.IsZero()
	if len(in.State.Folders) > 0 {
		folder = in.State.Folders[0]
	}
	out := activities.CopyOutput{Exit: migration.ExitDone}
	for out.Exit == migration.ExitDone && folder.Cursor < w.held(address) {
		select {
		case <-ctx.Done():
			out.Exit = migration.ExitStopped
		case <-activity.GetWorkerStopChannel(ctx):
			out.Exit = migration.ExitStopped
		case <-time.After(w.pace):
			folder.Cursor++
			w.put(address, folder.Cursor)
			out.Progress.Messages++
			activity.RecordHeartbeat(ctx, out.Progress)
		}
	}
	if out.Exit == migration.ExitStopped {
		out.Remaining = in.Changed
	}
	n := int(folder.Cursor)
	folder.Account = migration.Account{Source: n, Copied: n}
	out.State.Folders = []migration.FolderState{folder}
	if first && out.Exit == migration.ExitDone {
		w.mu.Lock()
		w.firsts[address]++
		w.mu.Unlock()
	}
	return out, nil
}

func (w *world) put(address string, uid uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target[address] = append(w.target[address], uid)
}

// Verify stands in the activity's place.
func (w *world) Verify(context.Context, activities.VerifyInput) (migration.Verification, error) {
	return migration.Verification{Verified: true}, nil
}

// ClosedChildren looks at the server, as the real activity does.
func (w *world) ClosedChildren(ctx context.Context, in activities.ClosedChildrenInput) (activities.ClosedChildrenOutput, error) {
	var out activities.ClosedChildrenOutput
	for _, id := range in.IDs {
		description, err := activity.GetClient(ctx).DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return out, err
		}
		if description.WorkflowExecutionInfo.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			out.Closed = append(out.Closed, id)
		}
	}
	return out, nil
}

// ArchiveAccount stands in the activity's place.
func (w *world) ArchiveAccount(ctx context.Context, in activities.ArchiveAccountInput) error {
	w.mu.Lock()
	w.archived[in.Account.Address]++
	w.mu.Unlock()
	return w.World.ArchiveAccount(ctx, in)
}

// accounted fails the test unless every mailbox has every message at the target exactly once, by one first copy, and
// left one account that says so.
func (w *world) accounted(t *testing.T, addresses []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, address := range addresses {
		if err := inOrder(w.target[address], w.source[address]); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if w.firsts[address] != 1 || w.archived[address] != 1 {
			t.Errorf("%s: %d first copies came to their end and %d accounts were archived, want 1 and 1", address, w.firsts[address], w.archived[address])
		}
		if a := w.Accounts[address]; a.State != migration.Done || a.Account.Copied != w.source[address] {
			t.Errorf("%s: its account says %s with %d messages copied, want done with %d", address, a.State, a.Account.Copied, w.source[address])
		}
	}
}

// inOrder reports the first message that came twice, out of order or not at all.
func inOrder(have []uint32, want int) error {
	for i, uid := range have {
		if int(uid) != i+1 {
			return fmt.Errorf("append %d was of message %d", i+1, uid)
		}
	}
	if len(have) != want {
		return fmt.Errorf("%d of %d messages are at the target", len(have), want)
	}
	return nil
}
