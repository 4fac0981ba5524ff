package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// The limits of a list: so many rows in one update, so many mailboxes in one wave, and so many bytes of JSON for a row.
const (
	chunkRows = 500
	waveRows  = 500
	rowBytes  = 2048
)

// batch is one chunk of the list: rows of one wave.
type batch struct {
	wave string
	rows []migration.Mailbox
}

// chunks divides the rows by wave, in the plan's order, and each wave's into chunks. It refuses what no tenant could
// take in.
func chunks(plan migration.Plan, rows []migration.Mailbox) ([]batch, error) {
	if len(rows) == 0 {
		return nil, &Error{Kind: Invalid, Text: "the list has no mailboxes", Hints: []string{"add a row for each mailbox to the CSV"}}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(plan.Waves, func(w migration.Wave) bool { return w.Name == row.Wave }) {
			return nil, &Error{
				Kind: Invalid, Text: fmt.Sprintf("%s is in wave %q, which the plan doesn't have", row.Address, row.Wave),
				Hints: []string{"add the wave to the plan's waves, or correct the row"},
			}
		}
		if data, err := json.Marshal(row); err != nil || len(data) > rowBytes {
			return nil, &Error{
				Kind: Invalid, Text: fmt.Sprintf("the row of %s is %d bytes long; at most %d can be sent", row.Address, len(data), rowBytes),
				Hints: []string{"shorten its longest columns"}, Cause: err,
			}
		}
	}
	var all []batch
	for _, wave := range plan.Waves {
		of := slices.DeleteFunc(slices.Clone(rows), func(m migration.Mailbox) bool { return m.Wave != wave.Name })
		if len(of) > waveRows {
			return nil, &Error{
				Kind: Invalid, Text: fmt.Sprintf("wave %q has %d mailboxes; a wave takes at most %d", wave.Name, len(of), waveRows),
				Hints: []string{"divide it into several waves"},
			}
		}
		for part := range slices.Chunk(of, chunkRows) {
			all = append(all, batch{wave.Name, part})
		}
	}
	return all, nil
}

// list is a list of mailboxes on its way to a tenant.
type list struct {
	tenant string
	// name is the import's.
	name    string
	batches []batch
	rows    int
}

// enroll stages a tenant's first list and commits it.
func (o *Operator) enroll(ctx context.Context, l list) error {
	if _, err := o.stage(ctx, l); err != nil {
		return err
	}
	return o.commit(ctx, l)
}

// stage hands the chunks in, one after another, and returns what they would change. A list that is refused leaves
// nothing behind.
func (o *Operator) stage(ctx context.Context, l list) (workflows.EnrollResult, error) {
	var result workflows.EnrollResult
	for i, b := range l.batches {
		in := workflows.EnrollInput{Import: l.name, Chunk: i + 1, Of: len(l.batches), Rows: b.rows}
		if err := o.update(ctx, enrollTimeout, l.tenant, workflows.UpdateEnroll, in, &result); err != nil {
			if IsKind(err, Refused) && i > 0 {
				err = errors.Join(err, o.discard(ctx, l.tenant, l.name))
			}
			return result, explainEnroll(l.tenant, err)
		}
	}
	return result, nil
}

func (o *Operator) commit(ctx context.Context, l list) error {
	in := workflows.EnrollCommitInput{Import: l.name, Rows: l.rows}
	return explainEnroll(l.tenant, o.update(ctx, enrollTimeout, l.tenant, workflows.UpdateEnrollCommit, in, nil))
}

// discard drops what is staged of a list, also for someone who was interrupted.
func (o *Operator) discard(ctx context.Context, tenant, name string) error {
	ctx = context.WithoutCancel(ctx)
	return explainEnroll(tenant, o.update(ctx, enrollTimeout, tenant, workflows.UpdateEnrollDiscard, workflows.EnrollCommitInput{Import: name}, nil))
}

func explainEnroll(tenant string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case NoWorker:
			e.Text = fmt.Sprintf("%s is started, but the list of mailboxes is not taken in: %s", tenant, e.Text)
			e.Hints = append(e.Hints, "then launch the same plan and the same list again: it goes on where it stood")
		case Refused:
			e.Text = "the list of mailboxes is refused: " + e.Text
		}
	}
	return err
}

// update sends an update and waits for what the workflow says to it. An error of kind Refused is the workflow's own;
// one of kind NoWorker means that no answer came, so that it is unknown whether it will be carried out.
func (o *Operator) update(ctx context.Context, wait time.Duration, id, name string, in, out any) error {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	since := time.Now()
	for {
		err := o.updateOnce(limited, id, name, in, out)
		var (
			refused *temporal.ApplicationError
			timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
			busy    *serviceerror.WorkflowNotReady
		)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused):
			return &Error{Kind: Refused, Text: refused.Message(), Cause: err}
		case errors.As(err, &busy):
			// Something else came in the very moment in which it was to go on as a new run, so it has to do that once more.
			time.Sleep(pause)
		case errors.As(err, &timeout) || noAnswer(err):
			return o.silence(ctx, id, since, err)
		case isNotFound(err):
			if !o.goesOn(ctx, id) {
				return o.ended(ctx, id, err)
			}
			// It went on as a new run in this very moment, and the new one has to be asked.
			time.Sleep(pause)
		default:
			return Translate(err)
		}
	}
}

// pause is how long to wait before a workflow that has just begun a new run is asked again.
const pause = 200 * time.Millisecond

func (o *Operator) updateOnce(ctx context.Context, id, name string, in, out any) error {
	handle, err := o.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, out)
}

// goesOn reports whether the workflow is running.
func (o *Operator) goesOn(ctx context.Context, id string) bool {
	response, err := o.temporal.DescribeWorkflowExecution(ctx, id, "")
	return err == nil && response.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// silence explains why nobody answered since then.
func (o *Operator) silence(ctx context.Context, id string, since time.Time, cause error) error {
	e := &Error{
		Kind: NoWorker, Cause: cause, Text: fmt.Sprintf("no worker answered in %s", time.Since(since).Round(time.Second)),
		Hints: []string{"look at the worker's log; it may be overloaded"},
	}
	if idle, err := o.noPollers(ctx); err == nil && idle {
		e.Text = "no worker is running"
		e.Hints = []string{"start a worker for this namespace"}
	} else if o.stuck(ctx, id) {
		e.Text = fmt.Sprintf("the workers fail at the workflow %s, again and again", id)
		e.Hints = []string{"look at the worker's log, and start workers of a version that can carry it: it goes on from where it is"}
	}
	return e
}

// stuck reports whether workers have tried to carry the workflow on and failed.
func (o *Operator) stuck(ctx context.Context, id string) bool {
	response, err := o.temporal.DescribeWorkflowExecution(ctx, id, "")
	return err == nil && response.GetPendingWorkflowTask().GetAttempt() > 1
}

// noPollers reports whether nobody has asked for workflow tasks in the last minutes.
func (o *Operator) noPollers(ctx context.Context) (bool, error) {
	response, err := o.temporal.DescribeTaskQueue(ctx, activities.MigrateQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return false, Translate(err)
	}
	return len(response.GetPollers()) == 0, nil
}
