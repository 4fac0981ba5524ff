package host

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
)

type server map[string]enums.WorkflowExecutionStatus

func (s server) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status, ok := s[id]
	switch {
	case id == "broken":
		return nil, errors.New("connection reset")
	case !ok:
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: status}}, nil
}

func TestClosedChildren(t *testing.T) {
	c := children{server{
		"running":    enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		"paused":     enums.WORKFLOW_EXECUTION_STATUS_PAUSED,
		"completed":  enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
		"terminated": enums.WORKFLOW_EXECUTION_STATUS_TERMINATED,
	}}
	got, err := c.Closed(t.Context(), []string{"running", "completed", "never", "paused", "terminated"})
	if want := []string{"completed", "never", "terminated"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Closed = %v, %v; want %v", got, err, want)
	}
	if _, err := c.Closed(t.Context(), []string{"broken"}); err == nil {
		t.Error("a server that doesn't answer makes a child closed")
	}
}
