package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/workflows"
)

// view is where progress is shown.
type view interface {
	// live reports whether it is shown what is being copied this moment.
	live() bool
	// status shows how it stands, how fast messages arrive, and what an operator has to do.
	status(s operator.Status, live []operator.Live, speed string, due []*chore)
	// todo says what an operator has to do where nothing else is shown just now.
	todo(due []*chore)
	// gate shows what is to be approved and asks; from then on nothing is drawn over it until the next status.
	gate(operator.Status)
	// note shows one line.
	note(string)
	close()
}

func newView(out io.Writer, command string) view {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &terminal{file: file, command: command}
	}
	return &lines{out: out, options: show.Options{Command: command}, said: map[string]bool{}}
}

// lines shows progress where the output is no terminal: a line and one for the waves when a step begins or somebody is
// needed, and now and then meanwhile.
type lines struct {
	out     io.Writer
	options show.Options
	// news is what was shown last but for figures that grow, at when that was; waves is what was said of the waves.
	news, waves string
	at          time.Time
	// said are the things that were said and aren't said again.
	said map[string]bool
}

func (l *lines) live() bool { return false }

// quietFor is how long nothing is shown while only figures grow.
const quietFor = 10 * time.Second

func (l *lines) status(s operator.Status, _ []operator.Live, speed string, due []*chore) {
	// What is only remembered, while no worker answers, is no news.
	if news := newsOf(s); s.Worker && news != l.news || time.Since(l.at) >= quietFor {
		l.news, l.at = news, time.Now()
		line := show.Line(s, l.options)
		if speed != "" {
			line += ", " + speed
		}
		fmt.Fprintln(l.out, line)
		if waves := wavesLine(s); s.Worker && waves != l.waves {
			l.waves = waves
			fmt.Fprintf(l.out, "         %s\n", waves)
		}
	}
	if !s.Worker {
		return
	}
	for _, w := range s.Waiting {
		l.once(fmt.Sprintf("       ! step %d, %s, %s: %s. To do: %s", w.Step, w.Step.Title(), cmp.Or(w.Mailbox, w.Wave, s.Tenant),
			oneLine(w.Problem.Text), oneLine(w.Problem.Remedy)))
	}
}

func (l *lines) todo(due []*chore) {
	for _, c := range due {
		l.once(fmt.Sprintf("To do: %s. Type: %s", c.title, c.command))
	}
}

func (l *lines) gate(s operator.Status) {
	fmt.Fprintln(l.out, show.Line(s, l.options))
	_ = show.Gate(l.out, s, l.options)
}

func (l *lines) note(text string) { l.once(time.Now().UTC().Format("15:04:05") + " " + text) }

func (l *lines) once(text string) {
	if !l.said[text] {
		l.said[text] = true
		fmt.Fprintln(l.out, text)
	}
}

func (l *lines) close() {}

// newsOf is what of a status is worth a line at once.
func newsOf(s operator.Status) string {
	var b strings.Builder
	fmt.Fprint(&b, s.State, s.Doing, s.Closed, s.WaitingCount)
	for _, step := range s.Steps {
		fmt.Fprint(&b, step.State)
	}
	for _, w := range s.Waves {
		fmt.Fprint(&b, w.State, w.Totals.Verified == w.Totals.Mailboxes-w.Totals.Excluded)
	}
	return b.String()
}

// wavesLine sums the waves up, where there are several.
func wavesLine(s operator.Status) string {
	if len(s.Waves) < 2 {
		return ""
	}
	all := make([]string, 0, len(s.Waves))
	for _, w := range s.Waves {
		all = append(all, waveLine(w))
	}
	return strings.Join(all, "; ")
}

func waveLine(w workflows.WaveStatus) string {
	if w.State == migration.Pending {
		return fmt.Sprintf("%s: %d mailboxes, not begun", w.Name, w.Totals.Mailboxes)
	}
	line := fmt.Sprintf("%s: %d of %d verified", w.Name, w.Totals.Verified, w.Totals.Mailboxes-w.Totals.Excluded)
	if w.Totals.Excluded > 0 {
		line += fmt.Sprintf(", %d left out", w.Totals.Excluded)
	}
	if w.WaitingCount > 0 {
		line += fmt.Sprintf(", %d waiting for a person", w.WaitingCount)
	}
	return line
}

// terminal redraws the status in place, and leaves the screen alone while a person reads the gate.
type terminal struct {
	file    *os.File
	command string
	screen  *show.Screen
	// lately is the last note.
	lately string
	// asked is what an operator was last told to do below the gate.
	asked string
}

func (t *terminal) live() bool { return true }

func (t *terminal) options() show.Options {
	width, _, _ := term.GetSize(int(t.file.Fd()))
	return show.Options{Width: width, Color: true, Command: t.command}
}

func (t *terminal) status(s operator.Status, live []operator.Live, speed string, due []*chore) {
	if t.screen == nil {
		t.screen = show.Open(t.file)
	}
	var text strings.Builder
	for _, line := range []string{toDo(due), t.lately, speed} {
		if line != "" {
			fmt.Fprintf(&text, "%s\n\n", line)
		}
	}
	if show.Status(&text, s, live, t.options()) == nil {
		t.screen.Draw(text.String())
	}
}

// toDo says what an operator has to do, and how.
func toDo(due []*chore) string {
	if len(due) == 0 {
		return ""
	}
	var b strings.Builder
	for _, c := range due {
		fmt.Fprintf(&b, "! %s.\n  %s\n", c.title, c.command)
	}
	b.WriteString("Press Enter and the demo does it, or do it yourself in another terminal.")
	return b.String()
}

func (t *terminal) todo(due []*chore) {
	text := toDo(due)
	if t.screen == nil && text != t.asked {
		t.asked = text
		fmt.Fprintf(t.file, "\n%s\n", text)
	}
}

const question = "\nType yes to approve, or approve with the command above, or by the Web UI's signal approve-cutover: "

func (t *terminal) gate(s operator.Status) {
	t.close()
	_ = show.Status(t.file, s, nil, t.options())
	fmt.Fprint(t.file, question)
}

func (t *terminal) note(text string) {
	t.lately = text
	if t.screen == nil {
		fmt.Fprintln(t.file, text)
	}
}

func (t *terminal) close() {
	if t.screen != nil {
		t.screen.Close()
		t.screen = nil
	}
}
