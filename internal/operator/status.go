package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Status is how a migration stands, and how that is known.
type Status struct {
	workflows.Status
	// Worker says that a worker answered. Without one the status is what the memos of tenant and waves last had:
	// states, totals and counts, without the details.
	Worker bool `json:"worker"`
	// Note says in plain words why there was no answer.
	Note string `json:"note,omitempty"`
	// Modified is when the memo was written that the status was made from; zero where a worker answered.
	Modified time.Time `json:"modified,omitzero"`
	// Outlook is how far the first copies are and when they will be done; Parties are those who must act.
	Outlook Outlook `json:"outlook"`
	Parties []Due   `json:"parties,omitempty"`
	// WaitingCount is how many things wait for a person; Waiting may list fewer.
	WaitingCount int `json:"waitingCount,omitempty"`
	// RunID is the tenant's latest run; Ended is set when it is over, and Closed says how.
	RunID  string    `json:"runId"`
	Ended  time.Time `json:"ended,omitzero"`
	Closed string    `json:"closed,omitempty"`
}

// NeedsPerson reports whether the migration stands still, in whole or in part, until a person acts.
func (s Status) NeedsPerson() bool {
	return s.Closed == "" && (s.Gate != nil || s.WaitingCount > 0 || s.State == migration.Waiting)
}

// Done reports whether a step is done; one that is skipped or aborted is not.
func (s Status) Done(step migration.Step) bool {
	return slices.ContainsFunc(s.Steps, func(one workflows.StepStatus) bool { return one.Step == step && one.State == migration.Done })
}

// Status asks a worker how the tenant's migration stands, and reads the memos where none answers.
func (o *Operator) Status(ctx context.Context, tenant string) (Status, error) {
	s, err := o.status(ctx, tenant)
	if err == nil {
		s.Outlook, s.Parties = s.outlook(o.now()), s.Dues()
	}
	return s, err
}

func (o *Operator) status(ctx context.Context, tenant string) (Status, error) {
	e, err := o.find(ctx, tenant)
	if err != nil {
		return Status{}, err
	}
	s := Status{RunID: e.runID}
	if !e.running() {
		s.Ended, s.Closed = e.ended, closedAs(e.state)
	}
	err = o.query(ctx, tenant, &s.Status)
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	if err == nil {
		s.Retrying = append(append(s.Retrying, e.failing...), o.wavesFailing(ctx, s.Waves)...)
		s.Worker, s.WaitingCount = true, s.CountWaiting()
		return s, nil
	}
	return o.remembered(ctx, tenant, e, s, err), nil
}

// Wave asks how a wave and its mailboxes stand, by the wave's workflow ID.
func (o *Operator) Wave(ctx context.Context, id string) (workflows.WaveStatus, error) {
	var s workflows.WaveStatus
	err := o.explainQuery(ctx, id, &s)
	return s, err
}

// Mailbox asks how a mailbox stands, by its workflow ID.
func (o *Operator) Mailbox(ctx context.Context, id string) (workflows.MailboxStatus, error) {
	var s workflows.MailboxStatus
	err := o.explainQuery(ctx, id, &s)
	return s, err
}

func (o *Operator) query(ctx context.Context, id string, into any) error {
	return o.ask(ctx, id, workflows.QueryStatus, into)
}

// ask asks a workflow's query.
func (o *Operator) ask(ctx context.Context, id, name string, into any) error {
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := o.temporal.QueryWorkflow(limited, id, "", name)
	if err != nil {
		return errors.Join(limited.Err(), err) // the server may call it a cancelled stream
	}
	return value.Get(into)
}

// explainQuery is query with errors in an operator's words.
func (o *Operator) explainQuery(ctx context.Context, id string, into any) error {
	since := time.Now()
	err := o.query(ctx, id, into)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case isNotFound(err):
		return &Error{Kind: UnknownTenant, Text: fmt.Sprintf("there is no workflow %q", id), Cause: err}
	case noAnswer(err):
		return o.silence(ctx, id, since, err)
	}
	return Translate(err)
}

// remembered fills the status in from the memos of the tenant and its waves.
func (o *Operator) remembered(ctx context.Context, tenant string, e execution, s Status, why error) Status {
	m := e.memo
	s.Tenant, s.Organisation, s.Launch = tenant, e.record.Organisation, e.record.Launch
	s.State, s.Started, s.Doing, s.Totals = m.State, e.record.Started, m.Doing, m.Totals
	s.WaitingCount, s.Modified = m.Waiting, m.Modified
	if m.Pace != nil {
		s.Pace = *m.Pace
	}
	s.Note = "no worker is running, so nothing goes on and this is the last that is known"
	if !e.running() {
		s.Note = "no worker is running; this is the last that is known"
	}
	if idle, err := o.noPollers(ctx); err != nil || !idle {
		s.Note = fmt.Sprintf("no worker answered (%v); this is the last that is known", why)
		if noAnswer(why) {
			s.Note = "no worker answered in time; this is the last that is known"
		}
		if o.stuck(ctx, tenant) {
			s.Note = "the workers fail at this migration, again and again, so it stands still: see their log; this is the last that is known"
		}
	}
	for i, step := range migration.Steps() {
		one := workflows.StepStatus{Step: step, Name: step.Name(), Title: step.Title(), State: migration.Pending}
		if i < len(m.States) {
			one.State = m.States[i]
		}
		if step == m.Step {
			one.Since = m.Since
		}
		s.Steps = append(s.Steps, one)
	}
	if m.Waiting > 0 && m.First != "" {
		s.Waiting = []workflows.Waiting{{Step: m.Step, Mailbox: m.Mailbox, Problem: migration.Problem{Kind: m.Kind, Text: m.First}, Since: m.Since}}
	}
	if m.Digest != "" && e.running() {
		s.Gate = &workflows.Gate{Digest: m.Digest, Since: m.Since}
	}
	s.Waves = o.waveMemos(ctx, tenant, e.record.Launch)
	return s
}

// waveMemos reads the waves' memos by one list. A server that cannot list gives none: the tenant's memo has the sums.
func (o *Operator) waveMemos(ctx context.Context, tenant, launch string) []workflows.WaveStatus {
	response, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 200,
		Query: fmt.Sprintf("%s = '%s' AND %s = '%s' AND WorkflowType = '%s' AND ExecutionStatus != 'ContinuedAsNew'",
			workflows.SearchTenant.GetName(), tenant, workflows.SearchLaunch.GetName(), launch, workflows.WaveType),
	})
	if err != nil {
		return nil
	}
	var waves []workflows.WaveStatus
	for _, info := range response.GetExecutions() {
		var m workflows.Memo
		if o.readMemo(info.GetMemo(), workflows.MemoStatus, &m) != nil {
			continue
		}
		id := info.GetExecution().GetWorkflowId()
		wave := workflows.WaveStatus{
			Name: id[strings.LastIndexByte(id, '/')+1:], ID: id, State: m.State, WaitingCount: m.Waiting, Totals: m.Totals,
		}
		if m.Pace != nil {
			wave.Pace = *m.Pace
		}
		if cutShort(info.GetStatus()) {
			wave.State = migration.Failed
		}
		waves = append(waves, wave)
	}
	// The list has those that began last first, which a new run does too.
	slices.SortFunc(waves, func(a, b workflows.WaveStatus) int { return strings.Compare(a.Name, b.Name) })
	return waves
}

// cutShort reports whether a run ended otherwise than by its own doing.
func cutShort(state enumspb.WorkflowExecutionStatus) bool {
	switch state {
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return true
	}
	return false
}

// closedAs says in one word how a run ended.
func closedAs(state enumspb.WorkflowExecutionStatus) string {
	switch state {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return "completed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return "failed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	}
	return "ended"
}
