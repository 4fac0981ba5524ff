// Package show writes what package operator knows as text for people: the status with its eleven steps, the gate,
// the closing report, and what a launch is about to do.
//
// Everything that comes from elsewhere (a server's words, a folder's name, a person's note) is freed of control
// characters before it is written, so that no mail server can draw on an operator's terminal.
package show

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
)

// Options say how to write.
type Options struct {
	// Width is the terminal's, in columns; 0 means 100.
	Width int
	// Color allows terminal colours.
	Color bool
	// Command is what operators type for the starter, with its connection flags; empty means "starter".
	Command string
	// Now is the time that ages are counted to; zero means the present.
	Now time.Time
}

func (o Options) width() int {
	if o.Width <= 0 {
		return 100
	}
	return max(o.Width, 40)
}

func (o Options) command() string {
	if o.Command == "" {
		return "starter"
	}
	return o.Command
}

func (o Options) now() time.Time {
	if o.Now.IsZero() {
		return time.Now()
	}
	return o.Now
}

func (o Options) paint(s string, colors ...text.Color) string {
	if !o.Color {
		return s
	}
	return text.Colors(colors).EscapeSeq() + s + text.Reset.EscapeSeq()
}

// marks are how states look: a sign that needs no colour, and a colour.
var marks = map[migration.State]struct {
	sign  string
	color text.Color
}{
	migration.Pending:  {"·", text.FgHiBlack},
	migration.Running:  {">", text.FgCyan},
	migration.Waiting:  {"!", text.FgYellow},
	migration.Paused:   {"=", text.FgYellow},
	migration.Done:     {"✓", text.FgGreen},
	migration.Skipped:  {"-", text.FgHiBlack},
	migration.Failed:   {"✗", text.FgRed},
	migration.Excluded: {"-", text.FgHiBlack},
	migration.Aborted:  {"✗", text.FgRed},
}

func (o Options) state(s migration.State) string {
	mark, ok := marks[s]
	if !ok {
		return plain(string(s))
	}
	return o.paint(mark.sign+" "+string(s), mark.color)
}

// grid is a table without borders, whose last column is wrapped so that it fits the width.
func (o Options) grid(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Name:    "plain",
		Box:     table.BoxStyle{PaddingLeft: "", PaddingRight: "  ", MiddleHorizontal: "-"},
		Options: table.Options{},
		Format:  table.FormatOptions{Header: text.FormatUpper},
	})
	if len(header) > 0 {
		t.AppendHeader(table.Row(header))
	}
	return t
}

// wrap breaks the text at words into lines of the width less the indent, and indents each.
func (o Options) wrap(s string, indent int) string {
	pad := strings.Repeat(" ", indent)
	wrapped := text.WrapSoft(s, o.width()-indent)
	lines := strings.Split(wrapped, "\n")
	for i := range lines {
		lines[i] = pad + strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// labelled writes a line, or several, behind a label.
func (o Options) labelled(label, s string) string { return o.hanging(fmt.Sprintf("%-11s", label), s) }

// hanging writes text behind a prefix, and its further lines below its first. Where the prefix leaves too little room,
// the text begins on a line of its own.
func (o Options) hanging(prefix, s string) string {
	indent := text.StringWidthWithoutEscSequences(prefix)
	if o.width()-indent < 30 {
		return prefix + "\n" + o.wrap(s, 6) + "\n"
	}
	return strings.TrimRight(prefix+strings.TrimLeft(o.wrap(s, indent), " "), " ") + "\n"
}

// plain replaces control characters, so that foreign text cannot move a terminal's cursor or colour it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
