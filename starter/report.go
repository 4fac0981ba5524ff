package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	var folder, check string
	cmd := &cobra.Command{
		Use:     "report TENANT",
		GroupID: "look",
		Short:   "print or write the report of a migration, or check one",
		Long: `Print the report of the tenant's last migration: every mailbox with its account, what is not at the
target and why, every changed record, the routing proofs, and who decided what.

While the migration goes on it is an interim report, made from what the workflows tell. The closing
report is read from the plan's archive where this machine can read it. Elsewhere the workflows sum it
up, and the command says where the whole is.

With --out it writes report.html (one page, to be read and printed anywhere), report.txt, report.json,
the tables mailboxes.csv, folders.csv and refusals.csv, and last their hashes, SHA256SUMS, into a folder.

With --verify it checks such a folder, or a launch's folder in the archive, without a server: that each
file is as SHA256SUMS says, that no entry of an audit trail was changed or taken out, and that the
closing equation and the sums are right. Exit code 1 says that they are not. A report.json that stands
alone is checked as far as it goes.

It changes nothing.`,
		Example: `  starter report contoso
  starter report contoso --out contoso-report
  starter report contoso --json > contoso.json
  starter report --verify contoso-report
  starter report --verify /srv/mailferry/contoso/20261123-1`,
		Args: func(_ *cobra.Command, args []string) error {
			if check != "" {
				return arguments(args)
			}
			return oneTenant(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return verifyReport(cmd.OutOrStdout(), check, asJSON)
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
	cmd.Flags().StringVar(&check, "verify", "", "check this report's folder, or a report.json; needs no TENANT")
	cmd.MarkFlagsMutuallyExclusive("out", "verify")
	cmd.MarkFlagsMutuallyExclusive("out", "json")
	return cmd
}

// writeReport writes all of a report's files into a folder, and last their hashes: without them the folder isn't whole.
// The files name people, so nobody else may read them.
func writeReport(out io.Writer, folder string, r migration.Report) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making the report's folder: %w", err)
	}
	sums := filepath.Join(folder, report.Sums)
	if err := os.Remove(sums); err != nil && !errors.Is(err, fs.ErrNotExist) { // they are of an earlier report
		return fmt.Errorf("writing the report anew: %w", err)
	}
	var list bytes.Buffer
	for _, name := range report.Names() {
		sum := sha256.New()
		path := filepath.Join(folder, name)
		err := writeFile(path, func(w io.Writer) error {
			return report.Write(io.MultiWriter(w, sum), name, r, report.Of(r.Mailboxes))
		})
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		fmt.Fprintf(&list, "%x  %s\n", sum.Sum(nil), name)
		fmt.Fprintln(out, path)
	}
	err := writeFile(sums, func(w io.Writer) error {
		_, err := list.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the report's hashes: %w", err)
	}
	fmt.Fprintln(out, sums)
	return nil
}

// writeFile writes a file whole or not at all: an older one stays until the new one is there.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".unfinished-")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// verify checks a report's folder, or a report's JSON that stands alone.
func verify(path string) (report.Verdict, error) {
	info, err := os.Stat(path)
	if err != nil {
		return report.Verdict{}, err
	}
	folder := path
	if !info.IsDir() {
		folder = filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(folder, report.Sums)); err != nil || filepath.Base(path) != report.JSON {
			return verifyFile(path)
		}
	}
	verdict, err := report.VerifyFolder(os.DirFS(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return verdict, &operator.Error{
			Kind: operator.Invalid, Cause: err, Text: fmt.Sprintf("%s has no %s, which is written last: it is no report, or not a whole one", folder, report.Sums),
			Hints: []string{"look whether the migration has ended, and write the report anew"},
		}
	}
	return verdict, err
}

func verifyFile(path string) (report.Verdict, error) {
	f, err := os.Open(path)
	if err != nil {
		return report.Verdict{}, err
	}
	defer f.Close()
	verdict, err := report.Verify(f)
	if err != nil {
		return verdict, fmt.Errorf("%s cannot be checked: %w", path, err)
	}
	return verdict, nil
}

// verifyReport says what a check of a report found, and fails where the report isn't as it should be.
func verifyReport(out io.Writer, path string, asJSON bool) error {
	verdict, err := verify(path)
	if err != nil {
		return err
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
			Hints: []string{"compare it with another copy, and with the hashes in the result of the tenant's workflow"},
		}
	}
	return nil
}
