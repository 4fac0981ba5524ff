package host

import (
	"context"
	"errors"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
)

// mailboxes adapts mailcopy to the activities.
type mailboxes struct {
	secrets   *secrets
	directory *directory
}

// OpenSource implements activities.Mailboxes.
func (m *mailboxes) OpenSource(ctx context.Context, e migration.Endpoint, row migration.Mailbox) error {
	h := m.secrets.hold()
	defer h.release()
	account, err := source(e, row, h)
	if err != nil {
		return err
	}
	return h.clean(mailcopy.Open(ctx, account))
}

// OpenTarget implements activities.Mailboxes. Exchange Online refuses the sign-in to a mailbox that isn't there yet with
// the same words as to one whose access hasn't been granted, and lets others in without connecting them; all of it
// passes with time or the access script.
func (m *mailboxes) OpenTarget(ctx context.Context, door activities.Door, address string) (bool, error) {
	h := m.secrets.hold()
	defer h.release()
	account, err := m.target(door, address, h)
	if err != nil {
		return false, err
	}
	err = mailcopy.Open(ctx, account)
	problem, ok := migration.AsProblem(err)
	if errors.Is(err, mailcopy.ErrNoAccess) || ok && problem.Kind == signInRefused {
		return false, nil
	}
	return err == nil, h.clean(err)
}

// signInRefused is the kind of problem by which mailcopy tells that a sign-in was refused.
const signInRefused = "sign-in-refused"

// Inspect implements activities.Mailboxes.
func (m *mailboxes) Inspect(ctx context.Context, e migration.Endpoint, row migration.Mailbox, rules migration.CopyRules) (migration.SourceFacts, error) {
	h := m.secrets.hold()
	defer h.release()
	account, err := source(e, row, h)
	if err != nil {
		return migration.SourceFacts{}, err
	}
	facts, err := mailcopy.Inspect(ctx, account, mailcopy.Options{Rules: rules, UserRoot: row.UserRoot})
	return facts, h.clean(err)
}

// Probe implements activities.Mailboxes.
func (m *mailboxes) Probe(ctx context.Context, in activities.ProbeInput) (activities.ProbeOutput, error) {
	h := m.secrets.hold()
	defer h.release()
	account, err := source(in.Endpoint, in.Mailbox, h)
	if err != nil {
		return activities.ProbeOutput{}, err
	}
	found, err := mailcopy.Probe(ctx, account, in.Cursors, mailcopy.Options{Rules: in.Rules, UserRoot: in.Mailbox.UserRoot})
	return activities.ProbeOutput{Changed: found.Changed, Vanished: found.Vanished, Bounds: found.Bounds}, h.clean(err)
}

// both opens what both sides of a mailbox need.
func (m *mailboxes) both(e migration.Endpoint, row migration.Mailbox, door activities.Door, h *held) (from, to mailcopy.Account, err error) {
	if from, err = source(e, row, h); err != nil {
		return from, to, err
	}
	to, err = m.target(door, row.Address, h)
	return from, to, err
}

// Copy implements activities.Mailboxes.
func (m *mailboxes) Copy(ctx context.Context, in activities.CopyInput, checkpoint activities.Checkpoint) (activities.CopyOutput, error) {
	h := m.secrets.hold()
	defer h.release()
	from, to, err := m.both(in.Endpoint, in.Mailbox, in.Door, h)
	if err != nil {
		return activities.CopyOutput{}, err
	}
	state, report, err := mailcopy.Copy(ctx, from, to, in.State, mailcopy.Options{
		Rules:       in.Rules,
		Folders:     in.Changed,
		Bounds:      in.Bounds,
		AddOnly:     in.AddOnly || in.Mailbox.Live,
		Since:       in.Since,
		SourceHosts: in.SourceHosts,
		KeepsBytes:  in.Door.Target.KeepsBytes,
		UserRoot:    in.Mailbox.UserRoot,
		MaxMessage:  in.Door.Target.MaxMessage,
		Poison:      in.Poison,
		Checkpoint:  checkpoint,
		Every:       in.Heartbeat.D() / 8,
		Settle:      in.Settle,

		DeletionsAllowed: in.DeletionsAllowed,
	})
	if report.Problem != nil {
		report.Problem.Text, report.Problem.Remedy = h.hide(report.Problem.Text), h.hide(report.Problem.Remedy)
	}
	if report.Poison != nil {
		report.Poison.Words = h.hide(report.Poison.Words)
	}
	return activities.CopyOutput{
		Exit: report.Exit, State: state, Progress: report.Progress, Arrivals: report.Arrivals,
		Remaining: report.Remaining, Problem: report.Problem, Poison: report.Poison, Deletions: report.Deletions,
	}, h.clean(err)
}

// Verify implements activities.Mailboxes.
func (m *mailboxes) Verify(ctx context.Context, in activities.VerifyInput) (migration.Verification, error) {
	h := m.secrets.hold()
	defer h.release()
	from, to, err := m.both(in.Endpoint, in.Mailbox, in.Door, h)
	if err != nil {
		return migration.Verification{}, err
	}
	verification, err := mailcopy.Verify(ctx, from, to, in.State, mailcopy.Options{
		Rules:      in.Rules,
		AddOnly:    in.AddOnly || in.Mailbox.Live,
		KeepsBytes: in.Door.Target.KeepsBytes,
		UserRoot:   in.Mailbox.UserRoot,
		Known:      in.Known,
	})
	return verification, h.clean(err)
}

// FindAtSource implements activities.Mailboxes.
func (m *mailboxes) FindAtSource(ctx context.Context, e migration.Endpoint, row migration.Mailbox, messageID string) (bool, error) {
	h := m.secrets.hold()
	defer h.release()
	account, err := source(e, row, h)
	if err != nil {
		return false, err
	}
	found, _, err := mailcopy.Find(ctx, account, messageID)
	return found, h.clean(err)
}

// FindAtTarget implements activities.Mailboxes.
func (m *mailboxes) FindAtTarget(ctx context.Context, door activities.Door, address, messageID string) (bool, []string, error) {
	h := m.secrets.hold()
	defer h.release()
	account, err := m.target(door, address, h)
	if err != nil {
		return false, nil, err
	}
	found, received, err := mailcopy.Find(ctx, account, messageID)
	return found, received, h.clean(err)
}
