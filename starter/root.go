package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
)

const rootLong = `Mailferry moves a whole organisation's mail from any IMAP system to Microsoft 365, in
eleven steps that survive crashes and wait for DNS and for people.

A first migration, from the keys to the report:

  starter keygen --out workers.key       the workers' keys; put the printed line into the plan
  starter check  --plan plan.yaml --csv mailboxes.csv
  starter launch --plan plan.yaml --csv mailboxes.csv
  starter status contoso --watch         what is done, what is going on, what waits for you
  starter mailboxes contoso --state waiting
  starter approve contoso --digest ...   the MX change, after you have read what it changes
  starter report contoso                 what was moved, changed and decided

The connection to the Temporal server is given as for the Temporal CLI: by flags, by variables
(TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_...) or by a profile in
its configuration file.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 (status) waits for a person.`

// starter is what the commands share.
type starter struct {
	connection connection
}

// newRoot makes the command tree. began is set when a command's own work begins; an error before that is a mistake
// on the command line.
func newRoot(began *bool) *cobra.Command {
	s := &starter{}
	root := &cobra.Command{
		Use:           "starter",
		Short:         "launch and steer migrations of mail to Microsoft 365",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			*began = true
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: "begin", Title: "Begin:"},
		&cobra.Group{ID: "look", Title: "Look:"},
		&cobra.Group{ID: "decide", Title: "Decide:"},
		&cobra.Group{ID: "steer", Title: "Steer:"},
	)
	s.connection.flags(root.PersistentFlags())
	root.SetUsageTemplate(usage(root.UsageTemplate()))
	root.AddCommand(
		s.keygen(), s.check(), s.script(), s.launch(),
		s.status(), s.mailboxes(), s.report(),
		s.approve(), s.reject(),
		s.retryStep(), s.skipStep(), s.pause(), s.resume(), s.syncNow(), s.exclude(), s.restart(), s.passwords(), s.abort(),
	)
	return root
}

// usage is cobra's template without the connection's flags, which every command has, and which the root explains.
func usage(template string) string {
	const (
		begin = "{{if .HasAvailableInheritedFlags}}"
		list  = "Global Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}"
		short = "The flags of the connection (--address, --namespace, --tls and others): starter --help"
	)
	before, after, ok := strings.Cut(template, begin)
	if !ok {
		return template
	}
	return before + begin + strings.Replace(after, list, short, 1)
}

// signature is who gives an order, and why.
type signature struct{ by, reason string }

func (g *signature) flags(cmd *cobra.Command, reason, what string) {
	cmd.Flags().StringVar(&g.by, "by", "", "who gives the order; recorded and shown (default: the user of this machine)")
	cmd.Flags().StringVar(&g.reason, reason, "", what)
}

// name is --by, or the user of this machine.
func (g *signature) name() (string, error) {
	if by := strings.TrimSpace(g.by); by != "" {
		return by, nil
	}
	me, err := user.Current()
	if err != nil || me.Username == "" {
		return "", usageError{errors.New("this machine doesn't tell who you are; say it with --by NAME")}
	}
	return me.Username, nil
}

// oneTenant takes exactly one argument.
func oneTenant(_ *cobra.Command, args []string) error { return arguments(args, "TENANT") }

// arguments checks that there are as many arguments as names.
func arguments(args []string, names ...string) error {
	if len(args) < len(names) {
		return usageError{fmt.Errorf("%s is missing", names[len(args)])}
	}
	if len(args) > len(names) {
		return usageError{fmt.Errorf("unexpected argument %q", args[len(names)])}
	}
	return nil
}

// required checks that the flags have a value.
func required(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Lookup(name).Value.String() == "" {
			return usageError{fmt.Errorf("--%s is missing", name)}
		}
	}
	return nil
}

// look makes the options of package show for where the command writes to.
func (s *starter) look(w io.Writer) show.Options {
	o := show.Options{Command: "starter" + s.connection.repeat()}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			o.Width = width
		}
	}
	return o
}

// confirm asks on the terminal; where there is none, yes must have been given as a flag.
func confirm(cmd *cobra.Command, yes bool, flag, question string) error {
	if yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &operator.Error{Kind: operator.Invalid, Text: "not done without a confirmation", Hints: []string{"confirm it with --" + flag}}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	return saysYes(cmd.Context(), in)
}

// saysYes reads one line, and returns nil if it is a yes. An interrupt ends the wait for it.
func saysYes(ctx context.Context, in io.Reader) error {
	answered := make(chan string, 1)
	go func() {
		var answer string
		if _, err := fmt.Fscanln(in, &answer); err != nil {
			answer = "" // nothing, or more than a word, is no
		}
		answered <- answer
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case answer := <-answered:
		if strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes") {
			return nil
		}
		return &operator.Error{Kind: operator.Invalid, Text: "not done"}
	}
}

// clock is how times are printed to people.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
