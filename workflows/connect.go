package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// connect is step 6: both sides of each mailbox are opened, and what there is to copy is known.
func (w *wave) connect(ctx workflow.Context, rows []*row) ([]outcome, error) {
	in := activities.ConnectInput{
		Door: w.door(), Endpoints: w.in.Plan.Endpoints, Rules: w.in.Plan.Copy, Mailboxes: mailboxesOf(rows),
	}
	var out activities.ConnectOutput
	ctx = w.light(ctx, usual, fmt.Sprintf("open both sides of %d mailboxes", len(rows)))
	if err := workflow.ExecuteActivity(ctx, a.Connect, in).Get(ctx, &out); err != nil {
		return nil, err
	}
	outcomes := make([]outcome, len(out.Outcomes))
	for i, o := range out.Outcomes {
		outcomes[i] = outcome{Outcome: o.Outcome, apply: func(r *row) { r.Expected, r.Bytes = o.Messages, o.Bytes }}
	}
	return outcomes, nil
}

// mailboxInput is what the mailbox of a row begins with.
func (w *wave) mailboxInput(r *row, m migration.Mailbox) MailboxInput {
	endpoint, _ := w.in.Plan.Endpoint(r.Endpoint)
	return MailboxInput{
		Scope: w.scope, Parent: workflow.GetInfo(w.base).WorkflowExecution.ID, Mailbox: m, Endpoint: endpoint, Expected: Load{r.Expected, r.Bytes},
		Door: w.door(), Rules: w.in.Plan.Copy, SourceHosts: w.in.Plan.Routing.SourceHosts,
		Organisation: w.in.Plan.Organisation, Notices: w.in.Plan.Notices, Timing: w.timing, Archive: w.in.Plan.Archive,
	}
}

// startRoom is how many bytes the inputs of mailboxes that are started at once may have together: they all are in one
// message to the server, which takes 4 MB, and in the wave's history.
const startRoom = 256 << 10

// startsAtOnce is how many mailboxes are started at once: fewer where the plan has large certificates.
func (w *wave) startsAtOnce() int {
	rows := w.ready(stageStart, 1)
	if len(rows) == 0 {
		return 1
	}
	return max(1, min(activities.BatchSize, startRoom/len(encode(w.mailboxInput(rows[0], *rows[0].Mailbox)))))
}

// start starts a Mailbox for each row and confirms every start before it returns. The mailboxes outlive this run of
// the wave. One that runs already is its row's fault and stops no other.
func (w *wave) start(ctx workflow.Context, rows []*row) ([]outcome, error) {
	w.starting = true
	defer func() { w.starting = false }()
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	futures := make([]workflow.ChildWorkflowFuture, len(rows))
	sent := mailboxesOf(rows)
	for i, r := range rows {
		ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID:            MailboxID(w.scope.Tenant, w.scope.Launch, r.Address),
			TaskQueue:             activities.MigrateQueue,
			ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
			TypedSearchAttributes: attributes(w.scope, migration.StepMigrate),
			StaticSummary:         shorten(r.Address, 200),
			Memo:                  w.firstMemo(r),
			Priority:              temporal.Priority{PriorityKey: mailboxPriority, FairnessKey: w.scope.Tenant},
		})
		futures[i] = workflow.ExecuteChildWorkflow(ctx, MailboxType, w.mailboxInput(r, sent[i]))
	}
	outcomes := make([]outcome, len(rows))
	for i, r := range rows {
		err := futures[i].GetChildWorkflowExecution().Get(ctx, nil)
		outcomes[i].Address = r.Address
		var already *temporal.ChildWorkflowExecutionAlreadyStartedError
		switch {
		case err == nil:
			outcomes[i].Done = true
			outcomes[i].apply = func(r *row) {
				if *r.Mailbox != sent[i] { // corrected meanwhile
					r.Correction = r.Mailbox
				}
				r.Mailbox = nil
			}
		case errors.As(err, &already):
			outcomes[i].Problem = &migration.Problem{
				Kind: "already-started", Text: fmt.Sprintf("a workflow for %s runs already", r.Address),
				Remedy: "stop the workflow " + MailboxID(w.scope.Tenant, w.scope.Launch, r.Address) + " and retry the step",
			}
		default:
			outcomes[i].Problem = problemOf(err)
		}
	}
	return outcomes, nil
}
