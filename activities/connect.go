package activities

import (
	"context"

	"github.com/mailferry/mailferry/internal/migration"
)

// ConnectInput names mailboxes whose both sides shall be opened.
type ConnectInput struct {
	Door      Door                 `json:"door"`
	Endpoints []migration.Endpoint `json:"endpoints"`
	Rules     migration.CopyRules  `json:"rules"`
	Mailboxes []migration.Mailbox  `json:"mailboxes"`
}

// ConnectOutput has one outcome for each mailbox, in their order.
type ConnectOutput struct {
	Outcomes []ConnectOutcome `json:"outcomes"`
}

// ConnectOutcome is an outcome with what the mailbox holds.
type ConnectOutcome struct {
	migration.Outcome
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes,omitempty"`
	Folders  int   `json:"folders"`
}

// Connect opens both sides of each mailbox by really signing in, and counts what there is to copy.
func (a *Activities) Connect(ctx context.Context, in ConnectInput) (ConnectOutput, error) {
	results, err := batch(ctx, a, len(in.Mailboxes),
		func(ctx context.Context, e *entry) (ConnectOutcome, error) {
			return a.connect(ctx, in, in.Mailboxes[e.index])
		},
		func(i int, why error) ConnectOutcome {
			return ConnectOutcome{Outcome: pending(in.Mailboxes[i].Address, why.Error())}
		})
	return ConnectOutput{Outcomes: results}, err
}

func (a *Activities) connect(ctx context.Context, in ConnectInput, m migration.Mailbox) (ConnectOutcome, error) {
	var facts migration.SourceFacts
	open := false
	source, err := endpoint(in.Endpoints, m)
	if err == nil {
		facts, err = a.Mailboxes.Inspect(ctx, source, m, in.Rules)
	}
	if err == nil {
		open, err = a.Mailboxes.OpenTarget(ctx, in.Door, m.Address)
	}
	base, err := outcome(m.Address, err)
	if err != nil {
		return ConnectOutcome{}, err
	}
	if base.Done && !open {
		base = pending(m.Address, noAccess)
	}
	result := ConnectOutcome{Outcome: base, Folders: len(facts.Folders)}
	for _, f := range facts.Folders {
		result.Messages += f.Messages
		result.Bytes += f.Bytes
	}
	return result, nil
}
