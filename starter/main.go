// Starter is the operator's command line: it launches migrations, shows how they stand, and carries the decisions of
// people to them. It talks to a Temporal server alone; mail, DNS and Microsoft 365 are the workers' business.
//
// Rules of its output: results go to standard output, everything else to standard error with the prefix "error:",
// "hint:" or "warning:", without capitals and full stops. Exit codes: 0 it was done, 1 it failed, 2 the command line
// was wrong, 3 (status alone) the migration waits for a person.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/plan"
)

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
	exitWaiting = 3
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first interrupt has what is under way undone; a second one ends the command as it is.
	context.AfterFunc(ctx, stop)
	began := false
	root := newRoot(&began)
	err := root.ExecuteContext(ctx)
	var coded codeError
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return int(coded)
	case errors.As(err, &usage) || !began:
		printError(root.ErrOrStderr(), err)
		fmt.Fprintf(root.ErrOrStderr(), "hint: see %s --help\n", commandOf(root))
		return exitUsage
	case ctx.Err() != nil:
		printError(root.ErrOrStderr(), errors.New("interrupted"))
		return exitFailure
	}
	printError(root.ErrOrStderr(), err)
	return exitFailure
}

// commandOf is the command that the arguments name, as far as they name one.
func commandOf(root *cobra.Command) string {
	found, _, err := root.Find(os.Args[1:])
	if err != nil {
		found = root
	}
	return found.CommandPath()
}

// codeError ends the program with its number and prints nothing more.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// printError writes the error and its hints, one line each. A file's faults have a line each.
func printError(w io.Writer, err error) {
	// Cobra's suggestions for a mistyped command follow its error.
	text, suggestions, _ := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "error: %s\n", strings.TrimRight(line, "\n"))
	}
	for _, suggestion := range strings.Fields(suggestions) {
		fmt.Fprintf(w, "hint: did you mean %q?\n", suggestion)
	}
	for _, hint := range operator.Hints(err) {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	var faults plan.Faults
	if errors.As(err, &faults) {
		fmt.Fprintln(w, "hint: nothing was done; correct the file and run the same command again")
	}
}
