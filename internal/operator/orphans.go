package operator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mailferry/mailferry/workflows"
)

// Orphan is a wave or a mailbox that runs though the migration it belongs to doesn't: terminated in the Web UI, say, or
// reset. Nobody gives it orders any more.
type Orphan struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Tenant  string    `json:"tenant"`
	Launch  string    `json:"launch"`
	Started time.Time `json:"started"`
	// Why it is one, in words.
	Why string `json:"why"`
}

// Orphans lists the waves and mailboxes that run without their migration: those of one tenant, or of all where tenant is
// empty; waves first. What belongs to a launch that runs is never among them. It reads the index of visibility, which may
// lag some seconds behind.
func (o *Operator) Orphans(ctx context.Context, tenant string) ([]Orphan, error) {
	query := fmt.Sprintf("WorkflowType IN ('%s', '%s') AND ExecutionStatus = 'Running'", workflows.WaveType, workflows.MailboxType)
	if tenant != "" {
		if strings.ContainsAny(tenant, `'"\`) {
			return nil, &Error{Kind: UnknownTenant, Text: fmt.Sprintf("there is no migration %q", tenant)}
		}
		query += fmt.Sprintf(" AND %s = '%s'", workflows.SearchTenant.GetName(), tenant)
	}
	var all []Orphan
	why := o.orphaning()
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: listedAtOnce, Query: query}
	for {
		response, err := o.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, Translate(err)
		}
		for _, info := range response.GetExecutions() {
			one := Orphan{ID: info.GetExecution().GetWorkflowId(), Type: info.GetType().GetName(), Started: timeOf(info.GetStartTime())}
			parts := strings.SplitN(one.ID, "/", 3)
			if len(parts) < 3 {
				continue // not one of ours
			}
			one.Tenant, one.Launch = parts[0], parts[1]
			if one.Why, err = why(ctx, one); err != nil {
				return nil, err
			}
			if one.Why != "" {
				all = append(all, one)
			}
		}
		if request.NextPageToken = response.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b Orphan) int {
		return cmp.Or(cmp.Compare(b.Type, a.Type), cmp.Compare(a.ID, b.ID)) // Wave before Mailbox
	})
	return all, nil
}

// orphaning is orphaned for many, with each launch looked at once.
func (o *Operator) orphaning() func(context.Context, Orphan) (string, error) {
	type launch struct{ tenant, launch string }
	known := map[launch]string{}
	return func(ctx context.Context, one Orphan) (string, error) {
		of := launch{one.Tenant, one.Launch}
		if why, ok := known[of]; ok {
			return why, nil
		}
		why, err := o.orphaned(ctx, one.Tenant, one.Launch)
		if err == nil {
			known[of] = why
		}
		return why, err
	}
}

// orphaned is why the waves and mailboxes of a launch are orphans; empty where their migration runs.
func (o *Operator) orphaned(ctx context.Context, tenant, launch string) (string, error) {
	e, err := o.describe(ctx, tenant)
	switch {
	case isNotFound(err):
		return fmt.Sprintf("there is no migration %s any more", tenant), nil
	case err != nil:
		return "", err
	case !e.running():
		return fmt.Sprintf("%s %s on %s", tenant, endedWords(closedAs(e.state)), e.ended.UTC().Format("2006-01-02 15:04 UTC")), nil
	case e.record.Launch != "" && e.record.Launch != launch:
		return fmt.Sprintf("%s runs launch %s now", tenant, e.record.Launch), nil
	}
	return "", nil
}

// AbortOrphans gives the orphans the order to stop, by the same signal as Abort. What was copied stays. One whose migration
// runs again by now is left alone. It returns those that the order reached; whether they obey, [Operator.StillRunning] tells.
func (o *Operator) AbortOrphans(ctx context.Context, orphans []Orphan, order workflows.Order) ([]Orphan, error) {
	var reached []Orphan
	why := o.orphaning()
	for _, one := range orphans {
		if why, err := why(ctx, one); err != nil {
			return reached, err
		} else if why == "" {
			continue
		}
		switch err := o.Abort(ctx, one.ID, order); {
		case IsKind(err, NotRunning): // it has ended by itself
		case err != nil:
			return reached, err
		default:
			reached = append(reached, one)
		}
	}
	return reached, nil
}

// StillRunning are those of the orphans that run.
func (o *Operator) StillRunning(ctx context.Context, orphans []Orphan) ([]Orphan, error) {
	var left []Orphan
	for _, one := range orphans {
		response, err := o.temporal.DescribeWorkflowExecution(ctx, one.ID, "")
		switch {
		case isNotFound(err):
		case err != nil:
			return nil, Translate(err)
		case response.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
			left = append(left, one)
		}
	}
	return left, nil
}
