package workflows

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// payloadLimit is the server's.
const payloadLimit = 2 << 20

func TestLargestWaveFitsIntoAPayload(t *testing.T) {
	w := wide(waveRows, rowLimit)
	rows := mailboxesOf(w.s.Rows)
	if n := len(encode(rows[0])); n != rowLimit {
		t.Fatalf("a row has %d bytes", n)
	}
	if n := len(encode(stageMessage{Import: strings.Repeat("f", 64), Chunk: 1, Rows: rows})); n >= payloadLimit {
		t.Errorf("a stage message has %d bytes", n)
	}
	if n := len(encode(EnrollInput{Import: strings.Repeat("f", 64), Chunk: 1, Of: 1, Rows: rows})); n >= payloadLimit {
		t.Errorf("an update has %d bytes", n)
	}
	if n := len(encode(movedMessage{w.s.Rows[:movedWindow]})); n >= payloadLimit {
		t.Errorf("moved rows have %d bytes", n)
	}
	// A run begins with rows that all wait, an audit trail that is full, and a large plan.
	for i, r := range w.s.Rows {
		r.State, r.Note = migration.Waiting, strings.Repeat("n", 300)
		r.Problem = &migration.Problem{Kind: "sign-in-refused", Text: strings.Repeat("t", 1000), Remedy: strings.Repeat("r", 500)}
		r.Password = migration.Sealed(strings.Repeat("p", 200))
		for range 2 {
			w.s.Audit = addAudit(w.s.Audit, "contoso/20261123-1/wave-01", migration.AuditEntry{At: time.Unix(int64(i), 0), By: strings.Repeat("b", maxBy), What: strings.Repeat("w", maxText)})
		}
	}
	w.in.Plan.Target.CA = strings.Repeat("c", 64<<10)
	w.trim()
	in := w.in
	in.Carried = &w.s
	if n := len(encode(in)); n >= payloadLimit {
		t.Errorf("a new run begins with %d bytes", n)
	}
	if r := w.s.Rows[0]; r.Problem == nil || r.Problem.Text == "" || r.Mailbox == nil {
		t.Error("a row was lost")
	}
}

func TestWaveThatGoesOnFits(t *testing.T) {
	w := WaveInput{Name: "wave-01", Plan: testPlan(), Carried: &WaveMemory{}}
	w.Plan.Target.CA = strings.Repeat("c", 110_000)
	words := strings.Repeat("what the server said; ", 60)
	for n := range 500 {
		m := migration.Mailbox{Address: fmt.Sprintf("user%d@contoso.com", n), DisplayName: strings.Repeat("n", 1900)}
		w.Carried.Rows = append(w.Carried.Rows, &row{
			Address: m.Address, Mailbox: &m, State: migration.Waiting, Note: cut(words, maxWords),
			Problem: short(migration.Problem{Kind: "refused", Text: words, Remedy: words}),
		})
	}
	for range maxAudit {
		w.Carried.Audit = addAudit(w.Carried.Audit, "contoso/20261123-1/wave-01", migration.AuditEntry{By: cut(words, maxBy), What: cut(words, maxText)})
	}
	if size := len(encode(w)); size < payloadLimit {
		t.Fatalf("%d bytes fit without being trimmed; the test shows nothing", size)
	}
	going := &wave{in: w, s: *w.Carried}
	going.trim()
	w.Carried = &going.s
	if size := len(encode(w)); size > payloadLimit*95/100 {
		t.Errorf("%d bytes are left", size)
	}
	if p := w.Carried.Rows[7].Problem; p.Kind != "refused" || p.Text == "" || w.Carried.Rows[7].Mailbox.DisplayName == "" {
		t.Errorf("too much is left out: %+v", w.Carried.Rows[7])
	}
}

// TestTenantThatGoesOnFits: a tenant with as many mailboxes as it takes, in waves of 500, of which each has much to say.
func TestTenantThatGoesOnFits(t *testing.T) {
	for _, c := range []struct {
		name          string
		plan, domains int
		waves, fewest int
	}{
		{"a usual plan", 20_000, 5, 100, 60_000},
		{"many domains", 20_000, 250, 100, 15_000},
		{"the largest plan", 256 << 10, 5, 200, 50_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &tenant{in: TenantInput{Plan: testPlan(), Launch: "20261123-1"}}
			x.in.Plan.Domains, x.in.Plan.Waves = nil, nil
			for n := range c.domains {
				x.in.Plan.Domains = append(x.in.Plan.Domains, fmt.Sprintf("department-%03d.contoso.com", n))
			}
			for n := range c.waves {
				x.in.Plan.Waves = append(x.in.Plan.Waves, migration.Wave{Name: fmt.Sprintf("wave-%03d", n)})
			}
			x.in.Plan.Target.CA = strings.Repeat("c", max(0, c.plan-len(encode(x.in.Plan))))
			x.s = newTenantState(x.in.Plan, time.Unix(0, 0))
			room := x.room()
			if room < c.fewest {
				t.Errorf("it takes %d mailboxes", room)
			}
			x.s.Ledger = make(ledger, room*ledgerEntry)
			if x.room() != 0 {
				t.Errorf("when it is full it takes %d more", x.room())
			}
			x.fill()
			in := x.in
			in.Carried = &x.s
			before := len(encode(in))
			x.trim()
			if size := len(encode(in)); size > payloadLimit*95/100 || before < payloadLimit {
				t.Errorf("%d bytes are left of %d", size, before)
			}
			if w := x.s.Waves[7]; len(w.Report.Counts) == 0 || w.Report.Status.Totals.Mailboxes != 500 {
				t.Errorf("too much is left out: %+v", w.Report)
			}
		})
	}
}

// fill has every wave and domain say as much as they may.
func (t *tenant) fill() {
	now, words := time.Unix(1_800_000_000, 999), strings.Repeat("what the server said; ", 60)
	record := migration.Record{Name: "department-001.contoso.com", Type: "MX", TTL: 3600, Data: []string{"0 department-001-contoso-com.mail.protection.outlook.com"}}
	for _, w := range t.s.Waves {
		r := &w.Report
		r.Status = WaveStatus{Name: w.Name, State: migration.Running, Pace: Pace{Began: now, Slowest: "user@department-001.contoso.com"}}
		r.Status.Totals = Totals{Mailboxes: 500, Verified: 500, Account: migration.Account{Source: 1 << 40, Copied: 1 << 40, Bytes: 1 << 50}}
		for _, step := range waveSteps {
			r.Counts = append(r.Counts, stepCount{step, 500, 500, 500})
			r.Status.Steps = append(r.Status.Steps, StepStatus{Step: step, Name: step.Name(), Title: step.Title(), State: migration.Waiting, Text: "123 of 500, 12 wait for a person, 13 late"})
		}
		for n := range namedWaiting {
			address := fmt.Sprintf("user%03d@department-001.contoso.com", n)
			r.Status.Waiting = append(r.Status.Waiting, Waiting{Step: 7, Mailbox: address, Wave: w.Name, Since: now, Problem: *short(migration.Problem{Kind: "refused", Text: words, Remedy: words})})
			if n < namedRetrying {
				r.Status.Retrying = append(r.Status.Retrying, Retrying{Step: 7, Wave: w.Name, Mailbox: address, What: "the first copy", Since: now, Words: cut(words, maxWords)})
			}
		}
		for _, domain := range t.in.Plan.Domains {
			r.Probes = append(r.Probes, "some.person@"+domain)
		}
		w.Told = waveOrders{Number: 100, Domains: t.in.Plan.Domains, Shares: []share{{"old", 100}}}
	}
	for _, d := range t.s.Domains {
		*d = tenantDomain{
			Name: d.Name, Wanted: record, Original: record, Proven: []migration.Record{record, record, record}, Deadline: now, Lowered: now,
			Change: &migration.Change{Before: record, After: record}, Changed: now, Probe: "<probe-1@department-001.contoso.com>", Sent: now,
		}
	}
	t.s.Gate = &Gate{Domains: t.in.Plan.Domains, Since: now}
	for _, domain := range t.in.Plan.Domains {
		change := migration.Change{Before: record, After: record}
		t.s.Gate.Changes = append(t.s.Gate.Changes, change)
		t.s.Changes = append(t.s.Changes, change, change, change, change) // the TTL lowered, the MX changed, set back or its TTL raised
		for _, kind := range []migration.ProofKind{migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace} {
			t.s.Proofs = append(t.s.Proofs, migration.Proof{Domain: domain, Kind: kind, State: migration.ProofOpen, Text: words[:150]})
		}
	}
	for n := range max(maxAudit, maxApprovals) {
		t.s.Audit = addAudit(t.s.Audit, "contoso/20261123-1", migration.AuditEntry{At: now, By: cut(words, maxBy), What: cut(words, maxText)})
		if n < maxApprovals {
			t.s.Approvals = append(t.s.Approvals, migration.Approval{At: now, By: cut(words, maxBy), Note: cut(words, maxText), Digest: strings.Repeat("d", 20)})
		}
	}
}

// TestTenantTakesNoMoreThanItCanCarry: a list that is too long for one migration is refused with the number that fits.
func TestTenantTakesNoMoreThanItCanCarry(t *testing.T) {
	x := &tenant{in: TenantInput{Plan: testPlan()}}
	x.s = newTenantState(x.in.Plan, time.Unix(0, 0))
	x.s.Ledger = make(ledger, (x.room()-2)*ledgerEntry)
	if faults := x.faults(&importState{}, testRows("wave-01", "ada", "ben")); len(faults) != 0 {
		t.Errorf("two more: %v", faults)
	}
	faults := x.faults(&importState{}, testRows("wave-01", "ada", "ben", "cleo"))
	if len(faults) != 1 || !strings.Contains(faults[0], "room for 2 more mailboxes") {
		t.Errorf("three more: %v", faults)
	}
}

// TestMailboxOfTooManyFoldersAsks: before what it remembers is more than the server takes a person is asked, and it can
// still go on as a new run, and end.
func TestMailboxOfTooManyFoldersAsks(t *testing.T) {
	folders := func(from, n int) migration.MailboxState {
		var s migration.MailboxState
		for i := range n {
			name := fmt.Sprintf("Projects/2019/Customer %05d", from+i)
			s.Folders = append(s.Folders, migration.FolderState{Source: name, Target: name, UIDValidity: 1 << 30, Account: migration.Account{Source: 10, Copied: 10}})
		}
		return s
	}
	c := newCabin(t)
	for from := 0; from < 12_000; from += 1000 {
		c.world.Exits["ada@contoso.com"] = append(c.world.Exits["ada@contoso.com"], activities.CopyOutput{
			Exit: migration.ExitSlice, State: folders(from, 1000), Remaining: []string{"INBOX"},
		})
	}
	c.sync(24 * time.Hour)
	c.after(time.Hour, func() {
		s := c.status()
		if s.State != migration.Waiting || s.Problem.Kind != "state-too-large" || !strings.Contains(s.Problem.Text, "ada@contoso.com") {
			t.Errorf("it is %s, %+v", s.State, s.Problem)
		}
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	c.after(2*time.Hour, func() {
		if s := c.status(); s.State != migration.Waiting || s.Problem.Kind != "state-too-large" {
			t.Errorf("retried in vain it is %s, %+v", s.State, s.Problem)
		}
		c.SetContinueAsNewSuggested(true)
		c.SignalWorkflow(SignalPause, Order{By: "Grace"})
	})
	err := c.run()
	var on *workflow.ContinueAsNewError
	if !errors.As(err, &on) {
		t.Fatalf("ended with %v", err)
	}
	if n := len(on.Input.GetPayloads()[0].GetData()); n > payloadLimit*95/100 {
		t.Errorf("%d bytes are carried on", n)
	}
}

// TestMemoFits: whatever stands in it, what is shown of a tenant or a wave without a worker is at most 2 kB.
func TestMemoFits(t *testing.T) {
	now, odd, long := time.Unix(1_800_000_000, 123456789).UTC(), strings.Repeat("<", 400), strings.Repeat("a", 64)+"@"+strings.Repeat("d", 255)
	account := migration.Account{Source: 1 << 40, Copied: 1 << 40, Already: 1 << 40, Refused: 1 << 40, Bytes: 1 << 50}
	load := Load{1 << 40, 1 << 50}
	m := Memo{
		State: migration.Waiting, Step: migration.StepWelcome, Doing: odd, Waiting: 50_000, Since: now, Modified: now, Digest: strings.Repeat("d", 2*digestSize),
		Totals: Totals{Mailboxes: 50_000, Verified: 50_000, Finished: 50_000, Failed: 50_000, Excluded: 50_000, Account: account, Refusals: 50_000, Expected: 1 << 40, Passwords: 50_000},
		Pace: &Pace{
			Began: now, Ended: now, Copied: 50_000, Active: 500, AtOnce: 500, Uncounted: 50_000, All: load, Left: load, Largest: load, Longest: load,
			Slowest: long, Rate: &Rate{Load: load, Over: migration.Duration(time.Hour), At: now},
		},
	}
	for range migration.Steps() {
		m.States = append(m.States, migration.Waiting)
	}
	m.first(Waiting{Mailbox: long, Problem: migration.Problem{Kind: strings.Repeat("k", 100), Text: odd}})
	pace := *m.Pace
	fitted := m.fitted()
	if n := len(encode(fitted)); n > 2<<10 {
		t.Errorf("a memo has %d bytes", n)
	}
	if fitted.First == "" || fitted.Mailbox != long || fitted.Pace.Left != load || *m.Pace != pace {
		t.Errorf("too much is left out: %+v", fitted)
	}
	if m.Doing, m.First, m.Mailbox, m.Pace.Slowest = "copying", "no", "", ""; m.fitted().First != "no" || m.fitted().Doing != "copying" {
		t.Error("a small memo is cut")
	}
}

// TestAnswersFit: what a query answers with must fit into a payload too, however many mailboxes wait for a person.
func TestAnswersFit(t *testing.T) {
	x := &tenant{in: TenantInput{Plan: testPlan(), Launch: "20261123-1"}}
	x.in.Plan.Waves = nil
	for n := range 200 {
		x.in.Plan.Waves = append(x.in.Plan.Waves, migration.Wave{Name: fmt.Sprintf("wave-%03d", n)})
	}
	x.s = newTenantState(x.in.Plan, time.Unix(0, 0))
	x.fill()
	for _, w := range x.s.Waves {
		w.Started, w.Report.Status.WaitingCount = true, 500
	}
	s := x.status()
	if n := len(encode(s)); n > payloadLimit*95/100 {
		t.Errorf("a tenant answers with %d bytes", n)
	}
	if text := tenantDetails(s); s.CountWaiting() != 100_000 || !strings.Contains(text, "(100000)") {
		t.Errorf("it counts %d: %s", s.CountWaiting(), text)
	}
	if len(s.Waiting) < 100 || s.Waves[7].WaitingCount != 500 || len(s.Waves[7].Waiting) == 0 {
		t.Errorf("%d are named, %d of wave 7", len(s.Waiting), len(s.Waves[7].Waiting))
	}

	w := wide(waveRows, rowLimit)
	words := strings.Repeat("what the server said; ", 60)
	for _, r := range w.s.Rows {
		r.Stage, r.State, r.Mailbox, r.Note = stageStarted, migration.Waiting, nil, cut(words, 300)
		r.Problem = short(migration.Problem{Kind: "refused", Text: words, Remedy: words})
		r.Report = mailboxReport{Number: 7, Address: r.Address, Problem: r.Problem, Retrying: &Retrying{What: "first copy", Words: cut(words, maxWords)}}
		r.Handed = &Handed{To: cut(words, maxBy), By: cut(words, maxBy), Times: 1}
	}
	for range maxAudit {
		w.s.Audit = addAudit(w.s.Audit, "contoso/20261123-1/wave-01", migration.AuditEntry{By: cut(words, maxBy), What: cut(words, maxText)})
	}
	if n := len(encode(w.answerStatus())); n > payloadLimit*95/100 {
		t.Errorf("a wave answers with %d bytes", n)
	}
}
