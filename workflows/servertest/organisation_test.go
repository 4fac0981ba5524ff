package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// What an organisation's migration may cost the server, and an operator who looks at it.
const (
	organisationSize = 1000
	largestHistory   = 5_000_000
	// warnedHistory is where a server begins to warn of a history's size (limit.historySize.warn).
	warnedHistory = 10 << 20
	mostEvents    = 10_000
	longestLook   = 2 * time.Second
	// patience is for machines that are busy with other things: on two idle cores all takes some three minutes.
	patience = 12 * time.Minute
)

func size(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// TestOrganisation migrates 1,000 mailboxes in two waves, which are the largest there can be, by copies that only
// pretend, with the server's usual limits.
func TestOrganisation(t *testing.T) {
	plan := pressed()
	plan.Waves = []migration.Wave{{Name: "wave-01"}, {Name: "wave-02"}}
	migrate(t, size("ORGANISATION", organisationSize), plan, 0, largestHistory)
}

// TestLargestPlan migrates a whole wave whose rows are as long as rows may be, by a plan as large as plans may be:
// nothing is terminated for its size.
func TestLargestPlan(t *testing.T) {
	const (
		plansLimit = 256 << 10 // of internal/plan, as JSON
		partsLimit = 96 << 10
		rowsLimit  = 2 << 10 // of the starter and the tenant
	)
	plan := pressed()
	fill := func(limit int, what any, into *string) {
		encoded, err := json.Marshal(what)
		if err != nil || len(encoded) > limit {
			t.Fatalf("%d bytes are more than %d, or %v", len(encoded), limit, err)
		}
		*into += strings.Repeat("x", limit-len(encoded))
	}
	part := []any{&plan.Endpoints[0], &plan.Microsoft, &plan.Target, &plan.Notices, &plan.Copy}
	fill(partsLimit, part, &plan.Endpoints[0].CA)
	plan.DNS.DKIM = []migration.Record{{Name: "selector1._domainkey.contoso.com", Type: "CNAME", Data: []string{""}}}
	plan.Waves = []migration.Wave{{Name: "wave-01"}}
	fill(plansLimit, &plan, &plan.DNS.DKIM[0].Data[0])
	migrate(t, size("LARGEST", 500), plan, rowsLimit, warnedHistory)
}

// migrate carries so many mailboxes from the launch to the end, with rows of so many bytes where that is
// given, and fails the test where the server bears more than it should, histories of so many bytes among it.
func migrate(t *testing.T, size int, plan migration.Plan, rowSize int, history int64) {
	t.Helper()
	seconds := func(n int) migration.Duration { return migration.Duration(time.Duration(n) * time.Second) }
	plan.Endpoints[0].MailboxesAtOnce = 100
	plan.Timing.Poll, plan.Timing.Report, plan.Timing.Resend, plan.Timing.Children = seconds(1), seconds(5), seconds(20), seconds(60)
	plan.Timing.Delta, plan.Timing.DeltaAfterMX, plan.Timing.Quiet = seconds(600), seconds(600), seconds(5)
	plan.Timing.QuietLimit = seconds(600)
	// The server makes much garbage, and this machine has the memory.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	b := newBench(t, newWorld(5*time.Millisecond), plan, nil)
	b.work()
	var rows []migration.Mailbox
	var addresses []string
	for n := range size {
		row := b.rows(plan.Waves[n*len(plan.Waves)/size].Name, fmt.Sprintf("user%04d", n))[0]
		if encoded, err := json.Marshal(row); err == nil && rowSize > 0 {
			row.DisplayName = strings.Repeat("n", rowSize-len(encoded)-len(`,"displayName":""`))
		}
		rows, addresses = append(rows, row), append(addresses, row.Address)
		b.world.fill(row.Address, 5)
	}
	began := time.Now()
	launched, err := b.Launch(t.Context(), plan, rows)
	b.must(err)
	t.Logf("%d mailboxes enrolled in %s", size, time.Since(began).Round(time.Millisecond))

	looks := b.look()
	b.until("the gate", patience, func(s operator.Status) bool { return s.Gate != nil })
	t.Logf("at the gate after %s", time.Since(began).Round(time.Second))
	b.approve(patience)
	b.end(patience, migration.Done)
	took := looks()
	t.Logf("ended after %s", time.Since(began).Round(time.Second))

	b.world.accounted(t, addresses)
	for _, kind := range []string{workflows.TenantType, workflows.WaveType, workflows.MailboxType} {
		f := b.measure(t.Context(), kind)
		t.Logf("%s: %s", kind, f)
		if f.runs == 0 || f.events > mostEvents || f.bytes > history {
			t.Errorf("the largest history of a %s has %d events and %d bytes; want at most %d and %d", kind, f.events, f.bytes, mostEvents, history)
		}
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("status: %d looks, the median took %s, the slowest %s", len(took), median, took[len(took)-1])
	if median > longestLook {
		t.Errorf("the median look at the status took %s, want at most %s", median, longestLook)
	}
	if _, err := b.Wave(t.Context(), workflows.WaveID(plan.Tenant, launched.Launch, plan.Waves[0].Name)); err != nil {
		t.Error(err)
	}
}

// look looks at the status again and again until the returned function is called, and returns how long each look took.
func (b *bench) look() (end func() []time.Duration) {
	ctx, cancel := context.WithCancel(b.t.Context())
	var wait sync.WaitGroup
	var took []time.Duration
	wait.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			s, err := b.Status(ctx, b.plan.Tenant)
			if ctx.Err() != nil {
				return
			}
			took = append(took, time.Since(began))
			if err != nil || !s.Worker {
				b.t.Logf("a look got no answer in %s: %s %v", took[len(took)-1], s.Note, err)
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
	return func() []time.Duration { cancel(); wait.Wait(); return took }
}
