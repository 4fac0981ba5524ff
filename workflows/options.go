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

// The priorities of workflow tasks, and so of queries too: a tenant answers while a thousand mailboxes are busy. A
// tenant's own, [TenantPriority], is given by whoever starts it.
const (
	wavePriority    = 2
	mailboxPriority = 4
)

// lightLimit bounds one attempt of an activity that moves no mail. Such activities heartbeat, so a worker that died is
// noticed long before.
const lightLimit = 30 * time.Minute

// retries is the table of pauses for all activities: the plan's first pause, doubled each time up to the plan's
// longest. After so many attempts, by default within the hour, the workflow itself has its say and then has it tried
// again, for ever: see [passing]. 0 attempts are as many as it takes.
func retries(t migration.Timing, attempts int32) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    t.Retry.D(),
		BackoffCoefficient: 2,
		MaximumInterval:    t.RetryMax.D(),
		MaximumAttempts:    attempts,
	}
}

// light are the options of an activity that moves no mail.
func (c *core) light(ctx workflow.Context, priority int, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.MigrateQueue,
		StartToCloseTimeout: lightLimit,
		HeartbeatTimeout:    c.timing.Heartbeat.D(),
		RetryPolicy:         retries(c.timing, activities.Attempts),
		Summary:             shorten(summary, 200),
		Priority:            temporal.Priority{PriorityKey: priority, FairnessKey: c.scope.Tenant},
	})
}

// heavy are the options of an activity that moves or reads mail. It is waited for when it is cancelled, because what
// it learnt comes with its result. A copy's attempts are as many as it takes, because each knows what those before it
// learnt: it returns all of it by itself after [activities.Attempts].
func (c *core) heavy(ctx workflow.Context, rules migration.CopyRules, priority int, attempts int32, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.CopyQueue,
		StartToCloseTimeout: 2 * rules.SliceTime.D(),
		HeartbeatTimeout:    c.timing.Heartbeat.D(),
		WaitForCancellation: true,
		RetryPolicy:         retries(c.timing, attempts),
		Summary:             shorten(summary, 200),
		Priority:            temporal.Priority{PriorityKey: priority, FairnessKey: c.scope.Tenant},
	})
}

// problemOf is what a person must know of an activity's error. It is nil where the activity was merely cancelled, or is
// to be begun again by a new run: [ended] says which.
func problemOf(err error) *migration.Problem {
	if temporal.IsCanceledError(err) || errors.Is(err, errLeave) || errors.Is(err, errAborted) {
		return nil
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.Type() == activities.ProblemType {
		var problem migration.Problem
		if application.Details(&problem) == nil && problem.Text != "" {
			return bounded(problem)
		}
		return bounded(migration.Problem{Kind: "unexplained", Text: application.Message(), Remedy: "retry the step when the cause is mended"})
	}
	return bounded(migration.Problem{
		Kind: "unexpected", Text: err.Error(), Remedy: "see the worker's log; retry the step when the cause is mended",
	})
}

// What a problem may say, in bytes of JSON: servers' own words are in it, and 500 mailboxes of a wave may have one each.
const (
	maxKind    = 50
	maxProblem = 1000
	maxRemedy  = 500
)

// bounded is a problem with nothing in it too long to keep.
func bounded(p migration.Problem) *migration.Problem {
	return &migration.Problem{Kind: cut(p.Kind, maxKind), Text: cut(p.Text, maxProblem), Remedy: cut(p.Remedy, maxRemedy)}
}

// short is a problem as a parent is told it.
func short(p migration.Problem) *migration.Problem {
	return &migration.Problem{Kind: cut(p.Kind, maxKind), Text: cut(p.Text, maxText), Remedy: cut(p.Remedy, maxWords)}
}

// isGone reports whether a signal found no workflow to take it.
func isGone(err error) bool {
	var unknown *temporal.UnknownExternalWorkflowExecutionError
	return errors.As(err, &unknown)
}
