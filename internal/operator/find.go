package operator

import (
	"context"
	"fmt"
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

// Holder is the workflow that has a mailbox in hand, to which orders about it go.
type Holder struct {
	// ID is the workflow's.
	ID string
	// mailbox is the address, which the order must have where the workflow has others too.
	mailbox string
}

// Holder finds who has a mailbox in hand: its own workflow, or until that is started its wave. Where no worker answers the
// tenant takes the order, and hands it on when one does.
func (o *Operator) Holder(ctx context.Context, tenant, address string) (Holder, error) {
	e, err := o.find(ctx, tenant)
	if err != nil {
		return Holder{}, err
	}
	address = strings.ToLower(address)
	id := workflows.MailboxID(tenant, e.record.Launch, address)
	if _, err := o.temporal.DescribeWorkflowExecution(ctx, id, ""); err == nil {
		return Holder{ID: id}, nil
	} else if !isNotFound(err) {
		return Holder{}, Translate(err)
	}
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var where workflows.Where
	value, err := o.temporal.QueryWorkflow(limited, tenant, "", workflows.QueryWhere, address)
	if err == nil {
		err = value.Get(&where)
	}
	switch {
	case ctx.Err() != nil:
		return Holder{}, ctx.Err()
	case err != nil:
		return Holder{ID: tenant, mailbox: address}, nil
	case !where.Enrolled:
		return Holder{}, &Error{
			Kind: UnknownTenant, Text: fmt.Sprintf("%s has no mailbox %q", tenant, address),
			Hints: []string{"check the address; see those that it has: starter mailboxes " + tenant},
		}
	}
	return Holder{ID: where.Wave, mailbox: address}, nil
}

// payload is the order as the holder takes it.
func (h Holder) payload(order workflows.Order) any {
	if h.mailbox == "" {
		return order
	}
	return workflows.RowOrder{Mailbox: h.mailbox, By: order.By, Reason: order.Reason}
}
