package workflows

import (
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// takenAccounts says of which rows of a chunk another mailbox has the source account, be it of an earlier list. A mailbox
// that is left out has none, and neither has one that the same list gives another.
func (t *tenant) takenAccounts(i *importState, rows []migration.Mailbox) []string {
	var chunk ledger
	for _, m := range rows {
		chunk.add(m, 0)
	}
	var reasons []string
	var owners map[uint64]int
	for _, m := range rows {
		k, account := hash(m.Address), accountOf(m)
		if t.s.Ledger.has(k, account) {
			continue // as it was
		}
		if owners == nil {
			owners = t.owners()
		}
		whole := m
		whole.UserRoot = ""
		for _, one := range slices.Compact([]uint64{account, accountOf(whole)}) {
			at, taken := owners[one]
			if !taken {
				continue
			}
			owner := t.s.Ledger.key(at)
			if owner == k || corrects(chunk, owner, one) || corrects(i.Staged, owner, one) {
				continue
			}
			reasons = append(reasons, fmt.Sprintf("%s has the source account of another mailbox, in wave %s, and two can't have the same mail: "+
				"correct that one, or leave it out, before", m.Address, t.s.Waves[t.s.Ledger.waveAt(at)].Name))
			break
		}
	}
	return reasons
}

// corrects reports whether a list gives the key another source account.
func corrects(list ledger, k, account uint64) bool {
	_, there := list.search(k)
	return there && !list.has(k, account)
}

// owners are the places in the ledger of those that have an account, by the account.
func (t *tenant) owners() map[uint64]int {
	out := map[uint64]bool{}
	for _, w := range t.s.Waves {
		for _, address := range w.Report.Excluded {
			out[hash(address)] = true
		}
	}
	owners := make(map[uint64]int, t.s.Ledger.len())
	for i := range t.s.Ledger.len() {
		if !out[t.s.Ledger.key(i)] {
			owners[t.s.Ledger.account(i)] = i
		}
	}
	return owners
}
