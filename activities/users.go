package activities

import "github.com/mailferry/mailferry/internal/migration"

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
