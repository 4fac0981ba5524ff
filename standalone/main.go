// Command standalone runs Mailferry on one machine, with a Temporal server and its Web UI inside.
//
//	standalone demo      a simulated organisation is carried through all eleven steps, while you watch
//	standalone sandbox   the simulated world alone, to practise with the real starter and worker
//	standalone serve     Temporal, Web UI and worker for a real, small organisation
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "standalone",
		Short:         "Mailferry on one machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(demoCommand(), sandboxCommand(), serveCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
		stop()
		os.Exit(1)
	}
}
