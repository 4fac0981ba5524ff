package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// fake is a Temporal server as far as an Operator sees it: one run for each ID, whose answers a test sets.
type fake struct {
	runs    map[string]*workflowservice.DescribeWorkflowExecutionResponse
	workers bool
	// answers are what a query returns, updates what an update does; both need a worker.
	answers map[string]any
	update  func(client.UpdateWorkflowOptions) (any, error)

	// pages is how many runs a page of a list has, where it isn't what was asked for; queries are what was asked.
	pages   int
	queries []string

	started []client.StartWorkflowOptions
	signals []sent
	updates []client.UpdateWorkflowOptions
}

type sent struct {
	id, name string
	payload  any
}

func newFake() *fake {
	return &fake{runs: map[string]*workflowservice.DescribeWorkflowExecutionResponse{}, answers: map[string]any{}, workers: true}
}

var (
	began = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	ended = began.Add(48 * time.Hour)
)

// add makes a run of the type with these memos.
func (f *fake) add(t *testing.T, id, kind string, state enumspb.WorkflowExecutionStatus, memos map[string]any) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	for name, value := range memos {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			t.Fatal(err)
		}
		memo.Fields[name] = payload
	}
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run-of-" + id},
		Type:      &commonpb.WorkflowType{Name: kind},
		Status:    state, Memo: memo, StartTime: timestamppb.New(began),
	}
	if state != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		info.CloseTime = timestamppb.New(ended)
	}
	f.runs[id] = &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}
	return info
}

func (f *fake) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	if run, ok := f.runs[o.ID]; ok && run.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "", "run-of-"+o.ID)
	}
	f.started = append(f.started, o)
	return fakeRun{id: o.ID}, nil
}

func (f *fake) SignalWorkflow(_ context.Context, id, _, name string, payload any) error {
	run, ok := f.runs[id]
	if !ok || run.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	f.signals = append(f.signals, sent{id, name, payload})
	return nil
}

func (f *fake) QueryWorkflow(_ context.Context, id, _, kind string, args ...any) (converter.EncodedValue, error) {
	if !f.workers {
		return nil, serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down")
	}
	if kind != workflows.QueryStatus {
		id += fmt.Sprint("?", kind, args)
	}
	answer, ok := f.answers[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return client.NewValue(payloads), err
}

func (f *fake) UpdateWorkflow(ctx context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.updates = append(f.updates, o)
	if !f.workers {
		return nil, client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded)
	}
	result, err := f.update(o)
	return fakeUpdate{result, err}, nil
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if run, ok := f.runs[id]; ok {
		return run, nil
	}
	return nil, serviceerror.NewNotFound("workflow not found")
}

func (f *fake) DescribeTaskQueue(context.Context, string, enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	response := &workflowservice.DescribeTaskQueueResponse{}
	if f.workers {
		response.Pollers = []*taskqueuepb.PollerInfo{{}}
	}
	return response, nil
}

func (f *fake) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.queries = append(f.queries, r.GetQuery())
	var all []*workflowpb.WorkflowExecutionInfo
	for _, id := range slices.Sorted(maps.Keys(f.runs)) {
		info := f.runs[id].GetWorkflowExecutionInfo()
		running := info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		if !strings.Contains(r.GetQuery(), "'"+info.GetType().GetName()+"'") || !running && strings.Contains(r.GetQuery(), "= 'Running'") {
			continue
		}
		all = append(all, info)
	}
	slices.SortStableFunc(all, func(a, b *workflowpb.WorkflowExecutionInfo) int { // the newest first, as a server does
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	from, _ := strconv.Atoi(string(r.GetNextPageToken()))
	size := int(r.GetPageSize())
	if f.pages > 0 {
		size = f.pages
	}
	response := &workflowservice.ListWorkflowExecutionsResponse{Executions: all[from:min(from+size, len(all))]}
	if from+size < len(all) {
		response.NextPageToken = []byte(strconv.Itoa(from + size))
	}
	return response, nil
}

type fakeRun struct {
	client.WorkflowRun
	id string
}

func (r fakeRun) GetRunID() string { return "run-of-" + r.id }

type fakeUpdate struct {
	result any
	err    error
}

func (fakeUpdate) WorkflowID() string { return "" }
func (fakeUpdate) RunID() string      { return "" }
func (fakeUpdate) UpdateID() string   { return "" }

func (u fakeUpdate) Get(_ context.Context, into any) error {
	if u.err != nil || into == nil {
		return u.err
	}
	return copyJSON(u.result, into)
}

func copyJSON(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// contoso is a plan of two waves and three rows of it, as read: with sealed secrets.
func contoso(sealed migration.Sealed) (migration.Plan, []migration.Mailbox) {
	p := migration.Plan{
		Tenant: "contoso", Organisation: "Contoso Ltd", Domains: []string{"contoso.com"},
		Microsoft: migration.Microsoft{TenantID: "t", Secret: sealed},
		Endpoints: []migration.Endpoint{{Name: "old", Host: "imap.contoso.com", Port: 993, MasterPassword: sealed}},
		Routing:   migration.Routing{Relay: &migration.SMTP{Host: "relay", Password: sealed}},
		Waves:     []migration.Wave{{Name: "pilot"}, {Name: "main"}},
		Archive:   "file:///nowhere",
	}
	return p, []migration.Mailbox{
		{Address: "ada@contoso.com", User: "ada", Endpoint: "old", Wave: "main", Password: sealed},
		{Address: "bob@contoso.com", User: "bob", Endpoint: "old", Wave: "pilot", Password: sealed},
		{Address: "eve@contoso.com", User: "eve", Endpoint: "old", Wave: "main", Password: sealed},
	}
}
