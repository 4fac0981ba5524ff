package workflows

import (
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// WaveInput starts a wave. Carried is set by continue-as-new alone.
type WaveInput struct {
	Scope activities.Scope `json:"scope"`
	// Parent is the tenant's workflow ID.
	Parent  string         `json:"parent"`
	Name    string         `json:"name"`
	Plan    migration.Plan `json:"plan"`
	Carried *WaveMemory    `json:"carried,omitempty"`
}

// WaveMemory is what a wave carries over continue-as-new.
type WaveMemory struct {
	Staged []stageMessage `json:"staged,omitempty"`
	Rows   []*row         `json:"rows,omitempty"`
	// Slots counts the rows that the wave ever had.
	Slots  int        `json:"slots,omitempty"`
	Orders waveOrders `json:"orders"`
	// Paused: by itself, since PausedSince.
	Paused      bool      `json:"paused,omitempty"`
	PausedSince time.Time `json:"pausedSince,omitzero"`
	// Pass counts the passes that were demanded here, on top of the tenant's.
	Pass    int    `json:"pass,omitempty"`
	Aborted *Order `json:"aborted,omitempty"`
	// CopyBegan is when the first first copy was ordered, CopyEnded when the last was complete.
	CopyBegan time.Time `json:"copyBegan,omitzero"`
	CopyEnded time.Time `json:"copyEnded,omitzero"`
	// Report is the number of the last report; Reported when it was sent; Due when the next must be, zero if there is nothing to say.
	Report   int       `json:"report,omitempty"`
	Reported time.Time `json:"reported,omitzero"`
	Due      time.Time `json:"due,omitzero"`
	Lost     int       `json:"lost,omitempty"`
	// Check is when to look for children that ended without a report; Checked says that it was done before finishing.
	Check    time.Time `json:"check,omitzero"`
	Checked  bool      `json:"checked,omitempty"`
	Archived bool      `json:"archived,omitempty"`
	// After is when the wave tries again to archive what is left; Retrying is what fails again and again.
	After    time.Time  `json:"after,omitzero"`
	Retrying []Retrying `json:"retrying,omitempty"`
	// Problem keeps the wave from archiving what is left, since Since.
	Problem *migration.Problem     `json:"problem,omitempty"`
	Since   time.Time              `json:"since,omitzero"`
	Audit   []migration.AuditEntry `json:"audit,omitempty"`
}

// stage is how far a row has come on its way to its first copy.
type stage int

const (
	stageUsers stage = iota
	stageAnswer
	stageAnnounce
	stageCredentials
	stageConnect
	stageRemind
	stageStart
	// stageStarted: its mailbox has confirmed the start, and the row is gone.
	stageStarted
)

// step is the step to which the stage belongs.
func (s stage) step() migration.Step {
	switch s {
	case stageUsers, stageAnswer:
		return migration.StepUsers
	case stageAnnounce, stageRemind:
		return migration.StepAnnounce
	case stageCredentials:
		return migration.StepCredentials
	case stageConnect:
		return migration.StepConnect
	}
	return migration.StepMigrate
}

// past reports whether a row at the stage is done with the step; only the mailbox itself tells of step 7.
func (s stage) past(step migration.Step) bool {
	switch step {
	case migration.StepUsers:
		return s > stageAnswer
	case migration.StepAnnounce:
		return s > stageAnnounce
	case migration.StepCredentials:
		return s > stageCredentials
	case migration.StepList:
		return true
	case migration.StepConnect:
		return s > stageConnect
	}
	return false
}

// row is one mailbox of a wave.
type row struct {
	Address  string `json:"address"`
	Endpoint string `json:"endpoint"`
	// Slot is its place among all rows that the wave ever had, by which its deltas are spread.
	Slot int `json:"slot,omitempty"`
	// Prints tell whether a later list changes it; Corrected counts how often one did.
	Prints    prints `json:"prints"`
	Corrected int    `json:"corrected,omitempty"`
	// Late: its list came when the wave had begun.
	Late bool `json:"late,omitempty"`
	// Held: a list that isn't committed yet moves it to another wave, or one that is has moved it here and it isn't here yet.
	Held bool `json:"held,omitempty"`
	// Correction is what its workflow hasn't been told yet.
	Correction *migration.Mailbox `json:"correction,omitempty"`
	// Mailbox is dropped when its workflow has confirmed the start.
	Mailbox *migration.Mailbox `json:"mailbox,omitempty"`
	Stage   stage              `json:"stage"`
	// State is Running, Waiting, Excluded or Failed.
	State migration.State `json:"state"`
	// Since is when the stage or the wait began; After is when the row is looked at again.
	Since   time.Time          `json:"since,omitzero"`
	After   time.Time          `json:"after,omitzero"`
	Problem *migration.Problem `json:"problem,omitempty"`
	Note    string             `json:"note,omitempty"`
	// Doing is what it waits for just now, when that comes by itself.
	Doing string `json:"doing,omitempty"`
	// Password is the sealed first password of a user that was created.
	Password migration.Sealed `json:"password,omitempty"`
	// Handed is who was given it, nil if nobody was.
	Handed *Handed              `json:"handed,omitempty"`
	User   migration.UserResult `json:"user,omitzero"`
	// Announced and Reminded say that its user was told, which happens once.
	Announced bool  `json:"announced,omitempty"`
	Reminded  bool  `json:"reminded,omitempty"`
	Expected  int   `json:"expected,omitempty"`
	Bytes     int64 `json:"bytes,omitempty"`
	// Granted is the order for the first copy; Excluded the one to leave it out.
	Granted  bool          `json:"granted,omitempty"`
	Excluded Order         `json:"excluded,omitzero"`
	Told     mailboxOrders `json:"told,omitzero"`
	Report   mailboxReport `json:"report,omitzero"`
	// Lost: its workflow ended without a final report, or can't be reached.
	Lost bool `json:"lost,omitempty"`
	// Archived: the wave itself wrote its account, because no mailbox did.
	Archived bool `json:"archived,omitempty"`
	// inHand says that a stage is working on it just now.
	inHand bool
}

// pass moves the row on to the next stage that it needs.
func (r *row) pass(now time.Time) {
	r.told(r.Stage)
	r.Stage++
	r.skipTold()
	r.Since, r.After = now, time.Time{}
}

// told notes that a stage's notice was sent, or is not to be.
func (r *row) told(s stage) {
	switch s {
	case stageAnnounce:
		r.Announced = true
	case stageRemind:
		r.Reminded = true
	}
}

// skipTold moves the row over a notice that was sent already.
func (r *row) skipTold() {
	for r.Stage == stageAnnounce && r.Announced || r.Stage == stageRemind && r.Reminded {
		r.Stage++
	}
}

// started reports whether the row has a workflow of its own.
func (r *row) started() bool { return r.Stage == stageStarted }

// out reports whether the mailbox is left out.
func (r *row) out() bool { return r.State == migration.Excluded }

// waits reports whether a person is needed for it, and for which step.
func (r *row) waits() (migration.Step, *migration.Problem) {
	switch {
	case r.out():
		return 0, nil
	case r.Problem != nil && r.started():
		return migration.StepMigrate, r.Problem
	case r.Problem != nil:
		return r.Stage.step(), r.Problem
	case r.Report.Problem != nil:
		return r.Report.Step, r.Report.Problem
	}
	return 0, nil
}

// verified reports whether its last pass closed and nothing is wrong with it.
func (r *row) verified() bool {
	return r.started() && !r.Lost && r.Report.Verified && r.Report.Problem == nil
}

// ended reports whether nothing more will come of it.
func (r *row) ended() bool {
	return r.started() && r.Report.Final && r.Told.Acknowledged || r.Archived
}
