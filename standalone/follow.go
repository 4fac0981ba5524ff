package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/workflows"
)

// look is how often the status is asked for.
const look = 400 * time.Millisecond

// follower shows one migration and deals with its gate.
type follower struct {
	operator *operator.Operator
	tenant   string
	auto     bool
	view     view
	// answers are the lines a person types; nil where nobody can.
	answers <-chan string
	speed   speed
	// decided is the digest that was approved or put to a person last.
	decided string
}

// view is where progress is shown.
type view interface {
	// status shows how it stands, and how fast messages arrive.
	status(s operator.Status, live []operator.Live, speed string)
	// gate shows what is to be approved and asks; from then on nothing is drawn over it until the next status.
	gate(operator.Status)
	// note shows one line.
	note(string)
	close()
}

// follow shows the migration until it ends.
func (d *demo) follow(ctx context.Context, o *operator.Operator, tenant string) error {
	f := follower{operator: o, tenant: tenant, auto: d.approve == "auto", view: newView(d.out, d.starter())}
	if !f.auto {
		f.answers = typed(ctx, d.in)
	}
	defer f.view.close()
	for ctx.Err() == nil {
		status, err := o.Status(ctx, tenant)
		if err == nil {
			f.show(ctx, status)
			if status.Closed != "" {
				return ended(status)
			}
		} else if ctx.Err() == nil {
			f.view.note("no status just now: " + err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
	return context.Cause(ctx)
}

func (f *follower) show(ctx context.Context, status operator.Status) {
	f.speed.add(time.Now(), status.Totals.Account)
	if status.Gate == nil {
		live, err := f.operator.Copying(ctx, status, 5)
		if err != nil {
			live = nil
		}
		f.decided = ""
		f.view.status(status, live, f.speed.String())
		return
	}
	switch digest := status.Gate.Digest; {
	case f.auto && f.decided != digest:
		f.view.gate(status)
		f.approve(ctx, digest, "demo --approve auto")
	case f.decided != digest:
		f.decided = digest
		f.view.gate(status)
	default:
		f.hear(ctx, digest)
	}
}

// hear takes what a person may have typed at the gate.
func (f *follower) hear(ctx context.Context, digest string) {
	select {
	case answer := <-f.answers:
		if strings.EqualFold(strings.TrimSpace(answer), "yes") {
			f.approve(ctx, digest, person())
			return
		}
		f.view.note("Not approved. The migration goes on waiting, and its deltas go on; type yes when you are ready.")
	default:
	}
}

func (f *follower) approve(ctx context.Context, digest, by string) {
	if _, err := f.operator.Approve(ctx, f.tenant, workflows.Decision{Digest: digest, By: by}); err != nil {
		f.view.note("not approved: " + err.Error())
		return
	}
	f.decided = digest
	f.view.note("Approved by " + by + ".")
}

// typed delivers the lines of a terminal, and nothing where nobody sits at one.
func typed(ctx context.Context, in io.Reader) <-chan string {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	lines := make(chan string)
	go func() {
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

func ended(status operator.Status) error {
	if status.Closed == "completed" && status.State == migration.Done {
		return nil
	}
	return fmt.Errorf("the migration of %s ended otherwise than it should: %s, %s; what happened stands in the Web UI", status.Organisation, status.Closed, status.State)
}

func person() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "the person at the demo"
}

const question = "\nType yes to approve, or approve with the command above, or by the Web UI's signal approve-cutover: "

// starter is how the starter is called from another terminal to reach this demo.
func (d *demo) starter() string {
	if d.port == defaultPort {
		return "go run ./starter"
	}
	return fmt.Sprintf("go run ./starter --address 127.0.0.1:%d", d.port)
}

func newView(out io.Writer, command string) view {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &terminal{file: file, command: command}
	}
	return &lines{out: out, options: show.Options{Command: command}}
}

// lines shows progress where the output is no terminal: one line for each change, and each thing said once.
type lines struct {
	out     io.Writer
	options show.Options
	last    string
}

func (l *lines) status(s operator.Status, _ []operator.Live, speed string) {
	line := show.Line(s, l.options)
	if _, text, _ := strings.Cut(line, " "); text != l.last {
		l.last = text
		if speed != "" {
			line += ", " + speed
		}
		fmt.Fprintln(l.out, line)
	}
}

func (l *lines) gate(s operator.Status) {
	fmt.Fprintln(l.out, show.Line(s, l.options))
	_ = show.Gate(l.out, s.Tenant, *s.Gate, l.options)
}

func (l *lines) note(text string) {
	if text != l.last {
		l.last = text
		fmt.Fprintln(l.out, text)
	}
}

func (l *lines) close() {}

// terminal redraws the status in place, and leaves the screen alone while a person reads the gate.
type terminal struct {
	file    *os.File
	command string
	screen  *show.Screen
}

func (t *terminal) options() show.Options {
	width, _, _ := term.GetSize(int(t.file.Fd()))
	return show.Options{Width: width, Color: true, Command: t.command}
}

func (t *terminal) status(s operator.Status, live []operator.Live, speed string) {
	if t.screen == nil {
		t.screen = show.Open(t.file)
	}
	var text strings.Builder
	if speed != "" {
		fmt.Fprintf(&text, "%s\n\n", speed)
	}
	if show.Status(&text, s, live, t.options()) == nil {
		t.screen.Draw(text.String())
	}
}

func (t *terminal) gate(s operator.Status) {
	t.close()
	_ = show.Status(t.file, s, nil, t.options())
	fmt.Fprint(t.file, question)
}

func (t *terminal) note(text string) {
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
