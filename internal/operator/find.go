package operator

import (
	"context"
	"strings"

	"github.com/mailferry/mailferry/workflows"
)

// Find is the workflow ID of the tenant, of one of its waves by name, or of one of its mailboxes by address, in the
// tenant's latest launch. At most one of wave and mailbox may be given.
func (o *Operator) Find(ctx context.Context, tenant, wave, mailbox string) (string, error) {
	e, err := o.find(ctx, tenant)
	switch {
	case err != nil:
		return "", err
	case wave != "":
		return workflows.WaveID(tenant, e.record.Launch, wave), nil
	case mailbox != "":
		return workflows.MailboxID(tenant, e.record.Launch, strings.ToLower(mailbox)), nil
	}
	return tenant, nil
}
