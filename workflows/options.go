package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// The priorities by which the shared queues are divided; 1 goes first.
const (
	urgent    = 1 // the MX change and everything after it
	usual     = 3 // preparations and deltas
	firstCopy = 5
)

// lightLimit bounds one attempt of an activity that moves no mail. Such activities heartbeat, so a worker that died is
// noticed long before.
const lightLimit = 30 * time.Minute

// retries is the table of pauses for all activities: the plan's first pause, doubled each time up to the plan's
// longest, for ever. A migration lasts weeks, so whatever passes by itself is waited for; what doesn't is a
// migration.Problem, which is never retried.
func retries(t migration.Timing) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    t.Retry.D(),
		BackoffCoefficient: 2,
		MaximumInterval:    t.RetryMax.D(),
		MaximumAttempts:    0,
	}
}

// light are the options of an activity that moves no mail.
func (c *core) light(ctx workflow.Context, priority int, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.MigrateQueue,
		StartToCloseTimeout: lightLimit,
		HeartbeatTimeout:    c.timing.Heartbeat.D(),
		RetryPolicy:         retries(c.timing),
		Summary:             shorten(summary, 200),
		Priority:            temporal.Priority{PriorityKey: priority, FairnessKey: c.scope.Tenant},
	})
}

// heavy are the options of an activity that moves or reads mail. It is waited for when it is cancelled, because what
// it learnt comes with its result.
func (c *core) heavy(ctx workflow.Context, rules migration.CopyRules, priority int, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.CopyQueue,
		StartToCloseTimeout: 2 * rules.SliceTime.D(),
		HeartbeatTimeout:    c.timing.Heartbeat.D(),
		WaitForCancellation: true,
		RetryPolicy:         retries(c.timing),
		Summary:             shorten(summary, 200),
		Priority:            temporal.Priority{PriorityKey: priority, FairnessKey: c.scope.Tenant},
	})
}

// problemOf is what a person must know of an activity's error. It is nil where the activity was merely cancelled.
func problemOf(err error) *migration.Problem {
	if temporal.IsCanceledError(err) {
		return nil
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.Type() == activities.ProblemType {
		var problem migration.Problem
		if application.Details(&problem) == nil && problem.Text != "" {
			return &problem
		}
		return &migration.Problem{Kind: "unexplained", Text: application.Message(), Remedy: "retry the step when the cause is mended"}
	}
	return &migration.Problem{
		Kind: "unexpected", Text: shorten(err.Error(), 1000),
		Remedy: "see the worker's log; retry the step when the cause is mended",
	}
}

// isGone reports whether a signal found no workflow to take it.
func isGone(err error) bool {
	var unknown *temporal.UnknownExternalWorkflowExecutionError
	return errors.As(err, &unknown)
}
