package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/m365/scripts"
)

// script prints the PowerShell script for what no call of Graph can do in the tenant.
func (s *starter) script() *cobra.Command {
	var f files
	var objectID string
	cmd := &cobra.Command{
		Use:     "script --plan FILE --csv FILE",
		GroupID: "begin",
		Short:   "print the access script for the mailboxes of a list",
		Long: `Print the PowerShell script that an Exchange administrator runs once: it lets the app into exactly the
mailboxes of the list over IMAP, which no call of Graph can do, and step 1 of a migration waits for it.

Read it before you run it. It has -Grant, -Check and -Revoke, and writes down what it changes, so
that -Revoke puts back what was there. It holds no secret. A list of more than ` + fmt.Sprint(scripts.MaxMailboxes) + ` mailboxes needs
several scripts, each for a part of the list.

It reads files alone: it connects to nothing and changes nothing.`,
		Example: `  starter script --plan plan.yaml --csv mailboxes.csv > access.ps1
  pwsh access.ps1 -Grant -ObjectId 11111111-2222-3333-4444-555555555555`,
		Args: func(_ *cobra.Command, args []string) error { return arguments(args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, rows, _, err := f.read(cmd)
			if err != nil {
				return err
			}
			access := scripts.Access{Tenant: p.Tenant, ClientID: p.Microsoft.ClientID, ObjectID: objectID, Domains: p.Domains}
			for _, row := range rows {
				access.Mailboxes = append(access.Mailboxes, row.Address)
			}
			var text strings.Builder
			if err := access.Write(&text); err != nil {
				return fmt.Errorf("write the access script: %w", err)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text.String())
			return err
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&objectID, "object-id", "", "object ID of the app's enterprise application; else whoever runs the script gives it")
	return cmd
}
