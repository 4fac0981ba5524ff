package operator

import (
	"context"
	"fmt"

	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/mailferry/mailferry/workflows"
)

// failing are the activities that have failed in their last attempt, as the server tells of them: it knows sooner than
// the workflow, which hears of it only when they have been tried often enough.
func failing(pending []*workflowpb.PendingActivityInfo) []workflows.Retrying {
	var all []workflows.Retrying
	for _, a := range pending {
		if a.GetLastFailure() == nil {
			continue
		}
		all = append(all, workflows.Retrying{
			What:  fmt.Sprintf("%s, attempt %d", a.GetActivityType().GetName(), a.GetAttempt()),
			Words: cut(a.GetLastFailure().GetMessage(), 300),
		})
	}
	return all
}

// wavesDescribed is how many waves are asked at most for what fails in them.
const wavesDescribed = 20

// wavesFailing is what fails just now in the waves that still go on. A wave that can't be described tells nothing.
func (o *Operator) wavesFailing(ctx context.Context, waves []workflows.WaveStatus) []workflows.Retrying {
	var all []workflows.Retrying
	for _, wave := range waves[:min(len(waves), wavesDescribed)] {
		if wave.State.Finished() {
			continue
		}
		response, err := o.temporal.DescribeWorkflowExecution(ctx, wave.ID, "")
		if err != nil {
			continue
		}
		for _, one := range failing(response.GetPendingActivities()) {
			one.Wave = wave.Name
			all = append(all, one)
		}
	}
	return all
}
