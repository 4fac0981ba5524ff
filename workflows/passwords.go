package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// The first password of a user that was made is kept, sealed to the workers, in its row. It is handed out by the wave,
// sealed to a one-time key of whoever gets it, and forgotten when the wave is to close.

// UpdatePasswords hands first passwords out, one wave at a time.
const UpdatePasswords = "passwords"

const (
	signalHandOut = "hand-out"   // tenant to wave: handOutMessage
	signalHanded  = "handed-out" // wave to tenant: handedMessage

	// handOutLimit is how long a wave may take; its activity only opens and seals.
	handOutLimit = time.Minute
	// handOutMost is how many mailboxes can be asked for by name at once.
	handOutMost = 500
)

// PasswordsInput asks for first passwords: the argument of UpdatePasswords.
type PasswordsInput struct {
	// To is who gets them, By who asks, Reason why.
	To     string `json:"to"`
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
	// Key is the public half of a one-time key, "mfpub1:...". The private half never leaves whoever asks.
	Key string `json:"key"`
	// Mailboxes are those wanted, by address; empty: all.
	Mailboxes []string `json:"mailboxes,omitempty"`
	// Wave is the one whose turn it is; empty: the first.
	Wave string `json:"wave,omitempty"`
	// Again hands out what was handed out before, too.
	Again bool `json:"again,omitempty"`
}

// PasswordsResult is what one wave had.
type PasswordsResult struct {
	Wave string `json:"wave,omitempty"`
	// Passwords are sealed to the key that was given.
	Passwords []activities.FirstPassword `json:"passwords,omitempty"`
	// Before were handed out before and are not among Passwords.
	Before []HandedBefore `json:"before,omitempty"`
	// None are mailboxes asked for by name that have no first password: the user was there before, or isn't made yet.
	None []string `json:"none,omitempty"`
	// Next is the wave to ask next; empty when all were.
	Next string `json:"next,omitempty"`
}

// Handed says who was given a first password.
type Handed struct {
	To string    `json:"to"`
	By string    `json:"by"`
	At time.Time `json:"at"`
	// Times is how often it was handed out.
	Times int `json:"times"`
}

// HandedBefore is a first password that was handed out.
type HandedBefore struct {
	Address string `json:"address"`
	Handed
}

// handOutMessage is the tenant's order to a wave.
type handOutMessage struct {
	Number int `json:"number"`
	PasswordsInput
}

// handedMessage is the wave's answer to the order with the number.
type handedMessage struct {
	Number int `json:"number"`
	PasswordsResult
	Problem *migration.Problem `json:"problem,omitempty"`
}

// mayHandOut is the update's validator.
func (t *tenant) mayHandOut(in PasswordsInput) error {
	switch {
	case in.To == "" || in.By == "":
		return errors.New(`it must say who gets them and who asks: {"to": "...", "by": "...", "key": "mfpub1:..."}`)
	case len(in.To) > maxBy || len(in.By) > maxBy || len(in.Reason) > maxText:
		return errors.New("a name or the reason is too long")
	case !strings.HasPrefix(in.Key, "mfpub1:") || len(in.Key) > 100:
		return errors.New("it needs the public half of a one-time key, which the starter makes")
	case in.Again && in.Reason == "":
		return errors.New("handing out again needs a reason")
	case len(in.Mailboxes) > handOutMost:
		return fmt.Errorf("at most %d mailboxes can be named at once", handOutMost)
	case t.s.Closing || t.s.Aborted != nil:
		return errors.New("the first passwords are gone: they are kept until the welcome. Reset them in the admin centre")
	}
	for _, address := range in.Mailboxes {
		if _, known := t.s.Ledger.wave(address); !known {
			return fmt.Errorf("%q is not in this migration", shorten(address, maxAddress))
		}
	}
	if in.Wave != "" && !slices.ContainsFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == in.Wave }) {
		return fmt.Errorf("the plan has no wave %q", shorten(in.Wave, 100))
	}
	return nil
}

// handOut asks the wave whose turn it is, and answers with what it gave.
func (t *tenant) handOut(ctx workflow.Context, in PasswordsInput) (PasswordsResult, error) {
	if err := t.mayHandOut(in); err != nil {
		return PasswordsResult{}, err
	}
	w, next := t.turnOf(in)
	if w == nil {
		return PasswordsResult{}, nil
	}
	t.s.HandOuts++
	number := t.s.HandOuts
	if err := t.send(ctx, t.waveID(w), signalHandOut, handOutMessage{number, in}); err != nil {
		return PasswordsResult{}, fmt.Errorf("wave %s cannot be reached: %w", w.Name, err)
	}
	var answer *handedMessage
	took := func() bool {
		i := slices.IndexFunc(t.handed, func(m handedMessage) bool { return m.Number == number })
		if i >= 0 {
			answer = &t.handed[i]
		}
		return i >= 0
	}
	if _, err := workflow.AwaitWithTimeout(ctx, handOutLimit, took); err != nil {
		return PasswordsResult{}, err
	}
	if answer == nil {
		t.record(in.By, fmt.Sprintf("asked wave %s for first passwords for %s, and it did not answer in %s", w.Name, in.To, handOutLimit))
		return PasswordsResult{}, fmt.Errorf("wave %s does not answer; what it may have handed out meanwhile can be had again", w.Name)
	}
	result := *answer
	t.handed = slices.DeleteFunc(t.handed, func(m handedMessage) bool { return m.Number == number })
	if result.Problem != nil {
		return PasswordsResult{}, fmt.Errorf("wave %s: %s", w.Name, result.Problem)
	}
	result.Next = next
	if n := len(result.Passwords); n > 0 {
		t.record(in.By, because(fmt.Sprintf("handed first passwords to %s, %d of wave %s: %s", in.To, n, w.Name, addressesOf(result.Passwords)), in.Reason))
	}
	return result.PasswordsResult, nil
}

// turnOf is the wave that an order is for, and the name of the one after it.
func (t *tenant) turnOf(in PasswordsInput) (w *tenantWave, next string) {
	reached := in.Wave == ""
	for i, one := range t.s.Waves {
		reached = reached || one.Name == in.Wave
		wanted := len(in.Mailboxes) == 0 || slices.ContainsFunc(in.Mailboxes, func(address string) bool {
			at, _ := t.s.Ledger.wave(address)
			return at == i
		})
		if !reached || !wanted || !one.Started || one.Lost || one.Rows == 0 {
			continue
		}
		if w != nil {
			return w, one.Name
		}
		w = one
	}
	return w, ""
}

// takeHanded takes a wave's answer. One for which nobody waits any more is dropped with its passwords.
func (t *tenant) takeHanded(m handedMessage) {
	const kept = 10
	t.handed = append(t.handed, m)
	t.handed = t.handed[max(0, len(t.handed)-kept):]
}

func addressesOf(passwords []activities.FirstPassword) string {
	names := make([]string, len(passwords))
	for i, p := range passwords {
		names[i] = p.Address
	}
	return joined(names)
}

// handOut hands first passwords out and answers the tenant. One order is carried out at a time, so that none is handed out
// twice by two that come together.
func (w *wave) handOut(m handOutMessage) {
	w.busy++
	workflow.Go(w.base, func(ctx workflow.Context) {
		defer func() { w.busy-- }()
		_ = workflow.Await(ctx, func() bool { return !w.handing })
		w.handing = true
		defer func() { w.handing = false }()
		answer := w.handedFor(ctx, m)
		if err := w.send(ctx, w.in.Parent, signalHanded, answer); err != nil {
			w.record(m.By, "first passwords could not be brought to the tenant: "+err.Error())
		}
	})
}

// handedFor seals the passwords that are asked for to the key, and notes who has them.
func (w *wave) handedFor(ctx workflow.Context, m handOutMessage) handedMessage {
	answer := handedMessage{Number: m.Number}
	answer.Wave = w.in.Name
	in := activities.HandOutInput{
		Scope: w.scope, Archive: w.in.Plan.Archive, Wave: w.in.Name, Number: m.Number, To: m.To, By: m.By, Reason: m.Reason, Key: m.Key,
	}
	for _, r := range w.s.Rows {
		named := slices.Contains(m.Mailboxes, r.Address)
		switch {
		case len(m.Mailboxes) > 0 && !named:
		case r.Password == "" && named:
			answer.None = append(answer.None, r.Address)
		case r.Password == "":
		case r.Handed != nil && !m.Again:
			answer.Before = append(answer.Before, HandedBefore{r.Address, *r.Handed})
		default:
			in.Passwords = append(in.Passwords, activities.FirstPassword{Address: r.Address, Password: r.Password})
		}
	}
	if len(in.Passwords) == 0 {
		return answer
	}
	var out activities.HandOutOutput
	ctx = workflow.WithScheduleToCloseTimeout(w.light(ctx, usual, fmt.Sprintf("hand out %d first passwords", len(in.Passwords))), handOutLimit)
	if err := workflow.ExecuteActivity(ctx, a.HandOut, in).Get(ctx, &out); err != nil {
		if answer.Problem = problemOf(err); answer.Problem == nil {
			answer.Problem = &migration.Problem{Kind: "cancelled", Text: "it was cancelled"}
		}
		return answer
	}
	answer.Passwords = out.Passwords
	for _, p := range out.Passwords {
		if r := w.find(p.Address); r != nil {
			handed := Handed{To: m.To, By: m.By, At: w.now(), Times: 1}
			if r.Handed != nil {
				handed.Times += r.Handed.Times
			}
			r.Handed = &handed
		}
	}
	w.record(m.By, because(fmt.Sprintf("handed first passwords to %s: %s", m.To, addressesOf(out.Passwords)), m.Reason))
	w.tellSoon()
	return answer
}

// forgetPasswords drops the first passwords: who has none by now resets it.
func (w *wave) forgetPasswords() {
	for _, r := range w.s.Rows {
		r.Password = ""
	}
}
