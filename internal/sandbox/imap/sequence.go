package imap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// span is a range of numbers; 0 stands for "*".
type span struct{ from, to uint32 }

// maxSpans bounds how many ranges a set may have.
const maxSpans = 20_000

// sequenceSet takes a sequence-set (RFC 9051, 9) from the command.
func (c *connection) sequenceSet() ([]span, error) {
	text, err := c.r.Atom()
	if err != nil {
		return nil, err
	}
	set, ok := parseSet(text)
	if !ok {
		return nil, &imapwire.SyntaxError{Want: "a sequence set", Near: text[:min(len(text), 40)]}
	}
	return set, nil
}

func parseSet(text string) ([]span, bool) {
	var set []span
	for piece := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(piece, ":")
		from, ok := parseNumber(first)
		if !ok {
			return nil, false
		}
		to := from
		if isRange {
			if to, ok = parseNumber(last); !ok {
				return nil, false
			}
		}
		if set = append(set, span{from, to}); len(set) > maxSpans {
			return nil, false
		}
	}
	return set, true
}

func parseNumber(text string) (uint32, bool) {
	if text == "*" {
		return 0, true
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n > 0
}

// resolve lists the UIDs of the view that a set names, ascending, each once.
func (v *view) resolve(set []span, byUID bool) []uint32 {
	if len(v.uids) == 0 {
		return nil
	}
	last := uint32(len(v.uids))
	if byUID {
		last = v.uids[len(v.uids)-1]
	}
	var uids []uint32
	for _, s := range set {
		from, to := s.from, s.to
		if from == 0 {
			from = last
		}
		if to == 0 {
			to = last
		}
		if from > to {
			from, to = to, from
		}
		if byUID {
			begin, _ := slices.BinarySearch(v.uids, from)
			end, found := slices.BinarySearch(v.uids, to)
			if found {
				end++
			}
			uids = append(uids, v.uids[begin:end]...)
			continue
		}
		if from > uint32(len(v.uids)) {
			continue
		}
		uids = append(uids, v.uids[from-1:min(int(to), len(v.uids))]...)
	}
	slices.Sort(uids)
	return slices.Compact(uids)
}

// formatSet writes UIDs in their order as a set, runs as ranges.
func formatSet(uids []uint32) string {
	var b strings.Builder
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(uids[i]), 10))
		if j > i {
			b.WriteString(":" + strconv.FormatUint(uint64(uids[j]), 10))
		}
		i = j + 1
	}
	return b.String()
}

// isUID tells whether the command names messages by UID.
func (c *connection) isUID() bool { return strings.HasPrefix(c.command.Name, "UID ") }
