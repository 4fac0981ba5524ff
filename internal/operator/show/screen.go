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

// Draw replaces what is shown. What is higher than the terminal is cut off, which the last line says.
func (s *Screen) Draw(content string) {
	lines := strings.Split(strings.TrimRight(content, "\n"), "\n")
	if width, height, err := term.GetSize(int(s.file.Fd())); err == nil {
		lines = fit(lines, width, height)
	}
	fmt.Fprint(s.file, home+strings.Join(lines, restOf+"\r\n")+restOf+"\r\n"+below)
}

// fit cuts off the lines that a terminal of this size has no room for. Lines wider than it take several rows; none is
// cut short, since it may be a command to copy.
func fit(lines []string, width, height int) []string {
	if width < 1 || height < 3 {
		return lines
	}
	free := height - 1 // the cursor's own row
	for i, line := range lines {
		rows := max(1, (text.StringWidthWithoutEscSequences(line)+width-1)/width)
		last := i == len(lines)-1
		if rows > free || (!last && rows > free-1) {
			return append(lines[:i:i], fmt.Sprintf("... %d more lines", len(lines)-i))
		}
		free -= rows
	}
	return lines
}

// Close gives the terminal back.
func (s *Screen) Close() { fmt.Fprint(s.file, normal) }
