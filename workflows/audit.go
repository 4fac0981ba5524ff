package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// An audit trail is carried from run to run, so only so much of it is held here: when it has grown to fullAudit entries
// the oldest go to the archive, auditPart at a time. Where more come than the archive takes, or it can't be reached, the
// first entries and the last are kept, and those between are let go of; the numbers tell how many.
const (
	fullAudit  = 300
	auditPart  = 200
	firstAudit = 100
	maxAudit   = 500
)

// trail is where a workflow records what happened.
type trail struct {
	entries *[]migration.AuditEntry
	// subject is what the chain of hashes begins with.
	subject string
	// after is when the archive is tried again.
	after time.Time
}

// trailOf is the trail of a tenant, or of a wave or mailbox of the name.
func trailOf(scope activities.Scope, name string, entries *[]migration.AuditEntry) trail {
	return trail{entries: entries, subject: migration.Subject(scope.Tenant, scope.Launch, name)}
}

// record adds to the audit trail.
func (c *core) record(by, what string) {
	entry := migration.AuditEntry{At: c.now(), By: cut(by, maxBy), What: cut(what, maxText)}
	*c.audit.entries = addAudit(*c.audit.entries, c.audit.subject, entry)
	c.touch()
}

// ignore records a signal that changed nothing, and why.
func (c *core) ignore(by, signal, why string) { c.record(by, signal+" was ignored: "+why) }

// addAudit adds an entry, and lets go of one where there are too many.
func addAudit(all []migration.AuditEntry, subject string, entry migration.AuditEntry) []migration.AuditEntry {
	all = migration.AddAudit(all, subject, entry)
	if len(all) > maxAudit {
		all = migration.CutAudit(all, firstAudit, len(all)-maxAudit)
	}
	return all
}

// keepAudit has the oldest entries moved to the archive whenever there are many. The wave's name is empty for a tenant.
func (c *core) keepAudit(archive, wave string) {
	full := func() bool { return len(*c.audit.entries) >= fullAudit && !c.now().Before(c.audit.after) }
	c.background(c.base, full, func(ctx workflow.Context) {
		part := slices.Clone((*c.audit.entries)[:auditPart])
		if err := c.archiveAudit(ctx, archive, wave, part); err != nil {
			c.audit.after = c.now().Add(max(c.timing.RetryMax.D(), time.Millisecond)) // looked at again when something happens
			return
		}
		last := part[len(part)-1].Number
		kept := slices.IndexFunc(*c.audit.entries, func(e migration.AuditEntry) bool { return e.Number > last })
		*c.audit.entries = migration.CutAudit(*c.audit.entries, 0, kept)
	})
}

// archiveAudit writes entries of the audit trail to the archive.
func (c *core) archiveAudit(ctx workflow.Context, archive, wave string, entries []migration.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	in := activities.ArchiveAuditInput{Scope: c.scope, Archive: archive, Wave: wave, Entries: entries}
	options := c.light(ctx, usual, fmt.Sprintf("archive %d entries of the audit trail", len(entries)))
	return workflow.ExecuteActivity(options, a.ArchiveAudit, in).Get(ctx, nil)
}
