package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailferry/mailferry/internal/seal"
	"github.com/mailferry/mailferry/workflows"
)

// handOutTimeout is how long one wave's first passwords may take.
const handOutTimeout = 90 * time.Second

// PasswordOrder asks for the first passwords of new users.
type PasswordOrder struct {
	// To is who gets them, By who asks, Reason why; Again hands out what was handed out before too, and needs a reason.
	To, By, Reason string
	Again          bool
	// Mailboxes are those wanted, by address; empty: all.
	Mailboxes []string
}

// Password is a new user's first password, in the clear.
type Password struct{ Address, Password string }

// String hides the password, for logs that nobody meant to write.
func (p Password) String() string { return "the first password of " + p.Address }

// HandedOut is what came of a PasswordOrder.
type HandedOut struct {
	Passwords []Password
	// Before were handed out before, and None asked for by name have no first password.
	Before []workflows.HandedBefore
	None   []string
}

// Passwords hands out first passwords, wave by wave: it makes a one-time pair of keys, sends the public half, and opens what
// comes back. The private half never leaves this call. After an error the result has what was handed out until then,
// which the migration has on record.
func (o *Operator) Passwords(ctx context.Context, tenant string, order PasswordOrder) (HandedOut, error) {
	var result HandedOut
	if err := signed(order.By); err != nil {
		return result, err
	}
	private, public, err := seal.Generate()
	if err != nil {
		return result, err
	}
	key, err := seal.ParsePrivate(private)
	if err != nil {
		return result, err
	}
	if len(order.Mailboxes) == 0 {
		err := o.handOut(ctx, tenant, order, nil, key, public, &result)
		return result, err
	}
	const chunk = 500
	for named := range slices.Chunk(order.Mailboxes, chunk) {
		if err := o.handOut(ctx, tenant, order, named, key, public, &result); err != nil {
			return result, err
		}
	}
	result.missing(order.Mailboxes)
	return result, nil
}

// missing adds to None those named of which no wave had anything to say: their wave has not begun, or can't be reached.
func (h *HandedOut) missing(named []string) {
	for _, address := range named {
		told := slices.Contains(h.None, address) ||
			slices.ContainsFunc(h.Passwords, func(p Password) bool { return p.Address == address }) ||
			slices.ContainsFunc(h.Before, func(b workflows.HandedBefore) bool { return b.Address == address })
		if !told {
			h.None = append(h.None, address)
		}
	}
}

// handOut asks one wave after the other.
func (o *Operator) handOut(ctx context.Context, tenant string, order PasswordOrder, named []string, key seal.Private, public string, result *HandedOut) error {
	in := workflows.PasswordsInput{To: order.To, By: order.By, Reason: order.Reason, Key: public, Mailboxes: named, Again: order.Again}
	for {
		var out workflows.PasswordsResult
		if err := o.update(ctx, handOutTimeout, tenant, workflows.UpdatePasswords, in, &out); err != nil {
			return notHandedOut(tenant, err)
		}
		for _, p := range out.Passwords {
			clear, err := key.Open(p.Password)
			if err != nil {
				return fmt.Errorf("the first password of %s came back damaged: %w", p.Address, err)
			}
			result.Passwords = append(result.Passwords, Password{p.Address, string(clear)})
		}
		result.Before = append(result.Before, out.Before...)
		result.None = append(result.None, out.None...)
		if in.Wave = out.Next; in.Wave == "" {
			return nil
		}
	}
}

// notHandedOut says what to do where nothing was handed out, or nobody can say.
func notHandedOut(tenant string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case NoWorker:
		e.Hints = append(e.Hints, "what was handed out meanwhile is on record; have it again with --again and a --reason")
	case Refused:
		e.Text = "no first passwords: " + e.Text
	case NotRunning:
		e.Hints = append(e.Hints, "the first passwords of "+tenant+" went with it; reset them in the admin centre")
	}
	return err
}
