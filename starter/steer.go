package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// order is how an order is given to a tenant, a wave or a mailbox.
type order func(l link, ctx context.Context, id string, o workflows.Order) error

func (s *starter) pause() *cobra.Command {
	return s.steer("pause", "pausing", "stop copying until resume", `Stop the copying of a tenant, or of one wave or mailbox, at the end of what is under way. Nothing is lost;
resume goes on from there.`,
		func(l link, ctx context.Context, id string, o workflows.Order) error { return l.Pause(ctx, id, o) })
}

func (s *starter) resume() *cobra.Command {
	return s.steer("resume", "resuming", "go on after pause", `Go on with a tenant, a wave or a mailbox that was paused.`,
		func(l link, ctx context.Context, id string, o workflows.Order) error { return l.Resume(ctx, id, o) })
}

func (s *starter) syncNow() *cobra.Command {
	return s.steer("sync-now", "synchronising", "begin the next delta at once", `Begin the next delta of a tenant, or of one wave or mailbox, at once instead of waiting for its time.`,
		func(l link, ctx context.Context, id string, o workflows.Order) error { return l.SyncNow(ctx, id, o) })
}

// steer makes a command that gives an order to a tenant, a wave or a mailbox.
func (s *starter) steer(name, doing, short, long string, give order) *cobra.Command {
	var who signature
	var wave, mailbox string
	cmd := &cobra.Command{
		Use:     name + " TENANT",
		GroupID: "steer",
		Short:   short,
		Long:    long + "\n\nThe order is recorded by the server even while no worker runs.",
		Example: fmt.Sprintf("  starter %[1]s contoso\n  starter %[1]s contoso --wave pilot\n  starter %[1]s contoso --mailbox ada@contoso.com", name),
		Args:    oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wave != "" && mailbox != "" {
				return usageError{errors.New("--wave and --mailbox exclude each other")}
			}
			return s.give(cmd, args[0], wave, mailbox, who, doing, give)
		},
	}
	cmd.Flags().StringVar(&wave, "wave", "", "one wave alone, by its name")
	cmd.Flags().StringVar(&mailbox, "mailbox", "", "one mailbox alone, by its address")
	who.flags(cmd, "reason", "why; recorded and shown")
	return cmd
}

// give finds whom the order is for, gives it, and says so.
func (s *starter) give(cmd *cobra.Command, tenant, wave, mailbox string, who signature, doing string, give order) error {
	by, err := who.name()
	if err != nil {
		return err
	}
	return s.with(cmd, func(l link) error {
		id, err := l.Find(cmd.Context(), tenant, wave, mailbox)
		if err != nil {
			return err
		}
		signal := told{tenant, id, cmd.Name(), by, fmt.Sprintf("%s %s, by %s", doing, named(tenant, wave, mailbox), by)}
		return s.tell(cmd, l, signal, func() error { return give(l, cmd.Context(), id, workflows.Order{By: by, Reason: who.reason}) })
	})
}

// named is what an order is for, in words.
func named(tenant, wave, mailbox string) string {
	switch {
	case mailbox != "":
		return strings.ToLower(mailbox)
	case wave != "":
		return "wave " + wave + " of " + tenant
	}
	return tenant
}

func (s *starter) exclude() *cobra.Command {
	var yes bool
	cmd := s.mailboxCommand("exclude", "leaving out", "leave a mailbox out of the migration", `Leave a mailbox out, whether or not it has begun to copy. What was copied of it stays. At the gate it is
listed, by name, among the mailboxes that are accepted as they are. Until the MX change restart takes it
back in; after it, the mailbox gets no final delta, so the command asks first.`, `  starter exclude contoso old-scanner@contoso.com --reason "the device is gone"`,
		func(l link, cmd *cobra.Command, tenant string) error {
			status, err := l.Status(cmd.Context(), tenant)
			if err != nil || !status.Done(migration.StepCutover) {
				return err
			}
			return confirm(cmd, yes, "yes", "The MX was changed: the mailbox gets no final delta, and comes back with another launch only. Leave it out?")
		},
		func(l link, ctx context.Context, h operator.Holder, o workflows.Order) error {
			return l.Exclude(ctx, h, o)
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}

func (s *starter) restart() *cobra.Command {
	return s.mailboxCommand("restart", "restarting", "have a mailbox begin again", `Have a mailbox begin again: what is at both sides is matched anew, and only what is missing is copied.
One that is in the midst of a pass is paused first. Until the MX change it also takes back in a mailbox
that was left out.`,
		`  starter restart contoso ada@contoso.com --reason "her source account was replaced"`,
		func(link, *cobra.Command, string) error { return nil },
		func(l link, ctx context.Context, h operator.Holder, o workflows.Order) error {
			return l.Restart(ctx, h, o)
		})
}

// mailboxCommand makes a command that gives an order to one mailbox, unless mayBe says no.
func (s *starter) mailboxCommand(name, doing, short, long, example string, mayBe func(l link, cmd *cobra.Command, tenant string) error,
	give func(l link, ctx context.Context, h operator.Holder, o workflows.Order) error,
) *cobra.Command {
	var who signature
	cmd := &cobra.Command{
		Use:     name + " TENANT ADDRESS",
		GroupID: "steer",
		Short:   short,
		Long:    long + "\n\nThe order is recorded by the server even while no worker runs.",
		Example: example,
		Args:    func(_ *cobra.Command, args []string) error { return arguments(args, "TENANT", "ADDRESS") },
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := who.name()
			if err != nil {
				return err
			}
			return s.with(cmd, func(l link) error {
				holder, err := l.Holder(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				if err := mayBe(l, cmd, args[0]); err != nil {
					return err
				}
				signal := told{args[0], holder.ID, name, by, fmt.Sprintf("%s %s, by %s", doing, strings.ToLower(args[1]), by)}
				return s.tell(cmd, l, signal, func() error {
					return give(l, cmd.Context(), holder, workflows.Order{By: by, Reason: who.reason})
				})
			})
		},
	}
	who.flags(cmd, "reason", "why; recorded and shown")
	return cmd
}

func (s *starter) abort() *cobra.Command {
	var who signature
	var yes, orphans bool
	cmd := &cobra.Command{
		Use:     "abort TENANT | abort --orphans [TENANT]",
		GroupID: "steer",
		Short:   "stop a migration for good",
		Long: `Stop a migration for good, before the MX change. Everything stays as it is: the source has all its
mail, and the target has what was copied so far. After the MX change an abort sets the old records
back while deltas go on, and waits for you; a second abort then stops everything.

Launching again later begins a new launch, which finds what is at the target and copies the rest.
The order is recorded by the server even while no worker runs.

With --orphans it stops the waves and mailboxes that still run though their migration was terminated or is
gone: it lists them, asks, gives them the same order, and says which did not obey. It never touches what
belongs to a migration that runs.`,
		Example: `  starter abort contoso --reason "postponed to next year"
  starter abort contoso --yes --by "Grace Hopper" --reason "postponed to next year"
  starter abort --orphans`,
		Args: func(cmd *cobra.Command, args []string) error {
			if orphans {
				return atMostOneTenant(cmd, args)
			}
			return oneTenant(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if orphans {
				return s.abortOrphans(cmd, strings.Join(args, ""), who, yes)
			}
			question := fmt.Sprintf("Stop the migration of %s for good? (After the MX change: set the records back, and wait for you.)", args[0])
			if err := confirm(cmd, yes, "yes", question); err != nil {
				return err
			}
			return s.give(cmd, args[0], "", "", who, "aborting",
				func(l link, ctx context.Context, id string, o workflows.Order) error { return l.Abort(ctx, id, o) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&orphans, "orphans", false, "stop what runs without its migration, of one tenant or of all")
	who.flags(cmd, "reason", "why; recorded and shown")
	return cmd
}
