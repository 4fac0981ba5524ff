package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
)

// openSources is step 4: each source mailbox can be opened with what its row or its endpoint says.
func (w *wave) openSources(ctx workflow.Context, rows []*row) ([]outcome, error) {
	in := activities.OpenSourcesInput{Endpoints: w.in.Plan.Endpoints, Mailboxes: mailboxesOf(rows)}
	var out activities.OutcomesOutput
	ctx = w.light(ctx, usual, fmt.Sprintf("open %d mailboxes at the source", len(rows)))
	if err := workflow.ExecuteActivity(ctx, a.OpenSources, in).Get(ctx, &out); err != nil {
		return nil, err
	}
	return outcomesOf(out.Outcomes), nil
}
