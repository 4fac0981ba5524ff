// Package operator is what an operator can do to a migration: launch it, see how it stands, decide at the gate, and
// steer it. It speaks to the workflows through a Temporal client alone, by the names in package workflows; the
// starter's command line and the demo are its two faces.
//
// # Guarantees
//
// Everything here may be called again after it failed, or after the process died: a launch that was cut short goes on
// where it stood, and an order that was given twice is one order. What only looks ([Operator.Status],
// [Operator.Watch], [Operator.Copying], [Operator.Report]) never writes to a history.
//
// Errors that an operator will meet are of type [*Error]: plain words, and hints on what to do. All others are
// passed on as Temporal gave them.
//
// # Concurrency
//
// An Operator is safe for concurrent use.
package operator

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// Temporal is the part of client.Client that an Operator needs.
type Temporal interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, name string, arg any) error
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	DescribeTaskQueue(ctx context.Context, queue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
	ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// How long the answers may take that need a worker. A query is answered in milliseconds or not at all; an update may
// have to wait for a workflow task in progress.
const (
	queryTimeout   = 4 * time.Second
	approveTimeout = 20 * time.Second
	enrollTimeout  = 60 * time.Second
)

// Operator acts on the migrations of one Temporal namespace.
type Operator struct {
	temporal  Temporal
	converter converter.DataConverter
	now       func() time.Time
}

// New makes an Operator from a client, which stays the caller's to close.
func New(c Temporal) *Operator {
	return &Operator{temporal: c, converter: converter.GetDefaultDataConverter(), now: time.Now}
}
