package activities

import (
	"context"

	"github.com/mailferry/mailferry/internal/migration"
)

// OpenSourcesInput names mailboxes that shall be opened at the source.
type OpenSourcesInput struct {
	Endpoints []migration.Endpoint `json:"endpoints"`
	Mailboxes []migration.Mailbox  `json:"mailboxes"`
}

// OpenSources signs in to each mailbox at its source and selects INBOX.
func (a *Activities) OpenSources(ctx context.Context, in OpenSourcesInput) (OutcomesOutput, error) {
	return a.outcomes(ctx, in.Mailboxes,
		func(ctx context.Context, _ *entry, m migration.Mailbox) (migration.Outcome, error) {
			source, err := endpoint(in.Endpoints, m)
			if err == nil {
				err = a.Mailboxes.OpenSource(ctx, source, m)
			}
			return outcome(m.Address, err)
		})
}
