package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/mailferry/mailferry/internal/migration"
)

// stubborn is after how many attempts an error that befalls only some of a batch is no longer waited for. It is less than
// [Attempts], because what an activity meant to do is known to its later attempts alone.
const stubborn = Attempts - 2

// batchDetails is what the heartbeats of an activity that serves many mailboxes hold.
type batchDetails[O any] struct {
	// Outcomes is what came of each mailbox, in their order; null is not known yet.
	Outcomes []*O `json:"outcomes"`
	// Intents is, for each mailbox, what may have been done already though its outcome isn't known.
	Intents []string `json:"intents"`
}

// entry is one mailbox of a batch, by its place.
type entry struct {
	index int
	// intent is what an attempt before this one meant to do, empty if it didn't come so far.
	intent string
	// intend records on the server what is about to be done, or with an empty text that it was certainly not done.
	// After an error it must not be done.
	intend func(context.Context, string) error
	// last says that an error will not be tried again by this activity.
	last bool
}

// batch does one thing for each of n mailboxes, in order, and heartbeats what came of each; a retry goes on from there.
// An error leaves its mailbox undecided and the others go on. If that leaves some decided, the undecided get the
// outcome that undecided makes of their error; but a mailbox that has an intent on record stays with this activity,
// which alone knows of it, until it is decided or the tenth attempt. With all undecided the first error is the batch's.
func batch[O any](
	ctx context.Context, a *Activities, n int,
	one func(context.Context, *entry) (O, error), undecided func(index int, why error) O,
) ([]O, error) {
	var details batchDetails[O]
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &details); err != nil {
			return nil, err
		}
	}
	if len(details.Outcomes) != n || len(details.Intents) != n {
		details = batchDetails[O]{make([]*O, n), make([]string, n)}
	}
	info := activity.GetInfo(ctx)
	ctx, p, err := a.begin(ctx, info.HeartbeatTimeout, details)
	if err != nil {
		return nil, err
	}
	defer p.end()

	faults := make([]error, n)
	for i := range n {
		if details.Outcomes[i] != nil {
			continue
		}
		if p.asked() != nil {
			return nil, p.ended(nil)
		}
		result, err := one(ctx, &entry{
			index:  i,
			intent: details.Intents[i],
			last:   info.Attempt >= stubborn,
			intend: func(ctx context.Context, intent string) error {
				details.Intents[i] = intent
				return p.now(ctx, details)
			},
		})
		var later *migration.LaterError
		switch {
		case err == nil:
			details.Outcomes[i], details.Intents[i] = &result, ""
			_ = p.now(ctx, details) // what it acted on is on record; without this the retry finds out again
		case ctx.Err() != nil, p.asked() != nil, errors.As(err, &later):
			return nil, p.ended(err)
		default:
			faults[i] = err
		}
	}
	return details.settle(faults, info.Attempt >= stubborn, undecided)
}

// settle makes the batch's result of what is decided and the errors of what isn't.
func (d *batchDetails[O]) settle(faults []error, last bool, undecided func(int, error) O) ([]O, error) {
	var first error
	decided, owing := 0, false
	for i, o := range d.Outcomes {
		if o != nil {
			decided++
			continue
		}
		if first == nil {
			first = faults[i]
		}
		owing = owing || d.Intents[i] != ""
	}
	if first != nil && (decided == 0 || owing) && !last {
		return nil, failure(first)
	}
	results := make([]O, len(d.Outcomes))
	for i, o := range d.Outcomes {
		if o == nil {
			results[i] = undecided(i, faults[i])
			continue
		}
		results[i] = *o
	}
	return results, nil
}

// outcomes is batch for activities that have nothing to say but an outcome.
func (a *Activities) outcomes(
	ctx context.Context, mailboxes []migration.Mailbox,
	one func(context.Context, *entry, migration.Mailbox) (migration.Outcome, error),
) (OutcomesOutput, error) {
	results, err := batch(ctx, a, len(mailboxes),
		func(ctx context.Context, e *entry) (migration.Outcome, error) {
			m := mailboxes[e.index]
			result, err := one(ctx, e, m)
			if err != nil {
				return outcome(m.Address, err)
			}
			return result, nil
		},
		func(i int, why error) migration.Outcome { return pending(mailboxes[i].Address, why.Error()) })
	return OutcomesOutput{Outcomes: results}, err
}
