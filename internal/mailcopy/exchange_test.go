package mailcopy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

const address = "ada@example.org"

// stage is the simulated world's IMAP: a source with a nasty corpus and a target like Exchange Online.
type stage struct {
	source, target           *imap.Server
	sourceStore, targetStore *store.Store
	from, to                 mailcopy.Account
}

// newStage puts so many messages into the source; 0 leaves it with an INBOX alone.
func newStage(t testing.TB, source, target imap.Dialect, messages int) *stage {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &stage{}
	open := func(side string, d imap.Dialect, mechanism string) (*store.Store, *imap.Server, mailcopy.Account) {
		st, err := store.New(db, side)
		if err != nil {
			t.Fatal(err)
		}
		server := imap.NewServer(imap.Config{Store: st, Dialect: d, Authenticate: func(_, user, _, secret string) (string, error) {
			if secret != "secret" {
				return "", errors.New("wrong secret")
			}
			return user, nil
		}})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			server.Serve(ctx, l)
			close(done)
		}()
		t.Cleanup(func() {
			cancel()
			server.Close()
			<-done
		})
		return st, server, mailcopy.Account{Address: l.Addr().String(), Security: migration.Plain, Auth: mailcopy.Auth{
			Mechanism: mechanism, User: address, Password: "secret", Token: func(context.Context) (string, error) { return "secret", nil },
		}}
	}
	s.sourceStore, s.source, s.from = open("source", source, "")
	s.targetStore, s.target, s.to = open("target", target, "XOAUTH2")
	if err := s.targetStore.Create(address, imap.ExchangeFolders("de")); err != nil {
		t.Fatal(err)
	}
	if messages == 0 {
		must(t, s.sourceStore.Create(address, nil))
		return s
	}
	if err := corpus.Fill(s.sourceStore, 7, corpus.Spec{Addresses: []string{address}, Messages: messages, Separator: source.Separator, Prefix: source.Prefix}); err != nil {
		t.Fatal(err)
	}
	return s
}

// counts are the messages of a mailbox by folder.
func counts(t testing.TB, s *store.Store) map[string]int {
	t.Helper()
	folders, err := s.Folders(address)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, f := range folders {
		if err := s.Scan(f.ID, 1, 1<<32-1, func(store.Entry) error { n[f.Name]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// pass copies until the pass is done, and merges what was learnt.
func (s *stage) pass(t testing.TB, state *migration.MailboxState, o mailcopy.Options) mailcopy.Report {
	t.Helper()
	var sum mailcopy.Report
	for range 100 {
		learnt, report, err := mailcopy.Copy(t.Context(), s.from, s.to, *state, o)
		state.Merge(clone(t, learnt))
		sum.Progress.Messages += report.Progress.Messages
		sum.Arrivals.Add(report.Arrivals)
		var later *migration.LaterError
		if errors.As(err, &later) {
			time.Sleep(later.After)
			continue
		}
		if err == nil && report.Exit == migration.ExitDone {
			return sum
		}
		if err == nil && report.Exit == migration.ExitProblem {
			t.Fatalf("a person is needed: %v", report.Problem)
		}
		t.Logf("%s, %v", report.Exit, err)
	}
	t.Fatal("the pass doesn't end")
	return sum
}

// verify fails unless the mailbox is verified and every source message is accounted for.
func (s *stage) verify(t testing.TB, state migration.MailboxState, o mailcopy.Options) {
	t.Helper()
	verdict, err := mailcopy.Verify(t.Context(), s.from, s.to, state, o)
	if err != nil || !verdict.Verified {
		t.Errorf("not verified: %s, %v", strings.Join(verdict.Faults, "\n"), err)
	}
	a, all := state.Account(), 0
	for _, n := range counts(t, s.sourceStore) {
		all += n
	}
	if a.Source != all || !a.Closes() {
		t.Errorf("the account of %d messages doesn't close: %+v", all, a)
	}
	have := 0
	for _, n := range counts(t, s.targetStore) {
		have += n
	}
	if have != a.Copied+a.Already {
		t.Errorf("the target holds %d messages, %d are recorded", have, a.Copied+a.Already)
	}
}

func TestCopyToExchange(t *testing.T) {
	renumbering := imap.ExchangeOnline(imap.Proxy)
	renumbering.RenumbersFlagged = true
	renumbering.Rewrites.InventsMessageID, renumbering.Rewrites.EncodesHeader = true, true
	silent := renumbering
	silent.NoAppendUID = true
	for name, test := range map[string]struct{ source, target imap.Dialect }{
		"classic":                       {imap.Source(), imap.ExchangeOnline(imap.Classic)},
		"new UIDs, Message-IDs":         {imap.DottedSource(), renumbering},
		"no APPENDUID, an old source":   {imap.OldSource(), silent},
		"no APPENDUID, a modern source": {imap.Source(), silent},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, test.source, test.target, 200)
			var state migration.MailboxState
			report := s.pass(t, &state, mailcopy.Options{})
			a := state.Account()
			t.Logf("%d messages; %+v; %v", report.Progress.Messages, a, state.Observations)
			for _, r := range state.Refusals {
				t.Logf("refused: %s UID %d %s %s", r.Folder, r.UID, r.Kind, r.Words)
			}
			s.verify(t, state, mailcopy.Options{})
			if again := s.pass(t, &state, mailcopy.Options{}); again.Progress.Messages != 0 {
				t.Errorf("a second pass copied %d messages", again.Progress.Messages)
			}
			s.verify(t, state, mailcopy.Options{})
			s.flags(t, state)
		})
	}
}

// flags compares every copy's flags with its source's.
func (s *stage) flags(t *testing.T, state migration.MailboxState) {
	t.Helper()
	for _, f := range state.Folders {
		from, err := s.sourceStore.Folder(address, f.Source)
		if err != nil {
			t.Fatal(err)
		}
		to, err := s.targetStore.Folder(address, f.Target)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := f.Pairs.Runs()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			for i := range r.Length {
				a, err := s.sourceStore.Entry(from.ID, r.Source+i)
				if err != nil {
					t.Fatal(err)
				}
				b, err := s.targetStore.Entry(to.ID, r.Target+i)
				if err != nil {
					t.Errorf("folder %q UID %d: no target UID %d", f.Source, r.Source+i, r.Target+i)
					continue
				}
				if b.Has(imap.Unsure) {
					t.Errorf("folder %q UID %d: its flag isn't seen by all programs", f.Source, r.Source+i)
				}
				for _, flag := range []string{`\Seen`, `\Answered`, `\Flagged`, `\Draft`} {
					if a.Has(flag) != b.Has(flag) {
						t.Errorf("folder %q UID %d: %s is %v at the source, %v at the target", f.Source, r.Source+i, flag, a.Has(flag), b.Has(flag))
					}
				}
				if !a.Internal.Equal(b.Internal) {
					t.Errorf("folder %q UID %d: dated %v, the copy %v", f.Source, r.Source+i, a.Internal, b.Internal)
				}
			}
		}
	}
}

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*imap.Dialect)
		source []imap.Fault
		target []imap.Fault
	}{
		"throttled": {change: func(d *imap.Dialect) {
			d.Budget = imap.Budget{Burst: 40, Recharge: 5 * time.Millisecond, Backoff: 100 * time.Millisecond, Patience: 3}
		}},
		"answers lost":              {target: []imap.Fault{{Command: "APPEND", Skip: 20, Times: 3, Lose: true}}},
		"answers lost, no UIDs":     {change: func(d *imap.Dialect) { d.NoAppendUID = true }, target: []imap.Fault{{Command: "APPEND", Skip: 20, Times: 3, Lose: true}}},
		"cut inside a message":      {target: []imap.Fault{{Command: "APPEND", Skip: 30, Times: 2, CutIn: 300}}, source: []imap.Fault{{Command: "UID FETCH", Skip: 4, Times: 2, CutOut: 20_000}}},
		"token expired":             {target: []imap.Fault{{Command: "APPEND", Skip: 25, Times: 2, Bye: "Session invalidated - AccessTokenExpired"}}},
		"no access for a while":     {target: []imap.Fault{{Command: "NAMESPACE", Times: 1, Answer: "BAD User is authenticated but not connected."}}},
		"unavailable for a while":   {target: []imap.Fault{{Command: "APPEND", Skip: 10, Times: 1, Answer: "NO Server Unavailable. 15"}}},
		"flags lost in between":     {change: func(d *imap.Dialect) { d.RenumbersFlagged = true }, target: []imap.Fault{{Command: "UID STORE", Times: 3, Lose: true}}},
		"false sizes, empty bodies": {source: []imap.Fault{{Command: "UID FETCH", Folder: "INBOX", UID: 3, SizeBy: 1 << 20}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := imap.ExchangeOnline(imap.Classic)
			if test.change != nil {
				test.change(&d)
			}
			s := newStage(t, imap.Source(), d, 200)
			for _, f := range test.source {
				s.source.Inject(f)
			}
			for _, f := range test.target {
				s.target.Inject(f)
			}
			var state migration.MailboxState
			o := mailcopy.Options{Every: 5 * time.Millisecond, Checkpoint: func(migration.MailboxState, migration.Progress) error { return nil }}
			s.pass(t, &state, o)
			s.verify(t, state, mailcopy.Options{})
			s.flags(t, state)
			if again := s.pass(t, &state, mailcopy.Options{}); again.Progress.Messages != 0 {
				t.Errorf("a second pass copied %d messages", again.Progress.Messages)
			}
		})
	}
}

func TestInterruptedCopyToExchange(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("without APPENDUID %v", silent), func(t *testing.T) {
			t.Parallel()
			d := imap.ExchangeOnline(imap.Proxy)
			d.RenumbersFlagged, d.NoAppendUID = true, silent
			d.Rewrites.InventsMessageID, d.Rewrites.EncodesHeader = true, true
			s := newStage(t, imap.Source(), d, 500)
			r := rand.New(rand.NewPCG(11, 12))
			var state migration.MailboxState
			crashed := errors.New("crashed")
			for n := range kills {
				var kept migration.MailboxState
				enough := 1 + r.IntN(25)
				o := mailcopy.Options{Every: time.Millisecond, Rules: migration.CopyRules{SliceMessages: 30, Connections: 1 + n%2}, Settle: 600 * time.Millisecond}
				remove := func() {}
				switch n % 3 {
				case 0:
					remove = s.target.Inject(imap.Fault{Command: "APPEND", Skip: enough, Times: 1, Lose: true})
				case 1:
					remove = s.target.Inject(imap.Fault{Command: "UID STORE", Skip: n % 2, Times: 1, Lose: true})
				}
				o.Checkpoint = func(learnt migration.MailboxState, p migration.Progress) error {
					if p.Messages >= enough {
						return crashed
					}
					kept = learnt
					return nil
				}
				began := time.Now()
				_, report, err := mailcopy.Copy(t.Context(), s.from, s.to, state, o)
				remove()
				t.Logf("way %d: %s, %d messages, %v, %v", n%3, report.Exit, report.Progress.Messages, err, time.Since(began))
				state = clone(t, state)
				state.Merge(clone(t, kept))
				deliver(t, s.sourceStore, "INBOX", fmt.Sprintf("late%d@example.net", n), "", time.Now(), `\Flagged`)
			}
			s.pass(t, &state, mailcopy.Options{})
			s.verify(t, state, mailcopy.Options{})
			s.flags(t, state)
			if again := s.pass(t, &state, mailcopy.Options{}); again.Progress.Messages != 0 {
				t.Errorf("another pass copied %d messages", again.Progress.Messages)
			}
		})
	}
}
