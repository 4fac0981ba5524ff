package activities

import "github.com/mailferry/mailferry/internal/migration"

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
