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
	// Source is the file in the archive, or empty where the report was read from the workflow's result, which has no
	// mailboxes' accounts.
	Source string `json:"source,omitempty"`
}

// maxReport bounds the file that is read as a report.
const maxReport = 256 << 20

// Report reads the closing report of the tenant's last launch: from the archive where this machine can read it, and
// otherwise from the workflow's result. While the migration goes on the error is of kind NoReport.
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
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var result *migration.Report
	err = o.temporal.GetWorkflow(limited, tenant, e.runID).Get(limited, &result)
	if err == nil && result != nil && result.Tenant != "" {
		return Report{Report: *result}, nil
	}
	cause := archiveErr
	if err != nil {
		cause = fmt.Errorf("%w; %w", err, archiveErr)
	}
	return Report{}, &Error{
		Kind: NoReport, Text: fmt.Sprintf("%s %s without a report that can be read here: %v", tenant, endedWords(closedAs(e.state)), cause), Cause: cause,
		Hints: []string{"read it where the archive can be read: " + e.record.Archive},
	}
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
