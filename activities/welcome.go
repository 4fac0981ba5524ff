package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// ArchiveAccountInput is a mailbox's account to keep.
type ArchiveAccountInput struct {
	Scope   Scope                    `json:"scope"`
	Archive string                   `json:"archive"`
	Account migration.MailboxAccount `json:"account"`
	// State is the mailbox's last state, from which a later launch could go on.
	State migration.MailboxState `json:"state"`
}

// ArchivedMailbox is the content of a mailbox's file in the archive.
type ArchivedMailbox struct {
	Account migration.MailboxAccount `json:"account"`
	State   migration.MailboxState   `json:"state"`
}

// ArchiveAccount keeps a mailbox's account and last state as <tenant>/<launch>/mailboxes/<address>.json.
func (a *Activities) ArchiveAccount(ctx context.Context, in ArchiveAccountInput) error {
	content, err := json.MarshalIndent(ArchivedMailbox{in.Account, in.State}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the account of %q: %w", in.Account.Address, err)
	}
	name := in.Scope.folder() + mailboxFolder + fileName(in.Account.Address) + ".json"
	return alone(ctx, a, func(ctx context.Context) error { return a.Archive.Put(ctx, in.Archive, name, content) })
}

// mailboxFolder holds the mailboxes' accounts, below the launch's folder.
const mailboxFolder = "mailboxes/"

// folder is where the archive keeps what belongs to the scope.
func (s Scope) folder() string { return fileName(s.Tenant) + "/" + fileName(s.Launch) + "/" }

// maxFileName is shorter than what any file system allows, so that an ending and a temporary file's mark still fit.
const maxFileName = 190

// fileName makes a name that is one harmless file name everywhere, different for different names: letters, digits and
// a few signs stay, everything else is written %XX, and what is too long ends in its hash.
func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("@_+-", c) >= 0
		if plain || c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	if b.Len() > maxFileName {
		sum := sha256.Sum256([]byte(name))
		return b.String()[:maxFileName-33] + "-" + hex.EncodeToString(sum[:16])
	}
	return b.String()
}
