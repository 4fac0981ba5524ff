package mailcopy

import (
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

// Pairs that are found again don't use up the room of a slice, else one after the other would end before the flags are set.
func TestRebuiltPairsTakeNoRoom(t *testing.T) {
	l, err := newLedger(migration.FolderState{Source: "INBOX", Target: "INBOX", Cursor: 100_000, Baseline: 1, PairsDropped: true})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{ledgers: []*ledger{l}}
	for uid := uint32(1); uid < 100_000; uid += 3 {
		l.pair(uid, uid/2+1)
	}
	l.mark(4)
	state, _ := e.snapshot()
	if e.stop != nil || len(state.Folders) != 1 || len(state.Folders[0].Pairs) > 0 {
		t.Errorf("%d folders changed, and the slice ends: %v", len(state.Folders), e.stop)
	}
	if target, paired := l.target(4); !paired || target != 3 {
		t.Errorf("the copy of UID 4 is UID %d, %v", target, paired)
	}
	l.copied(4, 60_000, 1)
	if target, _ := l.target(4); target != 60_000 || l.look().Account.Copied != 0 {
		t.Errorf("after it has a new UID it is UID %d, and %d were counted anew", target, l.look().Account.Copied)
	}
}
