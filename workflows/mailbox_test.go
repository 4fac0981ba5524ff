package workflows

import (
	"errors"
	"strings"
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

// cabin is one mailbox alone, with its reports.
type cabin struct {
	*testsuite.TestWorkflowEnvironment
	t       *testing.T
	world   *fake.World
	reports []mailboxReport
	orders  mailboxOrders
	in      MailboxInput
	// gone has every report find no wave; deaf has the wave acknowledge none.
	gone, deaf bool
}

func newCabin(t *testing.T) *cabin {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	c := &cabin{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, world: fake.New()}
	c.world.Register(c.TestWorkflowEnvironment)
	Register(c.TestWorkflowEnvironment)
	c.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: MailboxID("contoso", "20261123-1", "ada@contoso.com"), TaskQueue: "migrate"})
	c.OnSignalExternalWorkflow(mock.Anything, "wave", "", signalReport, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			if c.gone {
				return &temporal.UnknownExternalWorkflowExecutionError{}
			}
			r := arg.(mailboxReport)
			c.reports = append(c.reports, r)
			if r.Final && !c.deaf {
				c.RegisterDelayedCallback(func() { c.order(func(o *mailboxOrders) { o.Acknowledged = true }) }, time.Second)
			}
			return nil
		})
	plan := testPlan()
	c.in = MailboxInput{
		Scope: activities.Scope{Tenant: "contoso", Launch: "20261123-1"}, Parent: "wave", Mailbox: testRows("wave-01", "ada")[0],
		Rules: plan.Copy, Timing: plan.Timing, Archive: plan.Archive,
	}
	c.orders = mailboxOrders{Interval: plan.Timing.Delta, Offset: migration.Duration(time.Hour)}
	return c
}

func (c *cabin) after(d time.Duration, do func()) { c.RegisterDelayedCallback(do, d) }

// order changes the orders and sends them.
func (c *cabin) order(change func(*mailboxOrders)) {
	change(&c.orders)
	c.orders.Number++
	c.SignalWorkflow(signalOrders, c.orders)
}

// sync orders the first copy, and the end after so long.
func (c *cabin) sync(end time.Duration) {
	c.after(time.Second, func() { c.order(func(o *mailboxOrders) { o.Sync = true }) })
	c.after(end, func() { c.order(func(o *mailboxOrders) { o.AfterMX, o.Finish = true, true }) })
	c.after(end+time.Hour, func() { c.order(func(o *mailboxOrders) { o.Close = true }) })
}

func (c *cabin) status() MailboxStatus {
	c.t.Helper()
	value, err := c.QueryWorkflow(QueryStatus)
	if err != nil {
		c.t.Fatal(err)
	}
	var s MailboxStatus
	if err := value.Get(&s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *cabin) run() error {
	c.ExecuteWorkflow(MailboxType, c.in)
	if !c.IsWorkflowCompleted() {
		c.t.Fatal("the mailbox did not end")
	}
	return c.GetWorkflowError()
}

func (c *cabin) last() mailboxReport {
	if len(c.reports) == 0 {
		c.t.Fatal("no report came")
	}
	return c.reports[len(c.reports)-1]
}

func TestMailboxTimesItsDeltas(t *testing.T) {
	c := newCabin(t)
	c.sync(10*24*time.Hour + 12*time.Hour)
	c.after(12*time.Hour, func() {
		if s := c.status(); s.Doing != "between deltas" || s.State != migration.Running || s.Passes != 2 {
			t.Errorf("after the first copy and the first delta: %+v", s)
		}
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	// The first copy, a delta each day from the offset on, and the final one.
	if got := c.world.Count("Probe"); got != 1+11+1 {
		t.Errorf("%d passes", got)
	}
	// The copy, the sixth and the unchanged ones aren't all told: first copy, sixth unchanged, finished, final.
	if len(c.reports) > 6 {
		t.Errorf("%d reports", len(c.reports))
	}
	if r := c.last(); !r.Final || r.State != migration.Done || !r.Verified || r.Account.Copied != 10 {
		t.Errorf("the final report is %+v", r)
	}
	if c.world.Count("Verify") != 2 || c.world.Accounts["ada@contoso.com"].State != migration.Done {
		t.Errorf("%d verifications, account %+v", c.world.Count("Verify"), c.world.Accounts)
	}
}

func TestMailboxGoesOnBySlices(t *testing.T) {
	c := newCabin(t)
	folder := func(n int) migration.MailboxState {
		return migration.MailboxState{Folders: []migration.FolderState{{Source: "INBOX", Account: migration.Account{Source: n, Copied: n}}}}
	}
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitSlice, State: folder(3), Remaining: []string{"INBOX"}},
		{Exit: migration.ExitStopped, State: folder(5), Remaining: []string{"INBOX"}},
		{Exit: migration.ExitProblem, State: folder(6), Remaining: []string{"INBOX"}, Problem: &migration.Problem{Kind: "full", Text: "the mailbox is full"}},
		{Exit: migration.ExitDone, State: folder(9)},
	}
	c.sync(5 * time.Hour)
	c.after(time.Hour, func() {
		if s := c.status(); s.State != migration.Waiting || s.Problem.Kind != "full" || s.Account.Copied != 6 {
			t.Errorf("the full mailbox is %+v", s)
		}
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepUsers, By: "Grace"})
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if n := c.world.Count("Copy"); n != 4 {
		t.Errorf("%d slices", n)
	}
	if r := c.last(); r.Account.Copied != 9 || !r.Final {
		t.Errorf("the final report is %+v", r)
	}
}

func TestMailboxQuarantinesPoison(t *testing.T) {
	for _, answer := range []string{SignalSkip, SignalRetry} {
		t.Run(answer, func(t *testing.T) {
			c := newCabin(t)
			poison := migration.Refusal{Folder: "INBOX", UID: 7, Kind: "poison", Words: "connection reset"}
			c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
				{Exit: migration.ExitPoison, Poison: &poison, Remaining: []string{"INBOX"}},
				{Exit: migration.ExitDone, State: migration.MailboxState{Refusals: []migration.Refusal{poison}, RefusalCount: 1}},
			}
			c.sync(5 * time.Hour)
			c.after(time.Hour, func() {
				s := c.status()
				if s.State != migration.Waiting || s.Problem.Kind != "poison" || !strings.Contains(s.Problem.Text, "UID 7") || s.Account.Copied != 10 {
					t.Errorf("the poisoned mailbox is %+v", s)
				}
				c.SignalWorkflow(answer, StepOrder{Step: migration.StepMigrate, By: "Grace"})
			})
			if err := c.run(); err != nil {
				t.Fatal(err)
			}
			if r := c.last(); r.State != migration.Done || r.RefusalCount != 1 {
				t.Errorf("the final report is %+v", r)
			}
		})
	}
}

func TestMailboxThatDoesNotCloseAsks(t *testing.T) {
	c := newCabin(t)
	c.world.Verdicts["ada@contoso.com"] = []bool{false, false, false}
	c.sync(5 * time.Hour)
	c.after(time.Hour, func() {
		if s := c.status(); s.State != migration.Waiting || s.Problem.Kind != "not-verified" || s.Passes != 3 {
			t.Errorf("after three passes that didn't close: %+v", s)
		}
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	c.after(2*time.Hour, func() {
		if s := c.status(); s.State != migration.Running || !s.Verification.Verified {
			t.Errorf("after the retry: %+v", s)
		}
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
}

func TestMailboxOrdersOfPeople(t *testing.T) {
	for _, c := range []struct {
		name  string
		give  func(*cabin)
		check func(*testing.T, *cabin)
	}{
		{"sync-now", func(c *cabin) { c.SignalWorkflow(SignalSyncNow, nil) }, func(t *testing.T, c *cabin) {
			if n := c.world.Count("Probe"); n != 4 { // first copy, delta by the clock, the one asked for, final
				t.Errorf("%d passes", n)
			}
		}},
		{"pause and resume", func(c *cabin) {
			c.SignalWorkflow(SignalPause, Order{By: "Grace"})
			c.after(time.Minute, func() {
				if s := c.status(); s.State != migration.Paused {
					c.t.Errorf("paused: %+v", s)
				}
			})
			c.after(time.Hour, func() { c.SignalWorkflow(SignalResume, Order{By: "Grace"}) })
		}, func(t *testing.T, c *cabin) {
			if n := c.world.Count("Probe"); n != 3 {
				t.Errorf("%d passes", n)
			}
		}},
		{"exclude", func(c *cabin) {
			c.SignalWorkflow(SignalExclude, Order{Reason: "nameless"})
			c.SignalWorkflow(SignalExclude, Order{By: "Grace", Reason: "left"})
		}, func(t *testing.T, c *cabin) {
			account := c.world.Accounts["ada@contoso.com"]
			if account.State != migration.Excluded || !strings.Contains(account.Note, "left") || c.world.Count("Notify") != 0 {
				t.Errorf("account %+v", account)
			}
		}},
		{"restart", func(c *cabin) { c.SignalWorkflow(SignalRestart, Order{By: "Grace"}) }, func(t *testing.T, c *cabin) {
			if n := c.world.Count("Copy"); n != 2 {
				t.Errorf("%d copies", n)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cabin := newCabin(t)
			cabin.sync(8 * time.Hour)
			cabin.after(2*time.Hour, func() { c.give(cabin) })
			if err := cabin.run(); err != nil {
				t.Fatal(err)
			}
			c.check(t, cabin)
		})
	}
}

func TestMailboxIsInterrupted(t *testing.T) {
	c := newCabin(t)
	c.sync(8 * time.Hour)
	c.world.Refuse = func(activity, _ string) error {
		if activity == "Copy" {
			return errPassing // for ever
		}
		return nil
	}
	c.after(time.Hour, func() { c.CancelWorkflow() })
	err := c.run()
	if !temporal.IsCanceledError(err) {
		t.Errorf("ended with %v", err)
	}
	if r := c.last(); !r.Final || r.State != migration.Aborted || c.world.Accounts["ada@contoso.com"].State != migration.Aborted {
		t.Errorf("the final report is %+v", r)
	}
}

func TestMailboxGoesOnAsANewRun(t *testing.T) {
	c := newCabin(t)
	c.after(time.Second, func() { c.order(func(o *mailboxOrders) { o.Sync, o.Interval = true, migration.Duration(time.Hour) }) })
	err := c.run()
	var on *workflow.ContinueAsNewError
	if !errors.As(err, &on) {
		t.Fatalf("ended with %v", err)
	}
	if n := c.world.Count("Probe"); n != passesARun {
		t.Errorf("%d passes in a run", n)
	}
}

func TestMailboxWithoutWavePausesItself(t *testing.T) {
	c := newCabin(t)
	c.sync(6 * 24 * time.Hour)
	c.after(time.Hour, func() { c.gone = true })
	passes := 0
	c.after(2*time.Hour, func() { c.SignalWorkflow(SignalSyncNow, nil); c.SignalWorkflow(SignalPause, nil) }) // something to report
	c.after(3*time.Hour, func() {
		if s := c.status(); s.State != migration.Paused || !strings.Contains(s.Doing, "its wave is not there") {
			t.Errorf("without its wave: %+v", s)
		}
		passes = c.world.Count("Probe")
	})
	c.after(4*24*time.Hour, func() {
		if n := c.world.Count("Probe"); n != passes {
			t.Errorf("%d passes while nobody is there to be told", n-passes)
		}
		c.gone = false
		c.SignalWorkflow(SignalResume, Order{By: "Grace"})
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if r := c.last(); !r.Final || r.State != migration.Done {
		t.Errorf("the final report is %+v", r)
	}
}

func TestMailboxEndsThoughNobodyIsTold(t *testing.T) {
	c := newCabin(t)
	c.sync(5 * time.Hour)
	c.after(330*time.Minute, func() { c.gone = true }) // after the final delta, before the end
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if c.world.Accounts["ada@contoso.com"].State != migration.Done {
		t.Errorf("accounts %+v", c.world.Accounts)
	}
}

func TestMailboxFetchesMailThatComesDuringTheFinalDelta(t *testing.T) {
	c := newCabin(t)
	c.sync(5 * time.Hour)
	c.after(5*time.Hour-time.Second, func() { c.world.Late["ada@contoso.com"] = []int{2, 1, 0} })
	before := 0
	c.after(5*time.Hour-time.Second, func() { before = c.world.Count("Probe") })
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if n := c.world.Count("Probe") - before; n != 3 {
		t.Errorf("%d final deltas, want one more for each that left mail behind", n)
	}
	if r := c.last(); !r.Finished || r.State != migration.Done {
		t.Errorf("the final report is %+v", r)
	}
}

func TestMailboxAsksWhileMailStillArrives(t *testing.T) {
	c := newCabin(t)
	c.sync(5 * time.Hour)
	c.after(5*time.Hour-time.Second, func() { c.world.Late["ada@contoso.com"] = []int{1, 1, 1, 1, 1, 4, 1, 0} })
	asked := false
	c.after(8*time.Hour, func() {
		asked = true
		s := c.status()
		if s.State != migration.Waiting || s.Problem.Kind != "mail-still-arrives" || !strings.Contains(s.Problem.Text, "4 the last time") {
			t.Errorf("while mail still arrives: %+v", s)
		}
		if len(c.world.Late["ada@contoso.com"]) != 2 || c.last().Finished {
			t.Errorf("%d verifications are left, report %+v", len(c.world.Late["ada@contoso.com"]), c.last())
		}
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if r := c.last(); !asked || !r.Finished || !r.Final || r.State != migration.Done {
		t.Errorf("the final report is %+v", r)
	}
}

func TestMailboxReportsADemandedPassOnce(t *testing.T) {
	c := newCabin(t)
	c.sync(10*24*time.Hour + 12*time.Hour)
	c.after(12*time.Hour, func() { c.order(func(o *mailboxOrders) { o.Pass = 1 }) })
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	met := 0
	for _, r := range c.reports {
		if r.PassDone == 1 {
			met++
		}
	}
	// The pass itself, the sixth without change after it, the final delta, and the end: not each of the ten deltas.
	if met == 0 || met > 4 {
		t.Errorf("%d of %d reports came after the demanded pass", met, len(c.reports))
	}
}
