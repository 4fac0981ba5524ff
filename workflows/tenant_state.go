package workflows

// TenantState is what a tenant carries over continue-as-new.
type TenantState struct{}
