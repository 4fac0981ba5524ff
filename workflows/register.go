// Package workflows is what a migration does, in order, and nothing else: deterministic code that talks to the world
// by the activities alone. A Tenant carries an organisation through the eleven steps; its Waves each take at most 500
// mailboxes through the steps that belong to a mailbox; a Mailbox copies one and keeps what the copy remembers.
//
// Parents and children rely on no future: children are started as workflows that outlive their parent's run. Orders go
// down as the whole of what is wanted, numbered, so that the latest is all that counts; reports come up the same way.
// All three go on as a new run when the server suggests it, with their state as input.
package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The search attributes of all three workflow types.
var (
	SearchTenant = temporal.NewSearchAttributeKeyKeyword("MailferryTenant")
	SearchLaunch = temporal.NewSearchAttributeKeyKeyword("MailferryLaunch")
	SearchState  = temporal.NewSearchAttributeKeyKeyword("MailferryState")
	SearchStep   = temporal.NewSearchAttributeKeyInt64("MailferryStep")
)

// Register registers the workflows by the names on which operators rely.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Tenant, workflow.RegisterOptions{Name: TenantType})
	r.RegisterWorkflowWithOptions(Wave, workflow.RegisterOptions{Name: WaveType})
	r.RegisterWorkflowWithOptions(Mailbox, workflow.RegisterOptions{Name: MailboxType})
}
