package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// What parents and children say to one another. Both ways a message is the whole of what is wanted or known, numbered,
// so that one that comes twice or late does no harm.
const (
	signalOrders  = "orders"  // down: waveOrders, mailboxOrders
	signalReport  = "report"  // up: waveReport, mailboxReport
	signalStage   = "stage"   // tenant to wave: stageMessage
	signalVerdict = "verdict" // wave to tenant: verdict
	signalImport  = "import"  // tenant to wave: importMessage
	signalMoved   = "moved"   // wave to wave: movedMessage
	signalCorrect = "correct" // wave to mailbox: correction
)

// stageMessage hands a wave rows of an import that isn't committed yet. The wave answers with a verdict.
type stageMessage struct {
	Import string              `json:"import"`
	Chunk  int                 `json:"chunk"`
	Rows   []migration.Mailbox `json:"rows,omitempty"`
	// Moving are those of the rows that another wave has yet; Leaving are rows of this wave that the list puts into
	// the wave To.
	Moving  []string `json:"moving,omitempty"`
	Leaving []string `json:"leaving,omitempty"`
	To      string   `json:"to,omitempty"`
}

// verdict is what a wave says of the rows that it was handed. With a fault nothing is kept of them.
type verdict struct {
	Wave   string `json:"wave"`
	Import string `json:"import"`
	Chunk  int    `json:"chunk"`
	// Faults are why rows can't be taken, the first of so many.
	Faults     []string `json:"faults,omitempty"`
	FaultCount int      `json:"faultCount,omitempty"`
	listing
}

// listing is what rows of a list change.
type listing struct {
	New       int         `json:"new,omitempty"`
	Corrected int         `json:"corrected,omitempty"`
	Unchanged int         `json:"unchanged,omitempty"`
	Changes   []RowChange `json:"changes,omitempty"`
}

// add sums up, and keeps the first changes by name.
func (l *listing) add(other listing) {
	l.New += other.New
	l.Corrected += other.Corrected
	l.Unchanged += other.Unchanged
	l.Changes = append(l.Changes, other.Changes...)
	l.Changes = l.Changes[:min(len(l.Changes), namedChanges)]
}

// importMessage makes the staged rows of an import real, or drops them: all of them, or those of one chunk.
type importMessage struct {
	Import string `json:"import"`
	Commit bool   `json:"commit"`
	Chunk  int    `json:"chunk,omitempty"`
}

// movedMessage brings rows with all that was done for them to the wave that a list puts them into.
type movedMessage struct {
	Rows []*row `json:"rows"`
}

// correction is a mailbox's row as a later list has it, the Number-th for this mailbox.
type correction struct {
	Number   int                `json:"number"`
	Mailbox  migration.Mailbox  `json:"mailbox"`
	Endpoint migration.Endpoint `json:"endpoint"`
}

// waveOrders are all that a tenant wants of a wave.
type waveOrders struct {
	Number int `json:"number"`
	// Begin lets the wave begin: the pilot wave at once, the others when it is verified.
	Begin bool `json:"begin,omitempty"`
	// Domains are the verified ones, whose users can be made.
	Domains []string `json:"domains,omitempty"`
	// Shares are how many of each source's mailboxes the wave may copy for the first time at once.
	Shares []share `json:"shares,omitempty"`
	Paused bool    `json:"paused,omitempty"`
	// Interval is that of the deltas. From the MX change on they only add.
	Interval migration.Duration `json:"interval"`
	AfterMX  bool               `json:"afterMX,omitempty"`
	// Pass counts the passes that were demanded of every mailbox.
	Pass int `json:"pass,omitempty"`
	// Finish asks for the final delta, Close for the welcome, the account and the end.
	Finish bool   `json:"finish,omitempty"`
	Close  bool   `json:"close,omitempty"`
	Abort  *Order `json:"abort,omitempty"`
	// Acknowledged says that the final report came.
	Acknowledged bool `json:"acknowledged,omitempty"`
}

// share is a part of what a source bears.
type share struct {
	Endpoint  string `json:"endpoint"`
	Mailboxes int    `json:"mailboxes"`
}

// same reports whether both want the same.
func (o waveOrders) same(other waveOrders) bool {
	return o.Begin == other.Begin && slices.Equal(o.Domains, other.Domains) && slices.Equal(o.Shares, other.Shares) &&
		o.Paused == other.Paused && o.Interval == other.Interval && o.AfterMX == other.AfterMX && o.Pass == other.Pass &&
		o.Finish == other.Finish && o.Close == other.Close && (o.Abort == nil) == (other.Abort == nil) &&
		o.Acknowledged == other.Acknowledged
}

// stepCount is how many of a wave's mailboxes have come how far with a step. Mailboxes that are left out don't count.
type stepCount struct {
	Step    migration.Step `json:"step"`
	Done    int            `json:"done,omitempty"`
	Waiting int            `json:"waiting,omitempty"`
	// Late are those not done that came in a list after the wave had begun.
	Late int `json:"late,omitempty"`
}

// waveReport is all that a tenant knows of a wave.
type waveReport struct {
	Number int `json:"number"`
	// Status has no mailboxes.
	Status WaveStatus  `json:"status"`
	Counts []stepCount `json:"counts,omitempty"`
	// Mailboxes are those that aren't left out; Verified and Finished say that all of them are.
	Mailboxes int  `json:"mailboxes"`
	Verified  bool `json:"verified,omitempty"`
	Finished  bool `json:"finished,omitempty"`
	// Excluded are the addresses that are left out.
	Excluded []string `json:"excluded,omitempty"`
	// PassedSince is the beginning of the oldest of the mailboxes' last finished passes.
	PassedSince time.Time `json:"passedSince,omitzero"`
	// Probes has one address of each domain, to which a routing probe can be sent.
	Probes []string `json:"probes,omitempty"`
	// Obeyed is the number of the last orders; Needs is what the wave still needs of each source's share under them.
	Obeyed int    `json:"obeyed,omitempty"`
	Needs  []need `json:"needs,omitempty"`
	Final  bool   `json:"final,omitempty"`
}

// need is what a wave needs of a source: Left mailboxes have their first copy before them, of which Using are at it.
type need struct {
	Endpoint string `json:"endpoint"`
	Left     int    `json:"left"`
	Using    int    `json:"using,omitempty"`
}

// mailboxOrders are all that a wave wants of a mailbox. They are compared by ==.
type mailboxOrders struct {
	Number   int                `json:"number,omitempty"`
	Sync     bool               `json:"sync,omitempty"`
	Paused   bool               `json:"paused,omitempty"`
	Interval migration.Duration `json:"interval,omitempty"`
	Offset   migration.Duration `json:"offset,omitempty"`
	AfterMX  bool               `json:"afterMX,omitempty"`
	Pass     int                `json:"pass,omitempty"`
	Finish   bool               `json:"finish,omitempty"`
	Close    bool               `json:"close,omitempty"`
	// Exclude and Abort carry why, and by whom it was asked for.
	Exclude      Order `json:"exclude,omitzero"`
	Abort        Order `json:"abort,omitzero"`
	Acknowledged bool  `json:"acknowledged,omitempty"`
}

// same reports whether both want the same.
func (o mailboxOrders) same(other mailboxOrders) bool {
	o.Number = other.Number
	return o == other
}

// mailboxReport is all that a wave knows of a mailbox.
type mailboxReport struct {
	Number  int             `json:"number"`
	Address string          `json:"address"`
	State   migration.State `json:"state"`
	Step    migration.Step  `json:"step"`
	Doing   string          `json:"doing,omitempty"`
	// Copied: the first copy is complete. Verified: the last pass closed. Finished: so did the final delta.
	Copied       bool              `json:"copied,omitempty"`
	Verified     bool              `json:"verified,omitempty"`
	Finished     bool              `json:"finished,omitempty"`
	Account      migration.Account `json:"account"`
	RefusalCount int               `json:"refusalCount,omitempty"`
	Passes       int               `json:"passes,omitempty"`
	LastPass     time.Time         `json:"lastPass,omitzero"`
	PassBegan    time.Time         `json:"passBegan,omitzero"`
	// PassDone is the last demand of the wave that was met.
	PassDone int                `json:"passDone,omitempty"`
	Arrivals migration.Arrivals `json:"arrivals"`
	Problem  *migration.Problem `json:"problem,omitempty"`
	Retrying *Retrying          `json:"retrying,omitempty"`
	AddOnly  bool               `json:"addOnly,omitempty"`
	// Restored counts how often it was left out and taken back.
	Restored int `json:"restored,omitempty"`
	// PausedSince is when it was paused by itself, zero if it isn't.
	PausedSince time.Time `json:"pausedSince,omitzero"`
	Final       bool      `json:"final,omitempty"`
}

// WaveID is the workflow ID of a tenant's wave.
func WaveID(tenant, launch, wave string) string { return tenant + "/" + launch + "/" + wave }

// MailboxID is the workflow ID of a tenant's mailbox. An address that is too long for a workflow ID is hashed.
func MailboxID(tenant, launch, address string) string {
	const limit = 190
	if len(address) > limit {
		sum := sha256.Sum256([]byte(address))
		address = hex.EncodeToString(sum[:])
	}
	return tenant + "/" + launch + "/mailbox/" + address
}
