package mailcopy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestUIDSets(t *testing.T) {
	for _, test := range []struct {
		uids  []uint32
		limit int
		want  []string
	}{
		{nil, 0, nil},
		{[]uint32{1}, 0, []string{"1"}},
		{[]uint32{1, 2, 3, 7, 9, 10}, 0, []string{"1:3,7,9:10"}},
		{[]uint32{1, 3, 5, 7, 4294967295}, 4, []string{"1,3", "5,7", "4294967295"}},
	} {
		if got := uidSets(test.uids, test.limit); !slices.Equal(got, test.want) {
			t.Errorf("%v in %d octets: %q, want %q", test.uids, test.limit, got, test.want)
		}
	}
	all := []uint32{2, 4, 6, 8, 10, 12}
	if got := fitting(all, 5, 7); len(got) == 0 || len(uidSets(got, 0)[0]) > 7 {
		t.Errorf("%v fits into 7 octets", got)
	}
}

func FuzzUIDs(f *testing.F) {
	f.Add("1:3,7,9:10")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parseUIDs(text)
		if err != nil || len(set) > 1<<16 {
			return
		}
		again, err := parseUIDs(set.String())
		if err != nil || !slices.Equal(set.sorted(), again.sorted()) {
			t.Errorf("%q came back as %q, %v", text, again, err)
		}
	})
}

func TestPairsAreAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var p pairs
	model := map[uint32]uint32{}
	for n := range 5000 {
		source := 1 + r.Uint32N(300)
		switch {
		case r.IntN(4) == 0:
			p.remove(source)
			delete(model, source)
		case r.IntN(2) == 0:
			p.set(source, source+1000) // runs
			model[source] = source + 1000
		default:
			target := 1 + r.Uint32N(5000)
			p.set(source, target)
			model[source] = target
		}
		if n%50 != 0 {
			continue
		}
		count := 0
		p.each(func(source, target uint32) {
			count++
			if model[source] != target {
				t.Fatalf("source UID %d has target %d, want %d", source, target, model[source])
			}
		})
		if count != len(model) {
			t.Fatalf("%d pairs, want %d", count, len(model))
		}
		packed := migration.PackRuns(p.runs)
		back, err := parsePairs(packed)
		if err != nil {
			t.Fatal(err)
		}
		for source, target := range model {
			if got, ok := back.get(source); !ok || got != target {
				t.Fatalf("packed: source UID %d has target %d, want %d", source, got, target)
			}
		}
	}
}

func TestCursorFollowsTheOldestOpenMessage(t *testing.T) {
	l, err := newLedger(migration.FolderState{Source: "INBOX", Cursor: 10, Exceptions: []uint32{4}, Baseline: 1})
	if err != nil {
		t.Fatal(err)
	}
	l.begin([]uint32{12, 15, 20}, 22)
	check := func(cursor uint32, exceptions, remaining []uint32) {
		t.Helper()
		s := l.snapshot()
		if s.Cursor != cursor || !slices.Equal(s.Exceptions, exceptions) || !slices.Equal(l.remaining(), remaining) {
			t.Errorf("cursor %d, exceptions %v, to do %v; want %d, %v, %v", s.Cursor, s.Exceptions, l.remaining(), cursor, exceptions, remaining)
		}
	}
	check(11, []uint32{4}, []uint32{4, 12, 15, 20})
	l.copied(15, 101, 1)
	check(11, []uint32{4}, []uint32{4, 12, 20})
	l.copied(4, 102, 1)
	check(11, nil, []uint32{12, 20})
	l.refuse(12)
	check(19, nil, []uint32{20})
	l.leaveOut(20)
	check(22, nil, nil)
	if a := l.look().Account; a.Copied != 2 || a.Refused != 1 || a.LeftOut != 1 {
		t.Errorf("account %+v", a)
	}
	// The state alone is enough to go on.
	again, err := newLedger(l.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	again.begin([]uint32{23}, 23)
	if remaining := again.remaining(); !slices.Equal(remaining, []uint32{23}) {
		t.Errorf("after a restart %v is to do", remaining)
	}
}
