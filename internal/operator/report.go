package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mailferry/mailferry/internal/migration"
)

// Report is a migration's closing report and where it was read.
type Report struct {
	migration.Report
	// Source is the file in the archive, or empty where the report is a summary of the workflow's state, which has
	// neither the mailboxes' accounts nor the changed records.
	Source string `json:"source,omitempty"`
}

// maxReport bounds the file that is read as a report.
const maxReport = 256 << 20

// Report reads the closing report of the tenant's last launch: from the archive where this machine can read it, and
// otherwise a worker is asked for a summary. While the migration goes on the error is of kind NoReport.
func (o *Operator) Report(ctx context.Context, tenant string) (Report, error) {
	e, err := o.find(ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	if e.running() {
		return Report{}, &Error{
			Kind: NoReport, Text: fmt.Sprintf("%s isn't over, so it has no closing report yet", tenant),
			Hints: []string{"see how it stands: starter status " + tenant},
		}
	}
	report, archiveErr := readArchive(e.record.Archive, tenant, e.record.Launch)
	if archiveErr == nil {
		return report, nil
	}
	// The audit and the sums stand in the workflow's state as well, which any worker can tell.
	status, err := o.Status(ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	if status.Worker {
		return Report{Report: summary(status)}, nil
	}
	return Report{}, &Error{
		Kind: NoReport, Cause: archiveErr,
		Text:  fmt.Sprintf("the report of %s cannot be read here (%v), and no worker is running that could sum it up", tenant, archiveErr),
		Hints: []string{"read it where the archive can be read: " + e.record.Archive, "or start a worker for a summary"},
	}
}

// summary is what the tenant's state tells of a migration that is over.
func summary(s Status) migration.Report {
	report := migration.Report{
		Tenant: s.Tenant, Organisation: s.Organisation, Launch: s.Launch, Started: s.Started, Ended: s.Ended, State: s.State,
		Account: s.Totals.Account, Refusals: s.Totals.Refusals, Approvals: s.Approvals, Proofs: s.Proofs, Audit: s.Audit,
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
		return Report{}, fmt.Errorf("%s is too large for a report", path)
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
