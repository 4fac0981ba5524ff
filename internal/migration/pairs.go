package migration

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"
)

// Pairs maps source UIDs to the target UIDs of their copies, as runs packed in varints: for each run the distance of
// its first source UID from the end of the run before, the difference between the first target UID and the last
// target UID of the run before (zigzag), and its length. Inside a run both sides count up by one. JSON shows it in
// base64. The zero value holds nothing.
type Pairs []byte

// MaxPairs is the size in bytes above which a folder's pairs are dropped and rebuilt by matching when needed.
const MaxPairs = 256 << 10

// Run is Length consecutive source UIDs from Source on, whose copies have consecutive target UIDs from Target on.
type Run struct {
	Source, Target, Length uint32
}

var errPairs = errors.New("the packed pairs of a folder are damaged")

// Runs unpacks the pairs, in ascending order of source UIDs.
func (p Pairs) Runs() ([]Run, error) {
	var runs []Run
	var source, target int64
	for b := []byte(p); len(b) > 0; {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errPairs
		}
		b = b[n:]
		step, n := binary.Varint(b)
		if n <= 0 {
			return nil, errPairs
		}
		b = b[n:]
		length, n := binary.Uvarint(b)
		if n <= 0 || length == 0 {
			return nil, errPairs
		}
		b = b[n:]
		if gap > 1<<32 || length > 1<<32 || step > 1<<32 || step < -(1<<32) {
			return nil, errPairs
		}
		source, target = source+int64(gap), target+step
		if source < 0 || target < 0 || source+int64(length)-1 > 1<<32-1 || target+int64(length)-1 > 1<<32-1 {
			return nil, errPairs
		}
		runs = append(runs, Run{uint32(source), uint32(target), uint32(length)})
		source, target = source+int64(length), target+int64(length)-1
	}
	return runs, nil
}

// PackRuns packs runs; they are sorted by source UID first, and neighbours that continue each other are joined.
// Runs must not overlap.
func PackRuns(runs []Run) Pairs {
	runs = slices.Clone(runs)
	sort.Slice(runs, func(i, j int) bool { return runs[i].Source < runs[j].Source })
	var packed Pairs
	var source, target int64
	for i := 0; i < len(runs); {
		r := runs[i]
		for i++; i < len(runs) && runs[i].Source == r.Source+r.Length && runs[i].Target == r.Target+r.Length; i++ {
			r.Length += runs[i].Length
		}
		packed = binary.AppendUvarint(packed, uint64(int64(r.Source)-source))
		packed = binary.AppendVarint(packed, int64(r.Target)-target)
		packed = binary.AppendUvarint(packed, uint64(r.Length))
		source, target = int64(r.Source)+int64(r.Length), int64(r.Target)+int64(r.Length)-1
	}
	return packed
}
