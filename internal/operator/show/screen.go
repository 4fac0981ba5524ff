package show

import (
	"fmt"
	"os"
	"strings"

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
func (s *Screen) Draw(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if _, height, err := term.GetSize(int(s.file.Fd())); err == nil && height > 1 && len(lines) > height-1 {
		hidden := len(lines) - (height - 2)
		lines = append(lines[:height-2], fmt.Sprintf("... %d more lines; make the window higher, or leave out --watch", hidden))
	}
	fmt.Fprint(s.file, home+strings.Join(lines, restOf+"\r\n")+restOf+"\r\n"+below)
}

// Close gives the terminal back.
func (s *Screen) Close() { fmt.Fprint(s.file, normal) }
