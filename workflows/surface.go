package workflows

import (
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// The names on which operators and their tools rely. They never change.
const (
	TenantType  = "Tenant"
	WaveType    = "Wave"
	MailboxType = "Mailbox"

	SignalApprove = "approve-cutover"
	SignalReject  = "reject-cutover"
	SignalRetry   = "retry-step"
	SignalSkip    = "skip-step"
	SignalAbort   = "abort"
	SignalPause   = "pause"
	SignalResume  = "resume"
	SignalSyncNow = "sync-now"
	SignalExclude = "exclude"
	SignalRestart = "restart"

	UpdateEnroll        = "enroll"
	UpdateEnrollCommit  = "enroll-commit"
	UpdateEnrollDiscard = "enroll-discard"
	UpdateApprove       = "approve"

	QueryStatus = "status"
	// QueryWhere asks a tenant in whose hands the mailbox of an address is, its argument: a [Where].
	QueryWhere = "where"
	// QueryReport on a tenant answers with a migration.Report as it is now, without the mailboxes.
	QueryReport = "report"

	// RolledBack is the kind of the problem that stands when the records were set back: a second abort ends it, no retry.
	RolledBack = "rolled-back"

	// PausedAlone is the kind of the problem of a wave or a mailbox that was paused by itself: a resume of it ends it, no retry.
	PausedAlone = "paused"

	// TenantPriority is the priority with which a tenant is started; see temporal.Priority.
	TenantPriority = 1

	// MemoStatus is the memo by which status works without a worker: a [Memo].
	MemoStatus = "status"
)

// Decision approves or rejects a cutover: the payload of SignalApprove, SignalReject and UpdateApprove.
type Decision struct {
	// Digest names what is approved; it is shown at the gate.
	Digest string `json:"digest"`
	By     string `json:"by"`
	Note   string `json:"note,omitempty"`
}

// StepOrder is the payload of SignalRetry and SignalSkip.
type StepOrder struct {
	// Step is the step's number.
	Step migration.Step `json:"step"`
	// Mailbox limits the order to one mailbox, by address.
	Mailbox string `json:"mailbox,omitempty"`
	By      string `json:"by"`
	Reason  string `json:"reason,omitempty"`
}

// RowOrder is the payload of SignalExclude and SignalRestart on a tenant or a wave, which see to it where the mailbox
// is: in its own workflow, which takes an [Order], or still in the wave's hands.
type RowOrder struct {
	// Mailbox is the address.
	Mailbox string `json:"mailbox"`
	By      string `json:"by"`
	Reason  string `json:"reason,omitempty"`
}

// Order is the payload of SignalAbort, SignalPause, SignalResume and SignalSyncNow everywhere, and of SignalExclude and
// SignalRestart on a mailbox.
type Order struct {
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// EnrollInput is one chunk of a CSV: the argument of UpdateEnroll. A row whose address is enrolled already is a
// correction of that row, or nothing where it changes nothing.
type EnrollInput struct {
	// Import names the list; each that is committed has a name of its own.
	Import string              `json:"import"`
	Chunk  int                 `json:"chunk"`
	Of     int                 `json:"of"`
	Rows   []migration.Mailbox `json:"rows"`
}

// EnrollResult says how many rows of the import are staged now, and what they would change.
type EnrollResult struct {
	Staged int `json:"staged"`
	// New rows, corrected ones and those that change nothing add up to Staged.
	New       int `json:"new,omitempty"`
	Corrected int `json:"corrected,omitempty"`
	Unchanged int `json:"unchanged,omitempty"`
	// Changes are the first of those that are new or corrected.
	Changes []RowChange `json:"changes,omitempty"`
}

// RowChange is what a row of a list changes.
type RowChange struct {
	Address string `json:"address"`
	// What is "new", or what is corrected.
	What string `json:"what"`
}

// EnrollCommitInput makes a staged import real if exactly Rows rows of it are staged: the argument of
// UpdateEnrollCommit; UpdateEnrollDiscard takes it too, and ignores Rows.
type EnrollCommitInput struct {
	Import string `json:"import"`
	Rows   int    `json:"rows"`
}

// ApproveResult answers UpdateApprove.
type ApproveResult struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

// TenantInput starts a tenant. Carried is set by continue-as-new alone.
type TenantInput struct {
	Plan    migration.Plan `json:"plan"`
	Launch  string         `json:"launch"`
	Carried *TenantState   `json:"carried,omitempty"`
}

// Status is the answer to QueryStatus on a tenant: everything an operator may want to see, without maps.
type Status struct {
	Tenant       string          `json:"tenant"`
	Organisation string          `json:"organisation"`
	Launch       string          `json:"launch"`
	State        migration.State `json:"state"`
	Started      time.Time       `json:"started"`
	Steps        []StepStatus    `json:"steps"`
	// Waiting are the things that wait for a person.
	Waiting []Waiting    `json:"waiting,omitempty"`
	Waves   []WaveStatus `json:"waves,omitempty"`
	Totals  Totals       `json:"totals"`
	Pace    Pace         `json:"pace"`
	// Gate is set while the cutover waits for approval.
	Gate *Gate `json:"gate,omitempty"`
	// Doing says in plain words what is being waited for just now, when it isn't a person.
	Doing string `json:"doing,omitempty"`
	// Retrying is what fails again and again, of the tenant and of its waves; at most 50.
	Retrying []Retrying `json:"retrying,omitempty"`
	// Sources are the endpoints' old servers, each with its greeting and capabilities as step 2 saw them.
	Sources   []string               `json:"sources,omitempty"`
	Proofs    []migration.Proof      `json:"proofs,omitempty"`
	Approvals []migration.Approval   `json:"approvals,omitempty"`
	Audit     []migration.AuditEntry `json:"audit,omitempty"`
	// Lists is how many lists of mailboxes were taken in.
	Lists int `json:"lists,omitempty"`
	// Report is the archive's name of the closing report, once it is written.
	Report string `json:"report,omitempty"`
}

// CountWaiting is how many things wait for a person; Waiting names the first of them.
func (s Status) CountWaiting() int {
	n := len(s.Waiting)
	for _, w := range s.Waves {
		n += max(0, w.WaitingCount-len(w.Waiting))
	}
	return n
}

// Where answers QueryWhere.
type Where struct {
	// Enrolled says that the tenant knows the address.
	Enrolled bool `json:"enrolled"`
	// Wave is its wave's workflow ID, Mailbox its own, which is started once its steps before the first copy are done.
	Wave    string `json:"wave,omitempty"`
	Mailbox string `json:"mailbox,omitempty"`
}

// StepStatus is where one of the eleven steps stands.
type StepStatus struct {
	Step  migration.Step  `json:"step"`
	Name  string          `json:"name"`
	Title string          `json:"title"`
	State migration.State `json:"state"`
	// Text is one line: how far it is, or what it waits for.
	Text  string    `json:"text,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Waiting is something that waits for a person: a step of the tenant or of one mailbox.
type Waiting struct {
	Step    migration.Step    `json:"step"`
	Mailbox string            `json:"mailbox,omitempty"`
	Wave    string            `json:"wave,omitempty"`
	Problem migration.Problem `json:"problem"`
	Since   time.Time         `json:"since"`
}

// Retrying is something that fails again and again and is tried again by itself, because it may pass.
type Retrying struct {
	Step    migration.Step `json:"step,omitempty"`
	Wave    string         `json:"wave,omitempty"`
	Mailbox string         `json:"mailbox,omitempty"`
	// What is being done, Since when it fails, and Words of the last failure.
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	Words string    `json:"words"`
}

// Totals are the sums over mailboxes.
type Totals struct {
	Mailboxes int `json:"mailboxes"`
	// Verified are those whose last pass closed.
	Verified int               `json:"verified"`
	Finished int               `json:"finished"`
	Failed   int               `json:"failed,omitempty"`
	Excluded int               `json:"excluded,omitempty"`
	Account  migration.Account `json:"account"`
	Refusals int               `json:"refusals,omitempty"`
	// Expected is how many messages step 6 counted at the source.
	Expected int `json:"expected,omitempty"`
	// Passwords is how many new users' first passwords nobody was given yet.
	Passwords int `json:"passwords,omitempty"`
}

// WaveStatus is where one wave stands; QueryStatus on a wave answers with it and its mailboxes.
type WaveStatus struct {
	Name  string          `json:"name"`
	ID    string          `json:"id"`
	State migration.State `json:"state"`
	Steps []StepStatus    `json:"steps"`
	// Waiting is at most 20; WaitingCount is the true number.
	Waiting      []Waiting `json:"waiting,omitempty"`
	WaitingCount int       `json:"waitingCount,omitempty"`
	// Retrying is what fails again and again, of the wave and of its mailboxes; at most 10. A tenant names it among its own.
	Retrying []Retrying         `json:"retrying,omitempty"`
	Totals   Totals             `json:"totals"`
	Pace     Pace               `json:"pace"`
	Arrivals migration.Arrivals `json:"arrivals"`
	// Mailboxes and Audit, the last entries of the wave's own trail, are in the answer to the query alone.
	Mailboxes []MailboxStatus        `json:"mailboxes,omitempty"`
	Audit     []migration.AuditEntry `json:"audit,omitempty"`
}

// MailboxStatus is where one mailbox stands; QueryStatus on a mailbox answers with it.
type MailboxStatus struct {
	Address string          `json:"address"`
	ID      string          `json:"id,omitempty"`
	Wave    string          `json:"wave,omitempty"`
	State   migration.State `json:"state"`
	Step    migration.Step  `json:"step"`
	// Since is when it began to wait for a person; zero where it doesn't.
	Since time.Time `json:"since,omitzero"`
	// Doing is "first copy", "delta", "verifying", "between deltas", and so on.
	Doing string `json:"doing,omitempty"`
	// Copied says that the first copy is complete. Expected is what step 6 counted for it at the source.
	Copied       bool                   `json:"copied,omitempty"`
	Expected     Load                   `json:"expected"`
	Passes       int                    `json:"passes"`
	LastPass     time.Time              `json:"lastPass,omitzero"`
	Account      migration.Account      `json:"account"`
	RefusalCount int                    `json:"refusalCount,omitempty"`
	Verification migration.Verification `json:"verification"`
	Problem      *migration.Problem     `json:"problem,omitempty"`
	Retrying     *Retrying              `json:"retrying,omitempty"`
	AddOnly      bool                   `json:"addOnly,omitempty"`
	// Handed is who was given the user's first password; only its wave knows.
	Handed *Handed `json:"handed,omitempty"`
	// Audit are the last entries of the mailbox's own trail; only the mailbox itself answers with them.
	Audit []migration.AuditEntry `json:"audit,omitempty"`
}

// Gate is what a person approves.
type Gate struct {
	// Digest names Changes, Domains and Accepted; nothing else goes into it, so it doesn't change by itself.
	Digest  string             `json:"digest"`
	Domains []string           `json:"domains"`
	Changes []migration.Change `json:"changes"`
	// Accepted are the mailboxes that would be accepted as not verified, sorted.
	Accepted []string `json:"accepted,omitempty"`
	// Refusals is how many messages the target has refused by now. It grows by itself, and so is no part of the digest.
	Refusals int       `json:"refusals,omitempty"`
	Since    time.Time `json:"since"`
}

// Memo is what status shows without a worker; at most 2 kB as JSON.
type Memo struct {
	State   migration.State `json:"state"`
	Step    migration.Step  `json:"step"`
	Doing   string          `json:"doing,omitempty"`
	Waiting int             `json:"waiting,omitempty"`
	// First is the first thing that waits, in words; Kind and Mailbox are its problem's and its mailbox's.
	First   string    `json:"first,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	Mailbox string    `json:"mailbox,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Totals  Totals    `json:"totals"`
	Pace    *Pace     `json:"pace,omitempty"`
	// States are the eleven steps' states in order.
	States   []migration.State `json:"states,omitempty"`
	Digest   string            `json:"digest,omitempty"`
	Modified time.Time         `json:"modified"`
}

// MailboxMemo is what is shown of a mailbox without a worker, under MemoStatus: its status without the verification's
// folders and faults, at most 2 kB as JSON.
type MailboxMemo struct {
	MailboxStatus
	Modified time.Time `json:"modified"`
}
