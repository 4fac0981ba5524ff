package servertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// TestManyRuns has every workflow go on as a new run again and again while reports, orders, lists of mailboxes, mail and
// the signals of people keep coming: nothing of it is lost, and nothing is done twice.
func TestManyRuns(t *testing.T) {
	plan := pressed()
	plan.Waves = []migration.Wave{{Name: "wave-01"}, {Name: "wave-02"}, {Name: "wave-03"}}
	b := newBench(t, newWorld(20*time.Millisecond), plan, map[string]any{
		"limit.historyCount.suggestContinueAsNew": 50,
		"limit.blobSize.error":                    128 << 10,
		"limit.blobSize.warn":                     64 << 10,
	})
	stop := b.work()
	lists := [][]migration.Mailbox{
		append(b.rows("wave-01", "ada", "ben", "cleo", "dan"), b.rows("wave-02", "eve", "fay")...),
		b.rows("wave-02", "gil", "hal"), b.rows("wave-03", "ida", "jon", "kay", "lea"),
	}
	var addresses []string
	for _, list := range lists {
		for _, row := range list {
			addresses = append(addresses, row.Address)
			b.world.fill(row.Address, 20+len(addresses))
		}
	}
	launched, err := b.Launch(t.Context(), plan, lists[0])
	b.must(err)

	people := &people{bench: b, launch: launched.Launch, addresses: addresses, random: rand.New(rand.NewPCG(1, 2)), kept: map[string][]string{}}
	people.begin()
	mail := b.arrivals(addresses)
	for n, list := range lists[1:] {
		time.Sleep(time.Second)
		b.enroll(fmt.Sprint("list-", n), list)
	}
	b.until("the gate", 2*time.Minute, func(s operator.Status) bool { return s.Gate != nil })
	stop() // what the next worker carries on it has to replay
	b.work()
	time.Sleep(3 * time.Second) // deltas at the gate
	b.until("enough signals", 2*time.Minute, func(operator.Status) bool { return people.taken.Load() >= 100 })
	mail()
	b.approve(2 * time.Minute)
	b.until("the final deltas", 2*time.Minute, func(s operator.Status) bool {
		return s.Steps[migration.StepRouting-1].Text == "final delta" || s.Closed != ""
	})
	people.end()
	b.end(time.Minute, migration.Done)

	b.world.accounted(t, addresses)
	people.remembered()
	for _, address := range addresses {
		b.oneFinal(workflows.MailboxID(plan.Tenant, launched.Launch, address))
	}
	for _, kind := range []string{workflows.TenantType, workflows.WaveType, workflows.MailboxType} {
		f := b.measure(t.Context(), kind)
		t.Logf("%s: %s", kind, f)
		if least := map[string]int{workflows.TenantType: 5, workflows.WaveType: 15, workflows.MailboxType: 36}[kind]; f.runs < least {
			t.Errorf("%s has %d runs; the test shows something with %d", kind, f.runs, least)
		}
	}
}

// enroll stages a list that is discarded, and then one that isn't.
func (b *bench) enroll(name string, rows []migration.Mailbox) {
	b.t.Helper()
	b.must(b.update(workflows.UpdateEnroll, workflows.EnrollInput{Import: name + "-wrong", Chunk: 1, Of: 2, Rows: rows}))
	b.must(b.update(workflows.UpdateEnrollDiscard, workflows.EnrollCommitInput{Import: name + "-wrong"}))
	for n, row := range rows {
		in := workflows.EnrollInput{Import: name, Chunk: n + 1, Of: len(rows), Rows: []migration.Mailbox{row}}
		b.must(b.update(workflows.UpdateEnroll, in))
		b.must(b.update(workflows.UpdateEnroll, in)) // once more changes nothing
	}
	b.must(b.update(workflows.UpdateEnrollCommit, workflows.EnrollCommitInput{Import: name, Rows: len(rows)}))
}

// arrivals has mail arrive at the sources until the returned function is called.
func (b *bench) arrivals(addresses []string) (end func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			b.world.fill(addresses[n%len(addresses)], 1)
			time.Sleep(300 * time.Millisecond)
		}
	})
	return func() { cancel(); wait.Wait() }
}

// people send signals, each with a reason of its own.
type people struct {
	*bench
	launch    string
	addresses []string
	random    *rand.Rand
	cancel    context.CancelFunc
	wait      sync.WaitGroup
	taken     atomic.Int32 // how many signals the server took
	// kept are the reasons of the signals that the server took, by the workflow's ID.
	kept map[string][]string
}

func (p *people) begin() {
	ctx, cancel := context.WithCancel(p.t.Context())
	p.cancel = cancel
	p.wait.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			id := p.anyone()
			if len(p.kept[id]) >= 30 { // its answer tells of the last 50 entries of its trail
				time.Sleep(50 * time.Millisecond)
				continue
			}
			if p.random.IntN(3) == 0 {
				p.signal(id, workflows.SignalSyncNow, n)
				continue
			}
			p.signal(id, workflows.SignalPause, n)
			p.signal(id, workflows.SignalResume, n)
		}
	})
}

func (p *people) end() {
	p.cancel()
	p.wait.Wait()
}

// anyone is the ID of a workflow, which may not be there yet.
func (p *people) anyone() string {
	switch n := p.random.IntN(8); {
	case n == 0:
		return p.plan.Tenant
	case n < 3:
		return workflows.WaveID(p.plan.Tenant, p.launch, p.plan.Waves[p.random.IntN(len(p.plan.Waves))].Name)
	}
	return workflows.MailboxID(p.plan.Tenant, p.launch, p.addresses[p.random.IntN(len(p.addresses))])
}

func (p *people) signal(id, name string, n int) {
	reason := fmt.Sprintf("reason-%s-%d.", name, n)
	err := p.client.SignalWorkflow(p.t.Context(), id, "", name, workflows.Order{By: "Grace", Reason: reason})
	var unknown *serviceerror.NotFound
	switch {
	case err == nil:
		p.kept[id] = append(p.kept[id], reason)
		p.taken.Add(1)
	case !errors.As(err, &unknown):
		p.t.Errorf("signalling %s: %v", id, err)
	}
	time.Sleep(150 * time.Millisecond)
}

// remembered fails the test unless each signal that was taken has been carried out, or ignored with a reason, once. What
// was ignored has no reason in the trail but why it was, so those are only counted.
func (p *people) remembered() {
	p.t.Helper()
	total := 0
	for id, reasons := range p.kept {
		audit := p.audit(id)
		if len(audit) == 50 {
			p.t.Errorf("%s has a longer trail than it tells of", id)
		}
		ignored, missing := 0, 0
		for _, entry := range audit {
			if strings.Contains(entry.What, " was ignored: ") {
				ignored++
			}
		}
		for _, reason := range reasons {
			n := 0
			for _, entry := range audit {
				if strings.HasSuffix(entry.What, ": "+reason) {
					n++
				}
			}
			switch {
			case n == 1:
			case n == 0:
				missing++
			default:
				p.t.Errorf("%s has %d entries of %q", id, n, reason)
			}
		}
		if missing != ignored {
			p.t.Errorf("%s ignored %d signals, and %d left no entry", id, ignored, missing)
		}
		total += len(reasons)
	}
	p.t.Logf("%d signals of people were taken by %d workflows", total, len(p.kept))
	if total < 100 {
		p.t.Errorf("only %d signals were sent", total)
	}
}

// audit is the audit trail of a workflow, which may have ended.
func (p *people) audit(id string) []migration.AuditEntry {
	p.t.Helper()
	switch {
	case id == p.plan.Tenant:
		s, err := p.Status(p.t.Context(), id)
		p.must(err)
		return s.Audit
	case strings.Contains(id, "/mailbox/"):
		s, err := p.Mailbox(p.t.Context(), id)
		p.must(err)
		return s.Audit
	}
	s, err := p.Wave(p.t.Context(), id)
	p.must(err)
	return s.Audit
}

// oneFinal fails the test unless the mailbox recounted both sides exactly once after it was ordered to finish: nothing
// arrives any more, so the final delta alone does that.
func (b *bench) oneFinal(id string) {
	b.t.Helper()
	ordered, finals := false, 0
	b.events(id, func(e *historypb.HistoryEvent) {
		if s := e.GetWorkflowExecutionSignaledEventAttributes(); s.GetSignalName() == "orders" {
			var orders struct {
				Finish bool `json:"finish"`
			}
			b.must(converter.GetDefaultDataConverter().FromPayloads(s.Input, &orders))
			ordered = ordered || orders.Finish
		}
		if ordered && e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "Verify" {
			finals++
		}
	})
	if finals != 1 {
		b.t.Errorf("%s made %d final deltas, want one", id, finals)
	}
}

// events visits every event of every run of a workflow, in order.
func (b *bench) events(id string, visit func(*historypb.HistoryEvent)) {
	b.t.Helper()
	description, err := b.client.DescribeWorkflowExecution(b.t.Context(), id, "")
	b.must(err)
	for run := description.WorkflowExecutionInfo.FirstRunId; run != ""; {
		events := b.client.GetWorkflowHistory(b.t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		run = ""
		for events.HasNext() {
			e, err := events.Next()
			b.must(err)
			visit(e)
			if on := e.GetWorkflowExecutionContinuedAsNewEventAttributes(); on != nil {
				run = on.NewExecutionRunId
			}
		}
	}
}
