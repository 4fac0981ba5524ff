package activities

import (
	"context"

	"github.com/mailferry/mailferry/internal/migration"
)

// ApplyInput is a change to make by compare-and-set.
type ApplyInput struct {
	DNS    migration.DNS    `json:"dns"`
	Change migration.Change `json:"change"`
}

// ApplyChange makes the change where its before-image still stands, and succeeds where it is made already.
func (a *Activities) ApplyChange(ctx context.Context, in ApplyInput) error {
	return alone(ctx, a, func(ctx context.Context) error { return a.Zone.Apply(ctx, in.DNS, in.Change) })
}
