package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// owed are the places of the waves that don't know yet what is wanted of them.
func (t *tenant) owed() []int {
	var places []int
	for i, w := range t.s.Waves {
		if w.Started && !w.Lost && !t.wanted(w).same(w.Told) {
			places = append(places, i)
		}
	}
	return places
}

// wanted are the orders that a wave should have.
func (t *tenant) wanted(w *tenantWave) waveOrders {
	o := waveOrders{
		Begin: t.begins(w), Paused: t.s.Paused, Interval: t.timing.Delta, AfterMX: !t.s.CutOver.IsZero(), Pass: t.s.Pass,
		Finish: t.s.Finish, Close: t.s.Closing, Abort: t.s.Aborted, Acknowledged: w.Report.Final,
	}
	if o.AfterMX {
		o.Interval = t.timing.DeltaAfterMX
	}
	for _, d := range t.s.Domains {
		if d.Verified {
			o.Domains = append(o.Domains, d.Name)
		}
	}
	if o.Begin {
		o.Shares = t.shares(w)
	}
	return o
}

// begins reports whether a wave may begin: the first that has mailboxes is the pilot, and the others follow when it is
// verified, or after the MX change, when what comes late must not wait.
func (t *tenant) begins(w *tenantWave) bool {
	if w.Begun {
		return true
	}
	pilot := slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Rows > 0 })
	if w.Rows == 0 || pilot < 0 {
		return false
	}
	w.Begun = t.s.Waves[pilot] == w || t.s.Waves[pilot].verified() || !t.s.CutOver.IsZero()
	return w.Begun
}

// verified reports whether every mailbox of the wave that isn't left out is verified.
func (w *tenantWave) verified() bool {
	return !w.Lost && w.Report.Verified && w.Report.Status.Totals.Mailboxes == w.Rows
}

// order tells waves what is wanted of them.
func (t *tenant) order(ctx workflow.Context) {
	for _, i := range t.owed() {
		w := t.s.Waves[i]
		o := t.wanted(w)
		o.Number = w.Told.Number + 1
		w.hold(o)
		err := t.send(ctx, t.waveID(w), signalOrders, o)
		switch {
		case err == nil, isGone(err) && w.Report.Final:
			w.Told = o
		default:
			w.Lost = true
			t.record("", "wave "+w.Name+" can't be reached: "+err.Error())
		}
	}
}

func (t *tenant) waveID(w *tenantWave) string { return WaveID(t.scope.Tenant, t.scope.Launch, w.Name) }

// check looks for waves that ended without a report.
func (t *tenant) check(ctx workflow.Context) {
	defer func() { t.checkAt = t.now().Add(max(t.timing.Children.D(), time.Millisecond)) }()
	var in activities.ClosedChildrenInput
	for _, w := range t.s.Waves {
		if w.Started && !w.Lost && !w.Report.Final {
			in.IDs = append(in.IDs, t.waveID(w))
		}
	}
	if len(in.IDs) == 0 {
		return
	}
	var out activities.ClosedChildrenOutput
	if t.try(ctx, migration.StepMigrate, fmt.Sprintf("see whether %d waves still run", len(in.IDs)), a.ClosedChildren, in, &out) != nil {
		return // looked at again the next time
	}
	for _, w := range t.s.Waves {
		if slices.Contains(out.Closed, t.waveID(w)) && !w.Report.Final {
			w.Lost = true
			t.record("", "wave "+w.Name+" ended without a report")
		}
	}
}

// planOfWaves is the part of the plan that a wave needs; what belongs to the whole stays here.
func (t *tenant) planOfWaves() migration.Plan {
	p := t.in.Plan
	p.Domains, p.Waves, p.DNS = nil, nil, migration.DNS{}
	p.Routing = migration.Routing{SourceHosts: p.Routing.SourceHosts}
	return p
}

// startWave starts a wave that isn't running yet and confirms the start. It outlives this run of the tenant.
func (t *tenant) startWave(ctx workflow.Context, w *tenantWave) error {
	if w.Started {
		return nil
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            t.waveID(w),
		TaskQueue:             activities.MigrateQueue,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: attributes(t.scope, migration.StepUsers),
		StaticSummary:         shorten(t.in.Plan.Organisation+", "+w.Name, 200),
		Priority:              temporal.Priority{PriorityKey: wavePriority, FairnessKey: t.scope.Tenant},
	})
	in := WaveInput{Scope: t.scope, Parent: workflow.GetInfo(t.base).WorkflowExecution.ID, Name: w.Name, Plan: t.planOfWaves()}
	if err := workflow.ExecuteChildWorkflow(ctx, WaveType, in).GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return fmt.Errorf("wave %s cannot be started: %w", w.Name, err)
	}
	w.Started = true
	return nil
}
