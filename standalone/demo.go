package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/seal"
)

// demo is one run of the demonstration.
type demo struct {
	place
	world worldFlags
	fresh bool
	// approve is "ask" or "auto".
	approve string
	exit    bool

	in  io.Reader
	out io.Writer
}

func demoCommand() *cobra.Command {
	d := demo{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Carry a simulated organisation through all eleven steps",
		Long: `Runs everything in this process: a Temporal server, its Web UI, a worker, and a simulated world of an old mail
system, a Microsoft 365 tenant, DNS and senders outside. A migration is launched just as the starter launches one,
and shown until it ends; then both sides are read by an independent mail client and compared, message by message.

It stops at the gate before the MX change and asks. Approve here, with "starter approve" from another terminal, or
with the signal form of the Web UI. Kill it at any moment: the same command goes on where it was.`,
		Example: `  standalone demo
  standalone demo --approve auto --exit
  standalone demo --fresh`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if d.approve != "ask" && d.approve != "auto" {
				return fmt.Errorf("--approve is %q; it can be ask or auto", d.approve)
			}
			d.in, d.out = c.InOrStdin(), c.OutOrStdout()
			return d.run(c.Context())
		},
	}
	f := c.Flags()
	d.place.flags(f, "data/demo")
	d.world.flags(f, true)
	f.BoolVar(&d.fresh, "fresh", false, "throw the data directory of an earlier demo away and begin anew")
	f.StringVar(&d.approve, "approve", "ask", "ask: a person approves the MX change; auto: the demo approves it itself")
	f.BoolVar(&d.exit, "exit", false, "exit at the end, with status 0 only if every message is accounted for; else the Web UI stays until Ctrl-C")
	return c
}

func (d *demo) run(ctx context.Context) (err error) {
	if err := d.directory(); err != nil {
		return err
	}
	key, err := workerKey(d.place)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Everything is kept in %s; the simulated world is built there, or found.\n", d.data)
	world, err := sandbox.Open(ctx, d.world.options(d.path("world")))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	planPath, csvPath, err := world.WriteFiles(d.data, key.public.String())
	if err != nil {
		return fmt.Errorf("write the plan and the CSV: %w", err)
	}
	m, err := start(ctx, d.place, key.ring)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	ctx, cancel := m.until(ctx)
	defer cancel()
	fmt.Fprintf(d.out, "Temporal  %s\nWeb UI    %s\n", m.server.Address, m.server.UI)
	p, rows, err := readFiles(planPath, csvPath, key.public)
	if err != nil {
		return err
	}
	o := operator.New(m.client)
	verdict, err := d.migrate(ctx, o, world, p, rows, d.chores(o, world, p, key.public))
	if err != nil {
		return err
	}
	if !d.exit {
		fmt.Fprintf(d.out, "\nThe Web UI stays up at %s until Ctrl-C.\n%s\n", m.server.UI, verdict)
		return waitForEnd(ctx)
	}
	fmt.Fprintln(d.out, verdict)
	if !verdict.closes() {
		return errors.New("not every message is accounted for; what is missing or double is named above")
	}
	return nil
}

// migrate launches the tenant, or finds it running or ended, and follows it to the comparison of both sides.
func (d *demo) migrate(ctx context.Context, o *operator.Operator, world *sandbox.World, p migration.Plan, rows []migration.Mailbox, chores []*chore) (*comparison, error) {
	if err := d.launch(ctx, o, p, rows); err != nil {
		return nil, err
	}
	if err := d.follow(ctx, o, p.Tenant, chores); err != nil {
		return nil, err
	}
	report, err := o.Report(ctx, p.Tenant)
	if err != nil {
		return nil, err
	}
	if err := d.report(report.Report); err != nil {
		return nil, err
	}
	verdict, err := compareWorld(ctx, world, report)
	if err != nil {
		return nil, err
	}
	named(d.out, report.Report, world.Mishaps())
	fmt.Fprintf(d.out, "\nBoth sides, read by another mail client: %s\n", verdict.tally)
	for _, fault := range verdict.faults {
		fmt.Fprintln(d.out, fault)
	}
	return verdict, nil
}

// report writes the closing report to a file, and prints it without what is long in it.
func (d *demo) report(r migration.Report) error {
	var text bytes.Buffer
	if err := show.Report(&text, r, show.Options{}); err != nil {
		return err
	}
	path := d.path(reportFile)
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the closing report: %w", err)
	}
	brief := r
	brief.Mailboxes, brief.Audit, brief.Proofs = nil, nil, nil
	brief.Changes = slices.DeleteFunc(slices.Clone(r.Changes), func(c migration.Change) bool { return c.After.Type != "MX" })
	fmt.Fprintln(d.out)
	if err := show.Report(d.out, brief, show.Options{}); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nThe whole report, with each mailbox, every changed record, the proofs and all that happened, is in %s.\n\n", path)
	return nil
}

// launch launches the tenant unless it runs or has run in this directory. One that has its list is left alone: the list
// may have been corrected since.
func (d *demo) launch(ctx context.Context, o *operator.Operator, p migration.Plan, rows []migration.Mailbox) error {
	status, err := o.Status(ctx, p.Tenant)
	switch {
	case operator.IsKind(err, operator.UnknownTenant):
	case err != nil:
		return err
	case status.Closed != "":
		fmt.Fprintf(d.out, "The migration of %s ended %s; --fresh begins anew.\n", p.Organisation, status.Ended.Format(time.DateTime))
		return nil
	case status.Done(migration.StepList):
		fmt.Fprintf(d.out, "%s: launch %s goes on.\n\n", p.Organisation, status.Launch)
		return nil
	}
	launched, err := o.Launch(ctx, p, rows)
	if err != nil {
		return fmt.Errorf("launch %s: %w", p.Tenant, err)
	}
	fmt.Fprintf(d.out, "%s: %d mailboxes, launch %s.\n\n", p.Organisation, launched.Mailboxes, launched.Launch)
	return nil
}

// reportFile is the closing report beside the plan, besides what the archive has.
const reportFile = "report.txt"

// readFiles reads the plan and the CSV as the starter does.
func readFiles(planPath, csvPath string, key seal.Public) (migration.Plan, []migration.Mailbox, error) {
	p, err := plan.Read(planPath, key.Seal)
	if err != nil {
		return migration.Plan{}, nil, err
	}
	rows, warnings, err := plan.ReadCSV(csvPath, &p, key.Seal)
	if err != nil {
		return migration.Plan{}, nil, err
	}
	if len(warnings) > 0 {
		return migration.Plan{}, nil, fmt.Errorf("%s has something to acknowledge: %v", csvPath, warnings[0])
	}
	return p, rows, nil
}

// marker is the file by which a directory is known to be a demo's, so that --fresh never deletes anything else.
const marker = "mailferry-demo"

func (d *demo) directory() error {
	_, err := os.Stat(d.path(marker))
	ours := err == nil
	if d.fresh && ours {
		if err := os.RemoveAll(d.data); err != nil {
			return fmt.Errorf("throw the earlier demo away: %w", err)
		}
	} else if !ours {
		entries, err := os.ReadDir(d.data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look into the data directory: %w", err)
		}
		if len(entries) > 0 {
			return fmt.Errorf("%s is not empty and not a demo's; choose another directory with --data", d.data)
		}
	}
	if err := os.MkdirAll(d.data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return os.WriteFile(filepath.Join(d.data, marker), nil, 0o600)
}
