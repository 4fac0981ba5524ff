package migration_test

import (
	"encoding/json"
	"fmt"
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

// A parent of many folders that is renamed in a mailbox in use has every one of them lend its copies.
func TestStateOfManyLoansStaysBelowItsLimit(t *testing.T) {
	pairs := migration.PackRuns([]migration.Run{{Source: 1, Target: 1, Length: 5}})
	var state migration.MailboxState
	for i := range 200 {
		f := migration.FolderState{Source: fmt.Sprintf("Projekte/%d", i), Cursor: 7, Pairs: pairs, Strays: "3,5"}
		for uid := range uint32(200) {
			f.Lent = append(f.Lent, migration.Loan{Source: fmt.Sprintf("Projekte alt/%d", i), UID: uid + 1, Target: uid + 1})
		}
		state.Merge(migration.MailboxState{Folders: []migration.FolderState{f}})
	}
	encoded, err := json.Marshal(state)
	if err != nil || len(encoded) > migration.MaxState {
		t.Errorf("%d bytes, %v", len(encoded), err)
	}
	lending := 0
	for _, f := range state.Folders {
		if f.PairsDropped || f.Pairs == nil {
			t.Errorf("folder %q gave up its pairs", f.Source)
		}
		if len(f.Lent) > 0 {
			lending++
		}
	}
	if lending == 0 {
		t.Error("no folder keeps its loans")
	}
}
