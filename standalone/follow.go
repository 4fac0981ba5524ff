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
	"github.com/mailferry/mailferry/workflows"
)

// look is how often the status is asked for.
const look = 500 * time.Millisecond

// follower shows one migration, does what an operator has to do on the way, and deals with the gate.
type follower struct {
	operator *operator.Operator
	tenant   string
	auto     bool
	view     view
	// answers are the lines a person types; nil where nobody can.
	answers <-chan string
	speed   speed
	chores  []*chore
	// decided is the digest that was approved or put to a person last.
	decided string
}

// follow shows the migration until it ends.
func (d *demo) follow(ctx context.Context, o *operator.Operator, tenant string, chores []*chore) error {
	f := follower{operator: o, tenant: tenant, auto: d.approve == "auto", view: newView(d.out, d.starter()), chores: chores}
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

// show shows how it stands, and has done what is to be done about it.
func (f *follower) show(ctx context.Context, status operator.Status) {
	f.speed.add(time.Now(), status.Totals.Account)
	due := dueOf(f.chores, status, time.Now())
	asked := due
	if f.auto { // then it is done at once, and told of
		asked = nil
	}
	switch {
	case status.Gate != nil && f.decided == status.Gate.Digest:
	case status.Gate != nil && status.Worker && (!f.auto || len(due) == 0): // else nobody can see what it would change
		f.decided = status.Gate.Digest
		f.view.gate(status)
		if f.auto {
			f.approve(ctx, status.Gate.Digest, demoOperator)
		}
	default:
		var live []operator.Live
		if f.view.live() {
			live, _ = f.operator.Copying(ctx, status, 5)
		}
		f.decided = ""
		f.view.status(status, live, f.speed.String(), asked)
	}
	if f.auto {
		f.tend(ctx, due, demoOperator)
		return
	}
	f.view.todo(due)
	f.hear(ctx, status, due)
}

// demoOperator is who gives the orders where the demo gives them itself.
const demoOperator = "demo --approve auto"

// hear takes what a person may have typed: yes at the gate, and an empty line to have the demo do what is to be done.
func (f *follower) hear(ctx context.Context, status operator.Status, due []*chore) {
	select {
	case answer := <-f.answers:
		switch answer = strings.TrimSpace(answer); {
		case status.Gate != nil && strings.EqualFold(answer, "yes"):
			f.approve(ctx, status.Gate.Digest, person())
		case answer == "" && len(due) > 0:
			f.tend(ctx, due, person())
		case status.Gate != nil:
			f.view.note("Not approved. The migration goes on waiting, and its deltas go on; type yes when you are ready.")
		}
	default:
	}
}

// tend does what an operator has to do.
func (f *follower) tend(ctx context.Context, due []*chore, by string) {
	for _, c := range due {
		c.tried = time.Now()
		if err := c.do(ctx, by); err != nil {
			if !c.failed {
				f.view.note(fmt.Sprintf("Not done yet, and tried again and again: %s (%v)", c.title, err))
			}
			c.failed = true
			continue
		}
		c.failed = false
		f.view.note(fmt.Sprintf("%s. Done, as by: %s", c.title, c.command))
	}
}

func (f *follower) approve(ctx context.Context, digest, by string) {
	if _, err := f.operator.Approve(ctx, f.tenant, workflows.Decision{Digest: digest, By: by}); err != nil {
		f.decided = ""
		f.view.note("not approved: " + err.Error())
		return
	}
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

// starter is how the starter is called from another terminal to reach this demo.
func (d *demo) starter() string {
	if d.port == defaultPort {
		return "go run ./starter"
	}
	return fmt.Sprintf("go run ./starter --address 127.0.0.1:%d", d.port)
}
