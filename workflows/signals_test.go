package workflows

import (
	"slices"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// TestSignalsAreTakenAsTheyCame: several signals wait for one task where no worker was there for a while. What people
// ordered last is what holds.
func TestSignalsAreTakenAsTheyCame(t *testing.T) {
	for _, c := range []struct {
		name string
		came []string
	}{
		{"in the order in which they are registered", []string{SignalPause, SignalResume}},
		{"the other way round", []string{SignalResume, SignalPause}},
		{"again and again", []string{SignalResume, SignalPause, SignalPause, SignalResume, SignalResume, SignalPause}},
		{"with one that nobody takes", []string{"hello", SignalResume, "hello", SignalPause}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var taken []string
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: Interceptors()})
			if err != nil {
				t.Fatal(err)
			}
			replayer.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
				var k core
				k.setup(ctx, activities.Scope{}, migration.Timing{}, trail{}, nil, func(Order) {})
				for _, name := range []string{SignalPause, SignalResume} {
					k.on(name, "", func(converter.RawValue) { taken = append(taken, name) })
				}
				k.drain()
				return nil
			}, workflow.RegisterOptions{Name: TenantType})
			if err := replayer.ReplayWorkflowHistory(silent{}, signalled(c.came)); err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(slices.Clone(c.came), func(name string) bool { return name == "hello" })
			if !slices.Equal(taken, want) {
				t.Errorf("came %v, were taken %v", c.came, taken)
			}
		})
	}
}

// signalled is the history of a tenant that got signals before a worker took its first task.
func signalled(names []string) *historypb.History {
	queue := &taskqueuepb.TaskQueue{Name: activities.MigrateQueue}
	var h historypb.History
	add := func(kind enumspb.EventType, event *historypb.HistoryEvent) {
		event.EventId, event.EventType = int64(len(h.Events)+1), kind
		h.Events = append(h.Events, event)
	}
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				WorkflowType: &commonpb.WorkflowType{Name: TenantType}, TaskQueue: queue, OriginalExecutionRunId: "run",
			},
		},
	})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
			WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{TaskQueue: queue},
		},
	})
	for _, name := range names {
		add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, &historypb.HistoryEvent{
			Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
				WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
					SignalName: name, Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: []byte("{}")}}},
				},
			},
		})
	}
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
			WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{ScheduledEventId: 2},
		},
	})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: 2},
		},
	})
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{},
		},
	})
	return &h
}
