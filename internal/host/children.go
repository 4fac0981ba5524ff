package host

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// describer is the part of client.Client that looks at a workflow from outside.
type describer interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// children looks at workflows from outside.
type children struct{ server describer }

// Closed implements activities.Children.
func (c children) Closed(ctx context.Context, ids []string) ([]string, error) {
	var closed []string
	for _, id := range ids {
		open, err := c.open(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("looking at the workflow %q: %w", id, err)
		}
		if !open {
			closed = append(closed, id)
		}
	}
	return closed, nil
}

// open reports whether the workflow's latest run goes on. One that has continued as new has a latest run that does.
func (c children) open(ctx context.Context, id string) (bool, error) {
	described, err := c.server.DescribeWorkflowExecution(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch described.GetWorkflowExecutionInfo().GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_PAUSED:
		return true, nil
	}
	return false, nil
}
