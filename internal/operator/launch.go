package operator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Launched is what came of a launch.
type Launched struct {
	Tenant string `json:"tenant"`
	// Launch is the launch's UTC date and counter, such as "20261123-1".
	Launch    string `json:"launch"`
	RunID     string `json:"runId"`
	Mailboxes int    `json:"mailboxes"`
	// Continued means that the migration ran already.
	Continued bool `json:"continued,omitempty"`
	// Unchanged means that it ran already with everything that the list has, so that there was nothing to do.
	Unchanged bool `json:"unchanged,omitempty"`
	// New, Corrected and Same are what the list changed in a migration that had its first list already.
	New       int `json:"new,omitempty"`
	Corrected int `json:"corrected,omitempty"`
	Same      int `json:"same,omitempty"`
}

// Launch starts the tenant's migration and hands it its mailboxes. It may die anywhere: called again with the same
// plan and the same rows it goes on; other rows take the place of those that weren't wholly taken in. To a migration that runs already the list adds what is new and corrects what is
// otherwise; it removes nothing, and what it repeats changes nothing. A tenant that runs with another plan is refused
// with an error of kind Running that says what runs. A tenant whose last migration has ended gets a new launch, with a
// number of its own.
//
// A worker must be running for the list to be taken in; without one the error is of kind NoWorker, and the same call
// goes on later.
func (o *Operator) Launch(ctx context.Context, plan migration.Plan, rows []migration.Mailbox) (Launched, error) {
	return o.LaunchAsking(ctx, plan, rows, func(Change) error { return nil })
}

// LaunchAsking is [Operator.Launch] that asks before it changes a migration which runs already: an error of ask is
// returned, and nothing has changed.
func (o *Operator) LaunchAsking(ctx context.Context, plan migration.Plan, rows []migration.Mailbox, ask func(Change) error) (Launched, error) {
	batches, err := chunks(plan, rows)
	if err != nil {
		return Launched{}, err
	}
	rec := record{Organisation: plan.Organisation, Rows: len(rows), Archive: plan.Archive}
	name, err := Import(rows)
	if err != nil {
		return Launched{}, err
	}
	if rec.Plan, err = digest(plan); err != nil {
		return Launched{}, err
	}
	e, continued, err := o.start(ctx, plan, rec, batches)
	if err != nil {
		return Launched{}, err
	}
	launched := Launched{Tenant: plan.Tenant, Launch: e.record.Launch, RunID: e.runID, Mailboxes: len(rows), Continued: continued}
	list := list{plan.Tenant, name, batches, len(rows)}
	if !continued {
		return launched, o.enroll(ctx, list)
	}
	return o.amend(ctx, list, launched, ask)
}

// start starts the tenant, or finds it running with the same plan.
func (o *Operator) start(ctx context.Context, plan migration.Plan, rec record, batches []batch) (_ execution, continued bool, _ error) {
	last, err := o.describe(ctx, plan.Tenant)
	if err != nil && !isNotFound(err) {
		return last, false, err
	}
	if err == nil && last.running() {
		return last, true, sameOrRefuse(plan.Tenant, last, rec)
	}
	rec.Started = o.now().UTC()
	rec.Launch = nextLaunch(rec.Started, last.record.Launch)
	run, err := o.temporal.ExecuteWorkflow(ctx, o.startOptions(plan, rec, batches), workflows.TenantType,
		workflows.TenantInput{Plan: plan, Launch: rec.Launch})
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		// Someone else launched it in this very moment.
		if last, err = o.find(ctx, plan.Tenant); err != nil {
			return last, false, err
		}
		return last, true, sameOrRefuse(plan.Tenant, last, rec)
	}
	if err != nil {
		return last, false, Translate(err)
	}
	return execution{runID: run.GetRunID(), record: rec}, false, nil
}

func (o *Operator) startOptions(plan migration.Plan, rec record, batches []batch) client.StartWorkflowOptions {
	pending := make([]migration.State, len(migration.Steps()))
	for i := range pending {
		pending[i] = migration.Pending
	}
	return client.StartWorkflowOptions{
		ID:        plan.Tenant,
		TaskQueue: activities.MigrateQueue,
		// Fail, so that two starters never believe to have started the same one; an ended one may start again.
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,

		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo: map[string]any{
			memoLaunch: rec,
			workflows.MemoStatus: workflows.Memo{
				State: migration.Running, Step: migration.StepList, States: pending,
				Doing: "waiting for the list of mailboxes", Modified: o.now().UTC(),
			},
		},
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.SearchTenant.ValueSet(plan.Tenant), workflows.SearchLaunch.ValueSet(rec.Launch),
			workflows.SearchState.ValueSet(string(migration.Running)), workflows.SearchStep.ValueSet(int64(migration.StepUsers)),
		),
		StaticSummary: cut(fmt.Sprintf("%s: %d mailboxes to Microsoft 365", plan.Organisation, rec.Rows), 200),
		StaticDetails: cut(details(plan, rec, batches), 8<<10),
		Priority:      temporal.Priority{PriorityKey: workflows.TenantPriority, FairnessKey: plan.Tenant},
	}
}

// details is the launch in Markdown, as the Web UI shows it beside the current details.
func details(plan migration.Plan, rec record, batches []batch) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**, launch %s: %d mailboxes of %s\n\n", plan.Organisation, rec.Launch, rec.Rows, strings.Join(plan.Domains, ", "))
	b.WriteString("| wave | mailboxes |\n|---|---|\n")
	for _, wave := range plan.Waves {
		n := 0
		for _, batch := range batches {
			if batch.wave == wave.Name {
				n += len(batch.rows)
			}
		}
		fmt.Fprintf(&b, "| %s | %d |\n", wave.Name, n)
	}
	for _, e := range plan.Endpoints {
		fmt.Fprintf(&b, "\nSource %s: %s:%d", e.Name, e.Host, e.Port)
	}
	fmt.Fprintf(&b, "\n\nThe report goes to %s\n", plan.Archive)
	return b.String()
}

// cut shortens the text to so many bytes, at a character's end.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}

// sameOrRefuse accepts a running tenant only for the plan that it was launched with.
func sameOrRefuse(tenant string, e execution, rec record) error {
	if e.record.Plan == rec.Plan {
		return nil
	}
	what := "another plan"
	if e.record.Plan == "" {
		what = "a plan that it keeps no record of"
	}
	text := fmt.Sprintf("%s is running already, with %s: launch %s of %s, %d mailboxes, started %s", tenant, what,
		e.record.Launch, e.record.Organisation, e.record.Rows, e.record.Started.UTC().Format("2006-01-02 15:04 UTC"))
	if e.memo.Step.Valid() {
		text += fmt.Sprintf(", at step %d (%s)", e.memo.Step, e.memo.Step.Title())
	}
	return &Error{
		Kind: Running, Text: text,
		Hints: []string{
			"see how it stands: starter status " + tenant,
			"or stop it, and launch again when it has ended: starter abort " + tenant,
		},
	}
}

// nextLaunch numbers a launch: the UTC date, and a counter that goes on from the tenant's last launch on that date. A
// last launch on a later date, by another machine's clock, is counted on as well, since numbers must never repeat.
func nextLaunch(now time.Time, last string) string {
	date := now.UTC().Format("20060102")
	lastDate, counter, ok := strings.Cut(last, "-")
	n, err := strconv.Atoi(counter)
	if !ok || err != nil || lastDate < date {
		return date + "-1"
	}
	return fmt.Sprintf("%s-%d", lastDate, n+1)
}
