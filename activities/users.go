package activities

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// Scope keys every side effect: the same scope never does a thing twice.
type Scope struct {
	Tenant string `json:"tenant"`
	// Launch is the launch's UTC date and counter, such as "20261123-1".
	Launch string `json:"launch"`
}

// EnsureUsersInput names the mailboxes whose users shall exist.
type EnsureUsersInput struct {
	Scope     Scope               `json:"scope"`
	Microsoft migration.Microsoft `json:"microsoft"`
	Users     migration.Users     `json:"users"`
	Mailboxes []migration.Mailbox `json:"mailboxes"`
}

// UserOutcome is what came of one user.
type UserOutcome struct {
	migration.Outcome
	Result migration.UserResult `json:"result"`
	// Password is the first password of a user that was created.
	Password migration.Sealed `json:"password,omitempty"`
}

// EnsureUsersOutput has one outcome for each mailbox, in their order.
type EnsureUsersOutput struct {
	Outcomes []UserOutcome `json:"outcomes"`
}

// OutcomesOutput has one outcome for each mailbox, in their order.
type OutcomesOutput struct {
	Outcomes []migration.Outcome `json:"outcomes"`
}

// MailboxesAnswerInput names the mailboxes that shall answer.
type MailboxesAnswerInput struct {
	Door      Door                `json:"door"`
	Mailboxes []migration.Mailbox `json:"mailboxes"`
}

// EnsureUsers has every mailbox's user exist with a usage location and a licence. A first password is on record, sealed,
// before its user is created, so that no created user's password is lost with the worker.
func (a *Activities) EnsureUsers(ctx context.Context, in EnsureUsersInput) (EnsureUsersOutput, error) {
	results, err := batch(ctx, a, len(in.Mailboxes),
		func(ctx context.Context, e *entry) (UserOutcome, error) {
			return a.ensureUser(ctx, e, in, in.Mailboxes[e.index])
		},
		func(i int, why error) UserOutcome {
			return UserOutcome{Outcome: pending(in.Mailboxes[i].Address, why.Error())}
		})
	return EnsureUsersOutput{Outcomes: results}, err
}

func (a *Activities) ensureUser(ctx context.Context, e *entry, in EnsureUsersInput, m migration.Mailbox) (UserOutcome, error) {
	interrupted := e.intent != ""
	password := migration.Sealed(e.intent)
	if !interrupted {
		var err error
		if password, err = a.Passwords.NewPassword(); err != nil {
			return UserOutcome{}, err
		}
		if err := e.intend(ctx, string(password)); err != nil {
			return UserOutcome{}, err
		}
	}
	result, err := a.Directory.EnsureUser(ctx, in.Microsoft, migration.User{
		Address:       m.Address,
		DisplayName:   cmp.Or(m.DisplayName, m.Address),
		UsageLocation: cmp.Or(m.UsageLocation, in.Users.UsageLocation),
		Licence:       cmp.Or(m.Licence, in.Users.Licence),
		Password:      password,
	})
	base, err := outcome(m.Address, err)
	if err != nil && e.last && ctx.Err() == nil {
		// The password goes with the problem: the user may exist with it.
		return UserOutcome{Outcome: migration.Outcome{Address: m.Address, Problem: &migration.Problem{
			Kind: "user-not-made", Text: fmt.Sprintf("making the user %q failed again and again: %v", m.Address, err),
			Remedy: "see in the admin centre whether the user is there and what is wrong with it, then retry the step",
		}}, Password: password}, nil
	}
	if err != nil {
		return UserOutcome{}, err
	}
	made := UserOutcome{Outcome: base, Result: result}
	made.Note = result.Note
	if result.Created || interrupted {
		made.Password = password
	}
	if interrupted && !result.Created {
		made.Note = strings.TrimPrefix(made.Note+"; the first password holds only if the user was created by an attempt that was interrupted", "; ")
	}
	return made, nil
}

// MailboxesAnswer reports which mailboxes are there: first to Graph, then to an IMAP sign-in and LIST.
func (a *Activities) MailboxesAnswer(ctx context.Context, in MailboxesAnswerInput) (OutcomesOutput, error) {
	return a.outcomes(ctx, in.Mailboxes,
		func(ctx context.Context, _ *entry, m migration.Mailbox) (migration.Outcome, error) {
			there, err := a.Directory.MailboxAnswers(ctx, in.Door.Microsoft, m.Address)
			if err != nil {
				return migration.Outcome{}, err
			}
			if !there {
				return pending(m.Address, "the tenant has no mailbox for the user yet"), nil
			}
			open, err := a.Mailboxes.OpenTarget(ctx, in.Door, m.Address)
			if err != nil {
				return migration.Outcome{}, err
			}
			if !open {
				return pending(m.Address, noAccess), nil
			}
			return migration.Outcome{Address: m.Address, Done: true}, nil
		})
}

// noAccess is why a mailbox that exists can't be worked with yet.
const noAccess = "the mailbox does not let the app in over IMAP yet: it is still being made, or the access script has not been run for it"
