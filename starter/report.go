package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/internal/report"
)

func (s *starter) report() *cobra.Command {
	var asJSON bool
	var folder, verify string
	cmd := &cobra.Command{
		Use:     "report TENANT",
		GroupID: "look",
		Short:   "print or write the report of a migration, or check one",
		Long: `Print the report of the tenant's last migration: every mailbox with its account, what is not at the
target and why, every changed record, the routing proofs, and who decided what.

While the migration goes on it is an interim report, made from what the workflows tell. The closing
report is read from the plan's archive where this machine can read it. Elsewhere the workflows sum it
up, and the command says where the whole is.

With --out it writes report.html (one page, to be read and printed anywhere), report.txt, report.json
and the tables mailboxes.csv, folders.csv and refusals.csv into a folder.

With --verify it checks a report.json without a server: that no entry of an audit trail was changed or
taken out, and that the closing equation and the sums are right. Exit code 1 says that they are not.

It changes nothing.`,
		Example: `  starter report contoso
  starter report contoso --out contoso-report
  starter report contoso --json > contoso.json
  starter report --verify contoso-report/report.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if verify != "" {
				return arguments(args)
			}
			return oneTenant(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if verify != "" {
				return verifyReport(cmd.OutOrStdout(), verify, asJSON)
			}
			return s.with(cmd, func(l link) error {
				r, err := l.Report(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if r.Note != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "hint: %s\n", r.Note)
				}
				out := cmd.OutOrStdout()
				switch {
				case folder != "":
					return writeReport(out, folder, r.Report)
				case asJSON:
					return writeJSON(out, r.Report)
				}
				return show.Report(out, r.Report, s.look(out))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.Flags().StringVar(&folder, "out", "", "write all of the report's files into this folder")
	cmd.Flags().StringVar(&verify, "verify", "", "check this report.json; needs no TENANT")
	cmd.MarkFlagsMutuallyExclusive("out", "verify")
	cmd.MarkFlagsMutuallyExclusive("out", "json")
	return cmd
}

// writeReport writes all of a report's files into a folder. They name people, so nobody else may read them.
func writeReport(out io.Writer, folder string, r migration.Report) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making the report's folder: %w", err)
	}
	for _, name := range report.Names() {
		path := filepath.Join(folder, name)
		if err := writeFile(path, func(w io.Writer) error { return report.Write(w, name, r, report.Of(r.Mailboxes)) }); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		fmt.Fprintln(out, path)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	return write(f)
}

// verifyReport checks a report's JSON, and fails where it isn't as it should be.
func verifyReport(out io.Writer, path string, asJSON bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	verdict, err := report.Verify(f)
	if err != nil {
		return fmt.Errorf("%s cannot be checked: %w", path, err)
	}
	if asJSON {
		if err := writeJSON(out, verdict); err != nil {
			return err
		}
	} else if err := show.Verdict(out, verdict); err != nil {
		return err
	}
	if verdict.FaultCount > 0 {
		return &operator.Error{
			Kind: operator.Invalid, Text: fmt.Sprintf("%s is not as it was written, or not every message is accounted for", path),
			Hints: []string{"compare it with the archive's own copy and with SHA256SUMS beside that"},
		}
	}
	return nil
}
