package mailcopy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailferry/mailferry/internal/linetest"
	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/mailcopy/dovecottest"
	"github.com/mailferry/mailferry/internal/migration"
)

// kills is how often a copy is interrupted.
const kills = 20

// fillMany puts enough into the source for a copy to be interrupted at many places, exact duplicates among it.
func (w *world) fillMany(t testing.TB, count int) {
	t.Helper()
	c := login(t, w.source.Address, w.user)
	for _, folder := range []string{"Sent", "Lists/Größe"} {
		if err := c.Create(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range strange() {
		put(t, c, "INBOX", m)
	}
	w.more(t, c, 0, count)
}

// more puts further mail into the source.
func (w *world) more(t testing.TB, c *imapclient.Client, first, count int) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(first)))
	for n := first; n < first+count; n++ {
		folder := []string{"INBOX", "INBOX", "Lists/Größe", "Sent"}[r.IntN(4)]
		m := mail{[]string{"", "\\Seen", "\\Flagged"}[n%3], day(n), letter(r, n, 300+r.IntN(3000))}
		put(t, c, folder, m)
		if n%9 == 0 {
			put(t, c, folder, m)
		}
	}
}

func TestInterruptedCopy(t *testing.T) {
	for name, strip := range map[string]bool{"with APPENDUID": false, "without APPENDUID": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fillMany(t, 300)
			c := login(t, w.source.Address, w.user)
			source, target := w.accounts()
			near, far := linetest.New(t, w.source.TLSAddress), targetLine(t, w.target.Address, strip)
			source.Address, target.Address = near.Address, far.Address
			target.Security = migration.Plain // the proxy reads along
			o := mailcopy.Options{KeepsBytes: true, Every: 3 * time.Millisecond}
			r := rand.New(rand.NewPCG(5, uint64(len(name))))
			var state migration.MailboxState
			interrupted := 0
			for n := 0; interrupted < kills; n++ {
				if n == 5*kills {
					t.Fatalf("only %d of %d copies could be interrupted", interrupted, n)
				}
				w.more(t, c, 1000+100*n, 60)
				var hit bool
				if state, hit = interrupt(t, r, n, source, target, state, o, near, far); hit {
					interrupted++
				}
			}
			finishAndCompare(t, w, source, target, state, o)
		})
	}
}

var appendUID = regexp.MustCompile(`^([a-zA-Z]+\d+ OK )\[APPENDUID \d+ [\d:,]+\] `)

// targetLine is a line to the target, which takes the APPENDUID codes out of its answers where they are to be stripped.
func targetLine(t testing.TB, target string, strip bool) *linetest.Line {
	t.Helper()
	if !strip {
		return linetest.New(t, target)
	}
	return linetest.Spoiling(t, target, func(line []byte) []byte { return appendUID.ReplaceAll(line, []byte("$1")) })
}

// interrupt begins a copy and ends it in one of the ways in which copies end. It returns the state that survives, and
// whether the copy was under way then.
func interrupt(t *testing.T, r *rand.Rand, n int, source, target mailcopy.Account, state migration.MailboxState, o mailcopy.Options, near, far *linetest.Line) (left migration.MailboxState, interrupted bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	way := n % 5
	if way == 3 {
		far.CutAfter(int64(20_000 + r.IntN(150_000)))
		defer far.CutAfter(0)
	}
	var kept migration.MailboxState
	crashed := errors.New("crashed")
	enough := 1 + r.IntN(40)
	fired := false
	o.Checkpoint = func(s migration.MailboxState, p migration.Progress) error {
		kept = s
		if p.Messages < enough || fired {
			return nil
		}
		fired = true
		switch way {
		case 0:
			cancel()
		case 1:
			far.Cut()
		case 2:
			near.Cut()
		case 4:
			return crashed
		}
		return nil
	}
	o.Rules.SliceMessages = enough + 20 // for what survived the interruption
	o.Settle = 300 * time.Millisecond
	far.Pace(400_000)
	defer far.Pace(0)
	learnt, report, err := mailcopy.Copy(ctx, source, target, state, o)
	if way%2 == 0 || r.IntN(2) == 0 {
		learnt = kept // all but the checkpoints is lost
	}
	t.Logf("way %d: %s, %d messages, %v", way, report.Exit, report.Progress.Messages, err)
	state = clone(t, state)
	state.Merge(clone(t, learnt))
	return state, fired || way == 3 && report.Progress.Messages > 0
}

// clone passes a state through JSON, as it travels in real life.
func clone(t testing.TB, s migration.MailboxState) (c migration.MailboxState) {
	t.Helper()
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// finishAndCompare completes the copy, and looks at both sides with eyes of its own.
func finishAndCompare(t *testing.T, w *world, source, target mailcopy.Account, state migration.MailboxState, o mailcopy.Options) {
	t.Helper()
	o.Checkpoint, o.Settle, o.Rules.SliceMessages = nil, 300*time.Millisecond, 0
	for try := 0; ; try++ {
		learnt, report, err := mailcopy.Copy(t.Context(), source, target, state, o)
		state.Merge(learnt)
		if err == nil && report.Exit == migration.ExitDone && len(report.Remaining) == 0 {
			break
		}
		if try == 5 {
			t.Fatalf("the copy doesn't end: %+v, %v", report, err)
		}
	}
	compare(t, contents(t, login(t, w.source.Address, w.user)), contents(t, login(t, w.target.Address, w.user)), nil)
	if a := state.Account(); !a.Closes() {
		t.Errorf("the account doesn't close: %+v", a)
	}
	learnt, report, err := mailcopy.Copy(t.Context(), source, target, state, o)
	if err != nil || report.Progress.Messages != 0 {
		t.Errorf("another pass copied %d messages, %v", report.Progress.Messages, err)
	}
	state.Merge(learnt)
	verdict, err := mailcopy.Verify(t.Context(), source, target, state, o)
	if err != nil || !verdict.Verified {
		t.Errorf("verification: %+v, %v", verdict, err)
	}
}

// job is what the killed process is told.
type job struct {
	Source, Target, User, Token string
	File                        string
}

// TestMain makes the test's own program the process that is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("MAILCOPY_TEST_JOB"); text != "" {
		if err := runJob(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runJob copies, keeping nothing but its checkpoints, in a file.
func runJob(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	var state migration.MailboxState
	if encoded, err := os.ReadFile(j.File); err == nil {
		if err := json.Unmarshal(encoded, &state); err != nil {
			return err
		}
	}
	source := mailcopy.Account{Address: j.Source, Security: migration.Plain, Auth: mailcopy.Auth{User: j.User, Password: dovecottest.Password}}
	target := mailcopy.Account{Address: j.Target, Security: migration.Plain, Auth: mailcopy.Auth{
		Mechanism: "XOAUTH2", User: j.User, Token: func(context.Context) (string, error) { return j.Token, nil },
	}}
	save := func(learnt migration.MailboxState, _ migration.Progress) error {
		sum := state
		sum.Folders = append([]migration.FolderState(nil), state.Folders...)
		sum.Merge(learnt)
		encoded, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		if err := os.WriteFile(j.File+".new", encoded, 0o600); err != nil {
			return err
		}
		return os.Rename(j.File+".new", j.File)
	}
	learnt, report, err := mailcopy.Copy(context.Background(), source, target, state, mailcopy.Options{
		KeepsBytes: true, Every: 20 * time.Millisecond, Settle: 200 * time.Millisecond, Rules: migration.CopyRules{SliceMessages: 120}, Checkpoint: save,
	})
	if err != nil {
		return err
	}
	return save(learnt, report.Progress)
}

func TestKilledProcess(t *testing.T) {
	for name, strip := range map[string]bool{"with APPENDUID": false, "without APPENDUID": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fillMany(t, 1500)
			far := targetLine(t, w.target.Address, strip)
			far.Pace(400_000)
			token, err := w.target.Token(w.user)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "state.json")
			encoded, err := json.Marshal(job{Source: w.source.Address, Target: far.Address, User: w.user, Token: token, File: file})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(7, uint64(len(name))))
			killed := 0
			for range kills {
				process := exec.Command(os.Args[0])
				process.Env = append(os.Environ(), "MAILCOPY_TEST_JOB="+string(encoded))
				process.Stderr = os.Stderr
				if err := process.Start(); err != nil {
					t.Fatal(err)
				}
				timer := time.AfterFunc(time.Duration(260+r.IntN(60))*time.Millisecond, func() { process.Process.Kill() })
				if process.Wait() != nil {
					killed++
				}
				timer.Stop()
			}
			var state migration.MailboxState
			if text, err := os.ReadFile(file); err == nil {
				if err := json.Unmarshal(text, &state); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("killed %d times; %+v", killed, state.Account())
			source, target := w.accounts()
			target.Address, target.Security = far.Address, migration.Plain
			finishAndCompare(t, w, source, target, state, mailcopy.Options{KeepsBytes: true})
		})
	}
}
