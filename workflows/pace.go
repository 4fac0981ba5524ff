package workflows

import (
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// Load is something to copy. Bytes are zero where the source doesn't tell sizes.
type Load struct {
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes,omitempty"`
}

func (l *Load) add(more Load) {
	l.Messages += more.Messages
	l.Bytes += more.Bytes
}

// usualMessage is the size at which a message's own cost and that of its bytes weigh alike, in bytes.
const usualMessage = 30_000

// heavier reports whether l takes longer to copy than other.
func (l Load) heavier(other Load) bool {
	return int64(l.Messages)*usualMessage+l.Bytes > int64(other.Messages)*usualMessage+other.Bytes
}

// Pace is how the first copies get on: all that their end can be forecast from.
type Pace struct {
	// Began is when the first of them was ordered, Ended when the last was complete; zero is not yet.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Copied is how many mailboxes' first copies are complete, Active how many are being made just now. AtOnce is how many
	// the plan allows; only a tenant knows it.
	Copied int `json:"copied,omitempty"`
	Active int `json:"active,omitempty"`
	AtOnce int `json:"atOnce,omitempty"`
	// Uncounted is how many mailboxes step 6 has not looked into yet: they are in no load.
	Uncounted int `json:"uncounted,omitempty"`
	// All is what step 6 counted, Left what the first copies still have to move of it.
	All  Load `json:"all"`
	Left Load `json:"left"`
	// Largest is the largest mailbox of all. Longest is the mailbox with the most left, and Slowest its address: no other
	// mailbox's end makes its own come sooner.
	Largest Load   `json:"largest"`
	Longest Load   `json:"longest"`
	Slowest string `json:"slowest,omitempty"`
	// Rate is that of the last minutes, nil while too little is known. Only a tenant has it.
	Rate *Rate `json:"rate,omitempty"`
}

// Rate is how much of the first copies was done in a time.
type Rate struct {
	Load
	Over migration.Duration `json:"over"`
	// At is the end of that time.
	At time.Time `json:"at"`
}

// done is what the first copies have moved.
func (p Pace) done() Load {
	return Load{p.All.Messages - p.Left.Messages, p.All.Bytes - p.Left.Bytes}
}

// take adds a wave's pace to its tenant's.
func (p *Pace) take(w Pace) {
	p.Began = earliest(p.Began, w.Began)
	if w.Ended.After(p.Ended) {
		p.Ended = w.Ended
	}
	p.Copied += w.Copied
	p.Active += w.Active
	p.Uncounted += w.Uncounted
	p.All.add(w.All)
	p.Left.add(w.Left)
	if w.Largest.heavier(p.Largest) {
		p.Largest = w.Largest
	}
	if w.Longest.heavier(p.Longest) {
		p.Longest, p.Slowest = w.Longest, w.Slowest
	}
}

// left is what a mailbox's first copy still has to move.
func (r *row) left() Load {
	a := r.Report.Account
	messages := r.Expected - a.Copied - a.Already - a.Moved - a.Merged - a.LeftOut - a.Refused
	switch {
	case r.Report.Copied || messages <= 0:
		return Load{}
	case a.Already == 0:
		return Load{messages, max(0, r.Bytes-a.Bytes)}
	}
	// What was there already has been neither sent nor weighed.
	return Load{messages, r.Bytes / int64(r.Expected) * int64(messages)}
}

// copyPace is how the wave's first copies get on.
func (w *wave) copyPace() Pace {
	p := Pace{Began: w.s.CopyBegan, Ended: w.s.CopyEnded}
	for _, r := range w.s.Rows {
		if r.out() {
			continue
		}
		if r.Stage <= stageConnect {
			p.Uncounted++
			continue
		}
		load, left := Load{r.Expected, r.Bytes}, r.left()
		p.All.add(load)
		p.Left.add(left)
		if load.heavier(p.Largest) {
			p.Largest = load
		}
		if left.heavier(p.Longest) {
			p.Longest, p.Slowest = left, r.Address
		}
		switch {
		case r.Report.Copied:
			p.Copied++
		case r.Granted && w.copying(r) && !w.idle():
			p.Active++
		}
	}
	return p
}

// timeCopies notes when the first copies began and when the last was complete. Rows that come late open it again.
func (w *wave) timeCopies() {
	s := &w.s
	begun, all := false, len(s.Rows) > 0
	for _, r := range s.Rows {
		begun = begun || r.Granted
		all = all && (r.out() || r.Report.Copied)
	}
	if begun && s.CopyBegan.IsZero() {
		s.CopyBegan = w.now()
	}
	switch {
	case !all:
		s.CopyEnded = time.Time{}
	case begun && s.CopyEnded.IsZero():
		s.CopyEnded = w.now()
	}
}

// paceSample is how much of the first copies was done when.
type paceSample struct {
	At   time.Time `json:"at"`
	Done Load      `json:"done"`
}

// paceSamples is how many are kept. Waves report every five minutes (plan), so the rate is that of half an hour or so.
const paceSamples = 8

// copyPace is how the tenant's first copies get on.
func (t *tenant) copyPace() Pace {
	var p Pace
	open := false
	for _, w := range t.s.Waves {
		one := w.Report.Status.Pace
		p.take(one)
		open = open || w.Rows > 0 && one.Ended.IsZero()
	}
	if open {
		p.Ended = time.Time{}
	}
	for _, e := range t.in.Plan.Endpoints {
		p.AtOnce += e.MailboxesAtOnce
	}
	if n := len(t.s.Rates); n >= 2 && p.Ended.IsZero() {
		first, last := t.s.Rates[0], t.s.Rates[n-1]
		p.Rate = &Rate{
			Load: Load{last.Done.Messages - first.Done.Messages, last.Done.Bytes - first.Done.Bytes},
			Over: migration.Duration(last.At.Sub(first.At)), At: last.At,
		}
	}
	return p
}

// sample takes a sample when one is due. A pause would make the rate a wrong one, so it begins anew after it.
func (t *tenant) sample() {
	p := t.copyPace()
	if t.s.Paused || p.Began.IsZero() || !p.Ended.IsZero() {
		t.s.Rates = nil
		return
	}
	all := t.s.Rates
	if n := len(all); n > 0 && t.now().Sub(all[n-1].At) < max(t.timing.Report.D(), time.Millisecond) {
		return
	}
	if all = append(all, paceSample{t.now(), p.done()}); len(all) > paceSamples {
		all = all[len(all)-paceSamples:]
	}
	t.s.Rates = all
}
