package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// NotifyInput is a kind of notice to some mailboxes.
type NotifyInput struct {
	Scope        Scope                `json:"scope"`
	Kind         migration.NoticeKind `json:"kind"`
	Organisation string               `json:"organisation"`
	Notices      migration.Notices    `json:"notices"`
	// AfterMX sends by the tenant and looks for what may have been sent in the new mailboxes; before the MX change it is the source.
	AfterMX   bool                 `json:"afterMX,omitempty"`
	Door      Door                 `json:"door"`
	Endpoints []migration.Endpoint `json:"endpoints"`
	To        []Recipient          `json:"to"`
}

// Recipient is a mailbox and what the notice tells its user.
type Recipient struct {
	Mailbox      migration.Mailbox   `json:"mailbox"`
	Account      migration.Account   `json:"account"`
	Refusals     []migration.Refusal `json:"refusals,omitempty"`
	RefusalCount int                 `json:"refusalCount,omitempty"`
}

// Notify sends a notice to each mailbox's user, once. That a message is about to be sent is on record before it is; if
// then its outcome isn't known it is looked for where it would have arrived, and never sent again.
func (a *Activities) Notify(ctx context.Context, in NotifyInput) (OutcomesOutput, error) {
	mailboxes := make([]migration.Mailbox, len(in.To))
	for i, to := range in.To {
		mailboxes[i] = to.Mailbox
	}
	return a.outcomes(ctx, mailboxes, func(ctx context.Context, e *entry, _ migration.Mailbox) (migration.Outcome, error) {
		return a.notify(ctx, e, in, in.To[e.index])
	})
}

// sending is the intent of a notice that is being handed to the server.
const sending = "sending"

func (a *Activities) notify(ctx context.Context, e *entry, in NotifyInput, to Recipient) (migration.Outcome, error) {
	notice := migration.Notice{
		Kind:         in.Kind,
		To:           to.Mailbox.Address,
		DisplayName:  to.Mailbox.DisplayName,
		Language:     to.Mailbox.Language,
		Organisation: in.Organisation,
		Support:      in.Notices.Support,
		MessageID:    migration.NoticeID(in.Scope.Tenant, in.Scope.Launch, to.Mailbox.Address, in.Kind, domainOf(in.Notices.From)),
		Account:      to.Account,
		Refusals:     to.Refusals,
		RefusalCount: to.RefusalCount,
	}
	server := in.Notices.After
	if !in.AfterMX {
		server = in.Notices.Before
		notice.To = to.Mailbox.At()
	}
	if e.intent != "" {
		return a.lookUp(ctx, in, to.Mailbox, notice.MessageID)
	}
	if in.Notices.PerMinute > 0 {
		if err := a.notices.wait(ctx, server.Host, time.Minute/time.Duration(in.Notices.PerMinute)); err != nil {
			return migration.Outcome{}, err
		}
	}
	if err := e.intend(ctx, sending); err != nil {
		return migration.Outcome{}, err
	}
	err := a.Notifier.Notify(ctx, in.Notices, server, notice)
	if errors.Is(err, migration.ErrOutcomeUnknown) {
		return a.lookUp(ctx, in, to.Mailbox, notice.MessageID)
	}
	if err != nil {
		// It was certainly not sent. If that can't be recorded the retry looks for it, which is only slower.
		_ = e.intend(ctx, "")
		return migration.Outcome{}, err
	}
	return migration.Outcome{Address: to.Mailbox.Address, Done: true}, nil
}

// lookFor is when a notice in doubt is looked for: a server that took it may need a moment to deliver it.
var lookFor = [...]time.Duration{0, 2 * time.Second, 8 * time.Second}

// lookUp decides what became of a notice that may have been sent. It is done in any case: found, or recorded as one
// that may have been sent.
func (a *Activities) lookUp(ctx context.Context, in NotifyInput, m migration.Mailbox, messageID string) (migration.Outcome, error) {
	var why string
	for _, pause := range lookFor {
		if err := sleep(ctx, pause); err != nil {
			return migration.Outcome{}, err
		}
		found, err := a.findNotice(ctx, in, m, messageID)
		if err != nil && ctx.Err() != nil {
			return migration.Outcome{}, err
		}
		if err != nil {
			why = fmt.Sprintf("the recipient's mailbox could not be looked through: %v", err)
			continue
		}
		if found {
			return migration.Outcome{Address: m.Address, Done: true, Note: "the sending was interrupted, and the message then found in the mailbox"}, nil
		}
		why = "it is not in the recipient's mailbox"
	}
	return migration.Outcome{
		Address: m.Address, Done: true,
		Note: "may have been sent: the sending was interrupted, and " + why + "; it is not sent again",
	}, nil
}

func (a *Activities) findNotice(ctx context.Context, in NotifyInput, m migration.Mailbox, messageID string) (bool, error) {
	if in.AfterMX {
		found, _, err := a.Mailboxes.FindAtTarget(ctx, in.Door, m.Address, messageID)
		return found, err
	}
	source, err := endpoint(in.Endpoints, m)
	if err != nil {
		return false, err
	}
	return a.Mailboxes.FindAtSource(ctx, source, m, messageID)
}

// pace spaces out what this process does at one server, whoever asks for it. The zero value is ready.
type pace struct {
	mu   sync.Mutex
	next map[string]time.Time
}

// wait takes the server's next turn and waits for it.
func (p *pace) wait(ctx context.Context, server string, every time.Duration) error {
	p.mu.Lock()
	now := time.Now()
	turn := p.next[server]
	if turn.Before(now) {
		turn = now
	}
	if p.next == nil {
		p.next = map[string]time.Time{}
	}
	p.next[server] = turn.Add(every)
	p.mu.Unlock()
	return sleep(ctx, time.Until(turn))
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
