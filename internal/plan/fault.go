package plan

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a plan or a CSV, and where.
type Fault struct {
	File string
	// Line counts from 1. Column counts from 1 too: characters in a plan, cells in a CSV. 0 is the whole file or line.
	Line, Column int
	// Field is the key's path in the plan ("endpoints[0].host"), or the cell's column in the CSV ("UserName").
	Field string
	Text  string
	// Remedy says what to do.
	Remedy string
}

// String is one line: file, line, column, field, what is wrong, and what to do.
func (f Fault) String() string {
	var s strings.Builder
	s.WriteString(filepath.Base(f.File))
	if f.Line > 0 {
		fmt.Fprintf(&s, ":%d", f.Line)
	}
	if f.Column > 0 {
		fmt.Fprintf(&s, ":%d", f.Column)
	}
	s.WriteString(": ")
	if f.Field != "" {
		s.WriteString(f.Field + ": ")
	}
	s.WriteString(f.Text)
	if f.Remedy != "" {
		s.WriteString(" (" + f.Remedy + ")")
	}
	return s.String()
}

// Faults are all that is wrong with a file, in the order of its lines. It is the error that [Read] and [ReadCSV]
// return for a file that could be read but is not accepted.
type Faults []Fault

// maxPrinted bounds the text of an error; the value holds every fault.
const maxPrinted = 200

// Error has a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for i, fault := range f {
		if i == maxPrinted {
			lines = append(lines, fmt.Sprintf("and %d more", len(f)-i))
			break
		}
		lines = append(lines, fault.String())
	}
	return strings.Join(lines, "\n")
}

// sorted returns the faults in the order of the file, as an error: nil if there are none.
func (f Faults) sorted() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	return f
}

// Warning is something that is allowed but that a person must have seen before the launch.
type Warning Fault

// String is one line, as a fault's.
func (w Warning) String() string { return Fault(w).String() }
