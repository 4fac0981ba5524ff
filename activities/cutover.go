package activities

import "github.com/mailferry/mailferry/internal/migration"

// ApplyInput is a change to make by compare-and-set.
type ApplyInput struct {
	DNS    migration.DNS    `json:"dns"`
	Change migration.Change `json:"change"`
}
