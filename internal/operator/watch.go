package operator

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// Watch yields the tenant's status at once and then whenever it has changed, looking every so often. It ends after
// the status of a migration that is over, or with ctx. An error is yielded in the status's place; who goes on ranging
// sees the next look, so that a server that is away for a while ends nothing.
func (o *Operator) Watch(ctx context.Context, tenant string, every time.Duration) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		var last string
		for ctx.Err() == nil {
			s, err := o.Status(ctx, tenant)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				last = ""
				if !yield(Status{}, err) {
					return
				}
			} else if now := fingerprint(s); now != last {
				last = now
				if !yield(s, nil) || s.Closed != "" {
					return
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}
}

// fingerprint tells a changed status from the same one.
func fingerprint(s Status) string {
	s.Outlook = Outlook{} // it changes with the clock
	data, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(data)
}
