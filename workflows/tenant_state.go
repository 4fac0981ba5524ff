package workflows

import (
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// TenantState is what a tenant carries over continue-as-new.
type TenantState struct {
	Started time.Time       `json:"started"`
	Imports []*importState  `json:"imports,omitempty"`
	Ledger  ledger          `json:"ledger,omitempty"`
	Waves   []*tenantWave   `json:"waves"`
	Domains []*tenantDomain `json:"domains"`
	// Samples are rows by which the sources are inspected, at most three of each.
	Samples []migration.Mailbox `json:"samples,omitempty"`
	Sources []string            `json:"sources,omitempty"`
	// Inspected names the endpoints that were; TraceAsked says that message trace was asked for, Traceless why it can't be had.
	Inspected  []string `json:"inspected,omitempty"`
	TraceAsked bool     `json:"traceAsked,omitempty"`
	Traceless  string   `json:"traceless,omitempty"`
	// Steps are the eleven, in order. Those that the waves pass are counted from their reports.
	Steps []StepStatus `json:"steps"`

	// Rates are the last samples of how much of the first copies was done, oldest first.
	Rates []paceSample `json:"rates,omitempty"`

	// HandOuts counts the orders for first passwords.
	HandOuts int `json:"handOuts,omitempty"`

	Paused  bool   `json:"paused,omitempty"`
	Aborted *Order `json:"aborted,omitempty"`
	// Pass counts the passes that were demanded of every mailbox.
	Pass int   `json:"pass,omitempty"`
	Gate *Gate `json:"gate,omitempty"`
	// Approved is the approval that stands, until the change is made or found to be another.
	Approved  *migration.Approval    `json:"approved,omitempty"`
	Approvals []migration.Approval   `json:"approvals,omitempty"`
	Changes   []migration.Change     `json:"changes,omitempty"`
	Proofs    []migration.Proof      `json:"proofs,omitempty"`
	Audit     []migration.AuditEntry `json:"audit,omitempty"`
	Retrying  []Retrying             `json:"retrying,omitempty"`
	// CutOver is when the first MX was changed.
	CutOver time.Time `json:"cutOver,omitzero"`
	// Attempted is when a change of MX was first begun, whatever became of it.
	Attempted time.Time `json:"attempted,omitzero"`
	// QuietUntil is when a person is asked if mail still arrives at the source; Demanded since when every mailbox was asked for a
	// pass to prove that none does; Accepted says that a person took the stragglers as they are.
	QuietUntil time.Time `json:"quietUntil,omitzero"`
	Demanded   time.Time `json:"demanded,omitzero"`
	Accepted   *Order    `json:"accepted,omitempty"`
	// Rollback is the order to set the records back, RolledBack that it was done.
	Rollback   *Order `json:"rollback,omitempty"`
	RolledBack bool   `json:"rolledBack,omitempty"`
	// CachedUntil is when the new records, after they were set back, have run out of every cache.
	CachedUntil time.Time `json:"cachedUntil,omitzero"`
	Finish      bool      `json:"finish,omitempty"`
	Closing     bool      `json:"closing,omitempty"`
	Report      string    `json:"report,omitempty"`
	// Times are the steps' times, Curve how the migration grew; Files and Missing are what came of the closing report.
	Times   []migration.StepTime      `json:"times,omitempty"`
	Curve   migration.Curve           `json:"curve,omitzero"`
	Files   []activities.ArchivedFile `json:"files,omitempty"`
	Missing int                       `json:"missing,omitempty"`
	Ended   time.Time                 `json:"ended,omitzero"`
}

// importState is one CSV on its way in.
type importState struct {
	ID     string `json:"id"`
	Of     int    `json:"of"`
	Chunks []int  `json:"chunks,omitempty"`
	Rows   int    `json:"rows"`
	listing
	// Staged are the rows that are new to their wave or have another source account, until the import is committed.
	Staged    ledger              `json:"staged,omitempty"`
	Waves     []importWave        `json:"waves,omitempty"`
	Samples   []migration.Mailbox `json:"samples,omitempty"`
	Committed bool                `json:"committed,omitempty"`
}

// tenantWave is a wave as its tenant sees it.
type tenantWave struct {
	Name string `json:"name"`
	// Started says that its workflow has confirmed the start; Rows are those committed.
	Started bool `json:"started,omitempty"`
	Rows    int  `json:"rows,omitempty"`
	Begun   bool `json:"begun,omitempty"`
	// Held is how many first copies of each source it may be making, whatever it was told since.
	Held []share    `json:"held,omitempty"`
	Told waveOrders `json:"told"`
	// Asked is the number of the last orders sent, whether or not they arrived.
	Asked  int        `json:"asked,omitempty"`
	Report waveReport `json:"report"`
	// Lost: its workflow ended without a final report.
	Lost bool `json:"lost,omitempty"`
}

// tenantDomain is an SMTP domain on its way.
type tenantDomain struct {
	Name     string `json:"name"`
	Verified bool   `json:"verified,omitempty"`
	// Ready: verified, the records it wants are known, SPF and DKIM are published.
	Ready bool `json:"ready,omitempty"`
	// Wanted is the MX as the tenant wants it; Proven are its SPF and DKIM records as published.
	Wanted migration.Record   `json:"wanted,omitzero"`
	Proven []migration.Record `json:"proven,omitempty"`
	// Deadline is when a person is asked, if what is waited for hasn't come.
	Deadline time.Time `json:"deadline,omitzero"`
	// Original is the MX before anything was changed; Lowered says when its TTL was.
	Original migration.Record `json:"original,omitzero"`
	Lowered  time.Time        `json:"lowered,omitzero"`
	// Change is what the cutover did, at Changed. While that is zero it is what the cutover began and may have done.
	Change  *migration.Change `json:"change,omitempty"`
	Changed time.Time         `json:"changed,omitzero"`
	// Probe is the last routing probe sent, the Try-th, at Sent.
	Probe string    `json:"probe,omitempty"`
	Try   int       `json:"try,omitempty"`
	Sent  time.Time `json:"sent,omitzero"`
	// Restored says that the cutover's change was taken back, or why it was left alone: someone else has changed the record.
	Restored bool   `json:"restored,omitempty"`
	Left     string `json:"left,omitempty"`
	// Raised says that the MX has its lasting TTL.
	Raised bool `json:"raised,omitempty"`
}
