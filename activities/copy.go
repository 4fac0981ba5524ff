package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// checkpointRoom is how many bytes of JSON a slice may learn before it ends: heartbeats carry all of it each time.
	checkpointRoom = 64 << 10
	// resultLimit is how large a result may be, far enough from the 2 MB at which a server terminates a workflow.
	resultLimit = 1 << 20
	// fruitless is how many attempts in a row one message may end without progress before it is set aside.
	fruitless = 5
)

// errSliceFull ends a slice whose checkpoints have become too large.
var errSliceFull = errors.New("the slice has learnt as much as a heartbeat may carry")

// CopyCheckpoint is the detail of a copy's heartbeats: what all attempts at this slice have learnt. The workflow's
// state plus this is where the next attempt begins.
type CopyCheckpoint struct {
	State    migration.MailboxState `json:"state"`
	Progress migration.Progress     `json:"progress"`
	// Suspect is the message at which the last attempt ended, and Fruitless how many did in a row, without progress.
	Suspect   *migration.Refusal `json:"suspect,omitempty"`
	Fruitless int                `json:"fruitless,omitempty"`
	// Released says that the attempt that sent this had closed its connections.
	Released bool `json:"released,omitempty"`
}

// slice is one attempt at a slice of a copy.
type slice struct {
	in      CopyInput
	pulse   *pulse
	carried CopyCheckpoint // what earlier attempts learnt
	latest  []byte         // the last checkpoint as JSON, so that nothing in it is shared with the copy
	room    int
}

// Copy runs one slice of a pass over one mailbox. It ends in one of three ways: with a result and no error, when the
// pass is done, the slice is used up, it was asked to stop, it has failed often enough, or a person is needed; with an error after a last
// heartbeat, when it is to be tried again from there; or not at all, when its process dies, and then too the next
// attempt goes on from the last heartbeat. Only one attempt writes at a time: see pulse.
func (a *Activities) Copy(ctx context.Context, in CopyInput) (CopyOutput, error) {
	info := activity.GetInfo(ctx)
	timeout := cmp.Or(info.HeartbeatTimeout, in.Heartbeat.D())
	s := &slice{in: in}
	s.in.Heartbeat = migration.Duration(timeout)
	resumed := activity.HasHeartbeatDetails(ctx)
	if resumed {
		if err := activity.GetHeartbeatDetails(ctx, &s.carried); err != nil {
			// Nothing is lost: what the target has above the recorded state is found by matching.
			activity.GetLogger(ctx).Warn("a checkpoint can't be read; the slice begins at the workflow's state", "error", err)
			s.carried = CopyCheckpoint{}
		}
	}
	if (resumed || info.Attempt > 1) && !s.carried.Released {
		s.in.Settle = timeout / 2
	}
	s.carried.Released = false
	s.in.State = cloneState(in.State)
	s.in.State.Merge(s.carried.State)
	learnt, err := json.Marshal(in.State)
	if err != nil {
		return CopyOutput{}, fmt.Errorf("encoding the mailbox's state: %w", err)
	}
	s.room = len(learnt) + checkpointRoom
	if s.latest, err = json.Marshal(s.carried); err != nil {
		return CopyOutput{}, fmt.Errorf("encoding a checkpoint: %w", err)
	}

	ctx, p, err := a.begin(ctx, timeout, s.carried)
	if err != nil {
		return CopyOutput{}, err
	}
	defer p.end()
	s.pulse = p
	if reason := p.asked(); reason != nil {
		return s.failed(ctx, CopyOutput{}, reason)
	}
	out, err := a.Mailboxes.Copy(ctx, s.in, s.checkpoint)
	if err != nil {
		return s.failed(ctx, out, err)
	}
	return s.finished(out)
}

// checkpoint takes what this attempt has learnt; its error ends the attempt.
func (s *slice) checkpoint(state migration.MailboxState, progress migration.Progress) error {
	encoded, err := json.Marshal(s.sum(state, progress))
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	s.latest = encoded
	if err := s.pulse.set(json.RawMessage(encoded)); err != nil {
		return err
	}
	if reason := s.pulse.asked(); reason != nil {
		return reason
	}
	if len(encoded) > s.room {
		return errSliceFull
	}
	return nil
}

// sum is what all attempts together have learnt.
func (s *slice) sum(state migration.MailboxState, progress migration.Progress) CopyCheckpoint {
	total := CopyCheckpoint{State: cloneState(s.carried.State), Progress: s.carried.Progress}
	total.State.Merge(state)
	total.Progress.Messages += progress.Messages
	total.Progress.Bytes += progress.Bytes
	total.Progress.Folder = cmp.Or(progress.Folder, total.Progress.Folder)
	if progress.Total > 0 {
		total.Progress.Total = s.carried.Progress.Messages + progress.Total
	}
	total.Progress.Arrivals.From = slices.Clone(s.carried.Progress.Arrivals.From)
	total.Progress.Arrivals.Add(progress.Arrivals)
	if !s.advanced(state) {
		total.Suspect, total.Fruitless = s.carried.Suspect, s.carried.Fruitless
	}
	return total
}

// advanced reports whether any folder is further than when this attempt began.
func (s *slice) advanced(state migration.MailboxState) bool {
	for _, now := range state.Folders {
		i := slices.IndexFunc(s.in.State.Folders, func(f migration.FolderState) bool { return f.Source == now.Source })
		if i < 0 {
			if now.Cursor > 0 {
				return true
			}
			continue
		}
		was := s.in.State.Folders[i]
		if now.Cursor > was.Cursor || len(now.Exceptions) < len(was.Exceptions) {
			return true
		}
	}
	return false
}

// finished is the end without an error.
func (s *slice) finished(out CopyOutput) (CopyOutput, error) {
	if out.Exit != migration.ExitDone && s.pulse.asked() != nil {
		out.Exit = migration.ExitStopped
	}
	out.Progress.Arrivals = out.Arrivals
	total := s.sum(out.State, out.Progress)
	out.State, out.Progress, out.Arrivals = total.State, total.Progress, total.Progress.Arrivals
	return s.result(out)
}

// failed is the end with an error: of the copy, or by order.
func (s *slice) failed(ctx context.Context, out CopyOutput, err error) (CopyOutput, error) {
	total := s.learnt(out)
	result := CopyOutput{State: total.State, Progress: total.Progress, Arrivals: total.Progress.Arrivals, Remaining: s.in.Changed}
	if s.pulse.asked() != nil {
		result.Exit = migration.ExitStopped
		return s.result(result)
	}
	if errors.Is(err, errSliceFull) {
		result.Exit = migration.ExitSlice
		return s.result(result)
	}
	err = lastly(ctx, err)
	if problem, ok := migration.AsProblem(err); ok {
		result.Exit, result.Problem = migration.ExitProblem, problem
		return s.result(result)
	}
	var at *migration.MessageError
	if errors.As(err, &at) {
		if total.Suspect == nil || total.Suspect.Folder != at.Message.Folder || total.Suspect.UID != at.Message.UID {
			total.Fruitless = 0
		}
		suspect := at.Message
		suspect.Kind, suspect.Words = "poison", cmp.Or(suspect.Words, at.Error())
		total.Suspect = &suspect
		total.Fruitless++
	}
	if total.Suspect != nil && total.Fruitless >= fruitless {
		result.Exit, result.Poison = migration.ExitPoison, total.Suspect
		return s.result(result)
	}
	if activity.GetInfo(ctx).Attempt >= Attempts {
		result.Exit, result.Words = migration.ExitLater, err.Error()
		return s.result(result)
	}
	total.Released = true
	if beat := s.pulse.now(ctx, total); beat != nil {
		activity.GetLogger(ctx).Warn("the last heartbeat of a copy was not taken", "error", beat)
	}
	return CopyOutput{}, failure(err)
}

// learnt is what is known when the copy ends with an error: its own account if it gave one, else the last checkpoint.
func (s *slice) learnt(out CopyOutput) CopyCheckpoint {
	var last CopyCheckpoint
	if err := json.Unmarshal(s.latest, &last); err != nil || len(out.State.Folders) > 0 {
		out.Progress.Arrivals = out.Arrivals
		return s.sum(out.State, out.Progress)
	}
	return last
}

// result has the slice's result fit into a history. Pairs are given up first, the largest first, because they can be
// found again by matching.
func (s *slice) result(out CopyOutput) (CopyOutput, error) {
	out.State = cloneState(out.State)
	for {
		encoded, err := json.Marshal(out)
		if err != nil {
			return CopyOutput{}, fmt.Errorf("encoding the slice's result: %w", err)
		}
		if len(encoded) < resultLimit {
			return out, nil
		}
		if !out.State.DropPairs() {
			return CopyOutput{}, failure(migration.StateTooLarge(s.in.Mailbox.Address, len(encoded)))
		}
	}
}

// cloneState copies the slices that a merge changes.
func cloneState(s migration.MailboxState) migration.MailboxState {
	s.Folders = slices.Clone(s.Folders)
	s.Refusals = slices.Clone(s.Refusals)
	s.Observations = slices.Clone(s.Observations)
	return s
}
