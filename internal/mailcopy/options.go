package mailcopy

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// Account is how to reach and open one mailbox.
type Account struct {
	// Address is host:port. ServerName is the name that its certificate must bear; empty means the address's host.
	Address    string
	ServerName string
	Security   migration.Security
	// Roots are the authorities trusted; nil means the system's.
	Roots *x509.CertPool
	Auth  Auth
}

// Auth is how to sign in, in the clear.
type Auth struct {
	// Mechanism is LOGIN (the default: AUTHENTICATE PLAIN where that is offered, else the LOGIN command), PLAIN
	// (RFC 4616), or XOAUTH2.
	Mechanism string
	// User signs in; Identity, with PLAIN, is whose mailbox is opened where it isn't the user's own.
	User, Identity, Password string
	// Token gives a valid access token for XOAUTH2; it is asked again at every sign-in.
	Token func(context.Context) (string, error)
}

// Options are what a copy goes by. The zero value copies everything in one go.
type Options struct {
	Rules migration.CopyRules
	// Folders are the source folders to pass over; empty means all of them.
	Folders []string
	// AddOnly: the target is in use; only what is new at the source is added.
	AddOnly bool
	// Since is when the last pass began; zero at the first. Only then are arrivals counted.
	Since time.Time
	// Bounds are those that the pass's probe took. Without them a delta takes its own, which are good as long as one call
	// passes over all folders.
	Bounds []migration.FolderBound
	// SourceHosts are the names by which the source's own MTA signs Received lines.
	SourceHosts []string
	// KeepsBytes says that the target gives back the very bytes it was given.
	KeepsBytes bool
	// UserRoot is the folder below which the source keeps this user's mail.
	UserRoot string
	// MaxMessage is the size in bytes above which a message is never sent; 0 is unknown.
	MaxMessage int64
	// DeletionsAllowed is how many deletions at once a person has allowed, where Rules.Deletions follows them.
	DeletionsAllowed int
	// Known, for Verify, are folders' cursors as they were when the pass began: of these folders only what is new is
	// compared, and the rest counted, as long as everything is as expected.
	Known []migration.FolderCursor
	// Poison, when set, is the one message to copy, alone; if that fails it is refused for good.
	Poison *migration.Refusal
	// Checkpoint is given everything that was learnt since the call began, every Every (2 s where 0), at once when the
	// context ends, and once more before Copy returns an error. It is never called twice at a time. Its error ends the
	// copy at once, and cuts the connections: whoever keeps the checkpoints may have given this copy up.
	Checkpoint func(migration.MailboxState, migration.Progress) error
	Every      time.Duration
	// Settle is how long to wait before the first APPEND: a predecessor may still be writing.
	Settle time.Duration
}

// Report is how a copy ended.
type Report struct {
	Exit     migration.Exit
	Progress migration.Progress
	Arrivals migration.Arrivals
	// Remaining are the folders of Options.Folders that are not complete.
	Remaining []string
	Problem   *migration.Problem
	// Deletions is how many wait for a person's word, with a Problem of kind "many-deletions".
	Deletions int
	Poison    *migration.Refusal
}

// ErrNoAccess means that the sign-in was accepted and the mailbox cannot be opened: it isn't ready, or access to it
// has not been granted yet.
var ErrNoAccess = errors.New("signed in, but there is no access to the mailbox yet")
