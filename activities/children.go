package activities

import "context"

// ClosedChildrenInput names workflows that a parent believes to be running.
type ClosedChildrenInput struct {
	IDs []string `json:"ids"`
}

// ClosedChildrenOutput names those that are not.
type ClosedChildrenOutput struct {
	Closed []string `json:"closed,omitempty"`
}

// ClosedChildren names those of the workflows that are not running any more, or never were.
func (a *Activities) ClosedChildren(ctx context.Context, in ClosedChildrenInput) (ClosedChildrenOutput, error) {
	return single(ctx, a, func(ctx context.Context) (ClosedChildrenOutput, error) {
		closed, err := a.Children.Closed(ctx, in.IDs)
		return ClosedChildrenOutput{Closed: closed}, err
	})
}
