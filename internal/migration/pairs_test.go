package migration

import (
	"slices"
	"testing"
)

func TestPairsRoundTrip(t *testing.T) {
	for _, test := range []struct {
		name     string
		in, want []Run
		maxBytes int
	}{
		{"nothing", nil, nil, 0},
		{"one long run costs a few bytes", []Run{{1, 1, 100_000}}, []Run{{1, 1, 100_000}}, 5},
		{"neighbours are joined", []Run{{1, 11, 2}, {3, 13, 4}}, []Run{{1, 11, 6}}, 3},
		{"order is by source UID", []Run{{9, 1, 1}, {2, 7, 1}}, []Run{{2, 7, 1}, {9, 1, 1}}, 6},
		{"a target may count down", []Run{{5, 4_000_000_000, 2}, {7, 3, 1}}, []Run{{5, 4_000_000_000, 2}, {7, 3, 1}}, 16},
		{"the highest UID", []Run{{1<<32 - 1, 1<<32 - 1, 1}}, []Run{{1<<32 - 1, 1<<32 - 1, 1}}, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			packed := PackRuns(test.in)
			got, err := packed.Runs()
			if err != nil || !slices.Equal(got, test.want) {
				t.Fatalf("runs are %v, %v; want %v", got, err, test.want)
			}
			if len(packed) > test.maxBytes {
				t.Errorf("packed into %d bytes, want at most %d", len(packed), test.maxBytes)
			}
		})
	}
}

func FuzzPairs(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte(PackRuns([]Run{{1, 1, 5}, {9, 20, 1}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, err := Pairs(b).Runs()
		if err != nil {
			return
		}
		again, err := PackRuns(runs).Runs()
		if err != nil {
			t.Fatalf("packed again: %v", err)
		}
		count := func(runs []Run) (n uint64) {
			for _, r := range runs {
				n += uint64(r.Length)
			}
			return n
		}
		if count(runs) != count(again) {
			t.Fatalf("%d pairs became %d", count(runs), count(again))
		}
	})
}
