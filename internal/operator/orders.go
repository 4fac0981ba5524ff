package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Approve approves the cutover that the decision's digest names, and answers at once whether it counts. The error is
// of kind Refused with the workflow's reason where it doesn't, and of kind NoWorker where nobody could say.
func (o *Operator) Approve(ctx context.Context, tenant string, d workflows.Decision) (workflows.ApproveResult, error) {
	var result workflows.ApproveResult
	if err := signed(d.By); err != nil {
		return result, err
	}
	if d.Digest == "" {
		return result, &Error{
			Kind: Invalid, Text: "an approval needs the digest of what is approved",
			Hints: []string{"starter status " + tenant + " shows it at the gate"},
		}
	}
	err := o.update(ctx, approveTimeout, tenant, workflows.UpdateApprove, d, &result)
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case NoWorker:
			e.Text = "nobody answered to the approval: " + e.Text
			e.Hints = append(e.Hints, "then see whether it was taken: starter status "+tenant, "and if not, approve again")
		case Refused:
			e.Text = "not approved: " + e.Text
			e.Hints = []string{"see what stands at the gate now: starter status " + tenant}
		}
	}
	return result, err
}

// Reject rejects the cutover that the decision's digest names; the migration goes on copying and asks again later.
// The order is recorded by the server, whether or not a worker runs.
func (o *Operator) Reject(ctx context.Context, tenant string, d workflows.Decision) error {
	if err := signed(d.By); err != nil {
		return err
	}
	return o.signal(ctx, tenant, workflows.SignalReject, d)
}

// RetryStep has a step that waits for a person tried again, for the whole tenant or one mailbox.
func (o *Operator) RetryStep(ctx context.Context, tenant string, order workflows.StepOrder) error {
	if err := checkStep(order); err != nil {
		return err
	}
	return o.signal(ctx, tenant, workflows.SignalRetry, order)
}

// SkipStep has a step that waits passed over. For a whole tenant only those steps can be skipped without which no
// mail is lost; see migration.Step.Skippable.
func (o *Operator) SkipStep(ctx context.Context, tenant string, order workflows.StepOrder) error {
	if err := checkStep(order); err != nil {
		return err
	}
	if order.Mailbox == "" && !order.Step.Skippable() {
		e := &Error{
			Kind: Invalid, Text: fmt.Sprintf("step %d (%s) cannot be skipped for a whole tenant: mail would be lost or routed nowhere",
				order.Step, order.Step.Title()),
		}
		if order.Step == migration.StepConnect || order.Step == migration.StepMigrate {
			e.Hints = []string{"skip it for one mailbox, which then must be accepted at the gate: --mailbox ADDRESS"}
		}
		return e
	}
	return o.signal(ctx, tenant, workflows.SignalSkip, order)
}

// Abort stops the migration before the MX change, and everything stays as it is. After it the records are set back first,
// and a second abort stops everything.
func (o *Operator) Abort(ctx context.Context, id string, order workflows.Order) error {
	return o.order(ctx, id, workflows.SignalAbort, order)
}

// Pause stops the copying of a tenant, a wave or a mailbox, by its workflow ID, until Resume.
func (o *Operator) Pause(ctx context.Context, id string, order workflows.Order) error {
	return o.order(ctx, id, workflows.SignalPause, order)
}

// Resume undoes Pause.
func (o *Operator) Resume(ctx context.Context, id string, order workflows.Order) error {
	return o.order(ctx, id, workflows.SignalResume, order)
}

// SyncNow has the next delta begin at once, by the workflow ID of a tenant, a wave or a mailbox.
func (o *Operator) SyncNow(ctx context.Context, id string, order workflows.Order) error {
	return o.order(ctx, id, workflows.SignalSyncNow, order)
}

// Exclude leaves a mailbox out from here on. It must then be accepted at the gate, by name.
func (o *Operator) Exclude(ctx context.Context, h Holder, order workflows.Order) error {
	return o.rowOrder(ctx, h, workflows.SignalExclude, order)
}

// Restart has a mailbox begin again by matching what is at both sides; before the MX change it takes back that a mailbox
// is left out.
func (o *Operator) Restart(ctx context.Context, h Holder, order workflows.Order) error {
	return o.rowOrder(ctx, h, workflows.SignalRestart, order)
}

func (o *Operator) rowOrder(ctx context.Context, h Holder, name string, order workflows.Order) error {
	if err := signed(order.By); err != nil {
		return err
	}
	return o.signal(ctx, h.ID, name, h.payload(order))
}

func (o *Operator) order(ctx context.Context, id, name string, order workflows.Order) error {
	if err := signed(order.By); err != nil {
		return err
	}
	return o.signal(ctx, id, name, order)
}

func (o *Operator) signal(ctx context.Context, id, name string, payload any) error {
	err := o.temporal.SignalWorkflow(ctx, id, "", name, payload)
	if isNotFound(err) {
		return o.ended(ctx, id, err)
	}
	return Translate(err)
}

// ended explains why an order found nobody: the workflow is over, or there never was one.
func (o *Operator) ended(ctx context.Context, id string, cause error) error {
	response, err := o.temporal.DescribeWorkflowExecution(ctx, id, "")
	if tenant, part, isPart := strings.Cut(id, "/"); isNotFound(err) && isPart {
		return noPart(tenant, part, err)
	}
	if isNotFound(err) {
		return o.unknown(ctx, id)
	}
	if err != nil {
		return Translate(err)
	}
	info := response.GetWorkflowExecutionInfo()
	words := endedWords(closedAs(info.GetStatus()))
	var last struct {
		State migration.State `json:"state"`
	}
	if o.readMemo(info.GetMemo(), workflows.MemoStatus, &last) == nil && last.State == migration.Aborted {
		words = "was aborted"
	}
	return &Error{
		Kind: NotRunning, Cause: cause,
		Text: fmt.Sprintf("%s isn't running any more: it %s on %s", id, words,
			timeOf(info.GetCloseTime()).UTC().Format("2006-01-02 15:04 UTC")),
	}
}

// noPart says that a tenant has no such wave or mailbox.
func noPart(tenant, part string, cause error) error {
	_, address, isMailbox := strings.Cut(part, "/mailbox/")
	if !isMailbox {
		_, wave, _ := strings.Cut(part, "/")
		return &Error{
			Kind: UnknownTenant, Text: fmt.Sprintf("%s has no wave %q, or not yet", tenant, wave), Cause: cause,
			Hints: []string{"see those that it has: starter status " + tenant},
		}
	}
	return &Error{
		Kind: UnknownTenant, Text: fmt.Sprintf("%s has no mailbox %q that has begun to copy", tenant, address), Cause: cause,
		Hints: []string{
			"check the address; until a mailbox copies, its wave has it in hand",
			fmt.Sprintf("see what it waits for: starter mailboxes %s --state waiting", tenant),
		},
	}
}

func endedWords(closed string) string {
	switch closed {
	case "cancelled", "terminated":
		return "was " + closed
	}
	return closed
}

func signed(by string) error {
	if by == "" {
		return &Error{Kind: Invalid, Text: "an order needs the name of who gives it", Hints: []string{"say it with --by NAME"}}
	}
	return nil
}

func checkStep(order workflows.StepOrder) error {
	if !order.Step.Valid() {
		return &Error{Kind: Invalid, Text: fmt.Sprintf("there is no step %d", order.Step), Hints: []string{"the steps are numbered from 1 to 11"}}
	}
	return signed(order.By)
}

// ParseStep reads a step's number or its short name.
func ParseStep(text string) (migration.Step, error) {
	for _, s := range migration.Steps() {
		if text == s.Name() || text == fmt.Sprint(int(s)) {
			return s, nil
		}
	}
	e := &Error{Kind: Invalid, Text: fmt.Sprintf("there is no step %q", text)}
	names := ""
	for _, s := range migration.Steps() {
		names += fmt.Sprintf(" %d %s,", s, s.Name())
	}
	e.Hints = []string{"the steps are" + names[:len(names)-1]}
	return 0, e
}
