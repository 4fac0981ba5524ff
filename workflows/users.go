package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
)

// ensureUsers is the first half of step 1: each user exists, with a usage location and a licence.
func (w *wave) ensureUsers(ctx workflow.Context, rows []*row) ([]outcome, error) {
	in := activities.EnsureUsersInput{
		Scope: w.scope, Microsoft: w.in.Plan.Microsoft, Users: w.in.Plan.Users, Mailboxes: mailboxesOf(rows),
	}
	var out activities.EnsureUsersOutput
	ctx = w.light(ctx, usual, fmt.Sprintf("add %d users and assign licences", len(rows)))
	if err := workflow.ExecuteActivity(ctx, a.EnsureUsers, in).Get(ctx, &out); err != nil {
		return nil, err
	}
	outcomes := make([]outcome, len(out.Outcomes))
	for i, o := range out.Outcomes {
		learnt := func(r *row) {
			if o.Done {
				r.User = o.Result
				r.Mailbox.Live = r.Mailbox.Live || o.Result.Live
			}
		}
		outcomes[i] = outcome{Outcome: o.Outcome, apply: learnt, lasts: func(r *row) {
			if o.Password != "" {
				r.Password = o.Password
			}
		}}
	}
	return outcomes, nil
}

// answer is the second half of step 1: each mailbox answers to Graph and lets us in over IMAP.
func (w *wave) answer(ctx workflow.Context, rows []*row) ([]outcome, error) {
	in := activities.MailboxesAnswerInput{Door: w.door(), Mailboxes: mailboxesOf(rows)}
	var out activities.OutcomesOutput
	ctx = w.light(ctx, usual, fmt.Sprintf("see whether %d new mailboxes answer", len(rows)))
	if err := workflow.ExecuteActivity(ctx, a.MailboxesAnswer, in).Get(ctx, &out); err != nil {
		return nil, err
	}
	return outcomesOf(out.Outcomes), nil
}

// door is the way into the tenant's mailboxes.
func (w *wave) door() activities.Door {
	return activities.Door{Microsoft: w.in.Plan.Microsoft, Target: w.in.Plan.Target}
}
