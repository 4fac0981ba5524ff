package mailcopy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// maxSet is how long a UID set may be in one command: Exchange refuses command lines over some 8 kB.
const maxSet = 4000

// uidSets writes UIDs, ascending, as IMAP sequence sets of at most limit octets each; 0 is no limit.
func uidSets(uids []uint32, limit int) []string {
	var sets []string
	var b strings.Builder
	for i := 0; i < len(uids); {
		end := i + 1
		for end < len(uids) && uids[end] == uids[end-1]+1 {
			end++
		}
		part := strconv.FormatUint(uint64(uids[i]), 10)
		if end-1 > i {
			part += ":" + strconv.FormatUint(uint64(uids[end-1]), 10)
		}
		if limit > 0 && b.Len() > 0 && b.Len()+1+len(part) > limit {
			sets = append(sets, b.String())
			b.Reset()
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(part)
		i = end
	}
	if b.Len() > 0 {
		sets = append(sets, b.String())
	}
	return sets
}

// fitting is the longest beginning of the UIDs of at most count, whose set is at most limit octets long.
func fitting(uids []uint32, count, limit int) []uint32 {
	uids = uids[:min(count, len(uids))]
	for {
		sets := uidSets(uids, limit)
		if len(sets) <= 1 {
			return uids
		}
		uids = uids[:len(uids)/2]
	}
}

// uids is a set of UIDs.
type uids map[uint32]bool

// parseUIDs reads a set that String wrote.
func parseUIDs(set string) (uids, error) {
	parsed := uids{}
	if set == "" {
		return parsed, nil
	}
	for _, part := range strings.Split(set, ",") {
		low, high, ranged := strings.Cut(part, ":")
		first, err := strconv.ParseUint(low, 10, 32)
		last := first
		if err == nil && ranged {
			last, err = strconv.ParseUint(high, 10, 32)
		}
		if err != nil || last < first || last-first > 1<<24 {
			return nil, fmt.Errorf("the recorded UID set %q is damaged", set)
		}
		for uid := first; uid <= last; uid++ {
			parsed[uint32(uid)] = true
		}
	}
	return parsed, nil
}

// union is a new set of the UIDs that are in any of the sets.
func union(sets ...uids) uids {
	all := uids{}
	for _, set := range sets {
		for uid := range set {
			all[uid] = true
		}
	}
	return all
}

// sorted returns the UIDs, ascending.
func (u uids) sorted() []uint32 {
	all := make([]uint32, 0, len(u))
	for uid := range u {
		all = append(all, uid)
	}
	slices.Sort(all)
	return all
}

func (u uids) String() string {
	if len(u) == 0 {
		return ""
	}
	return uidSets(u.sorted(), 0)[0]
}

// pairs maps source UIDs to target UIDs as runs, ascending by source.
type pairs struct{ runs []migration.Run }

func parsePairs(p migration.Pairs) (pairs, error) {
	runs, err := p.Runs()
	return pairs{runs}, err
}

// find is the index of the run that holds the source UID, or of the one it would stand before.
func (p *pairs) find(source uint32) (int, bool) {
	return slices.BinarySearchFunc(p.runs, source, func(r migration.Run, uid uint32) int {
		switch {
		case uid < r.Source:
			return 1
		case uid-r.Source >= r.Length:
			return -1
		}
		return 0
	})
}

// get returns the target UID of a source UID's copy.
func (p *pairs) get(source uint32) (uint32, bool) {
	i, ok := p.find(source)
	if !ok {
		return 0, false
	}
	return p.runs[i].Target + source - p.runs[i].Source, true
}

// set records a pair, in place of an older one of the same source UID.
func (p *pairs) set(source, target uint32) {
	if old, ok := p.get(source); ok {
		if old == target {
			return
		}
		p.remove(source)
	}
	i, _ := p.find(source)
	if i > 0 {
		if last := &p.runs[i-1]; last.Source+last.Length == source && last.Target+last.Length == target {
			last.Length++
			return
		}
	}
	p.runs = slices.Insert(p.runs, i, migration.Run{Source: source, Target: target, Length: 1})
}

func (p *pairs) remove(source uint32) {
	i, ok := p.find(source)
	if !ok {
		return
	}
	r := p.runs[i]
	before := migration.Run{Source: r.Source, Target: r.Target, Length: source - r.Source}
	after := migration.Run{Source: source + 1, Target: r.Target + before.Length + 1, Length: r.Length - before.Length - 1}
	rest := slices.DeleteFunc([]migration.Run{before, after}, func(r migration.Run) bool { return r.Length == 0 })
	p.runs = slices.Replace(p.runs, i, i+1, rest...)
}

// each calls f for every pair, ascending by source.
func (p *pairs) each(f func(source, target uint32)) {
	for _, r := range p.runs {
		for i := range r.Length {
			f(r.Source+i, r.Target+i)
		}
	}
}

// targets are the target UIDs of all pairs.
func (p *pairs) targets() uids {
	all := uids{}
	p.each(func(_, target uint32) { all[target] = true })
	return all
}
