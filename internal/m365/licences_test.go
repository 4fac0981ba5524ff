package m365

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestDecide(t *testing.T) {
	var (
		standard   = uuid.MustParse("9aaf7827-d63c-4b61-89c3-182f06f82e5c")
		foundation = uuid.MustParse("113feb6c-3fe4-4440-bddc-54d774bf0318")
		teams      = uuid.MustParse("57ff2da0-773e-42df-b2af-ffb7a2317929")
	)
	full := sku{id: uuid.New(), partNumber: "Office_365_E3_(no_Teams)", status: "Enabled", free: 2, forUsers: true, plans: []uuid.UUID{foundation, teams, standard}}
	bare := sku{id: uuid.New(), partNumber: "M365_F1", status: "Enabled", free: 9, forUsers: true, plans: []uuid.UUID{foundation}}
	empty := sku{id: uuid.New(), partNumber: "STANDARDPACK", status: "Warning", forUsers: true, plans: []uuid.UUID{standard}}
	old := sku{id: uuid.New(), partNumber: "SPB", status: "Suspended", free: 4, forUsers: true, plans: []uuid.UUID{standard}}
	company := sku{id: uuid.New(), partNumber: "COMPANY", status: "Enabled", free: 4, plans: []uuid.UUID{standard}}
	skus := []sku{full, bare, empty, old, company}
	tests := []struct {
		name     string
		wanted   string
		given    []given
		assign   *sku
		disabled int
		kind     string
	}{
		{name: "named by part number", wanted: "office_365_e3_(no_teams)", assign: &full},
		{name: "named by ID", wanted: full.id.String(), assign: &full},
		{name: "none named", kind: "licence-not-named"},
		{name: "not the tenant's", wanted: "SPE_E5", kind: "licence-unknown"},
		{name: "a name that sounds right, without a mailbox", wanted: "M365_F1", kind: "licence-without-mailbox"},
		{name: "for the company", wanted: "COMPANY", kind: "licence-without-mailbox"},
		{name: "none free", wanted: "STANDARDPACK", kind: "licences-exhausted"},
		{name: "suspended", wanted: "SPB", kind: "licence-suspended"},
		{name: "through a group", wanted: "SPB", given: []given{{sku: empty.id, group: "g", state: "Active"}}},
		{name: "directly, not in force yet", wanted: "SPB", given: []given{{sku: full.id, state: "Active"}}},
		{name: "a group's licence without mailbox", wanted: full.partNumber, given: []given{{sku: bare.id, group: "g", state: "Active"}}, assign: &full},
		{
			name: "mailbox plan switched off", wanted: "SPB", given: []given{{sku: full.id, state: "Active", disabled: []uuid.UUID{teams, standard}}},
			assign: &full, disabled: 1,
		},
		{
			name: "mailbox plan switched off by a group", wanted: full.partNumber,
			given: []given{{sku: empty.id, group: "g", state: "Active", disabled: []uuid.UUID{standard}}}, assign: &full,
		},
		{
			name: "group's assignment failed", wanted: full.partNumber,
			given: []given{{sku: empty.id, group: "g", state: "Error", failure: "CountViolation"}}, kind: "licence-assignment-failed",
		},
		{
			name: "one failed, another holds", wanted: full.partNumber,
			given: []given{{sku: empty.id, group: "g", state: "Error", failure: "CountViolation"}, {sku: full.id, state: "Active"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decide(migration.User{Address: "ada@contoso.com", Licence: tt.wanted}, holding{given: tt.given}, skus)
			if tt.kind != "" {
				if !hasKind(err, tt.kind) {
					t.Fatalf("%v, want a problem of kind %q", err, tt.kind)
				}
				if strings.HasPrefix(tt.kind, "licence-") && tt.kind != "licence-assignment-failed" && !strings.Contains(err.Error(), "Office_365_E3_(no_Teams) (2 free)") {
					t.Errorf("%v does not say what the tenant has", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (got == nil) != (tt.assign == nil) || got != nil && (got.sku.id != tt.assign.id || len(got.disabled) != tt.disabled) {
				t.Errorf("assigns %+v, want %+v with %d plans off", got, tt.assign, tt.disabled)
			}
		})
	}
}
