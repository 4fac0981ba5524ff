package workflows

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestLeft(t *testing.T) {
	account := func(copied, already, refused int, bytes int64) mailboxReport {
		return mailboxReport{Account: migration.Account{Copied: copied, Already: already, Refused: refused, Bytes: bytes}}
	}
	for _, test := range []struct {
		name string
		row  row
		want Load
	}{
		{"nothing done", row{Expected: 10, Bytes: 1000}, Load{10, 1000}},
		{"half done", row{Expected: 10, Bytes: 1000, Report: account(4, 0, 1, 700)}, Load{5, 300}},
		{"more bytes than were counted", row{Expected: 10, Bytes: 1000, Report: account(4, 0, 0, 1700)}, Load{6, 0}},
		{"some were there before", row{Expected: 10, Bytes: 1000, Report: account(1, 4, 0, 100)}, Load{5, 500}},
		{"more than were counted", row{Expected: 10, Bytes: 1000, Report: account(12, 0, 0, 700)}, Load{}},
		{"complete", row{Expected: 10, Bytes: 1000, Report: mailboxReport{Copied: true}}, Load{}},
		{"empty", row{Report: account(0, 3, 0, 0)}, Load{}},
	} {
		if got := test.row.left(); got != test.want {
			t.Errorf("%s: %+v is left, want %+v", test.name, got, test.want)
		}
	}
}

// A wave of three with two at once: its pace is known from its rows, and its end once all are copied.
func TestWavePace(t *testing.T) {
	p := newPier(t)
	p.life(testRows("wave-01", "ada", "ben", "cleo"))
	p.after(30*time.Second, func() {
		if pace := p.status().Pace; pace.Uncounted != 3 || pace.All.Messages != 0 || !pace.Began.IsZero() {
			t.Errorf("before it may begin: %+v", pace)
		}
	})
	p.after(2*time.Hour, func() {
		pace := p.status().Pace
		if pace.All.Messages != 30 || pace.Left.Messages != 0 || pace.Copied != 3 || pace.Largest.Messages != 10 || pace.Active != 0 {
			t.Errorf("copied: %+v", pace)
		}
		if pace.Began.IsZero() || pace.Ended.IsZero() {
			t.Errorf("the first copies began %s and ended %s", pace.Began, pace.Ended)
		}
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}

func TestTenantRate(t *testing.T) {
	begun := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	w := &tenantWave{Name: "wave-01", Rows: 2}
	tenant := &tenant{in: TenantInput{Plan: testPlan()}, s: TenantState{Waves: []*tenantWave{w}}}
	at := func(done int) paceSample {
		return paceSample{begun.Add(time.Duration(done) * time.Second), Load{done, int64(done) * 1000}}
	}
	w.Report.Status.Pace = Pace{Began: begun, All: Load{1000, 1_000_000}, Left: Load{400, 400_000}, Longest: Load{300, 300_000}, Slowest: "ada"}
	tenant.s.Rates = []paceSample{at(300)}
	if p := tenant.copyPace(); p.Rate != nil || p.AtOnce != 2 || p.Slowest != "ada" {
		t.Errorf("of one sample: %+v", p)
	}
	tenant.s.Rates = []paceSample{at(300), at(400), at(600)}
	p := tenant.copyPace()
	if p.Rate == nil || p.Rate.Load != (Load{300, 300_000}) || p.Rate.Over.D() != 300*time.Second || !p.Rate.At.Equal(begun.Add(600*time.Second)) {
		t.Errorf("rate %+v", p.Rate)
	}
	w.Report.Status.Pace.Ended = begun.Add(time.Hour)
	if p := tenant.copyPace(); p.Rate != nil || p.Ended.IsZero() {
		t.Errorf("all copied: %+v", p)
	}
	tenant.s.Waves = append(tenant.s.Waves, &tenantWave{Name: "wave-02", Rows: 1})
	if p := tenant.copyPace(); !p.Ended.IsZero() {
		t.Errorf("with a wave to come the first copies ended %s", p.Ended)
	}
}

// A mailbox's memo changes with its state and with the slices of its first copy, and not with its passes.
func TestMailboxMemo(t *testing.T) {
	c := newCabin(t)
	c.in.Expected = Load{Messages: 14}
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{{
		Exit: migration.ExitSlice, Remaining: []string{"INBOX"}, Progress: migration.Progress{Messages: 4},
		State: migration.MailboxState{Folders: []migration.FolderState{{Source: "INBOX", Account: migration.Account{Source: 4, Copied: 4}}}},
	}}
	var memos []MailboxMemo
	c.OnUpsertMemo(mock.Anything).Run(func(args mock.Arguments) {
		memos = append(memos, args.Get(0).(map[string]any)[MemoStatus].(MailboxMemo))
	}).Return(nil)
	c.sync(10 * 24 * time.Hour)
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	var states []string
	slice := false
	for _, m := range memos {
		states = append(states, string(m.State)+" "+m.Step.Name())
		slice = slice || m.Account.Copied == 4 && !m.Copied
		data, err := json.Marshal(m)
		if err != nil || len(data) > 2000 || m.Expected.Messages != 14 || m.Wave != "wave-01" {
			t.Errorf("memo %s, %v", data, err)
		}
	}
	if last := memos[len(memos)-1]; last.State != migration.Done || !last.Copied || last.Account.Copied != 4 || !slice {
		t.Errorf("memos %+v", memos)
	}
	if len(memos) > 8 {
		t.Errorf("ten days of deltas made %d memos: %s", len(memos), strings.Join(states, ", "))
	}
	if !slicesReported(c.reports) {
		t.Errorf("no report came of the first slice: %+v", c.reports)
	}
}

func slicesReported(reports []mailboxReport) bool {
	for _, r := range reports {
		if !r.Copied && r.Account.Copied == 4 {
			return true
		}
	}
	return false
}

func TestMailboxMemoFits(t *testing.T) {
	long := strings.Repeat("\x01é", 4000)
	s := MailboxStatus{
		Address: strings.Repeat("a", maxAddress), Wave: strings.Repeat("w", 60), State: migration.Waiting, Doing: "waits for a person",
		Problem: &migration.Problem{Kind: "sign-in-refused", Text: long, Remedy: long}, Since: time.Now(), LastPass: time.Now(),
		Account: migration.Account{Source: 1 << 40, Copied: 1 << 40, Already: 1 << 40, Bytes: 1 << 50}, Expected: Load{1 << 40, 1 << 50},
	}
	s.Verification.Faults = []string{long}
	data, err := json.Marshal(MailboxMemo{s.memo(), time.Now()})
	if err != nil || len(data) > 2<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestOneThingThatWaitsIsOneThing(t *testing.T) {
	problem := migration.Problem{Kind: "sign-in-refused", Text: "the tenant refuses the app"}
	tenant := &tenant{asks: []*ask{
		{Waiting: Waiting{Step: migration.StepSource, Problem: problem}},
		{Waiting: Waiting{Step: migration.StepSource, Problem: problem}},
		{Waiting: Waiting{Step: migration.StepSource, Problem: migration.Problem{Kind: "dns-slow", Text: "a record is not there"}}},
		{Waiting: Waiting{Step: migration.StepRouting, Problem: problem}},
	}}
	if all := tenant.waiting(); len(all) != 3 {
		t.Errorf("%d things wait, want 3: %+v", len(all), all)
	}
}
