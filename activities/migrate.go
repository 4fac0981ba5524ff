package activities

import (
	"context"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// ProbeInput asks what changed at the source since the last pass.
type ProbeInput struct {
	Endpoint migration.Endpoint       `json:"endpoint"`
	Mailbox  migration.Mailbox        `json:"mailbox"`
	Rules    migration.CopyRules      `json:"rules"`
	Cursors  []migration.FolderCursor `json:"cursors,omitempty"`
}

// ProbeOutput names the source folders that changed, new ones among them, in the server's order.
type ProbeOutput struct {
	Changed []string `json:"changed,omitempty"`
	// Vanished are folders that the last pass knew and the source no longer has.
	Vanished []string `json:"vanished,omitempty"`
	// Bounds are where the pass ends in each folder; there are none where nothing changed.
	Bounds []migration.FolderBound `json:"bounds,omitempty"`
}

// CopyInput is one slice of a pass over one mailbox.
type CopyInput struct {
	Scope    Scope               `json:"scope"`
	Endpoint migration.Endpoint  `json:"endpoint"`
	Mailbox  migration.Mailbox   `json:"mailbox"`
	Door     Door                `json:"door"`
	Rules    migration.CopyRules `json:"rules"`
	// State has the folders named in Changed as far as the mailbox knows them, those from which messages left that may have
	// come into one of them, and the mailbox's learnt limits.
	State   migration.MailboxState `json:"state"`
	Changed []string               `json:"changed"`
	// Bounds are those that the pass's probe took.
	Bounds []migration.FolderBound `json:"bounds,omitempty"`
	// AddOnly: from the MX change on, and for live mailboxes, a pass only adds what is new at the source.
	AddOnly bool `json:"addOnly,omitempty"`
	// Since is when the last pass began; zero at the first.
	Since time.Time `json:"since,omitzero"`
	// SourceHosts are the names by which the source's MTA signs Received lines.
	SourceHosts []string `json:"sourceHosts,omitempty"`
	// Heartbeat is the heartbeat timeout that the activity was scheduled with.
	Heartbeat migration.Duration `json:"heartbeat"`
	// Poison, when set, is the one message to try alone.
	Poison *migration.Refusal `json:"poison,omitempty"`
	// DeletionsAllowed is how many deletions at once a person has allowed.
	DeletionsAllowed int `json:"deletionsAllowed,omitempty"`
	// Settle is how long the first APPEND has to wait because another worker may not have stopped yet. Copy sets it.
	Settle time.Duration `json:"-"`
}

// CopyOutput is what one slice did. State holds only the folders that changed in it; the workflow merges it.
type CopyOutput struct {
	Exit     migration.Exit         `json:"exit"`
	State    migration.MailboxState `json:"state"`
	Progress migration.Progress     `json:"progress"`
	Arrivals migration.Arrivals     `json:"arrivals"`
	// Remaining are the folders of Changed that are not complete, for the next slice.
	Remaining []string `json:"remaining,omitempty"`
	// Problem is set with ExitProblem, Poison with ExitPoison.
	Problem *migration.Problem `json:"problem,omitempty"`
	Poison  *migration.Refusal `json:"poison,omitempty"`
	// Deletions is how many wait for a person's word, with a Problem of kind "many-deletions".
	Deletions int `json:"deletions,omitempty"`
	// Words are what the last failure said, with ExitLater.
	Words string `json:"words,omitempty"`
}

// VerifyInput is a mailbox to recount.
type VerifyInput struct {
	Endpoint migration.Endpoint     `json:"endpoint"`
	Mailbox  migration.Mailbox      `json:"mailbox"`
	Door     Door                   `json:"door"`
	Rules    migration.CopyRules    `json:"rules"`
	State    migration.MailboxState `json:"state"`
	// AddOnly: messages that someone moved or deleted at the target are not missed.
	AddOnly bool `json:"addOnly,omitempty"`
	// Known are folders' cursors from before the pass: of these folders only what is new is compared, and the rest counted.
	Known []migration.FolderCursor `json:"known,omitempty"`
}

// Probe compares the source's folders with what the last pass left.
func (a *Activities) Probe(ctx context.Context, in ProbeInput) (ProbeOutput, error) {
	return single(ctx, a, func(ctx context.Context) (ProbeOutput, error) { return a.Mailboxes.Probe(ctx, in) })
}

// Verify recounts both sides of a mailbox and compares them.
func (a *Activities) Verify(ctx context.Context, in VerifyInput) (migration.Verification, error) {
	return single(ctx, a, func(ctx context.Context) (migration.Verification, error) {
		verdict, err := a.Mailboxes.Verify(ctx, in)
		return verdict, lastly(ctx, err)
	})
}
