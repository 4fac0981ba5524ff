package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// Tenant carries an organisation through the eleven steps. It holds no mailboxes, only its waves and what belongs to
// the whole: the domains, the approval, the MX change, the proofs, and the order to finish.
func Tenant(ctx workflow.Context, in TenantInput) (TenantResult, error) {
	t := &tenant{in: in}
	if err := t.begin(ctx); err != nil {
		return TenantResult{}, err
	}
	err := errAborted
	if t.s.Aborted == nil {
		err = t.run(t.work)
	}
	if errors.Is(err, errAborted) {
		err = t.wind(t.base)
	}
	if errors.Is(err, errLeave) {
		t.settle()
		t.show()
		t.trim()
		in.Carried = &t.s
		return TenantResult{}, workflow.NewContinueAsNewError(ctx, TenantType, in)
	}
	t.show()
	if err == nil && t.cancelled {
		err = temporal.NewCanceledError()
	}
	return TenantResult{State: t.outcome(), Report: t.s.Report, Files: t.s.Files, Missing: t.s.Missing}, err
}

// run is the eleven steps. The waves pass 1, 3, 4, 6 and 7 mailbox by mailbox, each wave by itself, and step 2 goes on
// beside them; so these only have to be waited for here.
func (t *tenant) run(ctx workflow.Context) error {
	for _, step := range []struct {
		step migration.Step
		pass func(workflow.Context) error
	}{
		{migration.StepUsers, t.users},             //  1 every user has a licence and a mailbox that answers
		{migration.StepSource, t.source},           //  2 every domain is verified, every source known
		{migration.StepAnnounce, t.announce},       //  3 every user was told
		{migration.StepCredentials, t.credentials}, //  4 every source mailbox can be opened
		{migration.StepList, t.list},               //  5 the CSV is committed
		{migration.StepConnect, t.connect},         //  6 both sides of every mailbox were opened
		{migration.StepMigrate, t.migrate},         //  7 every mailbox is copied and verified
		{migration.StepOptimise, t.optimise},       //  8 the MX has a short TTL, and the old one has run out
		{migration.StepCutover, t.cutover},         //  9 a person approved, and the MX is changed
		{migration.StepRouting, t.routing},         // 10 mail arrives at the tenant; the final delta is done
		{migration.StepWelcome, t.welcome},         // 11 every user was welcomed, every account is archived
	} {
		if err := t.pass(ctx, step.step, step.pass); err != nil {
			return err
		}
	}
	return nil
}

// pass passes a step that isn't passed yet. A step that may be skipped is done with when it was.
func (t *tenant) pass(ctx workflow.Context, step migration.Step, pass func(workflow.Context) error) error {
	if t.step(step).State.Finished() {
		return nil
	}
	t.set(step, migration.Running, "")
	err := pass(ctx)
	switch {
	case err == nil:
		t.set(step, migration.Done, t.step(step).Text)
	case errors.Is(err, errSkipped):
		t.set(step, migration.Skipped, "")
		err = nil
	}
	return err
}
