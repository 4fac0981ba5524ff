package activities

import "github.com/mailferry/mailferry/internal/migration"

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
