package migration

import "time"

// Report is what a migration leaves behind: everything that was decided, changed and counted.
type Report struct {
	Tenant       string    `json:"tenant"`
	Organisation string    `json:"organisation"`
	Launch       string    `json:"launch"`
	Started      time.Time `json:"started"`
	// Ended is zero in an interim report, of which At is the moment.
	Ended   time.Time `json:"ended,omitzero"`
	At      time.Time `json:"at,omitzero"`
	State   State     `json:"state"`
	Domains []string  `json:"domains"`
	// Total is how many mailboxes the migration has; Missing is how many of them left no account in the archive.
	Total   int `json:"total"`
	Missing int `json:"missing,omitempty"`
	// Account and Refusals are the sums over the mailboxes. Expected is how many messages step 6 counted at the source.
	Account  Account `json:"account"`
	Refusals int     `json:"refusals"`
	Expected int     `json:"expected,omitempty"`
	// Steps are the eleven with their times; Curve is how verified mailboxes and messages grew.
	Steps     []StepTime   `json:"steps,omitempty"`
	Curve     []Point      `json:"curve,omitempty"`
	Approvals []Approval   `json:"approvals,omitempty"`
	Changes   []Change     `json:"changes,omitempty"`
	Proofs    []Proof      `json:"proofs,omitempty"`
	Arrivals  Arrivals     `json:"arrivals"`
	Audit     []AuditEntry `json:"audit,omitempty"`
	// Waves are the audit trails of the waves.
	Waves []WaveTrail `json:"waves,omitempty"`
	// Mailboxes are the mailboxes' accounts, by address; the archive adds them. They come last, so that a reader may
	// take them one by one.
	Mailboxes []MailboxAccount `json:"mailboxes,omitempty"`
}

// StepTime is when a step began and ended, and what the plan said of it.
type StepTime struct {
	Step  Step      `json:"step"`
	State State     `json:"state"`
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Least is how long the plan has the step wait at the least, Most how long it lets it wait before a person is asked;
	// 0 where the plan says nothing.
	Least Duration `json:"least,omitempty"`
	Most  Duration `json:"most,omitempty"`
}

// Approval is a person's yes or no at the gate.
type Approval struct {
	At       time.Time `json:"at"`
	Digest   string    `json:"digest"`
	By       string    `json:"by"`
	Note     string    `json:"note,omitempty"`
	Rejected bool      `json:"rejected,omitempty"`
}
