// Package report writes what a migration leaves behind, for people and for programs: a page of HTML, plain text, JSON,
// and tables of mailboxes, folders and refused messages as CSV.
//
// # Size
//
// A migration can have 50,000 mailboxes, so their accounts are taken one by one from an [Accounts], and never held
// together. The page and the text name at most so many of each thing and say how many more the tables have; JSON and
// CSV are always whole.
//
// # Foreign words
//
// Names of folders, a server's own words and people's notes are foreign input. The page is made by html/template, holds
// no script, and forbids the browser to load anything; control characters and those that turn the direction of text are
// taken out of everything. A cell of a CSV that a spreadsheet would take for a formula gets an apostrophe before it.
//
// # Checking
//
// [Verify] reads the JSON back, follows the chain of every audit trail and recounts the closing equation.
package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/mailferry/mailferry/internal/migration"
)

// Accounts are the mailboxes' accounts, one by one. They can be gone through again and again; an error ends them.
type Accounts = iter.Seq2[migration.MailboxAccount, error]

// Of are accounts that are in memory, by address.
func Of(all []migration.MailboxAccount) Accounts {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b migration.MailboxAccount) int { return cmp.Compare(a.Address, b.Address) })
	return func(yield func(migration.MailboxAccount, error) bool) {
		for _, m := range sorted {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// The files of a report.
const (
	HTML      = "report.html"
	Text      = "report.txt"
	JSON      = "report.json"
	Mailboxes = "mailboxes.csv"
	Folders   = "folders.csv"
	Refusals  = "refusals.csv"
)

// Names are the files of a report, in the order in which they are to be written.
func Names() []string { return []string{JSON, Mailboxes, Folders, Refusals, Text, HTML} }

// Write writes one of the files. The report's own Mailboxes are not looked at.
func Write(w io.Writer, name string, r migration.Report, accounts Accounts) error {
	switch name {
	case JSON:
		return writeJSON(w, r, accounts)
	case Mailboxes:
		return writeMailboxes(w, accounts)
	case Folders:
		return writeFolders(w, accounts)
	case Refusals:
		return writeRefusals(w, accounts)
	case Text, HTML:
		s, err := summarise(r, accounts)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if name == HTML {
			err = writeHTML(&b, s)
		} else {
			writeText(&b, s)
		}
		if err == nil {
			_, err = io.WriteString(w, printable(b.String()))
		}
		return err
	}
	return fmt.Errorf("a report has no file %q", name)
}

// printable takes out of a whole file what moves a terminal's cursor or turns the direction of text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (isControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, text)
}

// oneLine keeps what servers and senders wrote from breaking out of its line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || isControl(r) }), " ")
}

// isControl recognises what moves a cursor or ends a line.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
