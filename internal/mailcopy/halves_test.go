package mailcopy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// passes makes whole passes over a mailbox as its workflow does: a probe, and slices of a copy that is given the state of
// what the probe named.
type passes struct {
	source, target mailcopy.Account
	o              mailcopy.Options
	state          migration.MailboxState
	since          time.Time
	// crashes: the first slice of each pass is lost with all that it learnt, and of the second, what it has left to do.
	crashes bool
	// lost is what happens after that.
	lost func()
	// breaks: a copy may fail, and is tried again.
	breaks bool
}

func (p *passes) pass(t testing.TB) {
	t.Helper()
	began := time.Now()
	found, err := mailcopy.Probe(t.Context(), p.source, cursors(p.state), p.o)
	if err != nil {
		t.Fatal(err)
	}
	o := p.o
	o.Folders, o.Bounds, o.Since = found.Folders(), found.Bounds, p.since
	for slice := 0; len(o.Folders) > 0; slice++ {
		part := p.state.Part(slices.Concat(o.Folders, p.state.Left()))
		learnt, report, err := mailcopy.Copy(t.Context(), p.source, p.target, clone(t, part), o)
		if p.breaks && err != nil && slice < 3 {
			p.state.Merge(clone(t, learnt))
			continue
		}
		if err != nil || report.Exit != migration.ExitDone && report.Exit != migration.ExitSlice {
			t.Fatalf("%+v, %v", report, err)
		}
		if p.crashes && slice == 0 {
			if p.lost != nil {
				p.lost()
			}
			continue
		}
		p.state.Merge(clone(t, learnt))
		if !p.crashes || slice > 1 {
			o.Folders = report.Remaining
		}
	}
	p.since = began
}

// filing is a message on its way from one folder of the source to another, by name.
type filing struct {
	*stage
	*passes
	leaves, to string
}

func newFiling(t *testing.T, source imap.Dialect, way [2]string) *filing {
	s := newStage(t, source, imap.ExchangeOnline(imap.Classic), 0)
	for _, folder := range append([]string{"Middle"}, way[:]...) {
		_, err := s.sourceStore.CreateFolder(address, store.FolderSpec{Name: folder})
		must(t, err)
	}
	return &filing{s, &passes{source: s.from, target: s.to}, way[0], way[1]}
}

// ways are those in which a message may go, since folders are seen one after the other.
var ways = [][2]string{{"Alpha", "Omega"}, {"Omega", "Alpha"}}

// moveAt makes a pass, at whose command of that number at the source the message is filed, and another one. It reports
// false where the pass had fewer commands.
func (f *filing) moveAt(t *testing.T, command int, uid uint32) (moved bool) {
	t.Helper()
	remove := f.stage.source.Inject(imap.Fault{Skip: command, Times: 1, Do: func() {
		moved = true
		f.file(t, f.leaves, uid, f.to)
	}})
	defer remove()
	f.passes.pass(t)
	if moved {
		f.passes.pass(t)
	}
	return moved
}

// file puts a message into another folder at once, and returns its UID there.
func (f *filing) file(t *testing.T, from string, uid uint32, to string) uint32 {
	t.Helper()
	folder, err := f.sourceStore.Folder(address, from)
	if err != nil {
		t.Error(err)
		return 0
	}
	_, there, _, err := f.sourceStore.Copy(folder.ID, []uint32{uid}, to, true)
	if err != nil || len(there) != 1 {
		t.Errorf("filing UID %d of %q: %v, %v", uid, from, there, err)
		return 0
	}
	return there[0]
}

// arrived fails unless the message is at the target once, and all is accounted for.
func (f *filing) arrived(t *testing.T, id string, command int) {
	t.Helper()
	want := f.to
	if f.o.AddOnly { // its copy stays where it is
		want = f.leaves
	}
	if at := f.places(t, id); !slices.Equal(at, []string{want}) {
		t.Errorf("command %d: it is in %q of the target, want it once in %q", command, at, want)
	}
	verdict, err := mailcopy.Verify(t.Context(), f.stage.from, f.stage.to, f.state, f.o)
	if a := f.state.Account(); err != nil || !verdict.Verified || verdict.Late > 0 || !a.Closes() || f.state.InUse != "" {
		t.Errorf("command %d: %+v, %v, account %+v, in use: %q", command, verdict, err, a, f.state.InUse)
	}
}

// A message that is filed in another folder at any moment of a delta is at the target once, after the next one at the
// latest.
func TestMoveDuringADelta(t *testing.T) {
	silent := imap.Source()
	silent.NoUIDNext = true
	for name, test := range map[string]struct {
		source imap.Dialect
		change func(*filing)
		quiet  bool // nothing else happens in the folder that it leaves
		again  bool // it has come into that folder from another one since the last pass
	}{
		"at once":             {source: imap.Source()},
		"nothing else leaves": {source: imap.Source(), quiet: true},
		"in slices":           {source: imap.Source(), change: func(f *filing) { f.o.Rules.SliceMessages = 1 }},
		"after crashes":       {source: imap.Source(), change: func(f *filing) { f.o.Rules.SliceMessages, f.crashes = 2, true }},
		"deletions":           {source: imap.Source(), change: func(f *filing) { f.o.Rules.Deletions = true }, quiet: true},
		"moved on":            {source: imap.Source(), again: true},
		"add only":            {source: imap.Source(), change: func(f *filing) { f.o.AddOnly = true }},
		"no extensions":       {source: imap.OldSource()},
		"no UIDNEXT":          {source: silent},
	} {
		for _, way := range ways {
			t.Run(name+", to "+way[1], func(t *testing.T) {
				t.Parallel()
				f := newFiling(t, test.source, way)
				if test.change != nil {
					test.change(f)
				}
				f.passes.pass(t)
				command := 0
				for ; !t.Failed(); command++ {
					id := fmt.Sprintf("filed%d@example.net", command)
					home := f.leaves
					if test.again {
						home = "Middle"
					}
					uid := deliver(t, f.sourceStore, home, id, "", time.Now().Add(-time.Hour))
					f.passes.pass(t)
					if test.again {
						uid = f.file(t, home, uid, f.leaves)
					}
					deliver(t, f.sourceStore, f.to, fmt.Sprintf("to%d@example.net", command), "", time.Now())
					if !test.quiet {
						deliver(t, f.sourceStore, f.leaves, fmt.Sprintf("one%d@example.net", command), "", time.Now())
						deliver(t, f.sourceStore, f.leaves, fmt.Sprintf("two%d@example.net", command), "", time.Now())
						deliver(t, f.sourceStore, "INBOX", fmt.Sprintf("inbox%d@example.net", command), "", time.Now())
					}
					if !f.moveAt(t, command, uid) {
						break
					}
					f.arrived(t, id, command)
				}
				if command < 15 {
					t.Errorf("the pass had %d commands; was it one at all?", command)
				}
			})
		}
	}
}

// So is one that is filed while the first copy is under way.
func TestMoveDuringTheFirstCopy(t *testing.T) {
	for _, way := range ways {
		t.Run("to "+way[1], func(t *testing.T) {
			t.Parallel()
			for command, more := 0, true; more && !t.Failed(); command++ {
				f := newFiling(t, imap.Source(), way)
				uid := deliver(t, f.sourceStore, f.leaves, "filed@example.net", "", time.Now().Add(-time.Hour))
				deliver(t, f.sourceStore, f.to, "there@example.net", "", time.Now().Add(-time.Hour))
				if more = f.moveAt(t, command, uid); more {
					f.arrived(t, "filed@example.net", command)
				}
			}
		})
	}
}

// A copy of which nothing is recorded, since the worker that made it died, belongs to its message wherever that was filed
// before the next worker came: to that one alone.
func TestMoveAfterACrash(t *testing.T) {
	for name, test := range map[string]struct{ delta, alone, addOnly bool }{
		"first copy": {}, "delta": {delta: true}, "alone in its folder": {delta: true, alone: true}, "add only": {delta: true, addOnly: true},
	} {
		for _, way := range ways {
			t.Run(name+", to "+way[1], func(t *testing.T) {
				t.Parallel()
				f := newFiling(t, imap.Source(), way)
				f.o.AddOnly = test.addOnly
				if !test.alone {
					deliver(t, f.sourceStore, f.leaves, "stays@example.net", "", time.Now().Add(-time.Hour))
				}
				deliver(t, f.sourceStore, f.to, "there@example.net", "", time.Now().Add(-time.Hour))
				if test.delta {
					f.passes.pass(t)
				}
				uid := deliver(t, f.sourceStore, f.leaves, "filed@example.net", "", time.Now().Add(-time.Hour))
				f.crashes, f.lost = true, func() { uid = f.file(t, f.leaves, uid, f.to) }
				f.passes.pass(t)
				f.crashes = false
				f.passes.pass(t)
				if at := f.places(t, "filed@example.net"); len(at) != 1 {
					t.Fatalf("it is in %q of the target, want it once", at)
				}
				folder, err := f.sourceStore.Folder(address, f.to)
				must(t, err)
				_, _, _, err = f.sourceStore.Copy(folder.ID, []uint32{uid}, "Middle", false)
				must(t, err)
				f.passes.pass(t)
				f.passes.pass(t)
				if at := f.places(t, "filed@example.net"); len(at) != 2 || !slices.Contains(at, "Middle") {
					t.Errorf("after it was copied, it is in %q of the target", at)
				}
				verdict, err := mailcopy.Verify(t.Context(), f.stage.from, f.stage.to, f.state, f.o)
				if a := f.state.Account(); err != nil || !verdict.Verified || !a.Closes() {
					t.Errorf("%+v, %v, account %+v", verdict, err, a)
				}
			})
		}
	}
}

// In a mailbox in use a copy stays where it is, however often its message is filed; and it is the copy of that one alone.
func TestMovesInAMailboxInUse(t *testing.T) {
	for _, way := range ways {
		t.Run("to "+way[1], func(t *testing.T) {
			f := newFiling(t, imap.Source(), way)
			f.o.AddOnly = true
			uid := deliver(t, f.sourceStore, f.leaves, "filed@example.net", "", time.Now().Add(-time.Hour))
			f.passes.pass(t)
			from := f.leaves
			for _, folder := range []string{f.to, "Middle", f.to, f.leaves, "Middle"} {
				uid = f.file(t, from, uid, folder)
				from = folder
				f.passes.pass(t)
				if at := f.places(t, "filed@example.net"); !slices.Equal(at, []string{f.leaves}) {
					t.Fatalf("filed in %s, it is in %q of the target, want it once in %q", folder, at, f.leaves)
				}
			}
		})
	}
}

// Nor does it matter where the connection to the target breaks while the copy is moved there.
func TestMoveWhileTheTargetBreaks(t *testing.T) {
	for name, fault := range map[string]imap.Fault{"before a command": {Cut: true}, "after a command": {Lose: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiling(t, imap.Source(), ways[0])
			f.breaks = true
			f.passes.pass(t)
			for command, more := 0, true; more && !t.Failed(); command++ {
				id := fmt.Sprintf("filed%d@example.net", command)
				uid := deliver(t, f.sourceStore, f.leaves, id, "", time.Now().Add(-time.Hour))
				f.passes.pass(t)
				more = false
				fault.Skip, fault.Times, fault.Do = command, 1, func() { more = true }
				remove := f.stage.target.Inject(fault)
				f.moveAt(t, 0, uid)
				remove()
				f.arrived(t, id, command)
			}
		})
	}
}

// A folder that was left in the middle doesn't hide that as many messages left as were copied.
func TestMoveOutOfAFolderInTheMiddle(t *testing.T) {
	f := newFiling(t, imap.Source(), ways[0])
	f.breaks = true
	uid := deliver(t, f.sourceStore, f.leaves, "filed@example.net", "", time.Now().Add(-time.Hour))
	f.passes.pass(t)
	deliver(t, f.sourceStore, f.leaves, "one@example.net", "", time.Now())
	deliver(t, f.sourceStore, f.leaves, "two@example.net", "", time.Now())
	remove := f.stage.target.Inject(imap.Fault{MessageID: "two@example.net", Times: 3, Cut: true})
	f.moveAt(t, 0, uid)
	remove()
	f.arrived(t, "filed@example.net", 0)
}

// Nor does it matter how often somebody files, and a message may be on its way through several folders.
func TestFilingAllTheTime(t *testing.T) {
	w := newWorld(t)
	p := fileThrough(t, w, 8, &passes{})
	compare(t, contents(t, login(t, w.source.Address, w.user)), contents(t, login(t, w.target.Address, w.user)), nil)
	if p.state.InUse != "" {
		t.Errorf("in use: %q", p.state.InUse)
	}
}

// Nor where workers die all the while; but what they leave behind may look like somebody's work, and then copies stay where
// they are.
func TestFilingWhileWorkersDie(t *testing.T) {
	w := newWorld(t)
	fileThrough(t, w, 4, &passes{crashes: true})
	source, target := contents(t, login(t, w.source.Address, w.user)), contents(t, login(t, w.target.Address, w.user))
	compare(t, together(source), together(target), nil)
}

// together puts the messages of all folders into one.
func together(folders map[string][]string) map[string][]string {
	return map[string][]string{"": slices.Concat(slices.Collect(maps.Values(folders))...)}
}

// fileThrough has somebody file through so many passes, and then makes as many as settle everything.
func fileThrough(t *testing.T, w *world, busy int, p *passes) *passes {
	t.Helper()
	c := login(t, w.source.Address, w.user)
	folders := []string{"INBOX", "Alpha", "Middle", "Omega"}
	for _, folder := range folders[1:] {
		must(t, c.Create(folder, nil).Wait())
	}
	r := rand.New(rand.NewPCG(13, 14))
	for n := range 24 {
		put(t, c, folders[n%len(folders)], mail{"", day(n), letter(r, n, 700)})
	}
	p.o = mailcopy.Options{KeepsBytes: true, Rules: migration.CopyRules{SliceMessages: 5, Connections: 2}}
	p.source, p.target = w.accounts()
	done := make(chan struct{})
	var somebody sync.WaitGroup
	somebody.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				file(t, c, r, folders)
			}
		}
	})
	for range busy {
		p.pass(t)
		if a := p.state.Account(); !p.crashes && !a.Closes() {
			t.Errorf("after a pass the account doesn't close: %+v", a)
		}
	}
	close(done)
	somebody.Wait()
	p.crashes = false
	for range 2 {
		p.pass(t)
	}
	verdict, err := mailcopy.Verify(t.Context(), p.source, p.target, p.state, p.o)
	if err != nil || !verdict.Verified {
		t.Errorf("%q, %v, in use: %q", verdict.Faults, err, p.state.InUse)
	}
	return p
}

// file puts one of a folder's messages into another folder.
func file(t *testing.T, c *imapclient.Client, r *rand.Rand, folders []string) {
	from, to := r.IntN(len(folders)), r.IntN(len(folders)-1)
	if to >= from {
		to++
	}
	data, err := c.Select(folders[from], nil).Wait()
	if err != nil {
		t.Error(err)
		return
	}
	if data.NumMessages == 0 {
		return
	}
	if _, err := c.Move(goimap.SeqSetNum(1+r.Uint32N(data.NumMessages)), folders[to]).Wait(); err != nil {
		t.Error(err)
	}
}
