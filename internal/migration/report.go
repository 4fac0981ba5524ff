package migration

import "time"

// Report is what a migration leaves behind: everything that was decided, changed and counted.
type Report struct {
	Tenant       string    `json:"tenant"`
	Organisation string    `json:"organisation"`
	Launch       string    `json:"launch"`
	Started      time.Time `json:"started"`
	Ended        time.Time `json:"ended"`
	State        State     `json:"state"`
	Domains      []string  `json:"domains"`
	Account      Account   `json:"account"`
	Refusals     int       `json:"refusals"`
	// Mailboxes are the mailboxes' accounts, by address; the archive adds them.
	Mailboxes []MailboxAccount `json:"mailboxes,omitempty"`
	Approvals []Approval       `json:"approvals,omitempty"`
	Changes   []Change         `json:"changes,omitempty"`
	Proofs    []Proof          `json:"proofs,omitempty"`
	Arrivals  Arrivals         `json:"arrivals"`
	Audit     []AuditEntry     `json:"audit,omitempty"`
}

// Approval is a person's yes or no at the gate.
type Approval struct {
	At       time.Time `json:"at"`
	Digest   string    `json:"digest"`
	By       string    `json:"by"`
	Note     string    `json:"note,omitempty"`
	Rejected bool      `json:"rejected,omitempty"`
}

// AuditEntry is one thing that happened: an order of a person, a change in the world, a signal that was ignored.
type AuditEntry struct {
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	What string    `json:"what"`
	// LeftOut is set where the trail grew too long: so many entries stood here and were left out.
	LeftOut int `json:"leftOut,omitempty"`
}
