package operator

import (
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// What a forecast takes one mailbox's copy to move until it is measured, per second. Microsoft gives no figure that could
// be promised; these are on the careful side, and are shown with the forecast that rests on them.
const (
	AssumedMessages = 5
	AssumedBytes    = 150_000
)

// enough is how many mailboxes must be counted before the uncounted are taken to be like them.
const enough = 5

// Outlook is how far the first copies are, and when they will be done. What can't be said honestly isn't: it is zero, and
// Unknown says why.
type Outlook struct {
	Done     workflows.Load `json:"done"`
	Expected workflows.Load `json:"expected"`
	// Messages and Bytes are the rate per second over the time Over; zero where it isn't known.
	Messages float64            `json:"messagesPerSecond,omitempty"`
	Bytes    float64            `json:"bytesPerSecond,omitempty"`
	Over     migration.Duration `json:"over,omitempty"`
	// Left is how long the first copies still take, and Ends when they will be complete.
	Left migration.Duration `json:"left,omitempty"`
	Ends time.Time          `json:"ends,omitzero"`
	// Slowest is the mailbox that alone takes this long, whatever becomes of the others.
	Slowest string `json:"slowest,omitempty"`
	// Guessed is how many mailboxes that step 6 hasn't counted yet are taken to be as large as the others on average.
	Guessed int    `json:"guessed,omitempty"`
	Unknown string `json:"unknown,omitempty"`
	// Began and Ended are when the first copies did.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Forecast is how long they take by what step 6 counted, the plan's limits and an assumed rate; zero until all is
	// counted. It is never made anew by what is measured, so that it can be held against what becomes of it.
	Forecast migration.Duration `json:"forecast,omitempty"`
}

// outlook works out when the first copies will be done, from the status alone.
func (s Status) outlook(now time.Time) Outlook {
	mailboxes := s.Totals.Mailboxes - s.Totals.Excluded
	o := foresee(s.Pace, mailboxes, now)
	if o.Ended.IsZero() && s.Closed == "" {
		switch {
		case !s.Worker:
			o.hold("no worker is running")
		case s.State == migration.Paused:
			o.hold("the migration is paused")
		}
	}
	return o
}

// Refine makes the outlook anew where the migration itself doesn't know a rate yet, from what some of the mailboxes are
// doing this minute: the others whose first copies are under way are taken to be as fast on average.
func (s *Status) Refine(live []Live, now time.Time) {
	if s.Pace.Rate != nil || s.Pace.Began.IsZero() || !s.Pace.Ended.IsZero() {
		return
	}
	var messages, bytes float64
	var over time.Duration
	n := 0
	for _, l := range live {
		m, b := l.Rate()
		if m <= 0 || now.Sub(l.Heartbeat) > stale {
			continue
		}
		messages, bytes, n = messages+m, bytes+b, n+1
		over = max(over, l.Heartbeat.Sub(l.Started))
	}
	if n == 0 {
		return
	}
	refined := *s
	share := float64(max(1, s.Pace.Active)) / float64(n) * over.Seconds()
	refined.Pace.Rate = &workflows.Rate{
		Load: workflows.Load{Messages: int(messages * share), Bytes: int64(bytes * share)}, Over: migration.Duration(over), At: now,
	}
	s.Outlook = refined.outlook(now)
}

// hold takes back what was said of the end, because nothing goes on.
func (o *Outlook) hold(why string) {
	o.Left, o.Ends, o.Slowest, o.Guessed, o.Unknown = 0, time.Time{}, "", 0, why
}

// foresee is the arithmetic. All first copies together take at least as long as the rate of all allows, and at least as
// long as the mailbox with the most left takes at the rate of one: others that finish make that no faster.
func foresee(p workflows.Pace, mailboxes int, now time.Time) Outlook {
	o := Outlook{
		Done:     workflows.Load{Messages: p.All.Messages - p.Left.Messages, Bytes: p.All.Bytes - p.Left.Bytes},
		Expected: p.All, Began: p.Began, Ended: p.Ended, Forecast: migration.Duration(forecast(p, mailboxes)),
	}
	if !p.Ended.IsZero() {
		return o
	}
	counted := mailboxes - p.Uncounted
	if r := p.Rate; r != nil {
		over := r.Over.D()
		if since := now.Sub(r.At); since > over { // nothing was heard for long: that is slow too
			over += since
		}
		if seconds := over.Seconds(); seconds > 0 {
			o.Messages, o.Bytes, o.Over = max(0, float64(r.Messages)/seconds), max(0, float64(r.Bytes)/seconds), migration.Duration(over)
		}
	}
	left := p.Left
	switch {
	case p.Began.IsZero():
		o.Unknown = "the first copies have not begun"
	case o.Messages == 0:
		o.Unknown = "too little has been copied yet to say"
	case p.Uncounted > 0 && counted < enough:
		o.Unknown = fmt.Sprintf("step 6 has not counted %d of %d mailboxes yet", p.Uncounted, mailboxes)
	default:
		o.Guessed = p.Uncounted
		left.Messages += p.All.Messages / max(1, counted) * p.Uncounted
		left.Bytes += p.All.Bytes / int64(max(1, counted)) * int64(p.Uncounted)
		together := lasts(left, o.Messages, o.Bytes)
		share := float64(max(1, p.Active))
		longest := lasts(p.Longest, o.Messages/share, o.Bytes/share)
		if longest > together {
			together, o.Slowest = longest, p.Slowest
		}
		o.Left = migration.Duration(together.Round(time.Second))
		o.Ends = now.Add(o.Left.D())
	}
	return o
}

// forecast is how long the first copies take by what is known before they begin.
func forecast(p workflows.Pace, mailboxes int) time.Duration {
	side := float64(min(p.AtOnce, mailboxes))
	if p.Uncounted > 0 || side < 1 {
		return 0
	}
	together := lasts(p.All, AssumedMessages*side, AssumedBytes*side)
	return max(together, lasts(p.Largest, AssumedMessages, AssumedBytes))
}

// longestTime keeps an absurd rate from an absurd date: ten years.
const longestTime = 10 * 365 * 24 * time.Hour

// lasts is how long a load takes at a rate per second, by whichever of messages and bytes takes longer. Bytes whose rate
// isn't known are left to the messages.
func lasts(l workflows.Load, messages, bytes float64) time.Duration {
	var seconds float64
	if l.Messages > 0 && messages > 0 {
		seconds = float64(l.Messages) / messages
	}
	if l.Bytes > 0 && bytes > 0 {
		seconds = max(seconds, float64(l.Bytes)/bytes)
	}
	if seconds > longestTime.Seconds() {
		return longestTime
	}
	return time.Duration(seconds * float64(time.Second))
}
