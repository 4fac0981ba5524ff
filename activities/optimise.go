package activities

import (
	"context"

	"github.com/mailferry/mailferry/internal/migration"
)

// ReadInput names one set in the DNS.
type ReadInput struct {
	DNS  migration.DNS `json:"dns"`
	Name string        `json:"name"`
	Type string        `json:"type"`
}

// ReadOutput is the set as the authoritative servers have it.
type ReadOutput struct {
	Record migration.Record `json:"record"`
}

// ReadRecord reads a set as the authoritative servers have it.
func (a *Activities) ReadRecord(ctx context.Context, in ReadInput) (ReadOutput, error) {
	return single(ctx, a, func(ctx context.Context) (ReadOutput, error) {
		record, err := a.Zone.Read(ctx, in.DNS, in.Name, in.Type)
		return ReadOutput{Record: record}, err
	})
}
