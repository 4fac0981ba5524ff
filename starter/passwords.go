package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
)

// passwordsFlags are the flags of passwords.
type passwordsFlags struct {
	to, out      string
	mailboxes    []string
	print, again bool
	who          signature
}

func (s *starter) passwords() *cobra.Command {
	var f passwordsFlags
	cmd := &cobra.Command{
		Use:     "passwords TENANT --to NAME --out FILE",
		GroupID: "steer",
		Short:   "hand out the first passwords of new users, once",
		Long: `Hand the first passwords of the users that the migration has made to a named person, as a CSV file
(EmailAddress, Password) that only you can read. They travel sealed to a key that is made for this one
time and never leaves this machine. Users who were there before keep their own password.

Each is handed out once: who got which, when and by whom is recorded, in the status, the archive and the
report. Asked for again, it says who has them; --again with a --reason hands them out once more, recorded
too. When the users are welcomed the passwords are forgotten; reset them in the admin centre then.

It needs a running worker.`,
		Example: `  starter passwords contoso --to "Grace Hopper" --out first-passwords.csv
  starter passwords contoso --to "Grace Hopper" --mailbox ada@contoso.com --print --again --reason "the letter was lost"`,
		Args: oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			order, err := f.order(cmd)
			if err != nil {
				return err
			}
			return s.with(cmd, func(l link) error { return s.handOut(cmd, l, args[0], order, f) })
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "", "who gets them; recorded and shown")
	cmd.Flags().StringVar(&f.out, "out", "", "a new file to write them to; only you can read it")
	cmd.Flags().BoolVar(&f.print, "print", false, "print them in place of writing a file")
	cmd.Flags().StringArrayVar(&f.mailboxes, "mailbox", nil, "one user alone, by address; may be given several times")
	cmd.Flags().BoolVar(&f.again, "again", false, "hand out what was handed out before, too; needs --reason")
	f.who.flags(cmd, "reason", "why; recorded and shown")
	return cmd
}

// order checks the flags and makes the order of them.
func (f *passwordsFlags) order(cmd *cobra.Command) (operator.PasswordOrder, error) {
	if err := required(cmd, "to"); err != nil {
		return operator.PasswordOrder{}, err
	}
	switch {
	case f.out == "" && !f.print:
		return operator.PasswordOrder{}, usageError{errors.New("--out is missing: the file to write them to")}
	case f.out != "" && f.print:
		return operator.PasswordOrder{}, usageError{errors.New("--out and --print exclude each other")}
	case f.again && f.who.reason == "":
		return operator.PasswordOrder{}, usageError{errors.New("--again needs a --reason")}
	}
	by, err := f.who.name()
	if err != nil {
		return operator.PasswordOrder{}, err
	}
	order := operator.PasswordOrder{To: f.to, By: by, Reason: f.who.reason, Again: f.again}
	for _, address := range f.mailboxes {
		order.Mailboxes = append(order.Mailboxes, strings.ToLower(address))
	}
	return order, nil
}

// shownBefore is how many of those that were handed out before are named.
const shownBefore = 10

// handOut has them handed out and writes them. The file is made before they are asked for: what can't be written must not
// be handed out. One that nothing was written to is taken away again.
func (s *starter) handOut(cmd *cobra.Command, l link, tenant string, order operator.PasswordOrder, f passwordsFlags) error {
	out, place := cmd.OutOrStdout(), ""
	if f.out != "" {
		file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return &operator.Error{Kind: operator.Invalid, Text: err.Error(), Cause: err, Hints: []string{"nothing was handed out; name a file that isn't there yet"}}
		}
		defer file.Close()
		out, place = file, ", written to "+f.out
	}
	handed, err := l.Passwords(cmd.Context(), tenant, order)
	if len(handed.Passwords) == 0 && f.out != "" {
		_ = os.Remove(f.out)
	}
	if len(handed.Passwords) > 0 {
		if err := writePasswords(out, handed.Passwords); err != nil {
			return fmt.Errorf("they are handed out and could not be written; have them again with --again: %w", err)
		}
	}
	report := cmd.ErrOrStderr() // standard output may have the passwords
	for i, before := range handed.Before {
		if i == shownBefore {
			fmt.Fprintf(report, "and %d more: handed out before\n", len(handed.Before)-i)
			break
		}
		fmt.Fprintf(report, "%s: handed out before, to %s by %s on %s\n", before.Address, before.To, before.By, clock(before.At))
	}
	for _, address := range handed.None {
		fmt.Fprintf(report, "%s: has no first password: the user was there before, or isn't made yet\n", address)
	}
	if n := len(handed.Passwords); n > 0 {
		fmt.Fprintf(report, "handed out to %s by %s: %d%s\n", order.To, order.By, n, place)
	}
	switch {
	case err != nil:
		return err
	case len(handed.Passwords) == 0 && len(handed.Before) > 0:
		return &operator.Error{
			Kind: operator.Refused, Text: "nothing was handed out: all were before",
			Hints: []string{`to hand them out once more, recorded: --again --reason "..."`},
		}
	case len(handed.Passwords) == 0:
		fmt.Fprintln(report, "there are no first passwords to hand out: the migration has made no user yet, or all were there before")
	}
	return nil
}

// writePasswords writes the list as CSV, and closes a file so that an error on the way to the disk is one.
func writePasswords(w io.Writer, all []operator.Password) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"EmailAddress", "Password"}}
	for _, p := range all {
		rows = append(rows, []string{p.Address, p.Password})
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	if file, ok := w.(*os.File); ok && file != os.Stdout {
		return file.Close()
	}
	return nil
}
