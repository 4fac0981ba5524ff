package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/smtp"
)

// arrivals is how far the mail that still arrives has come.
type arrivals struct {
	Queued int       `json:"queued"`
	Last   time.Time `json:"last"`
}

const arrivalsName = "arrivals"

// arrive sends the planned mails, one each interval while the world runs. A mail is counted in the same transaction in
// which it is queued, so each is sent once whatever happens.
func (w *World) arrive(ctx context.Context) error {
	var state arrivals
	if err := get(w.db, arrivalsName, &state); err != nil {
		return err
	}
	o := w.options
	for state.Queued < o.Arrivals {
		wait := max(time.Until(state.Last.Add(o.Every)), 0)
		if state.Queued >= o.Arrivals-o.AfterMX && !w.movedMX() {
			wait = max(wait, 200*time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if state.Queued >= o.Arrivals-o.AfterMX && !w.movedMX() {
			continue
		}
		letter := w.arrival(state.Queued)
		state = arrivals{state.Queued + 1, time.Now()}
		err := w.db.Update(func(tx *bbolt.Tx) error {
			if err := w.outside.Enqueue(tx, letter); err != nil {
				return err
			}
			return putIn(tx, arrivalsName, state)
		})
		if err != nil {
			return fmt.Errorf("queueing mail from outside: %w", err)
		}
		if err := w.outside.Queued(letter.ID); err != nil {
			return err
		}
	}
	return nil
}

// ArrivalsLeft is how many of the planned mails have not been delivered yet.
func (w *World) ArrivalsLeft() (int, error) {
	letters, err := w.outside.Letters()
	left := w.options.Arrivals
	for _, l := range letters {
		if strings.HasPrefix(l.ID, "arrival-") && l.Done() {
			left--
		}
	}
	return left, err
}

// Hold holds mail from outside back, and people off their mail, until resume is called, so that both sides can be compared
// while nothing moves. Whoever calls it should do so before reading [World.Expected] and [World.Deeds].
func (w *World) Hold() (resume func()) {
	open := w.outside.Hold()
	w.desks.Lock()
	return sync.OnceFunc(func() {
		w.desks.Unlock()
		open()
	})
}

var (
	senders  = []string{"kai@outside.example", "orders@shop.outside.example", "newsletter@outside.example"}
	subjects = []string{"Invoice 2026-%04d", "Re: lunch (%d)", "Angebot Nr. %d", "=?utf-8?q?R=C3=A9union_%d?=", "Your order %d"}
)

// writtenTo is to how many of the users mail still arrives. In an organisation nobody writes to the last two, of whom one
// has left and the other isn't known yet.
func (w *World) writtenTo() int {
	if w.options.Organisation {
		return len(w.people) - 2
	}
	return len(w.people)
}

// arrival writes planned mail number n: the same one every time but for its date.
func (w *World) arrival(n int) smtp.Letter {
	random := rand.New(rand.NewPCG(w.options.Seed, uint64(n)+1<<32))
	to := w.people[n%w.writtenTo()]
	from := senders[random.IntN(3)]
	id := fmt.Sprintf("arrival-%05d", n+1)
	now := time.Now()
	var body strings.Builder
	fmt.Fprintf(&body, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n", from, to.Address, fmt.Sprintf(subjects[random.IntN(len(subjects))], n+1))
	fmt.Fprintf(&body, "Date: %s\r\nMessage-ID: <%s.%d@outside.example>\r\n", now.Format("Mon, 02 Jan 2006 15:04:05 -0700"), id, w.options.Seed)
	text := fmt.Sprintf("Mail number %d that came while everything moved.\r\n%s\r\n", n+1, strings.Repeat("Ahoy! ", 1+random.IntN(40)))
	if random.IntN(3) > 0 {
		fmt.Fprintf(&body, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", text)
	} else {
		boundary := fmt.Sprintf("=_%08x", random.Uint32())
		fmt.Fprintf(&body, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%q\r\n\r\n", boundary)
		fmt.Fprintf(&body, "--%s\r\nContent-Type: text/plain\r\n\r\n%s\r\n", boundary, text)
		fmt.Fprintf(&body, "--%s\r\nContent-Type: text/csv; name=\"list.csv\"\r\nContent-Disposition: attachment; filename=\"list.csv\"\r\n\r\na,b\r\n%d,%d\r\n\r\n--%s--\r\n",
			boundary, n, random.Uint32(), boundary)
	}
	return smtp.Letter{ID: id, From: from, To: to.Address, Body: []byte(body.String()), Queued: now.UTC()}
}
