package host

import (
	"context"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/zone"
)

// zones adapts zone to the activities.
type zones struct{ secrets *secrets }

// inZone makes one call with a client for the plan's DNS. A client is made for each: it holds no connection.
func inZone[T any](z zones, d migration.DNS, do func(*zone.Client) (T, error)) (T, error) {
	h := z.secrets.hold()
	defer h.release()
	var none T
	secret, err := h.open(d.TSIGSecret, "the TSIG key of the DNS")
	if err != nil {
		return none, err
	}
	result, err := do(zone.New(zone.Config{
		Mode: d.Mode, Server: d.Server, Authoritative: d.Authoritative, Resolvers: d.Resolvers,
		TSIGName: d.TSIGName, TSIGAlgorithm: d.TSIGAlgorithm, TSIGSecret: secret,
	}))
	return result, h.clean(err)
}

// Read implements activities.Zone.
func (z zones) Read(ctx context.Context, d migration.DNS, name, kind string) (migration.Record, error) {
	return inZone(z, d, func(c *zone.Client) (migration.Record, error) { return c.Read(ctx, name, kind) })
}

// Apply implements activities.Zone.
func (z zones) Apply(ctx context.Context, d migration.DNS, change migration.Change) error {
	_, err := inZone(z, d, func(c *zone.Client) (struct{}, error) { return struct{}{}, c.Apply(ctx, change) })
	return err
}

// Missing implements activities.Zone.
func (z zones) Missing(ctx context.Context, d migration.DNS, want migration.Record) ([]string, error) {
	return inZone(z, d, func(c *zone.Client) ([]string, error) { return c.Missing(ctx, want) })
}
