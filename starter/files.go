package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/seal"
)

// files are a plan, its list of mailboxes, and the acknowledgement of what is strange about them.
type files struct{ plan, csv, acknowledge string }

func (f *files) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.plan, "plan", "", "the plan, a YAML file")
	cmd.Flags().StringVar(&f.csv, "csv", "", "the list of mailboxes, a CSV file")
}

// read reads both files whole and seals their secrets. Warnings are printed.
func (f *files) read(cmd *cobra.Command) (p migration.Plan, rows []migration.Mailbox, warnings []plan.Warning, _ error) {
	if err := required(cmd, "plan", "csv"); err != nil {
		return p, nil, nil, err
	}
	text, err := plan.SealTo(f.plan)
	if err != nil {
		// Everything else that is wrong is named with it.
		if _, all := plan.Read(f.plan, func([]byte) (migration.Sealed, error) { return "", nil }); all != nil {
			err = all
		}
		return p, nil, nil, err
	}
	key, err := seal.ParsePublic(text)
	if err != nil {
		return p, nil, nil, &operator.Error{
			Kind: operator.Invalid, Text: fmt.Sprintf("%s: sealTo: %v", f.plan, err), Cause: err,
			Hints: []string{"write the line that starter keygen printed"},
		}
	}
	if p, err = plan.Read(f.plan, key.Seal); err != nil {
		return p, nil, nil, err
	}
	rows, warnings, err = plan.ReadCSV(f.csv, &p, key.Seal)
	for _, warning := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", warning)
	}
	return p, rows, warnings, err
}

// acknowledged checks that a person has seen the warnings.
func (f *files) acknowledged(warnings []plan.Warning) error {
	code := plan.Acknowledgement(warnings)
	if code == f.acknowledge || code == "" {
		return nil
	}
	e := &operator.Error{
		Kind: operator.Invalid, Text: "not launched: the warnings above are not acknowledged",
		Hints: []string{"if all of them are as they should be, launch with --acknowledge " + code},
	}
	if f.acknowledge != "" {
		e.Text = fmt.Sprintf("not launched: %q acknowledges other warnings than those above", f.acknowledge)
	}
	return e
}
