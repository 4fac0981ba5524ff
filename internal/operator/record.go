package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mailferry/mailferry/workflows"
)

// memoLaunch is the memo in which a tenant carries what it was launched with: a [record].
const memoLaunch = "launch"

// record is what a launch leaves in the tenant's memo, so that a later call knows what runs without a worker.
type record struct {
	Launch string `json:"launch"`
	// Started is when it was launched; the run that goes on may have begun later.
	Started      time.Time `json:"started"`
	Organisation string    `json:"organisation"`
	// Plan tells the same plan from others; it isn't made from a secret.
	Plan    string `json:"plan"`
	Rows    int    `json:"rows"`
	Archive string `json:"archive,omitempty"`
}

// execution is a tenant's latest run as the server describes it.
type execution struct {
	runID  string
	state  enumspb.WorkflowExecutionStatus
	ended  time.Time
	record record
	memo   workflows.Memo
	// failing is what has failed in its last attempt and waits for the next.
	failing []workflows.Retrying
}

func (e execution) running() bool { return e.state == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }

// find describes the tenant's latest run. The error is of kind UnknownTenant where there never was one.
func (o *Operator) find(ctx context.Context, tenant string) (execution, error) {
	e, err := o.describe(ctx, tenant)
	if isNotFound(err) {
		return e, o.unknown(ctx, tenant)
	}
	return e, err
}

// describe is find without the list of other tenants: where there is no such run, the error is Temporal's NotFound.
func (o *Operator) describe(ctx context.Context, tenant string) (execution, error) {
	response, err := o.temporal.DescribeWorkflowExecution(ctx, tenant, "")
	if err != nil {
		return execution{}, Translate(err)
	}
	info := response.GetWorkflowExecutionInfo()
	if kind := info.GetType().GetName(); kind != workflows.TenantType {
		return execution{}, &Error{
			Kind: Invalid, Text: fmt.Sprintf("%q is a workflow of type %s, not a migration", tenant, kind),
			Hints: []string{"name the tenant, as the plan does"},
		}
	}
	e := execution{
		runID: info.GetExecution().GetRunId(), state: info.GetStatus(), ended: timeOf(info.GetCloseTime()),
		failing: failing(response.GetPendingActivities()),
	}
	if err := o.readMemo(info.GetMemo(), memoLaunch, &e.record); err != nil {
		return e, err
	}
	return e, o.readMemo(info.GetMemo(), workflows.MemoStatus, &e.memo)
}

// readMemo decodes one of the memo's fields; where it isn't there, into stays as it is.
func (o *Operator) readMemo(memo *commonpb.Memo, name string, into any) error {
	payload, ok := memo.GetFields()[name]
	if !ok {
		return nil
	}
	if err := o.converter.FromPayload(payload, into); err != nil {
		return fmt.Errorf("the memo %q cannot be read: %w", name, err)
	}
	return nil
}

func timeOf(t interface {
	AsTime() time.Time
	IsValid() bool
},
) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// unknown says that there is no such tenant, and names those that there are.
func (o *Operator) unknown(ctx context.Context, tenant string) error {
	e := &Error{Kind: UnknownTenant, Text: fmt.Sprintf("there is no migration %q", tenant)}
	names, err := o.Tenants(ctx)
	switch {
	case err != nil:
		e.Hints = []string{fmt.Sprintf("those that there are could not be listed: %v", err)}
	case len(names) == 0:
		e.Hints = []string{"this namespace has no migration yet; starter launch begins one"}
	default:
		e.Hints = []string{"this namespace has: " + strings.Join(names, ", ")}
	}
	return e
}

// Tenants names the migrations of the namespace, running and closed, sorted; at most 100. It reads the index of
// visibility, which may lag some seconds behind.
func (o *Operator) Tenants(ctx context.Context) ([]string, error) {
	response, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 100,
		Query:    fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus != 'ContinuedAsNew'", workflows.TenantType),
	})
	if err != nil {
		return nil, Translate(err)
	}
	var names []string
	for _, info := range response.GetExecutions() {
		names = append(names, info.GetExecution().GetWorkflowId())
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
