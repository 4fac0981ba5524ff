package activities

// ClosedChildrenInput names workflows that a parent believes to be running.
type ClosedChildrenInput struct {
	IDs []string `json:"ids"`
}

// ClosedChildrenOutput names those that are not.
type ClosedChildrenOutput struct {
	Closed []string `json:"closed,omitempty"`
}
