package workflows

import (
	"slices"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// Interceptors are what every worker and replayer of these workflows must have: without them orders that wait for one
// task, because no worker was there for a while, are not taken in the order in which they were given.
func Interceptors() []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&arrivalsInterceptor{}}
}

// arrivals are the names of the signals that have come to a workflow and aren't taken yet, in order. The SDK keeps each
// name's signals in a channel of its own, and nothing tells which of two channels' came first.
type arrivals []string

// pop takes out the first of the names.
func (a *arrivals) pop() (name string, some bool) {
	if a == nil || len(*a) == 0 {
		return "", false
	}
	name = (*a)[0]
	*a = slices.Delete(*a, 0, 1)
	return name, true
}

type arrivalsKey struct{}

// arrivalsOf are those of a workflow; nil where the worker doesn't note them.
func arrivalsOf(ctx workflow.Context) *arrivals {
	all, _ := ctx.Value(arrivalsKey{}).(*arrivals)
	return all
}

type arrivalsInterceptor struct {
	interceptor.WorkerInterceptorBase
}

func (*arrivalsInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &arrivalsInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, &arrivals{}}
}

type arrivalsInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	all *arrivals
}

func (i *arrivalsInbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	return i.Next.ExecuteWorkflow(workflow.WithValue(ctx, arrivalsKey{}, i.all), in)
}

func (i *arrivalsInbound) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	if err := i.Next.HandleSignal(ctx, in); err != nil {
		return err
	}
	*i.all = append(*i.all, in.SignalName)
	return nil
}
