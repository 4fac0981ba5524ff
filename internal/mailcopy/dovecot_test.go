package mailcopy_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/mailcopy/dovecottest"
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

func TestDeltaBetweenDovecots(t *testing.T) {
	w := &world{
		dovecottest.Start(t, dovecottest.Options{Separator: ".", Prefix: "INBOX."}),
		dovecottest.Start(t, dovecottest.Options{Capabilities: dovecottest.Exchange}), "ada",
	}
	r := rand.New(rand.NewPCG(8, 9))
	c := login(t, w.source.Address, w.user)
	for _, folder := range []string{"INBOX.Sent", "INBOX.Old"} {
		if err := c.Create(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 60 {
		put(t, c, []string{"INBOX", "INBOX.Sent", "INBOX.Old"}[n%3], mail{"", day(n), letter(r, n, 700)})
	}
	names := map[string]string{"INBOX.Sent": "Sent", "INBOX.Old": "Old", "INBOX.New": "New"}
	source, target := w.accounts()
	o := mailcopy.Options{KeepsBytes: true}
	var state migration.MailboxState
	pass := func(want int) {
		t.Helper()
		known := cursors(state)
		found, err := mailcopy.Probe(t.Context(), source, known, o)
		if err != nil {
			t.Fatal(err)
		}
		if o.Folders, o.Bounds = found.Folders(), found.Bounds; len(o.Folders) == 0 {
			t.Fatal("the probe sees no change")
		}
		learnt, report, err := mailcopy.Copy(t.Context(), source, target, state.Part(o.Folders), o)
		if err != nil || report.Exit != migration.ExitDone || report.Progress.Messages != want {
			t.Fatalf("a pass over %q copied %d messages, want %d: %+v, %v", o.Folders, report.Progress.Messages, want, report, err)
		}
		state.Merge(clone(t, learnt))
		compare(t, contents(t, login(t, w.source.Address, w.user)), contents(t, login(t, w.target.Address, w.user)), names)
		for _, o := range []mailcopy.Options{o, {KeepsBytes: true, Known: known}} {
			verdict, err := mailcopy.Verify(t.Context(), source, target, state, o)
			if err != nil || !verdict.Verified {
				t.Errorf("%+v, %v", verdict, err)
			}
		}
	}
	pass(60)

	// Flags change, mail comes, and a folder is renamed with all that is in it.
	o.Since = time.Now()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for flag, uids := range map[imap.Flag]imap.UIDSet{imap.FlagSeen: imap.UIDSetNum(1, 2, 7), imap.FlagFlagged: imap.UIDSetNum(2), "$Label1": imap.UIDSetNum(5)} {
		if err := c.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, "INBOX", mail{"\\Answered", day(100), letter(r, 100, 700)})
	if err := c.Rename("INBOX.Old", "INBOX.New", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	pass(1)

	// Messages are filed, and flags are taken away.
	o.Since = time.Now()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSetNum(3, 4, 10), "INBOX.Sent").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsDel, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	pass(0)
	if a := state.Account(); a.Moved != 23 || !a.Closes() {
		t.Errorf("account %+v", a)
	}
}
