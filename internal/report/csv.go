package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// table writes a CSV that spreadsheets can open without harm: UTF-8 with a byte order mark, commas, CRLF (RFC 4180),
// every text in quotes, no line break and no control character within a cell.
//
// A spreadsheet takes a cell that begins with =, +, -, @, a tab or a carriage return for a formula, quoted or not
// (owasp.org/www-community/attacks/CSV_Injection), and one that parts cells at another sign sees more beginnings than we
// meant. So such a sign gets an apostrophe before it at the beginning of a cell, after leading blanks, and behind a
// comma, a semicolon, a tab or a quote within it. To have the text as it was, take those apostrophes away, or read the
// JSON.
type table struct {
	b     *bufio.Writer
	first bool
}

// newTable begins a table with the names of its columns.
func newTable(w io.Writer, columns ...string) *table {
	t := &table{b: bufio.NewWriter(w)}
	t.b.WriteString("\ufeff") // the writer keeps its first error for Flush
	t.begin()
	for _, c := range columns {
		t.text(c)
	}
	t.end()
	return t
}

func (t *table) begin() { t.first = true }

func (t *table) separate() {
	if !t.first {
		t.b.WriteByte(',')
	}
	t.first = false
}

// text writes a cell of foreign words.
func (t *table) text(s string) {
	t.separate()
	t.b.WriteByte('"')
	t.b.WriteString(strings.ReplaceAll(Cell(s), `"`, `""`))
	t.b.WriteByte('"')
}

// number writes cells of numbers.
func (t *table) number(all ...int64) {
	for _, n := range all {
		t.separate()
		t.b.WriteString(strconv.FormatInt(n, 10))
	}
}

// yes writes a cell that is yes or no.
func (t *table) yes(yes bool) {
	if yes {
		t.text("yes")
		return
	}
	t.text("no")
}

// end ends the row.
func (t *table) end() {
	t.b.WriteString("\r\n")
	t.begin()
}

// flush writes what is left, and returns the first error there was.
func (t *table) flush() error { return t.b.Flush() }

// Cell is foreign text as a table may have it: no spreadsheet takes it for a formula, and it has no control characters.
func Cell(s string) string {
	var b strings.Builder
	begins := true
	for _, r := range s {
		if begins && strings.ContainsRune("=+-@\t\r＝＋－＠", r) {
			b.WriteByte('\'')
		}
		begins = begins && r == ' ' || strings.ContainsRune(",;\"\t", r)
		if isControl(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return printable(b.String())
}

// accountColumns are the parts of a closing equation.
var accountColumns = []string{
	"Source", "Copied", "Already", "Moved", "Merged", "LeftOut", "Refused", "Unknown", "Gone", "Bytes", "Closes",
}

// account writes the cells of a closing equation.
func (t *table) account(a migration.Account) {
	for _, n := range []int{a.Source, a.Copied, a.Already, a.Moved, a.Merged, a.LeftOut, a.Refused, a.Unknown, a.Gone} {
		t.number(int64(n))
	}
	t.number(a.Bytes)
	t.yes(a.Closes())
}

func writeMailboxes(w io.Writer, accounts Accounts) error {
	columns := append([]string{"EmailAddress", "UserName", "Wave", "State", "Verified"}, accountColumns...)
	t := newTable(w, append(columns, "Refusals", "Passes", "Faults", "Problem", "Note", "Observations")...)
	for m, err := range accounts {
		if err != nil {
			return err
		}
		for _, text := range []string{m.Address, m.User, m.Wave, string(m.State)} {
			t.text(text)
		}
		t.yes(m.Verification.Verified)
		t.account(m.Account)
		t.number(int64(m.RefusalCount), int64(m.Passes))
		t.text(strings.Join(m.Verification.Faults, "; "))
		problem := ""
		if m.Problem != nil {
			problem = m.Problem.String()
		}
		t.text(problem)
		t.text(m.Note)
		var observed []string
		for _, o := range m.Observations {
			observed = append(observed, fmt.Sprintf("%s: %d", o.Kind, o.Count))
		}
		t.text(strings.Join(observed, "; "))
		t.end()
	}
	return t.flush()
}

func writeFolders(w io.Writer, accounts Accounts) error {
	t := newTable(w, append([]string{"EmailAddress", "Wave", "SourceFolder", "TargetFolder"}, accountColumns...)...)
	for m, err := range accounts {
		if err != nil {
			return err
		}
		for _, f := range m.Folders {
			for _, text := range []string{m.Address, m.Wave, f.Source, f.Target} {
				t.text(text)
			}
			t.account(f.Account)
			t.end()
		}
	}
	return t.flush()
}

func writeRefusals(w io.Writer, accounts Accounts) error {
	t := newTable(w, "EmailAddress", "Wave", "Folder", "UID", "MessageID", "Bytes", "Kind", "Words")
	for m, err := range accounts {
		if err != nil {
			return err
		}
		for _, r := range m.Refusals {
			for _, text := range []string{m.Address, m.Wave, r.Folder} {
				t.text(text)
			}
			t.number(int64(r.UID))
			t.text(r.MessageID)
			t.number(r.Size)
			t.text(r.Kind)
			t.text(r.Words)
			t.end()
		}
		if more := m.RefusalCount - len(m.Refusals); more > 0 {
			for _, text := range []string{m.Address, m.Wave, ""} {
				t.text(text)
			}
			t.number(0)
			t.text("")
			t.number(0)
			t.text("more")
			t.text("and " + Count(more) + " more, whose number alone is known here")
			t.end()
		}
	}
	return t.flush()
}
