package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

func (s *starter) retryStep() *cobra.Command {
	cmd := s.stepCommand("retry", func(l link, cmd *cobra.Command, tenant string, order workflows.StepOrder) error {
		return l.RetryStep(cmd.Context(), tenant, order)
	})
	cmd.Short = "try a step again that waits for a person"
	cmd.Long = `Have a step tried again that waits, after you have mended what status says is wrong. STEP is its number
or its short name. With --mailbox only that mailbox is tried again; without it everything that waits
in the step is.

Nothing that was done is done twice. The order is recorded by the server even while no worker runs;
one for a step that doesn't wait is ignored, and status says so.`
	cmd.Example = `  starter retry-step contoso 4 --mailbox ada@contoso.com --reason "password reset"
  starter retry-step contoso connect`
	return cmd
}

func (s *starter) skipStep() *cobra.Command {
	cmd := s.stepCommand("skip", func(l link, cmd *cobra.Command, tenant string, order workflows.StepOrder) error {
		return l.SkipStep(cmd.Context(), tenant, order)
	})
	cmd.Short = "pass over a step that waits for a person"
	cmd.Long = `Have a step passed over that waits. STEP is its number or its short name. Steps 2, 6, 7, 9 and 10 cannot
be skipped for a whole tenant, since mail would be lost or routed nowhere. With --mailbox only that
mailbox goes on without the step; at steps 6 and 7 this leaves it out of the migration, and it must then
be accepted at the gate, by name. A mailbox that waits in step 7 for messages alone, which end the copy
each time they are tried, stays in: those messages count as refused.

The order is recorded by the server even while no worker runs.`
	cmd.Example = `  starter skip-step contoso 3 --reason "users were told in a meeting"
  starter skip-step contoso 6 --mailbox old-scanner@contoso.com --reason "not needed any more"`
	return cmd
}

// stepCommand makes retry-step and skip-step.
func (s *starter) stepCommand(verb string, give func(link, *cobra.Command, string, workflows.StepOrder) error) *cobra.Command {
	var who signature
	var mailbox string
	cmd := &cobra.Command{
		Use:     verb + "-step TENANT STEP",
		GroupID: "decide",
		Args:    func(_ *cobra.Command, args []string) error { return arguments(args, "TENANT", "STEP") },
		RunE: func(cmd *cobra.Command, args []string) error {
			step, err := operator.ParseStep(args[1])
			if err != nil {
				return usageError{err}
			}
			by, err := who.name()
			if err != nil {
				return err
			}
			order := workflows.StepOrder{Step: step, Mailbox: strings.ToLower(mailbox), By: by, Reason: who.reason}
			return s.with(cmd, func(l link) error {
				what := fmt.Sprintf("%s of step %d (%s)", verb, step, step.Title())
				if mailbox != "" {
					what += " for " + mailbox
				}
				signal := told{args[0], args[0], cmd.Name(), by, what + " by " + by}
				return s.tell(cmd, l, signal, func() error { return give(l, cmd, args[0], order) })
			})
		},
	}
	cmd.Flags().StringVar(&mailbox, "mailbox", "", "one mailbox alone, by its address")
	who.flags(cmd, "reason", "why; recorded and shown")
	return cmd
}
