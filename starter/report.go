package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator/show"
)

func (s *starter) report() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "report TENANT",
		GroupID: "look",
		Short:   "print the closing report of a migration that is over",
		Long: `Print the closing report of the tenant's last migration: every mailbox with its account, what is not
at the target and why, every changed record, the routing proofs, and who decided what.

It is read from the plan's archive where this machine can read it. Elsewhere a worker sums it up, without
the single mailboxes and the changed records. It changes nothing.`,
		Example: `  starter report contoso
  starter report contoso --json > contoso.json`,
		Args: oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(l link) error {
				report, err := l.Report(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if asJSON {
					return writeJSON(out, report.Report)
				}
				if report.Source == "" {
					fmt.Fprintln(cmd.ErrOrStderr(), "hint: the archive cannot be read from here; this is the workflow's own summary, without the single mailboxes")
				}
				return show.Report(out, report.Report, s.look(out))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
