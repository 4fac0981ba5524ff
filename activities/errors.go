package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/internal/migration"
)

// LaterType is the type of the application errors whose next attempt waits for as long as a server asked.
const LaterType = "later"

// StoppingType is the type of the application errors by which an activity gives its work back when its worker is
// going down; the next attempt goes on from the heartbeat.
const StoppingType = "worker-stopping"

// failure turns a library's error into what Temporal shall make of it: a problem is never retried, a server's "later"
// sets the pause, and everything else is retried as the policy says.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if problem, ok := migration.AsProblem(err); ok {
		return temporal.NewApplicationErrorWithOptions(problem.String(), ProblemType, temporal.ApplicationErrorOptions{
			NonRetryable: true,
			Details:      []any{*problem},
		})
	}
	var later *migration.LaterError
	if errors.As(err, &later) {
		return temporal.NewApplicationErrorWithOptions(later.Error(), LaterType, temporal.ApplicationErrorOptions{
			NextRetryDelay: later.After,
			Category:       temporal.ApplicationErrorCategoryBenign,
		})
	}
	return err
}

// lastly is what an error has become by an activity's last attempt: a listing that is still short then won't mend by itself.
func lastly(ctx context.Context, err error) error {
	var short *migration.ShortListingError
	if activity.GetInfo(ctx).Attempt >= Attempts && errors.As(err, &short) {
		return short.Lasting(err)
	}
	return err
}

// outcome is what an error means for one of many mailboxes: nil is done, a problem is the mailbox's own and stops no
// other, and anything else is handed back.
func outcome(address string, err error) (migration.Outcome, error) {
	if err == nil {
		return migration.Outcome{Address: address, Done: true}, nil
	}
	if problem, ok := migration.AsProblem(err); ok {
		return migration.Outcome{Address: address, Problem: problem}, nil
	}
	return migration.Outcome{}, err
}

// pending is the outcome of a mailbox that is to be looked at again later, and why.
func pending(address, note string) migration.Outcome {
	return migration.Outcome{Address: address, Note: note}
}

// endpoint finds the mailbox's source among the endpoints.
func endpoint(endpoints []migration.Endpoint, m migration.Mailbox) (migration.Endpoint, error) {
	for _, e := range endpoints {
		if e.Name == m.Endpoint {
			return e, nil
		}
	}
	return migration.Endpoint{}, migration.NeedsPerson("endpoint-unknown",
		fmt.Sprintf("the mailbox %q names the endpoint %q, which the plan doesn't have", m.Address, m.Endpoint),
		"correct the row's endpoint and import the CSV again", nil)
}
