package workflows

import (
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// ledger is a set of addresses, as sorted 64-bit hashes of eight bytes each (FNV-1a), each with the two bytes of its
// wave's place and the six of its source account's hash.
type ledger []byte

const ledgerEntry = 16

// hash is the entry's key of an address.
func hash(address string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(address) {
		h = (h ^ uint64(address[i])) * prime
	}
	return h
}

// accountOf is what a ledger keeps of a row's source account: 48 bits, so that of 50,000 accounts two are taken for one
// another once in 200,000 migrations. The rows of one account name each their own root, or none if it is a row's alone.
func accountOf(m migration.Mailbox) uint64 {
	return hash(strings.ToLower(m.Endpoint+"\x00"+m.User)+"\x00"+m.UserRoot) >> 16
}

// number reads so many bytes of the i-th entry, from the offset on.
func (l ledger) number(i, from, bytes int) uint64 {
	var n uint64
	for _, b := range l[i*ledgerEntry+from:][:bytes] {
		n = n<<8 | uint64(b)
	}
	return n
}

func (l ledger) len() int             { return len(l) / ledgerEntry }
func (l ledger) key(i int) uint64     { return l.number(i, 0, 8) }
func (l ledger) waveAt(i int) int     { return int(l.number(i, 8, 2)) }
func (l ledger) account(i int) uint64 { return l.number(i, 10, 6) }

// search is the place of the key, or where it would be.
func (l ledger) search(k uint64) (int, bool) {
	low, high := 0, l.len()
	for low < high {
		if middle := (low + high) / 2; l.key(middle) < k {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < l.len() && l.key(low) == k
}

// wave is the place of the address's wave.
func (l ledger) wave(address string) (int, bool) {
	i, found := l.search(hash(address))
	if !found {
		return 0, false
	}
	return l.waveAt(i), true
}

// has reports whether the key's source account is this one.
func (l ledger) has(k, account uint64) bool {
	i, found := l.search(k)
	return found && l.account(i) == account
}

// add puts a row in, if its address isn't there.
func (l *ledger) add(m migration.Mailbox, wave int) {
	k := hash(m.Address)
	if i, found := l.search(k); !found {
		*l = slices.Insert(*l, i*ledgerEntry, entryOf(k, wave, accountOf(m))...)
	}
}

func entryOf(k uint64, wave int, account uint64) []byte {
	entry := make([]byte, 0, ledgerEntry)
	for shift := 56; shift >= 0; shift -= 8 {
		entry = append(entry, byte(k>>shift))
	}
	entry = append(entry, byte(wave>>8), byte(wave))
	for shift := 40; shift >= 0; shift -= 8 {
		entry = append(entry, byte(account>>shift))
	}
	return entry
}

// take puts another ledger's rows in. Those that are known get the wave and the account that they have there.
func (l *ledger) take(other ledger) {
	for i := range other.len() {
		entry := other[i*ledgerEntry:][:ledgerEntry]
		at, known := l.search(other.key(i))
		if known {
			copy((*l)[at*ledgerEntry:], entry)
			continue
		}
		*l = slices.Insert(*l, at*ledgerEntry, entry...)
	}
}
