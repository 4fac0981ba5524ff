package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

func TestForesee(t *testing.T) {
	now := began.Add(3 * time.Hour)
	// In ten minutes up to now 6,000 messages of 60 MB: 10 and 100 kB a second.
	rate := &workflows.Rate{Load: workflows.Load{Messages: 6000, Bytes: 60_000_000}, Over: migration.Duration(10 * time.Minute), At: now}
	load := func(messages int, bytes int64) workflows.Load {
		return workflows.Load{Messages: messages, Bytes: bytes}
	}
	for _, test := range []struct {
		name    string
		pace    workflows.Pace
		want    time.Duration
		slowest string
		unknown string
	}{
		{name: "nothing has begun", pace: workflows.Pace{All: load(10, 10), Left: load(10, 10)}, unknown: "have not begun"},
		{name: "too early", pace: workflows.Pace{Began: began, All: load(10, 10), Left: load(10, 10)}, unknown: "too little"},
		{
			name: "nothing moves", unknown: "too little",
			pace: workflows.Pace{Began: began, Left: load(10, 10), Rate: &workflows.Rate{Over: migration.Duration(time.Hour), At: now}},
		},
		{name: "by messages", pace: workflows.Pace{Began: began, Rate: rate, Active: 4, Left: load(36_000, 1000), Longest: load(9, 9)}, want: time.Hour},
		{name: "by bytes", pace: workflows.Pace{Began: began, Rate: rate, Active: 4, Left: load(1000, 360_000_000), Longest: load(9, 9)}, want: time.Hour},
		{
			name: "sizes that the source doesn't tell", want: time.Hour,
			pace: workflows.Pace{Began: began, Rate: &workflows.Rate{Load: load(6000, 0), Over: rate.Over, At: now}, Left: load(36_000, 0)},
		},
		{
			// A mailbox of 50 GB at a fourth of 100 kB/s takes 2,000,000 s, however fast the other three are.
			name: "one mailbox is slower than all", want: 2_000_000 * time.Second, slowest: "ada@contoso.com",
			pace: workflows.Pace{Began: began, Rate: rate, Active: 4, Left: load(400_000, 51e9), Longest: load(300_000, 50e9), Slowest: "ada@contoso.com"},
		},
		{
			name: "it goes on alone", want: 510_000 * time.Second,
			pace: workflows.Pace{Began: began, Rate: rate, Active: 1, Left: load(40_000, 51e9), Longest: load(30_000, 50e9), Slowest: "ada@contoso.com"},
		},
		{name: "few are counted", pace: workflows.Pace{Began: began, Rate: rate, Left: load(36_000, 0), Uncounted: 16}, unknown: "16 of 20 mailboxes"},
		{
			// Ten of twenty are counted, with 3,600 messages each: as much again is to come.
			name: "half are counted", want: 2 * time.Hour,
			pace: workflows.Pace{Began: began, Rate: rate, All: load(36_000, 0), Left: load(36_000, 0), Uncounted: 10},
		},
		{
			// Silent for half an hour after those ten minutes: a fourth of the rate.
			name: "nothing was heard for long", want: 4 * time.Hour,
			pace: workflows.Pace{Began: began, Left: load(36_000, 0), Rate: &workflows.Rate{Load: rate.Load, Over: rate.Over, At: now.Add(-30 * time.Minute)}},
		},
		{name: "absurdly slow", pace: workflows.Pace{Began: began, Rate: rate, Left: load(1<<60, 0)}, want: longestTime},
		{name: "all is copied", pace: workflows.Pace{Began: began, Ended: now, Rate: rate}},
	} {
		o := foresee(test.pace, 20, now)
		if o.Left.D() != test.want || o.Slowest != test.slowest {
			t.Errorf("%s: %s by %q, want %s by %q", test.name, o.Left, o.Slowest, test.want, test.slowest)
		}
		if (o.Unknown == "") != (test.unknown == "") || !strings.Contains(o.Unknown, test.unknown) {
			t.Errorf("%s: unknown because %q, want %q", test.name, o.Unknown, test.unknown)
		}
		if known := !o.Ends.IsZero(); known != (test.want > 0) || known && !o.Ends.Equal(now.Add(test.want)) {
			t.Errorf("%s: ends %s", test.name, o.Ends)
		}
	}
}

func TestForecastOfStepSix(t *testing.T) {
	gigabytes := func(n int64) workflows.Load { return workflows.Load{Messages: int(n) * 10, Bytes: n * 1e9} }
	for _, test := range []struct {
		name      string
		pace      workflows.Pace
		mailboxes int
		want      time.Duration
	}{
		{"four at once", workflows.Pace{All: gigabytes(60), Largest: gigabytes(1), AtOnce: 4}, 100, 100_000 * time.Second},
		{"fewer mailboxes than may be", workflows.Pace{All: gigabytes(60), Largest: gigabytes(1), AtOnce: 400}, 4, 100_000 * time.Second},
		{"one is as large as the rest", workflows.Pace{All: gigabytes(60), Largest: gigabytes(30), AtOnce: 4}, 100, 200_000 * time.Second},
		{"sizes unknown", workflows.Pace{All: workflows.Load{Messages: 2000}, AtOnce: 4}, 100, 100 * time.Second},
		{"not all counted", workflows.Pace{All: gigabytes(60), AtOnce: 4, Uncounted: 1}, 100, 0},
		{"no limits known", workflows.Pace{All: gigabytes(60)}, 100, 0},
	} {
		if got := forecast(test.pace, test.mailboxes); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestOutlookWhileNothingGoesOn(t *testing.T) {
	now := began.Add(time.Hour)
	s := Status{Worker: true, Status: workflows.Status{State: migration.Running, Totals: workflows.Totals{Mailboxes: 3}, Pace: workflows.Pace{
		Began: began, All: workflows.Load{Messages: 900}, Left: workflows.Load{Messages: 600},
		Rate: &workflows.Rate{Load: workflows.Load{Messages: 300}, Over: migration.Duration(300 * time.Second), At: now},
	}}}
	if o := s.outlook(now); o.Left.D() != 600*time.Second || o.Done.Messages != 300 {
		t.Errorf("running: %+v", o)
	}
	paused := s
	paused.State = migration.Paused
	if o := paused.outlook(now); o.Left != 0 || !o.Ends.IsZero() || o.Unknown != "the migration is paused" {
		t.Errorf("paused: %+v", o)
	}
	s.Worker = false
	if o := s.outlook(now); o.Left != 0 || o.Unknown != "no worker is running" || o.Done.Messages != 300 {
		t.Errorf("without a worker: %+v", o)
	}
}

// Before the migration knows a rate of its own, the copies of this minute give one: two of eight are looked at.
func TestRefine(t *testing.T) {
	now := began.Add(10 * time.Minute)
	live := func(messages int, bytes int64, ago time.Duration) Live {
		return Live{Attempt: 1, Started: now.Add(-5*time.Minute - ago), Heartbeat: now.Add(-ago), Progress: migration.Progress{Messages: messages, Bytes: bytes}}
	}
	fresh := func() Status {
		return Status{Worker: true, Status: workflows.Status{State: migration.Running, Totals: workflows.Totals{Mailboxes: 20}, Pace: workflows.Pace{
			Began: began, Active: 8, All: workflows.Load{Messages: 40_000}, Left: workflows.Load{Messages: 36_000}, Longest: workflows.Load{Messages: 300},
		}}}
	}
	s := fresh()
	// 300 and 900 messages in 5 minutes: 2 a second each on average, 16 in all.
	if s.Refine([]Live{live(300, 0, 0), live(900, 0, 0)}, now); s.Outlook.Messages != 16 || s.Outlook.Left.D() != 2250*time.Second || s.Outlook.Over.D() != 5*time.Minute {
		t.Errorf("refined to %+v", s.Outlook)
	}
	s = fresh()
	if s.Refine([]Live{live(300, 0, time.Hour), {}}, now); s.Outlook.Messages != 0 {
		t.Errorf("refined by copies of an hour ago to %+v", s.Outlook)
	}
	s = fresh()
	s.Pace.Rate = &workflows.Rate{Load: workflows.Load{Messages: 60}, Over: migration.Duration(time.Minute), At: now}
	if s.Refine([]Live{live(300, 0, 0)}, now); s.Outlook.Messages != 0 {
		t.Errorf("refined what was known: %+v", s.Outlook)
	}
}
