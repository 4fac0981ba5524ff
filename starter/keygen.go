package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/seal"
)

func (s *starter) keygen() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "keygen --out FILE",
		GroupID: "begin",
		Short:   "make the workers' keys",
		Long: `Make a pair of keys. Passwords in a plan and a CSV are sealed to the public key before they leave
this machine, and only workers that hold the private key can open them.

The private key goes to FILE, readable by you alone; a file that is there is never overwritten. Give
it to the workers and to nobody else. The public key is printed as the line "sealTo: ..." that the plan
needs in place of the one it has.

It changes nothing but FILE and needs no Temporal server.`,
		Example: `  starter keygen --out workers.key`,
		Args:    func(_ *cobra.Command, args []string) error { return arguments(args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			private, public, err := seal.Generate()
			if err != nil {
				return err
			}
			if err := writeNew(out, private+"\n"); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "wrote the private key to %s; the workers need it, and nobody else\n", out)
			fmt.Fprintf(cmd.OutOrStdout(), "sealTo: %s\n", public)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the private key")
	return cmd
}

// writeNew writes a file that wasn't there, for its owner's eyes only.
func writeNew(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &operator.Error{
			Kind: operator.Invalid, Text: fmt.Sprintf("%s is there already and isn't overwritten", path), Cause: err,
			Hints: []string{"a running migration may need the key in it; name another file"},
		}
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Sync(), file.Close())
}
