package mailcopy_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
)

func (w *world) tokenOf(context.Context) (string, error) { return w.target.Token(w.user) }

// fill puts a varied mailbox into the source.
func (w *world) fill(t testing.TB) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	c := login(t, w.source.Address, w.user)
	for _, folder := range []string{"Sent", "Entwürfe", "Projects/A & B/日本", "Empty", "Trash"} {
		if err := c.Create(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for folder, count := range map[string]int{"INBOX": 300, "Sent": 40, "Projects/A & B/日本": 25, "Trash": 5} {
		for range count {
			n++
			flags := []string{"", "\\Seen", "\\Seen \\Answered", "\\Flagged", "\\Seen $Label1"}[n%5]
			put(t, c, folder, mail{flags, day(n), letter(r, n, 500+r.IntN(6000))})
		}
	}
	for _, m := range strange() {
		put(t, c, "Entwürfe", m)
	}
	put(t, c, "INBOX", mail{"", day(1), letter(r, 9999, 3<<20)})
	put(t, c, "INBOX", mail{"\\Seen", day(2), letter(r, 9998, 400<<10)})
}

func TestCopyBetweenDovecots(t *testing.T) {
	w := newWorld(t)
	w.fill(t)
	source, target := w.accounts()
	o := mailcopy.Options{KeepsBytes: true, Rules: migration.CopyRules{Connections: 2}}
	ctx := t.Context()

	var state migration.MailboxState
	began := time.Now()
	learnt, report, err := mailcopy.Copy(ctx, source, target, state, o)
	if err != nil || report.Exit != migration.ExitDone || len(report.Remaining) > 0 {
		t.Fatalf("first pass: %+v, %v\n%s", report, err, w.target.Log())
	}
	t.Logf("%d messages, %d bytes in %v", report.Progress.Messages, report.Progress.Bytes, time.Since(began))
	state.Merge(learnt)
	before := contents(t, login(t, w.source.Address, w.user))
	compare(t, before, contents(t, login(t, w.target.Address, w.user)), nil)
	if a := state.Account(); !a.Closes() || a.Copied != a.Source || a.Source != report.Progress.Messages {
		t.Errorf("account %+v", a)
	}
	for _, f := range state.Folders {
		if runs, err := f.Pairs.Runs(); err != nil || len(runs) > 1 {
			t.Errorf("folder %q: runs of pairs %v, %v", f.Source, runs, err)
		}
	}

	learnt, report, err = mailcopy.Copy(ctx, source, target, state, o)
	if err != nil || report.Exit != migration.ExitDone || report.Progress.Messages != 0 {
		t.Fatalf("second pass: %+v, %v", report, err)
	}
	state.Merge(learnt)
	compare(t, before, contents(t, login(t, w.target.Address, w.user)), nil)
}
