package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mailferry/mailferry/internal/sandbox"
)

// worldFlags say what the simulated world is like when it is made; zero values are the default, or what an existing
// world was made with.
type worldFlags struct {
	organisation bool
	seed         uint64
	mailboxes    int
	messages     int
	arrivals     int
	every        time.Duration
}

func (w *worldFlags) flags(f *pflag.FlagSet, organisation bool) {
	f.BoolVar(&w.organisation, "organisation", organisation, "a whole organisation: waves, domains, everything that goes wrong in one, and people who go on working")
	f.Uint64Var(&w.seed, "seed", 0, "seed of the simulated mail; the same seed makes the same world (default 1)")
	f.IntVar(&w.mailboxes, "mailboxes", 0, "mailboxes of the simulated organisation (default 60 of a whole one, else 5)")
	f.IntVar(&w.messages, "messages", 0, "messages in them when the migration begins (default 6000, else 1200)")
	f.IntVar(&w.arrivals, "arrivals", 0, "messages that still arrive from outside while it runs; -1 is none (default 60, else 20)")
	f.DurationVar(&w.every, "arrive-every", 0, "pause between two arrivals (default 1s, else 2.5s)")
}

func (w *worldFlags) options(dir string) sandbox.Options {
	return sandbox.Options{
		Dir: dir, Organisation: w.organisation, Seed: w.seed, Mailboxes: w.mailboxes, Messages: w.messages,
		Arrivals: w.arrivals, Every: w.every,
	}
}

func sandboxCommand() *cobra.Command {
	var data string
	var world worldFlags
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the simulated world alone, to practise with the real starter and worker",
		Long: `Runs an old mail system, a Microsoft 365 tenant, DNS and SMTP on loopback, and writes a plan and a CSV for them.

Point the real starter and worker at it, or any other mail, DNS or HTTP client: the addresses and accounts are
printed. The same directory is the same world on the same ports.`,
		Example: `  standalone serve
  standalone sandbox --data data/sandbox --seal-to mfpub1:...
  standalone sandbox --organisation --data data/organisation --seal-to mfpub1:...
  starter launch --plan data/sandbox/plan.yaml --csv data/sandbox/mailboxes.csv`,
		Args: cobra.NoArgs,
	}
	sealTo := c.Flags().String("seal-to", "", "the workers' public key, as starter keygen prints it, for the plan")
	c.Flags().StringVar(&data, "data", "data/sandbox", "directory that holds the world")
	world.flags(c.Flags(), false)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *sealTo == "" {
			return errors.New("--seal-to is missing; give the key that standalone serve or starter keygen printed (mfpub1:...)")
		}
		if err := os.MkdirAll(data, 0o700); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
		o := world.options(data + "/world")
		o.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
		w, err := sandbox.Open(c.Context(), o)
		if err != nil {
			return err
		}
		planPath, csvPath, err := w.WriteFiles(data, *sealTo)
		if err != nil {
			return fmt.Errorf("write the plan and the CSV: %w; %w", err, w.Close())
		}
		for _, line := range w.Addresses() {
			fmt.Fprintf(c.OutOrStdout(), "%-28s %s  %s\n", line.Name, line.Address, line.Note)
		}
		for _, a := range w.Accounts() {
			fmt.Fprintf(c.OutOrStdout(), "%-28s %s  %s\n", "account", a.User, a.DisplayName)
		}
		fmt.Fprintf(c.OutOrStdout(), "CA    %s\nPlan  %s\nCSV   %s (it has the passwords)\n", w.CA(), planPath, csvPath)
		printMishaps(c.OutOrStdout(), w, data)
		fmt.Fprintf(c.OutOrStdout(), "Launch it: starter launch --plan %s --csv %s\nCtrl-C ends it; the same command goes on. What arrives from outside is told below.\n", planPath, csvPath)
		<-c.Context().Done()
		return w.Close()
	}
	return c
}

// printMishaps says what there is to practise in an organisation.
func printMishaps(out io.Writer, w *sandbox.World, data string) {
	m := w.Mishaps()
	if m == (sandbox.Mishaps{}) {
		return
	}
	fmt.Fprintf(out, `To practise:
  %s has a wrong password in the list, and the right one in %s
  %s has left, and need not be copied
  %s is in %s alone
  at one message of %s the tenant's server cuts the connection, each time
`,
		m.WrongPassword, filepath.Join(data, string(sandbox.CorrectedList)), m.Leaver, m.Latecomer,
		filepath.Join(data, string(sandbox.LateList)), m.Poison.Address)
}
