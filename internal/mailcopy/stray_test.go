package mailcopy_test

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// copyTo copies a message into another folder, or moves it there.
func copyTo(t *testing.T, s *store.Store, from string, uid uint32, to string, move bool) {
	t.Helper()
	_, there, _, err := s.Copy(folderID(t, s, from), []uint32{uid}, to, move)
	if err != nil || len(there) != 1 {
		t.Fatalf("%v, %v", there, err)
	}
}

// A copy that a message of the source has already is nobody else's, though its UID isn't known any more: the second of two
// equal messages is copied.
func TestMoveOfOneOfTwo(t *testing.T) {
	const id = "twice@example.net"
	arrive := func(t *testing.T, f *filing, folder string) uint32 {
		return deliver(t, f.sourceStore, folder, id, "", time.Now().Add(-time.Hour))
	}
	crash := func(folder string) func(*testing.T, *filing) (string, uint32) {
		return func(t *testing.T, f *filing) (string, uint32) {
			f.crashes = true
			return folder, arrive(t, f, folder)
		}
	}
	for name, test := range map[string]struct {
		addOnly bool
		// prepare returns where the message is when another pass is made, and its UID.
		prepare func(*testing.T, *filing) (string, uint32)
	}{
		"its worker died":                {prepare: crash("Ideas")},
		"a sharer's worker died":         {prepare: crash("ideas")},
		"its worker died, in use":        {prepare: crash("Ideas"), addOnly: true},
		"a sharer's worker died, in use": {prepare: crash("ideas"), addOnly: true},
		"a sharer's worker died, and lent": {addOnly: true, prepare: func(t *testing.T, f *filing) (string, uint32) {
			_, uid := crash("ideas")(t, f)
			f.passes.pass(t)
			f.crashes = false
			return "Omega", f.file(t, "ideas", uid, "Omega")
		}},
		"its copy has a new UID": {prepare: func(t *testing.T, f *filing) (string, uint32) {
			uid := arrive(t, f, "Alpha")
			f.passes.pass(t)
			target, _ := pairOf(t, folderState(t, f.state, "Alpha"), uid)
			_, err := f.targetStore.Renumber(folderID(t, f.targetStore, "Alpha"), target)
			must(t, err)
			deliver(t, f.sourceStore, "Alpha", "more@example.net", "", time.Now())
			return "Alpha", uid
		}},
		"its copy was filed by somebody": {addOnly: true, prepare: func(t *testing.T, f *filing) (string, uint32) {
			uid := arrive(t, f, "Alpha")
			f.passes.pass(t)
			target, _ := pairOf(t, folderState(t, f.state, "Alpha"), uid)
			copyTo(t, f.targetStore, "Alpha", target, "Omega", true)
			deliver(t, f.sourceStore, "Omega", "more@example.net", "", time.Now())
			return "Alpha", uid
		}},
		"lent, and numbered anew": {addOnly: true, prepare: func(t *testing.T, f *filing) (string, uint32) {
			uid := arrive(t, f, "Alpha")
			first := deliver(t, f.sourceStore, "Omega", "first@example.net", "", time.Now().Add(-time.Hour))
			f.passes.pass(t)
			f.file(t, "Alpha", uid, "Omega")
			f.passes.pass(t)
			_, err := f.sourceStore.Expunge(folderID(t, f.sourceStore, "Omega"), []uint32{first})
			must(t, err)
			must(t, f.sourceStore.FlipUIDValidity(address, "Omega"))
			return "Omega", 1
		}},
		"lent, and seen by a sharer": {addOnly: true, prepare: func(t *testing.T, f *filing) (string, uint32) {
			f.passes.pass(t)
			uid := arrive(t, f, "Ideas")
			f.passes.pass(t)
			uid = f.file(t, "Ideas", uid, "Omega")
			f.passes.pass(t)
			deliver(t, f.sourceStore, "ideas", "more@example.net", "", time.Now())
			return "Omega", uid
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiling(t, imap.Source(), ways[0])
			for _, folder := range []string{"Ideas", "ideas"} {
				_, err := f.sourceStore.CreateFolder(address, store.FolderSpec{Name: folder})
				must(t, err)
			}
			f.o.AddOnly = test.addOnly
			at, uid := test.prepare(t, f)
			f.passes.pass(t)
			f.crashes = false
			before := f.places(t, id)
			copyTo(t, f.sourceStore, at, uid, "Middle", false)
			f.passes.pass(t)
			f.passes.pass(t)
			if after := f.places(t, id); len(after) != len(before)+1 {
				t.Errorf("it was in %q of the target, and is in %q after its like came to Middle", before, after)
			}
		})
	}
}

// A copy that stays for a message which was filed elsewhere isn't that of its like in a folder which shares the target folder.
func TestMoveLeavesTheCopyToNobodyElse(t *testing.T) {
	const id = "twice@example.net"
	for _, way := range [][2]string{{"Ideas", "ideas"}, {"ideas", "Ideas"}} {
		t.Run(way[0], func(t *testing.T) {
			f := newFiling(t, imap.Source(), way)
			f.o.AddOnly = true
			f.passes.pass(t)
			uid := deliver(t, f.sourceStore, f.leaves, id, "", time.Now().Add(-time.Hour))
			f.passes.pass(t)
			uid = f.file(t, f.leaves, uid, "Middle")
			f.passes.pass(t)
			copyTo(t, f.sourceStore, "Middle", uid, f.to, false)
			f.passes.pass(t)
			if at := f.places(t, id); len(at) != 2 {
				t.Errorf("the source holds it twice, and it is in %q of the target", at)
			}
		})
	}
}

// Nor is it that of its like in the folder that it left, when that is numbered anew.
func TestMoveLeavesTheCopyWhenNumberedAnew(t *testing.T) {
	const id = "twice@example.net"
	f := newFiling(t, imap.Source(), ways[0])
	f.o.AddOnly = true
	uid := deliver(t, f.sourceStore, f.leaves, id, "", time.Now().Add(-time.Hour))
	f.passes.pass(t)
	uid = f.file(t, f.leaves, uid, f.to)
	f.passes.pass(t)
	copyTo(t, f.sourceStore, f.to, uid, f.leaves, false)
	must(t, f.sourceStore.FlipUIDValidity(address, f.leaves))
	f.passes.pass(t)
	if at := f.places(t, id); len(at) != 2 {
		t.Errorf("the source holds it twice, and it is in %q of the target", at)
	}
}

// A move that was seen before its folder was numbered anew says nothing of the message that has its UID then.
func TestMoveIntoAFolderNumberedAnew(t *testing.T) {
	for _, addOnly := range []bool{false, true} {
		for command, more := 0, true; more && !t.Failed(); command++ {
			f := newFiling(t, imap.Source(), ways[0])
			f.o.AddOnly, f.breaks = addOnly, true
			first := deliver(t, f.sourceStore, f.to, "first@example.net", "", time.Now().Add(-time.Hour))
			uid := deliver(t, f.sourceStore, f.leaves, "filed@example.net", "", time.Now().Add(-time.Hour))
			f.passes.pass(t)
			f.file(t, f.leaves, uid, f.to)
			deliver(t, f.sourceStore, f.to, "second@example.net", "", time.Now())
			more = false
			remove := f.stage.source.Inject(imap.Fault{Skip: command, Times: 1, Do: func() {
				more = true
				_, err := f.sourceStore.Expunge(folderID(t, f.sourceStore, f.to), []uint32{first})
				must(t, err)
				must(t, f.sourceStore.FlipUIDValidity(address, f.to))
			}})
			f.passes.pass(t)
			remove()
			f.passes.pass(t)
			for _, id := range []string{"filed@example.net", "second@example.net"} {
				if at := f.places(t, id); len(at) == 0 {
					t.Errorf("add only %t, command %d: %s is lost", addOnly, command, id)
				}
			}
		}
	}
}

// What a worker of the first copy left above the baseline, of a message that is at the source no more, looks like somebody's:
// it doesn't keep the mailbox from being verified.
func TestMoveThatNeverComes(t *testing.T) {
	f := newFiling(t, imap.Source(), ways[0])
	f.o.Rules.Deletions = true
	copyIt := func(keep bool) {
		t.Helper()
		learnt, _, err := mailcopy.Copy(t.Context(), f.passes.source, f.passes.target, f.state, f.o)
		must(t, err)
		if keep {
			f.state.Merge(clone(t, learnt))
		}
	}
	began := time.Now()
	copyIt(true)
	uid := deliver(t, f.sourceStore, f.leaves, "gone@example.net", "", time.Now().Add(-time.Hour))
	copyIt(false)
	_, err := f.sourceStore.Expunge(folderID(t, f.sourceStore, f.leaves), []uint32{uid})
	must(t, err)
	copyIt(true)
	f.since = began
	deliver(t, f.sourceStore, f.to, "more@example.net", "", time.Now())
	f.passes.pass(t)
	verdict, err := mailcopy.Verify(t.Context(), f.stage.from, f.stage.to, f.state, f.o)
	if err != nil || !verdict.Verified || len(f.places(t, "gone@example.net")) != 1 {
		t.Errorf("%+v, %v", verdict, err)
	}
}
