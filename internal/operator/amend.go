package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailferry/mailferry/workflows"
)

// Change is what a list changes in a migration that runs already.
type Change struct {
	Tenant string
	Launch string
	// New, Corrected and Same count the list's rows.
	New, Corrected, Same int
	// Named are the first that are new or corrected.
	Named []workflows.RowChange
}

// amend hands a list to a tenant that runs already. What a later one would change is known when it is staged; then it is
// asked, and the list is committed or discarded. A first one that was cut short goes on, or this one takes its place.
//
// Each list that is taken in has a name of its own, so that the same rows can come again: a password alone makes no other
// list, since it can't be told from the one before.
func (o *Operator) amend(ctx context.Context, l list, launched Launched, ask func(Change) error) (Launched, error) {
	var status workflows.Status
	if err := o.explainQuery(ctx, l.tenant, &status); err != nil {
		return launched, explainEnroll(l.tenant, err)
	}
	if status.Lists == 0 {
		return launched, o.enroll(ctx, l)
	}
	l.name = fmt.Sprintf("%s-%d", l.name, status.Lists)
	result, err := o.stage(ctx, l)
	if err != nil {
		return launched, err
	}
	launched.New, launched.Corrected, launched.Same = result.New, result.Corrected, result.Unchanged
	if result.New+result.Corrected == 0 {
		launched.Unchanged = true
		return launched, o.discard(ctx, l.tenant, l.name)
	}
	change := Change{l.tenant, launched.Launch, result.New, result.Corrected, result.Unchanged, result.Changes}
	if err := ask(change); err != nil {
		return launched, errors.Join(err, o.discard(ctx, l.tenant, l.name))
	}
	return launched, o.commit(ctx, l)
}
