package workflows

import (
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// MailboxInput starts a mailbox: its row and the few values of the plan that it needs. Carried is set by
// continue-as-new alone.
type MailboxInput struct {
	Scope activities.Scope `json:"scope"`
	// Parent is the wave's workflow ID.
	Parent  string            `json:"parent"`
	Mailbox migration.Mailbox `json:"mailbox"`
	// Expected is what step 6 counted at the source.
	Expected     Load                `json:"expected"`
	Endpoint     migration.Endpoint  `json:"endpoint"`
	Door         activities.Door     `json:"door"`
	Rules        migration.CopyRules `json:"rules"`
	SourceHosts  []string            `json:"sourceHosts,omitempty"`
	Organisation string              `json:"organisation"`
	Notices      migration.Notices   `json:"notices"`
	Timing       migration.Timing    `json:"timing"`
	Archive      string              `json:"archive"`
	Carried      *MailboxMemory      `json:"carried,omitempty"`
}

// MailboxMemory is what a mailbox carries over continue-as-new.
type MailboxMemory struct {
	Copy   migration.MailboxState `json:"copy"`
	Orders mailboxOrders          `json:"orders"`
	// Anchor is when the interval was last given; the deltas are timed from it.
	Anchor time.Time `json:"anchor,omitzero"`
	// Pass is the pass under way.
	Pass *pass `json:"pass,omitempty"`
	// Copied says that the first copy is complete; Passes counts from 1 with it.
	Copied    bool      `json:"copied,omitempty"`
	Passes    int       `json:"passes,omitempty"`
	PassBegan time.Time `json:"passBegan,omitzero"`
	LastPass  time.Time `json:"lastPass,omitzero"`
	// Unverified counts the passes in a row that didn't close.
	Unverified int `json:"unverified,omitempty"`
	// Late counts the final deltas in a row at whose end the source had mail that came meanwhile.
	Late         int                    `json:"late,omitempty"`
	Verification migration.Verification `json:"verification"`
	// Arrivals are what the source took in since the MX change, of which this mailbox knows since Switched.
	Arrivals    migration.Arrivals `json:"arrivals"`
	Switched    time.Time          `json:"switched,omitzero"`
	Problem     *migration.Problem `json:"problem,omitempty"`
	ProblemStep migration.Step     `json:"problemStep,omitempty"`
	// ProblemSince is when it began to wait for a person.
	ProblemSince time.Time `json:"problemSince,omitzero"`
	// Poison is a message that ended the copy again and again and is to be tried alone; Quarantine those for which that failed.
	Poison     *migration.Refusal  `json:"poison,omitempty"`
	Quarantine []migration.Refusal `json:"quarantine,omitempty"`
	// DeletionsAsked is how many deletions a person was asked about; DeletionsAllowed how many that person let go, in the
	// pass under way alone.
	DeletionsAsked   int `json:"deletionsAsked,omitempty"`
	DeletionsAllowed int `json:"deletionsAllowed,omitempty"`

	// Correction is what a later list says of the mailbox, the Corrected-th time, until it is put in place; Anew is the order
	// to begin again; Restored counts how often it was left out and taken back.
	Correction *correction `json:"correction,omitempty"`
	Corrected  int         `json:"corrected,omitempty"`
	Anew       bool        `json:"anew,omitempty"`
	Restored   int         `json:"restored,omitempty"`

	// Retrying is what fails again and again, and RetryAt when it is tried again.
	Retrying []Retrying `json:"retrying,omitempty"`
	RetryAt  time.Time  `json:"retryAt,omitzero"`

	// Paused: by itself, since PausedSince.
	Paused      bool      `json:"paused,omitempty"`
	PausedSince time.Time `json:"pausedSince,omitzero"`

	Demanded bool   `json:"demanded,omitempty"` // sync-now
	PassDone int    `json:"passDone,omitempty"` // the last demand of the wave that was met
	Excluded *Order `json:"excluded,omitempty"`
	Aborted  *Order `json:"aborted,omitempty"`
	Finished bool   `json:"finished,omitempty"`
	Welcomed bool   `json:"welcomed,omitempty"`
	Archived bool   `json:"archived,omitempty"`
	Note     string `json:"note,omitempty"`

	// Report is the number of the last report, Due when the next must be sent at the latest, zero if there is nothing to say.
	Report int       `json:"report,omitempty"`
	Due    time.Time `json:"due,omitzero"`
	// Unchanged counts passes since the last report; Lost the reports that found no parent.
	Unchanged int                    `json:"unchanged,omitempty"`
	Lost      int                    `json:"lost,omitempty"`
	Audit     []migration.AuditEntry `json:"audit,omitempty"`
}

// pass is a pass under way: what a probe found, and what is left of it.
type pass struct {
	Began time.Time `json:"began"`
	// Changed are the folders that the probe named, Remaining those that aren't complete.
	Changed   []string `json:"changed,omitempty"`
	Remaining []string `json:"remaining,omitempty"`
	// Known are the changed folders' cursors from before the pass.
	Known []migration.FolderCursor `json:"known,omitempty"`
	// Bounds are where it ends in each folder: what comes later is the next pass's.
	Bounds []migration.FolderBound `json:"bounds,omitempty"`
	// First is the first copy; Final the final delta.
	First bool `json:"first,omitempty"`
	Final bool `json:"final,omitempty"`
	// Demand is the wave's demand that this pass meets.
	Demand  int                `json:"demand,omitempty"`
	Done    migration.Progress `json:"done"`
	Arrived int                `json:"arrived,omitempty"`
}
