// Package activities is what the workflows have done in the world: one file a step, each activity thin over one call
// of a library, which it sees through the small interfaces below. It imports neither the Graph SDK nor a DNS library;
// internal/host puts the real implementations in.
//
// Every activity is idempotent, keyed by tenant and launch. Errors: what a retry can mend is returned as an error (with
// NextRetryDelay where the server said when); what needs a person is an [migration.Outcome] with a Problem where an
// activity serves many mailboxes, and otherwise a non-retryable application error of type [ProblemType] whose detail
// is the [migration.Problem].
package activities

import (
	"context"
	"io"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// The task queues. Queues are shared by all tenants; fairness keys and priorities divide them.
const (
	// MigrateQueue has the workflows and the light activities.
	MigrateQueue = "migrate"
	// CopyQueue has what moves mail: Copy and Verify.
	CopyQueue = "copy"
)

// ProblemType is the type of the application errors that need a person; the error's detail is a migration.Problem.
const ProblemType = "problem"

// Attempts is how often an activity is tried before its workflow has a say and, where the failure may pass, has it tried
// as often again.
const Attempts = 12

// BatchSize is how many mailboxes at most an activity that serves many is given at once.
const BatchSize = 25

// Activities holds what the activities need. All exported fields must be set; all must be safe for concurrent use. It
// must not be copied.
type Activities struct {
	Directory Directory
	Zone      Zone
	Mailboxes Mailboxes
	Notifier  Notifier
	Archive   Archive
	Reports   Reports
	Children  Children
	Passwords Passwords
	Heartbeat Heartbeater

	notices pace
}

// Directory is the tenant: users, licences, domains, message trace (internal/m365).
type Directory interface {
	// EnsureUser creates the user or adopts the one that has the address, sets the usage location, and assigns the
	// licence if the user has no mailbox plan. It succeeds and changes nothing when all is so already.
	EnsureUser(context.Context, migration.Microsoft, migration.User) (migration.UserResult, error)
	// MailboxAnswers reports whether Graph finds the user's mailbox.
	MailboxAnswers(ctx context.Context, m migration.Microsoft, address string) (bool, error)
	// EnsureDomain adds the domain if the tenant doesn't have it, and says whether it is verified and by which record.
	EnsureDomain(ctx context.Context, m migration.Microsoft, domain string) (migration.Domain, error)
	// VerifyDomain asks the tenant to look for the record. It reports false while the tenant does not see it.
	VerifyDomain(ctx context.Context, m migration.Microsoft, domain string) (bool, error)
	// ServiceRecords makes Email one of the domain's services and returns the records the tenant wants for it. The
	// MX is among them or the answer is not complete yet, and then empty.
	ServiceRecords(ctx context.Context, m migration.Microsoft, domain string) ([]migration.Record, error)
	// EnsureTrace makes the service principal that message trace needs.
	EnsureTrace(context.Context, migration.Microsoft) error
	// Trace lists what the tenant received for the domain since then, newest first, at most 100.
	Trace(ctx context.Context, m migration.Microsoft, domain string, since time.Time) ([]migration.TraceRow, error)
}

// Zone reads and changes the domains' DNS (internal/zone).
type Zone interface {
	// Read returns the set as the authoritative servers have it, with its full TTL and empty Data if there is none.
	// Servers that disagree are an error that a retry may mend.
	Read(ctx context.Context, d migration.DNS, name, kind string) (migration.Record, error)
	// Apply makes the change where Before still stands, and succeeds where After stands already. Anything else is
	// a problem of kind "zone-changed".
	Apply(context.Context, migration.DNS, migration.Change) error
	// Missing returns the servers and resolvers that do not give the set's data yet.
	Missing(ctx context.Context, d migration.DNS, want migration.Record) ([]string, error)
}

// Mailboxes opens and copies mailboxes over IMAP (internal/mailcopy).
type Mailboxes interface {
	// OpenSource signs in to the source as the mailbox's user and selects INBOX.
	OpenSource(context.Context, migration.Endpoint, migration.Mailbox) error
	// OpenTarget signs in to the target's mailbox and lists its folders. It reports false while there is no access
	// yet: the mailbox is not ready, or the per-mailbox permission has not been granted.
	OpenTarget(ctx context.Context, door Door, address string) (bool, error)
	// Inspect opens the source mailbox and lists what it has.
	Inspect(context.Context, migration.Endpoint, migration.Mailbox, migration.CopyRules) (migration.SourceFacts, error)
	// Probe compares the source's folders with the cursors of the last pass.
	Probe(context.Context, ProbeInput) (ProbeOutput, error)
	// Copy runs one slice. It calls checkpoint, from one goroutine, with everything learnt since the slice began and
	// ends the slice, with what it learnt, when checkpoint returns an error or ctx ends.
	Copy(ctx context.Context, in CopyInput, checkpoint Checkpoint) (CopyOutput, error)
	// Verify recounts and compares both sides.
	Verify(context.Context, VerifyInput) (migration.Verification, error)
	// FindAtSource and FindAtTarget look for a Message-ID in the mailbox's INBOX and junk folder.
	FindAtSource(ctx context.Context, e migration.Endpoint, m migration.Mailbox, messageID string) (bool, error)
	FindAtTarget(ctx context.Context, door Door, address, messageID string) (found bool, received []string, err error)
}

// Checkpoint takes what a slice has learnt since it began. Its error ends the slice.
type Checkpoint func(migration.MailboxState, migration.Progress) error

// Door is the way into the tenant's mailboxes.
type Door struct {
	Microsoft migration.Microsoft `json:"microsoft"`
	Target    migration.Target    `json:"target"`
}

// Notifier writes to users (internal/notify).
type Notifier interface {
	// Notify sends the notice by the server. Its error wraps migration.ErrOutcomeUnknown where the message may have gone.
	Notify(context.Context, migration.Notices, migration.SMTP, migration.Notice) error
	// Probe sends a routing probe with the Message-ID by the relay.
	Probe(ctx context.Context, relay migration.SMTP, from, to, messageID string) error
}

// Archive keeps what must outlive Temporal's retention.
type Archive interface {
	// Put writes the file whole or not at all, over one of the same name.
	Put(ctx context.Context, archive, name string, content []byte) error
	// Write is Put for a file that is too large to be held in memory. Where write fails the file isn't written.
	Write(ctx context.Context, archive, name string, write func(io.Writer) error) error
	// Get reads a file back; a file that isn't there is an error that wraps fs.ErrNotExist.
	Get(ctx context.Context, archive, name string) ([]byte, error)
	// List returns the names that begin with the prefix, sorted.
	List(ctx context.Context, archive, prefix string) ([]string, error)
}

// Children looks at workflows from outside.
type Children interface {
	// Closed returns those of the workflow IDs that are not running any more, or never were.
	Closed(ctx context.Context, ids []string) ([]string, error)
}

// Passwords makes first passwords, sealed at once, and hands them on.
type Passwords interface {
	NewPassword() (migration.Sealed, error)
	// Reseal opens a secret, which what names for people, and seals it to another key, the public half of a pair in text form.
	Reseal(secret migration.Sealed, key, what string) (migration.Sealed, error)
}

// Heartbeater is the part of client.Client whose heartbeats tell when the server didn't take one.
type Heartbeater interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}
