package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
)

// told is an order to the workflow with the ID: a signal of the name, given by somebody.
type told struct {
	tenant, id, signal, by string
	// what says it in words: "pausing contoso, by grace".
	what string
}

// tell gives an order and says what came of it: that it was taken, or why it changes nothing, as far as a worker can tell;
// and otherwise that it is recorded.
func (s *starter) tell(cmd *cobra.Command, l link, t told, give func() error) error {
	heard, err := l.Hear(cmd.Context(), t.id, t.signal, t.by, give)
	status := fmt.Sprintf("starter%s status %s", s.connection.repeat(), t.tenant)
	out := cmd.OutOrStdout()
	switch {
	case err != nil:
		return err
	case heard.Ignored != "":
		return &operator.Error{
			Kind: operator.Refused, Text: t.what + ", changes nothing: " + heard.Ignored, Hints: []string{"see how it stands: " + status},
		}
	case !heard.Answered:
		fmt.Fprintf(out, "recorded: %s\nno worker answers just now; see what comes of it: %s\n", t.what, status)
	default:
		fmt.Fprintf(out, "taken: %s\n", t.what)
		for _, entry := range heard.Entries {
			fmt.Fprintf(out, "  %s\n", entry.What)
		}
		fmt.Fprintf(out, "see what comes of it: %s\n", status)
	}
	return nil
}
