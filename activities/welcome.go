package activities

import "github.com/mailferry/mailferry/internal/migration"

// ArchiveAccountInput is a mailbox's account to keep.
type ArchiveAccountInput struct {
	Scope   Scope                    `json:"scope"`
	Archive string                   `json:"archive"`
	Account migration.MailboxAccount `json:"account"`
	// State is the mailbox's last state, from which a later launch could go on.
	State migration.MailboxState `json:"state"`
}

// ArchiveReportInput is a tenant's closing report to keep.
type ArchiveReportInput struct {
	Scope   Scope            `json:"scope"`
	Archive string           `json:"archive"`
	Report  migration.Report `json:"report"`
}
