package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// ProbeMailInput is a routing probe to send from outside.
type ProbeMailInput struct {
	Scope   Scope             `json:"scope"`
	Routing migration.Routing `json:"routing"`
	To      string            `json:"to"`
	// Try counts the probes to this domain from 1; each has a Message-ID of its own.
	Try int `json:"try"`
}

// ProbeMailOutput is the probe's Message-ID.
type ProbeMailOutput struct {
	MessageID string `json:"messageId"`
}

// FindProbeInput is a probe to look for in the new mailbox.
type FindProbeInput struct {
	Door      Door   `json:"door"`
	Address   string `json:"address"`
	MessageID string `json:"messageId"`
}

// FindProbeOutput says whether it came, and its Received lines, newest first.
type FindProbeOutput struct {
	Found    bool     `json:"found"`
	Received []string `json:"received,omitempty"`
}

// TraceInput asks the tenant's message trace about a domain.
type TraceInput struct {
	Microsoft migration.Microsoft `json:"microsoft"`
	Domain    string              `json:"domain"`
	Since     time.Time           `json:"since"`
}

// TraceOutput has what came in from outside.
type TraceOutput struct {
	Rows []migration.TraceRow `json:"rows,omitempty"`
}

// SendProbe sends a mail from outside, by the plan's relay. A retry sends the same Message-ID again: a second copy of a
// probe harms nobody, and the first that is found proves the way.
func (a *Activities) SendProbe(ctx context.Context, in ProbeMailInput) (ProbeMailOutput, error) {
	if in.Routing.Relay == nil {
		return ProbeMailOutput{}, failure(migration.NeedsPerson("no-relay",
			fmt.Sprintf("no mail from outside can be sent to %s: the plan names no relay", in.To),
			"name a relay in the plan, or send a mail from outside yourself", nil))
	}
	from := in.Routing.ProbeFrom
	kind := migration.NoticeKind(fmt.Sprintf("probe-%d", in.Try))
	id := migration.NoticeID(in.Scope.Tenant, in.Scope.Launch, in.To, kind, domainOf(from))
	return single(ctx, a, func(ctx context.Context) (ProbeMailOutput, error) {
		err := a.Notifier.Probe(ctx, *in.Routing.Relay, from, in.To, id)
		if errors.Is(err, migration.ErrOutcomeUnknown) {
			err = nil // it is looked for anyway
		}
		return ProbeMailOutput{MessageID: id}, err
	})
}

// domainOf is what follows the last @.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// FindProbe looks for a probe in the new mailbox.
func (a *Activities) FindProbe(ctx context.Context, in FindProbeInput) (FindProbeOutput, error) {
	return single(ctx, a, func(ctx context.Context) (FindProbeOutput, error) {
		found, received, err := a.Mailboxes.FindAtTarget(ctx, in.Door, in.Address, in.MessageID)
		return FindProbeOutput{Found: found, Received: received}, err
	})
}

// Trace asks the tenant what it received for the domain.
func (a *Activities) Trace(ctx context.Context, in TraceInput) (TraceOutput, error) {
	return single(ctx, a, func(ctx context.Context) (TraceOutput, error) {
		rows, err := a.Directory.Trace(ctx, in.Microsoft, in.Domain, in.Since)
		return TraceOutput{Rows: rows}, err
	})
}
