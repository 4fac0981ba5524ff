package servertest

import (
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// small is a tenant with two waves and three mailboxes, which begin to copy.
func small(t *testing.T) (*bench, []migration.Mailbox, string) {
	t.Helper()
	plan := pressed()
	plan.Waves = []migration.Wave{{Name: "wave-01"}, {Name: "wave-02"}}
	b := newBench(t, newWorld(time.Millisecond), plan, nil)
	b.work()
	rows := append(b.rows("wave-01", "ada", "ben"), b.rows("wave-02", "cleo")...)
	for _, row := range rows {
		b.world.fill(row.Address, 10)
	}
	launched, err := b.Launch(t.Context(), plan, rows)
	b.must(err)
	return b, rows, launched.Launch
}

// TestSecondLaunch: a tenant that runs is launched again only with the same plan, and then goes on; one that
// has ended gets a launch with the next number, whose workflows don't get in the way of the first's.
func TestSecondLaunch(t *testing.T) {
	b, rows, first := small(t)
	again, err := b.Launch(t.Context(), b.plan, rows)
	if err != nil || !again.Continued || again.Launch != first {
		t.Errorf("the same list again gave %+v, %v", again, err)
	}
	other := b.plan
	other.Organisation = "Fabrikam"
	if _, err := b.Launch(t.Context(), other, rows); !operator.IsKind(err, operator.Running) ||
		!strings.Contains(err.Error(), "another plan") || !strings.Contains(err.Error(), first) {
		t.Errorf("another plan while it runs gave %v, want a refusal that names %s", err, first)
	}
	b.approve(time.Minute)
	b.end(time.Minute, migration.Done)

	second, err := b.Launch(t.Context(), b.plan, rows)
	b.must(err)
	if want := strings.TrimSuffix(first, "-1") + "-2"; second.Continued || second.Launch != want {
		t.Errorf("launched again %+v, want launch %s", second, want)
	}
	b.until("the second launch's copies", time.Minute, func(s operator.Status) bool {
		return s.Launch == second.Launch && s.Totals.Verified == len(rows)
	})
	b.must(b.Abort(t.Context(), b.plan.Tenant, workflows.Order{By: "Grace"}))
	b.end(time.Minute, migration.Aborted)
	for _, id := range []string{
		workflows.WaveID(b.plan.Tenant, first, "wave-01"), workflows.WaveID(b.plan.Tenant, second.Launch, "wave-01"),
		workflows.MailboxID(b.plan.Tenant, first, rows[0].Address), workflows.MailboxID(b.plan.Tenant, second.Launch, rows[0].Address),
	} {
		b.closedAs(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	}
}

// closedAs waits until a workflow has ended in this way.
func (b *bench) closedAs(id string, want enumspb.WorkflowExecutionStatus) {
	b.t.Helper()
	var got enumspb.WorkflowExecutionStatus
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		description, err := b.client.DescribeWorkflowExecution(b.t.Context(), id, "")
		b.must(err)
		if got = description.WorkflowExecutionInfo.Status; got == want {
			return
		}
	}
	b.t.Errorf("%s stands as %s, want %s", id, got, want)
}

// TestCancelIsAbort: Temporal's Cancel does at each level what abort does, and the workflow closes as cancelled.
func TestCancelIsAbort(t *testing.T) {
	const (
		completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		cancelled = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED
	)
	b, rows, launch := small(t)
	ada, ben, cleo := rows[0].Address, rows[1].Address, rows[2].Address
	id := func(address string) string { return workflows.MailboxID(b.plan.Tenant, launch, address) }
	b.until("the gate", time.Minute, func(s operator.Status) bool { return s.Gate != nil })

	// A mailbox: its account is archived, and its wave waits for a person.
	b.must(b.client.CancelWorkflow(t.Context(), id(ada), ""))
	b.closedAs(id(ada), cancelled)
	b.archivedAs(ada, migration.Aborted)
	b.until("the question about the mailbox", time.Minute, func(s operator.Status) bool {
		return len(s.Waiting) == 1 && s.Waiting[0].Mailbox == ada && s.Waiting[0].Problem.Kind == "mailbox-aborted"
	})

	// A wave: its mailboxes are aborted with it.
	wave := workflows.WaveID(b.plan.Tenant, launch, "wave-01")
	b.must(b.client.CancelWorkflow(t.Context(), wave, ""))
	b.closedAs(wave, cancelled)
	b.closedAs(id(ben), completed)
	b.archivedAs(ben, migration.Aborted)

	// The tenant: everything that is left.
	b.must(b.client.CancelWorkflow(t.Context(), b.plan.Tenant, ""))
	b.closedAs(b.plan.Tenant, cancelled)
	b.closedAs(workflows.WaveID(b.plan.Tenant, launch, "wave-02"), completed)
	b.closedAs(id(cleo), completed)
	b.archivedAs(cleo, migration.Aborted)
	b.world.Mu.Lock()
	defer b.world.Mu.Unlock()
	if b.world.Report == nil || b.world.Report.State != migration.Aborted {
		t.Errorf("the closing report is %+v, want one of an aborted migration", b.world.Report)
	}
	if stands := b.world.MX["contoso.com"].Data; stands[0] != "10 mail.old.example" {
		t.Errorf("the MX is %v, want it as it was", stands)
	}
}

// archivedAs fails the test unless the mailbox's account was archived with this state.
func (b *bench) archivedAs(address string, want migration.State) {
	b.t.Helper()
	b.world.Mu.Lock()
	defer b.world.Mu.Unlock()
	if got := b.world.Accounts[address].State; got != want {
		b.t.Errorf("the account of %s is archived as %q, want %q", address, got, want)
	}
}

// TestTerminatedChildrenAreFound: a mailbox and a wave that someone terminated are found by the next look, and a person
// is asked.
func TestTerminatedChildrenAreFound(t *testing.T) {
	b, rows, launch := small(t)
	b.until("the gate", time.Minute, func(s operator.Status) bool { return s.Gate != nil })
	ada := workflows.MailboxID(b.plan.Tenant, launch, rows[0].Address)
	wave := workflows.WaveID(b.plan.Tenant, launch, "wave-02")
	b.must(b.client.TerminateWorkflow(t.Context(), ada, "", "by mistake"))
	b.must(b.client.TerminateWorkflow(t.Context(), wave, "", "by mistake"))
	b.until("the questions about both", time.Minute, func(s operator.Status) bool {
		kinds := ""
		for _, w := range s.Waiting {
			kinds += w.Problem.Kind + " "
		}
		return strings.Contains(kinds, "mailbox-ended") && strings.Contains(kinds, "wave-ended") && s.Gate == nil
	})
}
