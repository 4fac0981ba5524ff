package activities

import "github.com/mailferry/mailferry/internal/migration"

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
