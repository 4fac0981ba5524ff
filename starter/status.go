package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
)

// shownCopies is how many mailboxes' live progress is shown at most.
const shownCopies = 8

// statusFlags are the flags of status.
type statusFlags struct {
	watch, json bool
	every       time.Duration
}

func (s *starter) status() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:     "status [TENANT]",
		GroupID: "look",
		Short:   "show how a migration stands and what waits for you",
		Long: `Show how far a migration is, when its first copies will be done, and what waits for whom; then the eleven
steps, what is being copied just now, what waits for a person (what is wrong, who must act, what to do,
and what to type then), and at the gate exactly what would be changed, with the command that approves it.
Without a TENANT it shows the namespace's only migration.

It changes nothing. Without a running worker it shows what was last known, and says so first.

With --watch it follows the migration until it ends: on a terminal as a live view, otherwise as one
line for every change. With --json it prints the whole state for programs, with --watch one line of
JSON for every change.

Exit codes: 0 it goes on by itself, or is over and done; 1 it failed or was aborted, or it could not
be asked; 3 it waits for a person (not with --watch).`,
		Example: `  starter status contoso
  starter status contoso --watch
  starter status contoso --json | jq .totals`,
		Args: atMostOneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(l link) error {
				tenant, err := onlyTenant(cmd.Context(), l, args)
				if err != nil {
					return err
				}
				if f.watch {
					return s.follow(cmd, l, tenant, f)
				}
				return s.showOnce(cmd, l, tenant, f)
			})
		},
	}
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "follow the migration until it ends")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the whole state as JSON")
	cmd.Flags().DurationVar(&f.every, "every", 2*time.Second, "with --watch: how often to look")
	return cmd
}

// atMostOneTenant takes one argument or none.
func atMostOneTenant(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return arguments(args, "TENANT")
	}
	return nil
}

// onlyTenant is the tenant that was named, or else the only one there is.
func onlyTenant(ctx context.Context, l link, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	names, err := l.Tenants(ctx)
	switch {
	case err != nil:
		return "", err
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", &operator.Error{
			Kind: operator.UnknownTenant, Text: fmt.Sprintf("the namespace %q has no migration", l.namespace),
			Hints: []string{"starter launch begins one", "another namespace is named with --namespace"},
		}
	}
	return "", usageError{fmt.Errorf("which one? there are %s", strings.Join(names, ", "))}
}

func (s *starter) showOnce(cmd *cobra.Command, l link, tenant string, f statusFlags) error {
	status, err := l.Status(cmd.Context(), tenant)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	live := copying(cmd.Context(), l, &status)
	if f.json {
		err = writeJSON(out, status)
	} else {
		err = show.Status(out, status, live, s.look(out))
	}
	switch {
	case err != nil:
		return err
	case status.NeedsPerson():
		return codeError(exitWaiting)
	}
	return outcome(status)
}

// copying is the progress of what is being copied, and nothing where it can't be had. The status is refined by it.
func copying(ctx context.Context, l link, status *operator.Status) []operator.Live {
	live, err := l.Copying(ctx, *status, shownCopies)
	if err != nil {
		return nil
	}
	status.Refine(live, time.Now())
	return live
}

// outcome is a failure for a migration that ended otherwise than it should.
func outcome(status operator.Status) error {
	if status.Closed == "" || (status.Closed == "completed" && status.State == migration.Done) {
		return nil
	}
	return codeError(exitFailure)
}

func (s *starter) follow(cmd *cobra.Command, l link, tenant string, f statusFlags) error {
	if f.every <= 0 {
		return usageError{errors.New("--every must be more than 0")}
	}
	out := cmd.OutOrStdout()
	if file, ok := out.(*os.File); ok && !f.json && term.IsTerminal(int(file.Fd())) {
		return s.screen(cmd.Context(), l, tenant, file, f.every)
	}
	found := false // an interruption ends a watch that has shown something, and is no failure
	for status, err := range l.Watch(cmd.Context(), tenant, f.every) {
		switch {
		case err != nil && !found:
			return err
		case err != nil:
			printError(cmd.ErrOrStderr(), err)
			continue
		case f.json:
			data, err := json.Marshal(status)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", data)
		default:
			fmt.Fprintln(out, show.Line(status, s.look(out)))
		}
		found = true
		if status.Closed != "" {
			return outcome(status)
		}
	}
	if found {
		return nil
	}
	return cmd.Context().Err()
}

// screen draws the status over and over until the migration ends or the operator does.
func (s *starter) screen(ctx context.Context, l link, tenant string, file *os.File, every time.Duration) error {
	screen := show.Open(file)
	var last operator.Status
	found := false
	for ctx.Err() == nil {
		status, err := l.Status(ctx, tenant)
		var text strings.Builder
		switch {
		case err != nil && !found:
			screen.Close()
			return err
		case err != nil:
			printError(&text, err)
		default:
			live := copying(ctx, l, &status)
			last, found = status, true
			if err := show.Status(&text, status, live, s.look(file)); err != nil {
				screen.Close()
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
		screen.Draw(text.String())
		if found && last.Closed != "" {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
	screen.Close()
	if !found {
		return ctx.Err()
	}
	if err := show.Status(file, last, nil, s.look(file)); err != nil {
		return err
	}
	return outcome(last)
}
