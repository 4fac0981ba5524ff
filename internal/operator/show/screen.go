package show

import (
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Screen is a terminal's alternate screen, drawn over and over: what stood on the terminal before comes back when it
// is closed.
type Screen struct{ file *os.File }

// The control sequences of every terminal in use (ECMA-48, and xterm's for the alternate screen).
const (
	alternate = "\x1b[?1049h\x1b[?25l"
	normal    = "\x1b[?25h\x1b[?1049l"
	home      = "\x1b[H"
	restOf    = "\x1b[K"
	below     = "\x1b[J"
)

// Open takes the terminal over. The caller must close the Screen.
func Open(terminal *os.File) *Screen {
	fmt.Fprint(terminal, alternate+home+below)
	return &Screen{terminal}
}

// Draw replaces what is shown. Of what is higher than the terminal the middle is left out, which a line says.
func (s *Screen) Draw(content string) {
	lines := strings.Split(strings.TrimRight(content, "\n"), "\n")
	if width, height, err := term.GetSize(int(s.file.Fd())); err == nil {
		lines = fit(lines, width, height)
	}
	fmt.Fprint(s.file, home+strings.Join(lines, restOf+"\r\n")+restOf+"\r\n"+below)
}

// fit leaves lines out of the middle that a terminal of this size has no room for: how it stands is at the top, and what to
// type at the bottom. Lines wider than it take several rows; none is cut short, since it may be a command to copy.
func fit(lines []string, width, height int) []string {
	if width < 1 || height < 3 {
		return lines
	}
	rows := func(line string) int { return max(1, (text.StringWidthWithoutEscSequences(line)+width-1)/width) }
	free, all := height-1, 0 // the cursor's own row
	for _, line := range lines {
		all += rows(line)
	}
	if all <= free {
		return lines
	}
	free-- // for the line that says so
	top, bottom := 0, len(lines)
	for third := free / 3; rows(lines[top]) <= third; top++ {
		third -= rows(lines[top])
		free -= rows(lines[top])
	}
	for bottom > top && rows(lines[bottom-1]) <= free {
		bottom--
		free -= rows(lines[bottom])
	}
	shown := append(lines[:top:top], fmt.Sprintf("... %d lines more, which starter status shows", bottom-top))
	return append(shown, lines[bottom:]...)
}

// Close gives the terminal back.
func (s *Screen) Close() { fmt.Fprint(s.file, normal) }
