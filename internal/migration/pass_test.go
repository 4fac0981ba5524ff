package migration_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestStateStaysBelowItsLimit(t *testing.T) {
	var state migration.MailboxState
	for i := range 20 {
		state.Merge(migration.MailboxState{Folders: []migration.FolderState{
			{Source: string(rune('a' + i)), Cursor: 7, Pairs: make(migration.Pairs, 100_000+1000*i)},
		}})
	}
	for range migration.MaxRefusals {
		var slice migration.MailboxState
		slice.Refuse(migration.Refusal{MessageID: strings.Repeat("<ä>", 20_000), Words: strings.Repeat("no ", 5_000)})
		state.Merge(slice)
	}
	encoded, err := json.Marshal(state)
	if err != nil || len(encoded) > migration.MaxState {
		t.Errorf("%d bytes, %v", len(encoded), err)
	}
	kept := 0
	for _, f := range state.Folders {
		if f.PairsDropped != (f.Pairs == nil) || f.Cursor != 7 {
			t.Errorf("folder %q has %d bytes of pairs, dropped %v", f.Source, len(f.Pairs), f.PairsDropped)
		}
		if !f.PairsDropped {
			kept++
		}
	}
	if kept == 0 || kept == 20 || state.Folders[19].Pairs != nil {
		t.Errorf("%d folders keep their pairs; want the largest dropped first", kept)
	}
}
