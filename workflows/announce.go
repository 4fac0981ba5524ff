package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// announce is step 3: each user is told, once.
func (w *wave) announce(ctx workflow.Context, rows []*row) ([]outcome, error) {
	return w.notify(ctx, migration.NoticeAnnouncement, stageAnnounce, rows)
}

// remind ends step 3 when step 6 has shown how large each mailbox is.
func (w *wave) remind(ctx workflow.Context, rows []*row) ([]outcome, error) {
	return w.notify(ctx, migration.NoticeReminder, stageRemind, rows)
}

func (w *wave) notify(ctx workflow.Context, kind migration.NoticeKind, s stage, rows []*row) ([]outcome, error) {
	in := activities.NotifyInput{
		Scope: w.scope, Kind: kind, Organisation: w.in.Plan.Organisation, Notices: w.in.Plan.Notices,
		AfterMX: w.s.Orders.AfterMX, Door: w.door(), Endpoints: w.in.Plan.Endpoints,
	}
	for _, r := range rows {
		in.To = append(in.To, activities.Recipient{
			Mailbox: *r.Mailbox, Account: migration.Account{Source: r.Expected, Bytes: r.Bytes},
		})
	}
	var out activities.OutcomesOutput
	ctx = w.light(ctx, usual, fmt.Sprintf("send the %s to %d users", kind, len(rows)))
	if err := workflow.ExecuteActivity(ctx, a.Notify, in).Get(ctx, &out); err != nil {
		return nil, err
	}
	outcomes := outcomesOf(out.Outcomes)
	for i, o := range outcomes {
		if o.Done {
			outcomes[i].lasts = func(r *row) { r.told(s) }
		}
	}
	return outcomes, nil
}
