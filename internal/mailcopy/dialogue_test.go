package mailcopy

import (
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

// TestDialogue copies one message word for word: a source that sends the body before the rest, and flags that nobody
// asked for, and a target that has to be asked before it takes a literal and tells no UIDs.
func TestDialogue(t *testing.T) {
	auth := Auth{User: "ada", Password: "x"}
	source := Account{Address: play(t, "dialogue-source.txt"), Security: migration.Plain, Auth: auth}
	target := Account{Address: play(t, "dialogue-target.txt"), Security: migration.Plain, Auth: auth}
	state, report, err := Copy(t.Context(), source, target, migration.MailboxState{}, Options{})
	if err != nil || report.Exit != migration.ExitDone || report.Progress.Messages != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	f := state.Folders[0]
	runs, err := f.Pairs.Runs()
	if err != nil || len(runs) != 1 || runs[0] != (migration.Run{Source: 7, Target: 4, Length: 1}) {
		t.Errorf("pairs %v, %v", runs, err)
	}
	if f.Cursor != 8 || f.TargetHigh != 4 || f.Baseline != 4 || f.UIDValidity != 11 || f.TargetUIDValidity != 22 || !f.Account.Closes() {
		t.Errorf("state %+v", f)
	}
}
