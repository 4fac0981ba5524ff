package servertest

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// tenant is the surface of a Tenant and nothing behind it: it takes a list in, stands at a gate, and ends when it is
// approved or aborted. It notes every signal.
func tenant(ctx workflow.Context, in workflows.TenantInput) error {
	s := workflows.Status{
		Tenant: in.Plan.Tenant, Organisation: in.Plan.Organisation, Launch: in.Launch, State: migration.Running,
		Started: workflow.Now(ctx),
	}
	for _, step := range migration.Steps() {
		s.Steps = append(s.Steps, workflows.StepStatus{Step: step, Name: step.Name(), Title: step.Title(), State: migration.Pending})
	}
	list := &s.Steps[migration.StepList-1]
	if err := workflow.SetQueryHandler(ctx, workflows.QueryStatus, func() (workflows.Status, error) { return s, nil }); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, workflows.QueryWhere, func(string) (workflows.Where, error) { return workflows.Where{}, nil }); err != nil {
		return err
	}
	var known, staged []string
	enroll := func(_ workflow.Context, chunk workflows.EnrollInput) (workflows.EnrollResult, error) {
		staged = nil
		var result workflows.EnrollResult
		for _, row := range chunk.Rows {
			if result.Staged++; slices.Contains(known, row.Address) {
				result.Unchanged++
				continue
			}
			result.New++
			result.Changes = append(result.Changes, workflows.RowChange{Address: row.Address, What: "new"})
			staged = append(staged, row.Address)
		}
		return result, nil
	}
	discard := func(_ workflow.Context, _ workflows.EnrollCommitInput) error {
		staged = nil
		return nil
	}
	check := func(chunk workflows.EnrollInput) error {
		for i, row := range chunk.Rows {
			if row.User == "nobody" {
				return temporal.NewApplicationError(fmt.Sprintf("row %d: there is no source account %q", i+1, row.User), "rows")
			}
		}
		return nil
	}
	commit := func(_ workflow.Context, _ workflows.EnrollCommitInput) error {
		known = append(known, staged...)
		s.Totals.Mailboxes = len(known)
		s.Lists++
		list.State = migration.Done
		s.Gate = &workflows.Gate{Digest: "4f1d", Domains: []string{"contoso.com"}, Since: workflow.Now(ctx)}
		states := make([]migration.State, len(s.Steps))
		for i := range states {
			states[i] = s.Steps[i].State
		}
		return workflow.UpsertMemo(ctx, map[string]any{workflows.MemoStatus: workflows.Memo{
			State: migration.Waiting, Step: migration.StepCutover, Waiting: 1, First: "the MX change waits", States: states,
			Digest: "4f1d", Totals: s.Totals, Modified: workflow.Now(ctx),
		}})
	}
	over := false
	approve := func(_ workflow.Context, d workflows.Decision) (workflows.ApproveResult, error) {
		s.Approvals = append(s.Approvals, migration.Approval{At: workflow.Now(ctx), Digest: d.Digest, By: d.By})
		over = true
		return workflows.ApproveResult{Digest: d.Digest, At: workflow.Now(ctx)}, nil
	}
	mayApprove := func(d workflows.Decision) error {
		if s.Gate == nil || d.Digest != s.Gate.Digest {
			return temporal.NewApplicationError("the gate shows another digest", "refused")
		}
		return nil
	}
	report := func() (migration.Report, error) {
		return migration.Report{
			Tenant: s.Tenant, Organisation: s.Organisation, Launch: s.Launch, Started: workflow.Now(ctx), At: workflow.Now(ctx), State: s.State,
			Approvals: s.Approvals,
		}, nil
	}
	for _, err := range []error{
		workflow.SetQueryHandler(ctx, workflows.QueryReport, report),
		workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateEnroll, enroll, workflow.UpdateHandlerOptions{Validator: check}),
		workflow.SetUpdateHandler(ctx, workflows.UpdateEnrollCommit, commit),
		workflow.SetUpdateHandler(ctx, workflows.UpdateEnrollDiscard, discard),
		workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateApprove, approve, workflow.UpdateHandlerOptions{Validator: mayApprove}),
	} {
		if err != nil {
			return err
		}
	}
	for _, name := range []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalRetry, workflows.SignalReject, workflows.SignalAbort} {
		workflow.Go(ctx, func(ctx workflow.Context) {
			for {
				var order workflows.Order
				workflow.GetSignalChannel(ctx, name).Receive(ctx, &order)
				s.Audit = append(s.Audit, migration.AuditEntry{At: workflow.Now(ctx), By: order.By, What: name})
				over = over || name == workflows.SignalAbort
			}
		})
	}
	err := workflow.Await(ctx, func() bool { return over && workflow.AllHandlersFinished(ctx) })
	s.State, s.Gate = migration.Done, nil
	return err
}
