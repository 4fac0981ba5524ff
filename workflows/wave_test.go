package workflows

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// pier is one wave with real mailboxes, whose tenant is the test.
type pier struct {
	*testsuite.TestWorkflowEnvironment
	t       *testing.T
	world   *fake.World
	reports []waveReport
	// verdicts come from many goroutines.
	mu       sync.Mutex
	verdicts []verdict
	orders   waveOrders
	plan     migration.Plan
	// deaf is how many final reports the tenant does not hear; gone has every report find no tenant.
	deaf int
	gone bool
}

func newPier(t *testing.T) *pier { return newPierWith(t, Mailbox) }

// newPierWith has another workflow in the mailboxes' place.
func newPierWith(t *testing.T, mailbox func(workflow.Context, MailboxInput) error) *pier {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	p := &pier{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, world: fake.New(), plan: testPlan()}
	p.world.Register(p.TestWorkflowEnvironment)
	p.RegisterWorkflowWithOptions(Wave, workflow.RegisterOptions{Name: WaveType})
	p.RegisterWorkflowWithOptions(mailbox, workflow.RegisterOptions{Name: MailboxType})
	p.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: WaveID("contoso", "20261123-1", "wave-01"), TaskQueue: "migrate"})
	p.OnSignalExternalWorkflow(mock.Anything, "contoso", "", signalReport, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			if p.gone {
				return &temporal.UnknownExternalWorkflowExecutionError{}
			}
			r := arg.(waveReport)
			p.reports = append(p.reports, r)
			if r.Final {
				if p.deaf > 0 {
					p.deaf--
					return nil
				}
				p.RegisterDelayedCallback(func() { p.order(func(o *waveOrders) { o.Acknowledged = true }) }, time.Second)
			}
			return nil
		})
	p.OnSignalExternalWorkflow(mock.Anything, "contoso", "", signalVerdict, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.verdicts = append(p.verdicts, arg.(verdict))
			return nil
		})
	p.orders = waveOrders{Domains: []string{"contoso.com"}, Shares: []share{{"old", 2}}, Interval: p.plan.Timing.Delta}
	return p
}

func (p *pier) after(d time.Duration, do func()) { p.RegisterDelayedCallback(do, d) }

func (p *pier) order(change func(*waveOrders)) {
	change(&p.orders)
	p.orders.Number++
	p.SignalWorkflow(signalOrders, p.orders)
}

// life stages rows twice, commits them, and orders the wave through its whole life.
func (p *pier) life(rows []migration.Mailbox) {
	p.after(time.Second, func() {
		for range 2 {
			p.SignalWorkflow(signalStage, stageMessage{Import: "list", Chunk: 1, Rows: rows})
		}
		p.SignalWorkflow(signalStage, stageMessage{Import: "dropped", Chunk: 1, Rows: testRows("wave-01", "zoe")})
		p.SignalWorkflow(signalImport, importMessage{Import: "dropped"})
		p.SignalWorkflow(signalImport, importMessage{Import: "list", Commit: true})
	})
	p.after(time.Minute, func() { p.order(func(o *waveOrders) { o.Begin = true }) })
	p.after(3*time.Hour, func() { p.order(func(o *waveOrders) { o.AfterMX, o.Finish = true, true }) })
	p.after(4*time.Hour, func() { p.order(func(o *waveOrders) { o.Close = true }) })
}

func (p *pier) status() WaveStatus {
	p.t.Helper()
	value, err := p.QueryWorkflow(QueryStatus)
	if err != nil {
		p.t.Fatal(err)
	}
	var s WaveStatus
	if err := value.Get(&s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *pier) run() error {
	p.ExecuteWorkflow(WaveType, WaveInput{
		Scope: activities.Scope{Tenant: "contoso", Launch: "20261123-1"}, Parent: "contoso", Name: "wave-01", Plan: p.plan,
	})
	if !p.IsWorkflowCompleted() {
		p.t.Fatal("the wave did not end")
	}
	return p.GetWorkflowError()
}

func TestWaveResendsItsFinalReport(t *testing.T) {
	p := newPier(t)
	p.deaf = 2
	p.life(testRows("wave-01", "ada", "ben", "cleo"))
	p.after(30*time.Second, func() {
		if s := p.status(); s.State != migration.Pending || s.Totals.Mailboxes != 3 || p.world.Count("EnsureUsers") != 0 {
			t.Errorf("before it may begin: %+v", s)
		}
	})
	p.after(2*time.Hour, func() {
		s := p.status()
		if len(s.Mailboxes) != 3 || s.Totals.Verified != 3 || s.Mailboxes[0].ID != MailboxID("contoso", "20261123-1", "ada@contoso.com") {
			t.Errorf("copied: %+v", s)
		}
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	finals := 0
	for i, r := range p.reports {
		if r.Final {
			finals++
		}
		if i > 0 && r.Number <= p.reports[i-1].Number {
			t.Errorf("report %d came after report %d", r.Number, p.reports[i-1].Number)
		}
	}
	if finals != 3 || len(p.world.Accounts) != 3 {
		t.Errorf("%d final reports, %d accounts", finals, len(p.world.Accounts))
	}
	if !slices.ContainsFunc(p.reports, func(r waveReport) bool { return r.Verified && len(r.Probes) == 1 }) {
		t.Errorf("no report says that all are verified")
	}
}

func TestWaveWaitsForItsDomain(t *testing.T) {
	p := newPier(t)
	p.orders.Domains = nil
	p.life(testRows("wave-01", "ada"))
	p.after(time.Hour, func() {
		if p.world.Count("EnsureUsers") != 0 {
			t.Error("a user was made in a domain that isn't verified")
		}
		p.order(func(o *waveOrders) { o.Domains = []string{"contoso.com"} })
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if p.world.Count("EnsureUsers") != 1 {
		t.Errorf("%d users made", p.world.Count("EnsureUsers"))
	}
}

func TestWaveAsksWhenAMailboxIsSlow(t *testing.T) {
	p := newPier(t)
	p.plan.Timing.MailboxLimit = migration.Duration(30 * time.Minute)
	p.world.Refuse = func(activity, _ string) error {
		if activity == "MailboxesAnswer" {
			return fake.Problem(fake.NotYet, "")
		}
		return nil
	}
	p.life(testRows("wave-01", "ada"))
	p.after(time.Hour, func() {
		s := p.status()
		if s.WaitingCount != 1 || s.Waiting[0].Problem.Kind != "mailbox-slow" || s.Waiting[0].Step != migration.StepUsers {
			t.Fatalf("waiting %+v", s.Waiting)
		}
		p.world.Refuse = nil
		p.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepUsers, By: "Grace"})
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}

func TestWaveWithoutTenantPausesItself(t *testing.T) {
	p := newPier(t)
	p.life(testRows("wave-01", "ada"))
	p.gone = true
	p.after(30*time.Minute, func() {
		if s := p.status(); s.State != migration.Paused {
			t.Errorf("without its tenant it is %s", s.State)
		}
		p.gone = false
	})
	p.after(2*time.Hour, func() { p.SignalWorkflow(SignalResume, Order{By: "Grace"}) })
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if r := p.reports[len(p.reports)-1]; !r.Final || r.Status.State != migration.Done {
		t.Errorf("the final report is %+v", r)
	}
}

func TestWaveWithoutTenantEndsWhenAborted(t *testing.T) {
	p := newPier(t)
	p.life(testRows("wave-01", "ada"))
	p.gone = true
	p.after(30*time.Minute, func() { p.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if got := p.world.Accounts["ada@contoso.com"].State; got != migration.Aborted {
		t.Errorf("the mailbox's account says %q", got)
	}
}

func TestWaveTellsOfADemandedPassOnce(t *testing.T) {
	p := newPier(t)
	p.plan.Timing.Report = migration.Duration(100 * 24 * time.Hour) // so that only news is told
	p.orders.Interval = migration.Duration(15 * time.Minute)
	rows := testRows("wave-01", "ada", "ben")
	p.after(time.Second, func() {
		p.SignalWorkflow(signalStage, stageMessage{Import: "list", Chunk: 1, Rows: rows})
		p.SignalWorkflow(signalImport, importMessage{Import: "list", Commit: true})
	})
	p.after(time.Minute, func() { p.order(func(o *waveOrders) { o.Begin = true }) })
	told := 0
	p.after(5*time.Hour, func() { told = len(p.reports); p.order(func(o *waveOrders) { o.Pass = 1 }) })
	p.after(5*time.Hour+10*time.Minute, func() {
		if n := len(p.reports) - told; n != 1 || p.reports[len(p.reports)-1].PassedSince.IsZero() {
			t.Errorf("%d reports of a demanded pass", n)
		}
		told = len(p.reports)
	})
	p.after(20*time.Hour, func() {
		if n := len(p.reports) - told; n != 0 {
			t.Errorf("%d reports without news", n)
		}
		p.order(func(o *waveOrders) { o.AfterMX, o.Finish = true, true })
	})
	p.after(21*time.Hour, func() { p.order(func(o *waveOrders) { o.Close = true }) })
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}

// during has something happen once while an activity is under way.
func (p *pier) during(name string, do func()) {
	done := false
	p.world.Refuse = func(activity, _ string) error {
		if activity == name && !done {
			done = true
			do()
		}
		return nil
	}
}

// What was done for a row while a list corrected it, or while it was left out, is done: a user's first password comes
// once, and so does the announcement.
func TestWhatIsDoneWhileARowChangesIsKept(t *testing.T) {
	corrected := testRows("wave-01", "ada")
	corrected[0].DisplayName = "Countess"
	for _, activity := range []string{"EnsureUsers", "Notify announcement", "Notify reminder"} {
		for name, change := range map[string]func(*pier){
			"corrected": func(p *pier) {
				p.SignalWorkflow(signalStage, stageMessage{Import: "second", Chunk: 1, Rows: corrected})
				p.SignalWorkflow(signalImport, importMessage{Import: "second", Commit: true})
			},
			"left out and taken back": func(p *pier) {
				p.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "ada@contoso.com", By: "Grace"})
				p.after(time.Hour, func() { p.SignalWorkflow(SignalRestart, RowOrder{Mailbox: "ada@contoso.com", By: "Grace"}) })
			},
		} {
			t.Run(activity+", "+name, func(t *testing.T) {
				p := newPier(t)
				p.life(testRows("wave-01", "ada"))
				p.during(activity, func() { change(p) })
				p.after(150*time.Minute, func() {
					if s := p.status(); s.Totals.Passwords != 1 || s.Totals.Verified != 1 {
						t.Errorf("totals %+v", s.Totals)
					}
				})
				if err := p.run(); err != nil {
					t.Fatal(err)
				}
				for _, notice := range []string{"Notify announcement", "Notify reminder"} {
					if n := p.world.Count(notice); n != 1 {
						t.Errorf("%d of %s", n, notice)
					}
				}
			})
		}
	}
}

// TestMailboxThatWasStartedAgain: a mailbox whose workflow ended without a report was started again by hand, from an
// earlier point. Once a person says so it is told everything anew, and believed though it counts its reports from there.
func TestMailboxThatWasStartedAgain(t *testing.T) {
	var told []mailboxOrders
	p := newPierWith(t, func(ctx workflow.Context, _ MailboxInput) error {
		orders := workflow.GetSignalChannel(ctx, signalOrders)
		for len(told) == 0 || !told[len(told)-1].Acknowledged {
			var o mailboxOrders
			orders.Receive(ctx, &o)
			told = append(told, o)
		}
		return nil
	})
	id := MailboxID("contoso", "20261123-1", "ada@contoso.com")
	report := func(number, copied int) {
		p.SignalWorkflow(signalReport, mailboxReport{
			Number: number, Address: "ada@contoso.com", State: migration.Running, Step: migration.StepMigrate, Account: migration.Account{Copied: copied},
		})
	}
	p.life(testRows("wave-01", "ada"))
	p.after(time.Hour, func() { report(57, 570) })
	p.after(61*time.Minute, func() { p.world.Ended = []string{id} })
	before := 0
	p.after(150*time.Minute, func() {
		if s := p.status(); s.WaitingCount != 1 || s.Waiting[0].Problem.Kind != "mailbox-ended" {
			t.Fatalf("waiting %+v", s.Waiting)
		}
		before = len(told)
		p.world.Ended = nil // it was started again
		p.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, Mailbox: "ada@contoso.com", By: "Grace"})
	})
	p.after(160*time.Minute, func() {
		if len(told) != before+1 || !told[before].Sync || told[before].Number <= told[before-1].Number {
			t.Errorf("it was told %+v", told)
		}
		report(3, 30)
	})
	p.after(170*time.Minute, func() {
		if s := p.status(); s.WaitingCount != 0 || s.Totals.Account.Copied != 30 {
			t.Errorf("waiting %+v, totals %+v", s.Waiting, s.Totals)
		}
		p.CancelWorkflow()
	})
	p.after(171*time.Minute, func() {
		p.SignalWorkflow(signalReport, mailboxReport{Number: 4, Address: "ada@contoso.com", State: migration.Aborted, Final: true})
	})
	if err := p.run(); !temporal.IsCanceledError(err) {
		t.Fatal(err)
	}
}

// TestReportsAndOrdersAreNumbered: one that comes twice or late is nothing, and one that is missing is none missed, since
// each says all that is known or wanted.
func TestReportsAndOrdersAreNumbered(t *testing.T) {
	p := newPierWith(t, func(ctx workflow.Context, _ MailboxInput) error { return workflow.Sleep(ctx, 3*time.Hour) })
	p.life(testRows("wave-01", "ada"))
	for i, c := range []struct{ number, copied, want int }{{5, 50, 50}, {5, 51, 50}, {3, 30, 50}, {9, 90, 90}, {8, 80, 90}} {
		at := time.Hour + time.Duration(i)*time.Minute
		p.after(at, func() {
			p.SignalWorkflow(signalReport, mailboxReport{
				Number: c.number, Address: "ada@contoso.com", State: migration.Running, Step: migration.StepMigrate, Account: migration.Account{Copied: c.copied},
			})
		})
		p.after(at+time.Second, func() {
			if got := p.status().Totals.Account.Copied; got != c.want {
				t.Errorf("after report %d, %d are copied, want %d", c.number, got, c.want)
			}
		})
	}
	for i, c := range []struct {
		number int
		paused bool
		want   migration.State
	}{{105, true, migration.Paused}, {104, false, migration.Paused}, {105, false, migration.Paused}, {109, false, migration.Running}, {108, true, migration.Running}} {
		at := 2*time.Hour + time.Duration(i)*time.Minute
		p.after(at, func() {
			o := p.orders
			o.Number, o.Paused = c.number, c.paused
			p.SignalWorkflow(signalOrders, o)
		})
		p.after(at+time.Second, func() {
			if got := p.status().State; got != c.want {
				t.Errorf("after orders %d the wave is %s, want %s", c.number, got, c.want)
			}
		})
	}
	p.after(170*time.Minute, func() {
		p.orders.Number = 200
		p.SignalWorkflow(SignalAbort, Order{By: "Grace"})
		p.SignalWorkflow(signalReport, mailboxReport{Number: 10, Address: "ada@contoso.com", State: migration.Aborted, Final: true})
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}

// TestNobodyIsFinishedBeforeTheLostAreFound: the look at the mailboxes that comes once an hour comes before the final
// delta too.
func TestNobodyIsFinishedBeforeTheLostAreFound(t *testing.T) {
	p := newPier(t)
	p.life(testRows("wave-01", "ada", "ben"))
	looked := 0
	p.after(3*time.Hour-time.Minute, func() {
		looked = p.world.Count("ClosedChildren")
		p.world.Ended = []string{mailboxOf("ben")}
	})
	p.after(3*time.Hour+time.Second, func() {
		if s := p.status(); p.world.Count("ClosedChildren") != looked+1 || s.WaitingCount != 1 || s.Waiting[0].Problem.Kind != "mailbox-ended" {
			t.Errorf("when the final delta was ordered %d looks were taken, and waiting are %+v", p.world.Count("ClosedChildren")-looked, s.Waiting)
		}
		p.world.Ended = nil
		p.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}
