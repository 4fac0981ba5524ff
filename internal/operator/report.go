package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Report is a migration's report and where it was read.
type Report struct {
	migration.Report
	// Source is the file in the archive, or empty where the report was made from what the workflows tell: then it has
	// neither the mailboxes' folders nor what was refused.
	Source string `json:"source,omitempty"`
	// Note says in plain words what is missing of it, and where the whole is; empty for a closing report.
	Note string `json:"note,omitempty"`
}

// maxReport bounds the file that is read as a report.
const maxReport = 256 << 20

// Report reads the report of the tenant's last launch. While the migration goes on it is an interim report, made from
// what the workflows tell. At the end it is the closing report in the archive; where this machine cannot read that, the
// workflows tell what they know, and the error is of kind NoReport where nobody can.
func (o *Operator) Report(ctx context.Context, tenant string) (Report, error) {
	e, err := o.find(ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	if e.running() {
		return o.interim(ctx, tenant)
	}
	report, archiveErr := readArchive(e.record.Archive, tenant, e.record.Launch)
	if archiveErr == nil {
		return report, nil
	}
	report, err = o.told(ctx, tenant)
	switch {
	case ctx.Err() != nil:
		return Report{}, ctx.Err()
	case err != nil && cutShort(e.state):
		return Report{}, &Error{
			Kind: NoReport, Cause: err,
			Text:  fmt.Sprintf("the migration %s %s, so it wrote no closing report, and no worker is running that could sum up what it knew", tenant, endedWords(closedAs(e.state))),
			Hints: []string{"start a worker for a summary"},
		}
	case err != nil:
		return Report{}, &Error{
			Kind: NoReport, Cause: archiveErr,
			Text:  fmt.Sprintf("the report of %s cannot be read here (%v), and no worker is running that could sum it up", tenant, archiveErr),
			Hints: []string{"read it where the archive can be read: " + archived(e, tenant), "or start a worker for a summary"},
		}
	}
	if report.Ended.IsZero() {
		report.Ended = e.ended
	}
	if cutShort(e.state) {
		report.Note = fmt.Sprintf("the migration %s, so it wrote no closing report; this is what its workflows knew then", endedWords(closedAs(e.state)))
		return report, nil
	}
	report.Note = fmt.Sprintf("the archive cannot be read from here (%v), so this is the workflows' own summary; the whole report is in %s",
		archiveErr, archived(e, tenant))
	return report, nil
}

// archived is where the files of an ended migration's report are.
func archived(e execution, tenant string) string {
	return e.record.Archive + "/" + tenant + "/" + e.record.Launch
}

// interim is the report of a migration that goes on.
func (o *Operator) interim(ctx context.Context, tenant string) (Report, error) {
	report, err := o.told(ctx, tenant)
	if err == nil {
		report.Note = "the migration goes on, so this is an interim report; what was copied of each folder and what was refused comes with the closing report"
		return report, nil
	}
	status, err := o.Status(ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	report = Report{Report: summary(status), Note: "an interim report, of the sums alone: " + cmp.Or(status.Note, "its waves don't answer just now")}
	if report.At.IsZero() {
		report.At = o.now()
	}
	return report, nil
}

// told is a report as the workflows tell it: the tenant all but the mailboxes, and each wave its mailboxes.
func (o *Operator) told(ctx context.Context, tenant string) (Report, error) {
	var report Report
	if err := o.ask(ctx, tenant, workflows.QueryReport, &report.Report); err != nil {
		return Report{}, err
	}
	for _, wave := range report.Waves {
		var s workflows.WaveStatus
		err := o.query(ctx, workflows.WaveID(tenant, report.Launch, wave.Wave), &s)
		switch {
		case isNotFound(err): // it has no mailboxes yet
		case err != nil:
			return Report{}, err
		}
		for _, m := range s.Mailboxes {
			report.Mailboxes = append(report.Mailboxes, migration.MailboxAccount{
				Address: m.Address, Wave: wave.Wave, State: m.State, Account: m.Account, RefusalCount: m.RefusalCount,
				Verification: m.Verification, Passes: m.Passes, Problem: m.Problem,
			})
		}
	}
	// The waves know newer figures than the tenant.
	if len(report.Mailboxes) > 0 {
		report.Account, report.Refusals = migration.Account{}, 0
		for _, m := range report.Mailboxes {
			report.Account.Add(m.Account)
			report.Refusals += m.RefusalCount
		}
	}
	return report, nil
}

// summary is what the tenant's memos tell.
func summary(s Status) migration.Report {
	report := migration.Report{
		Tenant: s.Tenant, Organisation: s.Organisation, Launch: s.Launch, Started: s.Started, Ended: s.Ended, At: s.Modified, State: s.State,
		Total: s.Totals.Mailboxes, Account: s.Totals.Account, Refusals: s.Totals.Refusals, Expected: s.Totals.Expected,
		Approvals: s.Approvals, Proofs: s.Proofs, Audit: s.Audit,
	}
	for _, step := range s.Steps {
		report.Steps = append(report.Steps, migration.StepTime{Step: step.Step, State: step.State})
	}
	for _, wave := range s.Waves {
		report.Arrivals.Add(wave.Arrivals)
	}
	return report
}

// readArchive reads a launch's report from an archive that is a directory of this machine.
func readArchive(archive, tenant, launch string) (Report, error) {
	u, err := url.Parse(archive)
	if err != nil || u.Scheme != "file" || u.Path == "" || (u.Host != "" && u.Host != "localhost") {
		return Report{}, fmt.Errorf("the archive %q is not a directory of this machine", archive)
	}
	if !filepath.IsLocal(tenant) || !filepath.IsLocal(launch) {
		return Report{}, fmt.Errorf("no report is named by %q and %q", tenant, launch)
	}
	path := filepath.Join(filepath.FromSlash(u.Path), tenant, launch, "report.json")
	info, err := os.Stat(path)
	if err != nil {
		return Report{}, err
	}
	if info.Size() > maxReport {
		return Report{}, fmt.Errorf("%s is too large to be printed; report.html beside it is not", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	report := Report{Source: path}
	if err := json.Unmarshal(data, &report.Report); err != nil {
		return Report{}, fmt.Errorf("%s is not a report: %w", path, err)
	}
	return report, nil
}
