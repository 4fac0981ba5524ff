package workflows

import (
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// bench is a tenant with real waves and mailboxes over a world.
type bench struct {
	*testsuite.TestWorkflowEnvironment
	t     *testing.T
	world *fake.World
	plan  migration.Plan
}

func newBench(t *testing.T) *bench { return newBenchWith(t, Mailbox) }

// newBenchWith has another workflow in the mailboxes' place.
func newBenchWith(t *testing.T, mailbox func(workflow.Context, MailboxInput) error) *bench {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &bench{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, world: fake.New(), plan: testPlan()}
	b.world.Register(b.TestWorkflowEnvironment)
	b.RegisterWorkflowWithOptions(Tenant, workflow.RegisterOptions{Name: TenantType})
	b.RegisterWorkflowWithOptions(Wave, workflow.RegisterOptions{Name: WaveType})
	b.RegisterWorkflowWithOptions(mailbox, workflow.RegisterOptions{Name: MailboxType})
	b.SetTestTimeout(30 * time.Second)
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "contoso", TaskQueue: "migrate"})
	return b
}

// after runs something when the migration has lasted so long.
func (b *bench) after(d time.Duration, do func()) { b.RegisterDelayedCallback(do, d) }

// update sends an update, which must be refused with the text if there is one.
func (b *bench) update(name, refusal string, in any) {
	b.UpdateWorkflow(name, name+time.Now().String(), answer{t: b.t, name: name, want: refusal}, in)
}

// enroll hands in one chunk a wave and commits them.
func (b *bench) enroll(chunks ...[]migration.Mailbox) {
	rows := 0
	for i, chunk := range chunks {
		rows += len(chunk)
		b.after(time.Duration(i+1)*time.Second, func() {
			b.update(UpdateEnroll, "", EnrollInput{Import: "list", Chunk: i + 1, Of: len(chunks), Rows: chunk})
		})
	}
	b.after(time.Duration(len(chunks)+1)*time.Second, func() {
		b.update(UpdateEnrollCommit, "", EnrollCommitInput{Import: "list", Rows: rows})
	})
}

func (b *bench) status() Status {
	b.t.Helper()
	value, err := b.QueryWorkflow(QueryStatus)
	if err != nil {
		b.t.Fatalf("status: %v", err)
	}
	var s Status
	if err := value.Get(&s); err != nil {
		b.t.Fatalf("status: %v", err)
	}
	return s
}

// approve approves whatever stands at the gate as soon as it does.
func (b *bench) approve(from time.Duration) {
	var look func()
	look = func() {
		s := b.status()
		switch {
		case s.Gate != nil:
			b.SignalWorkflow(SignalApprove, Decision{Digest: s.Gate.Digest, By: "Grace"})
		case s.State.Finished():
		default:
			b.RegisterDelayedCallback(look, 10*time.Minute)
		}
	}
	b.after(from, look)
}

func (b *bench) run() error {
	b.ExecuteWorkflow(TenantType, TenantInput{Plan: b.plan, Launch: "20261123-1"})
	if !b.IsWorkflowCompleted() {
		b.t.Fatal("the tenant did not end")
	}
	return b.GetWorkflowError()
}

func TestTenantCarriesThroughElevenSteps(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo", "dan", "eve"))
	b.approve(time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	for _, step := range s.Steps {
		if step.State != migration.Done {
			t.Errorf("step %d is %s: %s", step.Step, step.State, step.Text)
		}
	}
	if s.State != migration.Done || s.Totals.Finished != 5 || s.Totals.Account.Copied != 50 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
	if got := b.world.MX["contoso.com"]; got.Data[0] != "0 contoso-com.mail.protection.outlook.com" || got.TTL != 3600 {
		t.Errorf("the MX is %+v", got)
	}
	if n := len(b.world.Accounts); n != 5 || b.world.Report == nil {
		t.Errorf("%d accounts archived, report %v", n, b.world.Report)
	}
	for _, kind := range []string{"announcement", "reminder", "welcome"} {
		if n := b.world.Count("Notify " + kind); n != 5 {
			t.Errorf("%d of %s sent", n, kind)
		}
	}
}
