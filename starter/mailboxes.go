package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
)

// mailboxesFlags are the flags of mailboxes.
type mailboxesFlags struct {
	operator.MailboxQuery
	json, csv bool
}

func (s *starter) mailboxes() *cobra.Command {
	var f mailboxesFlags
	cmd := &cobra.Command{
		Use:     "mailboxes [TENANT]",
		GroupID: "look",
		Short:   "list mailboxes: where each stands, what it waits for, and who must act",
		Long: `List a migration's mailboxes: where each stands, how much of it is at the target, how fast it is copied
just now, what it waits for and who must act. Mailboxes that have not begun to copy are among them.

--state shows one sort alone: waiting (for a person), failed, paused, excluded, running, pending, done, or
verified. --slowest shows those whose first copy takes longest from now on, the slowest first.

Without a running worker it shows what was last known of the mailboxes that have begun to copy, and says so
first. It changes nothing.`,
		Example: `  starter mailboxes contoso --state waiting
  starter mailboxes contoso --slowest --limit 10
  starter mailboxes contoso --wave pilot --limit 0 --csv > pilot.csv`,
		Args: atMostOneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return s.with(cmd, func(l link) error {
				tenant, err := onlyTenant(cmd.Context(), l, args)
				if err != nil {
					return err
				}
				page, err := l.Mailboxes(cmd.Context(), tenant, f.MailboxQuery)
				if err != nil {
					return err
				}
				return s.printMailboxes(cmd, page, f)
			})
		},
	}
	cmd.Flags().StringVar(&f.Wave, "wave", "", "one wave alone, by its name")
	cmd.Flags().StringVar(&f.State, "state", "", "one sort alone: waiting, failed, paused, excluded, running, pending, done, verified")
	cmd.Flags().BoolVar(&f.Slowest, "slowest", false, "those whose first copy takes longest from now on")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "how many at most; 0: all")
	cmd.Flags().StringVar(&f.Page, "page", "", "the next page, as the page before names it")
	cmd.Flags().BoolVar(&f.json, "json", false, "print them as JSON")
	cmd.Flags().BoolVar(&f.csv, "csv", false, "print them as CSV")
	return cmd
}

// check refuses what makes no sense, and makes the query's limit of the flag's.
func (f *mailboxesFlags) check() error {
	switch {
	case f.json && f.csv:
		return usageError{errors.New("--json and --csv exclude each other")}
	case f.Slowest && f.Page != "":
		return usageError{errors.New("--slowest has one page; show more of it with --limit")}
	case f.Limit < 0:
		return usageError{errors.New("--limit must be 0 (all) or more")}
	case f.Limit == 0:
		f.Limit = -1
	}
	return nil
}

func (s *starter) printMailboxes(cmd *cobra.Command, page operator.MailboxPage, f mailboxesFlags) error {
	out := cmd.OutOrStdout()
	more := fmt.Sprintf("starter%s mailboxes %s --page %s", s.connection.repeat(), page.Tenant, page.Next)
	for _, name := range []string{"wave", "state", "limit", "csv"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			more += fmt.Sprintf(" --%s=%s", name, flag.Value)
		}
	}
	switch {
	case f.json:
		return writeJSON(out, page)
	case f.csv:
		if page.Note != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "hint: "+page.Note)
		}
		if page.Next != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "hint: more: "+more)
		}
		return show.MailboxesCSV(out, page)
	}
	return show.Mailboxes(out, page, more, s.look(out))
}
