package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/internal/plan"
)

func (s *starter) check() *cobra.Command {
	var f files
	cmd := &cobra.Command{
		Use:     "check --plan FILE --csv FILE",
		GroupID: "begin",
		Short:   "check a plan and a list of mailboxes",
		Long: `Read the plan and the list of mailboxes as launch does, name everything that is wrong with them by
file, line and column, and show what a launch would do.

It reads files alone: it connects to nothing and changes nothing. The secrets that the plan takes
from variables and files must be there.`,
		Example: `  starter check --plan plan.yaml --csv mailboxes.csv`,
		Args:    func(_ *cobra.Command, args []string) error { return arguments(args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, rows, warnings, err := f.read(cmd)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := show.Plan(out, p, rows, s.look(out)); err != nil {
				return err
			}
			if code := plan.Acknowledgement(warnings); code != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "hint: a launch must acknowledge the warnings: --acknowledge %s\n", code)
				return nil
			}
			fmt.Fprintf(out, "\nnothing is wrong with the plan and the list; launch them: starter launch --plan %s --csv %s\n", f.plan, f.csv)
			return nil
		},
	}
	f.flags(cmd)
	return cmd
}

func (s *starter) launch() *cobra.Command {
	var f files
	var asJSON, yes bool
	cmd := &cobra.Command{
		Use:     "launch --plan FILE --csv FILE",
		GroupID: "begin",
		Short:   "launch a migration, go on with a launch that was cut short, or add and correct mailboxes",
		Long: `Launch the migration of one tenant: check the plan and the list of mailboxes, seal their secrets to
the workers' key, start the tenant's workflow and hand it the mailboxes. Everything else is done by
the workers, for days or weeks; this command may end, and this machine may be switched off.

It needs a Temporal server with Mailferry's search attributes, and a running worker. When it is cut
short, the same command goes on where it stood. No user, record or message is touched twice.

To a tenant that runs already the list adds the mailboxes that are new, and corrects those whose rows
are otherwise than before: it says how many first, and asks. It may have only those rows; what it
doesn't have stays as it is. A password is taken where the sign-in was refused or something else of the
row is corrected. A tenant that runs with another plan is left alone, and what runs is named.

The MX record is changed only after a person approved it (starter approve).`,
		Example: `  starter launch --plan plan.yaml --csv mailboxes.csv
  starter launch --plan plan.yaml --csv mailboxes.csv --address temporal.example.com:7233 --tls`,
		Args: func(_ *cobra.Command, args []string) error { return arguments(args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, rows, warnings, err := f.read(cmd)
			if err != nil {
				return err
			}
			if err := f.acknowledged(warnings); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !asJSON {
				if err := show.Plan(out, p, rows, s.look(out)); err != nil {
					return err
				}
			}
			return s.with(cmd, func(l link) error {
				if err := operator.Check(cmd.Context(), l.client, l.namespace, p); err != nil {
					return err
				}
				launched, err := l.LaunchAsking(cmd.Context(), p, rows, func(c operator.Change) error {
					if !asJSON {
						fmt.Fprintln(out)
						if err := show.Change(out, c, s.look(out)); err != nil {
							return err
						}
					}
					return confirm(cmd, yes, "yes", fmt.Sprintf("Change the migration of %s so?", c.Tenant))
				})
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(out, launched)
				}
				fmt.Fprintf(out, "\n%s\n", s.launched(launched))
				return nil
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.acknowledge, "acknowledge", "", "the code by which warnings about the list are acknowledged")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask before a migration that runs is changed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what came of it as JSON, and nothing else")
	return cmd
}

// launched says what came of a launch and what to type next.
func (s *starter) launched(l operator.Launched) string {
	what := fmt.Sprintf("launched %s, launch %s, with all of its %d mailboxes", l.Tenant, l.Launch, l.Mailboxes)
	switch {
	case l.New+l.Corrected > 0:
		what = fmt.Sprintf("%s, launch %s, has taken the list in: %d new, %d corrected, %d as they were", l.Tenant, l.Launch, l.New, l.Corrected, l.Same)
	case l.Unchanged:
		what = fmt.Sprintf("%s runs already with this plan and this list, launch %s: nothing changed", l.Tenant, l.Launch)
	case l.Continued:
		what = fmt.Sprintf("went on with %s, launch %s: all of its %d mailboxes are taken in now", l.Tenant, l.Launch, l.Mailboxes)
	}
	return fmt.Sprintf("%s\nsee how it goes: starter%s status %s --watch", what, s.connection.repeat(), l.Tenant)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
