package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/seal"
	"github.com/mailferry/mailferry/workflows"
)

// chore is something that an operator of this organisation has to do on the way, beside approving.
type chore struct {
	// title says what is up, command what does something about it.
	title, command string
	// due reports whether it is to be done, as the migration stands: one that is done isn't due any more, so that a demo
	// that was killed needs to remember nothing.
	due func(operator.Status) bool
	do  func(ctx context.Context, by string) error
	// tried is when it was last done, which takes a moment to be seen; failed says that it couldn't be.
	tried  time.Time
	failed bool
}

// patience is how long after it was done a chore that still seems due is left alone.
const patience = 10 * time.Second

// chores are what an operator of the world has to do: none, unless something goes wrong in it.
func (d *demo) chores(o *operator.Operator, world *sandbox.World, p migration.Plan, key seal.Public) []*chore {
	m := world.Mishaps()
	if m == (sandbox.Mishaps{}) {
		return nil
	}
	list := func(edition sandbox.Edition) func(context.Context, string) error {
		return func(ctx context.Context, _ string) error {
			p, rows, err := readFiles(d.path("plan.yaml"), d.path(string(edition)), key)
			if err != nil {
				return err
			}
			launched, err := o.Launch(ctx, p, rows)
			if err == nil && launched.Unchanged {
				err = fmt.Errorf("launching %s changed nothing", edition)
			}
			return err
		}
	}
	launch := func(edition sandbox.Edition) string {
		return fmt.Sprintf("%s launch --plan %s --csv %s", d.starter(), d.shown("plan.yaml"), d.shown(string(edition)))
	}
	left := waveOf(world, m.Leaver)
	const whyLeft, whyPoison = "has left the company; the archive at the source is kept", "looked at it at the source: an old newsletter"
	return []*chore{
		{
			title:   fmt.Sprintf("%s can't be opened at the source: the password in the list is wrong. It is right in %s", m.WrongPassword, sandbox.CorrectedList),
			command: launch(sandbox.CorrectedList),
			due: func(s operator.Status) bool {
				return waits(s, migration.StepCredentials, m.WrongPassword, "")
			},
			do: list(sandbox.CorrectedList),
		},
		{
			title:   fmt.Sprintf("%s belongs to somebody who has left, and need not be copied", m.Leaver),
			command: fmt.Sprintf("%s exclude %s %s --reason %q", d.starter(), p.Tenant, m.Leaver, whyLeft),
			due: func(s operator.Status) bool {
				wave := waveIn(s, left)
				return wave != nil && wave.State != migration.Pending && wave.Totals.Excluded == 0 && !s.Done(migration.StepCutover)
			},
			do: func(ctx context.Context, by string) error {
				holder, err := o.Holder(ctx, p.Tenant, m.Leaver)
				if err != nil {
					return err
				}
				return o.Exclude(ctx, holder, workflows.Order{By: by, Reason: whyLeft})
			},
		},
		{
			title:   fmt.Sprintf("a message of %s ends the connection each time it is sent, and counts as refused if a person says so", m.Poison.Address),
			command: fmt.Sprintf("%s skip-step %s 7 --mailbox %s --reason %q", d.starter(), p.Tenant, m.Poison.Address, whyPoison),
			due: func(s operator.Status) bool {
				return waits(s, migration.StepMigrate, m.Poison.Address, "poison")
			},
			do: func(ctx context.Context, by string) error {
				order := workflows.StepOrder{Step: migration.StepMigrate, Mailbox: m.Poison.Address, By: by, Reason: whyPoison}
				return o.SkipStep(ctx, p.Tenant, order)
			},
		},
		{
			title:   fmt.Sprintf("%s was forgotten, and is in %s", m.Latecomer, sandbox.LateList),
			command: launch(sandbox.LateList),
			due: func(s operator.Status) bool {
				return s.Done(migration.StepCutover) && s.Totals.Mailboxes > 0 && s.Totals.Mailboxes < len(world.Accounts())
			},
			do: list(sandbox.LateList),
		},
	}
}

// shown is a file of the demo as a person would type it.
func (d *demo) shown(name string) string { return filepath.Join(d.data, name) }

// waveOf is the wave of a mailbox in the world's lists.
func waveOf(world *sandbox.World, address string) string {
	i := slices.IndexFunc(world.Accounts(), func(a sandbox.Account) bool { return a.Address == address })
	return world.Wave(i)
}

func waveIn(s operator.Status, name string) *workflows.WaveStatus {
	i := slices.IndexFunc(s.Waves, func(w workflows.WaveStatus) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Waves[i]
}

// waits reports whether a mailbox waits for a person in a step, with a problem of a kind where one is given.
func waits(s operator.Status, step migration.Step, mailbox, kind string) bool {
	return slices.ContainsFunc(s.Waiting, func(w workflows.Waiting) bool {
		return w.Step == step && w.Mailbox == mailbox && (kind == "" || w.Problem.Kind == kind)
	})
}

// dueOf are the chores that are to be done now.
func dueOf(all []*chore, s operator.Status, now time.Time) []*chore {
	if s.Closed != "" {
		return nil
	}
	var due []*chore
	for _, c := range all {
		if now.Sub(c.tried) >= patience && c.due(s) {
			due = append(due, c)
		}
	}
	return due
}
