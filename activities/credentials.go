package activities

import "github.com/mailferry/mailferry/internal/migration"

// OpenSourcesInput names mailboxes that shall be opened at the source.
type OpenSourcesInput struct {
	Endpoints []migration.Endpoint `json:"endpoints"`
	Mailboxes []migration.Mailbox  `json:"mailboxes"`
}
