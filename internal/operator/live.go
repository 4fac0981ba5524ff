package operator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Live is what a mailbox's copy is doing this minute, as its last heartbeat told.
type Live struct {
	// ID is the mailbox's workflow ID, Address its address.
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
	// Doing is the mailbox's own word for it: "first copy", "delta" and so on.
	Doing    string             `json:"doing,omitempty"`
	Activity string             `json:"activity"`
	Progress migration.Progress `json:"progress"`
	// Started is when this slice of the copy began, Heartbeat when it last gave a sign.
	Started   time.Time `json:"started,omitzero"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
	// Attempt counts from 1; Failure is what ended the last attempt, where there was one.
	Attempt int    `json:"attempt"`
	Failure string `json:"failure,omitempty"`
}

// Rate is the mean of this slice so far, per second. It is zero where it isn't known: the progress of a second attempt
// has that of the first in it.
func (l Live) Rate() (messages, bytes float64) {
	took := l.Heartbeat.Sub(l.Started).Seconds()
	if took <= 0 || l.Attempt > 1 {
		return 0, 0
	}
	return float64(l.Progress.Messages) / took, float64(l.Progress.Bytes) / took
}

// Live describes the mailboxes with these workflow IDs and returns those that have an activity under way. It asks the
// server alone, once for each: give it only the mailboxes that somebody looks at.
func (o *Operator) Live(ctx context.Context, ids []string) ([]Live, error) {
	found := make([][]Live, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(describedAtOnce)
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = o.pending(ctx, id)
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// describedAtOnce is how many workflows are described at the same time.
const describedAtOnce = 8

// pending are the activities that a workflow has under way.
func (o *Operator) pending(ctx context.Context, id string) ([]Live, error) {
	response, err := o.temporal.DescribeWorkflowExecution(ctx, id, "")
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, Translate(err)
	}
	var all []Live
	for _, a := range response.GetPendingActivities() {
		live := Live{
			ID: id, Activity: a.GetActivityType().GetName(), Attempt: int(a.GetAttempt()),
			Started: timeOf(a.GetLastStartedTime()), Heartbeat: timeOf(a.GetLastHeartbeatTime()),
			Failure: a.GetLastFailure().GetMessage(),
		}
		if payloads := a.GetHeartbeatDetails().GetPayloads(); len(payloads) > 0 {
			// The part of an activities.CopyCheckpoint that is of interest; other activities' details have none.
			var details struct {
				Progress migration.Progress `json:"progress"`
			}
			if o.converter.FromPayload(payloads[0], &details) == nil {
				live.Progress = details.Progress
			}
		}
		all = append(all, live)
	}
	return all, nil
}

// copyActivity is the name by which activities.Copy is registered.
const copyActivity = "Copy"

const (
	// idleWaves is how many waves are asked in which no first copy is under way, but perhaps a delta.
	idleWaves = 3
	// lookedAt is how many mailboxes are described for each that is shown: of those that only may be at work most are not.
	lookedAt = 3
)

// Copying asks the waves which of their mailboxes are at work and returns those that are being copied this minute, first
// copies first, at most so many. It needs a worker; where none answers it returns nothing.
func (o *Operator) Copying(ctx context.Context, s Status, limit int) ([]Live, error) {
	if !s.Worker || s.Closed != "" {
		return nil, nil
	}
	waves := slices.DeleteFunc(slices.Clone(s.Waves), func(w workflows.WaveStatus) bool { return w.State.Finished() })
	slices.SortStableFunc(waves, func(a, b workflows.WaveStatus) int { return cmp.Compare(min(b.Pace.Active, 1), min(a.Pace.Active, 1)) })
	var some []workflows.MailboxStatus
	for i, wave := range waves {
		if len(some) >= limit*lookedAt || i >= idleWaves && wave.Pace.Active == 0 {
			break
		}
		answer, err := o.Wave(ctx, wave.ID)
		if err != nil {
			return nil, err
		}
		for _, m := range answer.Mailboxes {
			if m.State == migration.Running && m.Step >= migration.StepMigrate {
				some = append(some, m)
			}
		}
	}
	slices.SortStableFunc(some, firstCopiesFirst)
	some = some[:min(len(some), limit*lookedAt)]
	ids := make([]string, len(some))
	for i, m := range some {
		ids[i] = m.ID
	}
	all, err := o.Live(ctx, ids)
	all = slices.DeleteFunc(all, func(l Live) bool { return l.Activity != copyActivity })
	all = all[:min(len(all), limit)]
	for i := range all {
		at := slices.Index(ids, all[i].ID)
		all[i].Address, all[i].Doing = some[at].Address, some[at].Doing
	}
	return all, err
}

// firstCopiesFirst puts mailboxes whose first copy is under way before the others.
func firstCopiesFirst(a, b workflows.MailboxStatus) int {
	switch {
	case a.Copied == b.Copied:
		return 0
	case a.Copied:
		return 1
	}
	return -1
}
