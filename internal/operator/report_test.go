package operator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

func TestReport(t *testing.T) {
	archive := t.TempDir()
	f := newFake()
	o := operatorOf(f)
	launch := func(archive string) {
		f.add(t, "contoso", workflows.TenantType, isDone, map[string]any{
			memoLaunch: record{Launch: "20261123-1", Archive: archive},
		})
	}
	launch("file://" + archive)
	if _, err := o.Report(t.Context(), "contoso"); !IsKind(err, NoReport) {
		t.Errorf("neither archive nor worker: %v", err)
	}
	f.answers["contoso"] = workflows.Status{
		Tenant: "contoso", Launch: "20261123-1", Approvals: []migration.Approval{{By: "grace"}},
		Waves: []workflows.WaveStatus{{Arrivals: migration.Arrivals{Count: 2}}, {Arrivals: migration.Arrivals{Count: 1}}},
	}
	r, err := o.Report(t.Context(), "contoso")
	if err != nil || r.Source != "" || r.Launch != "20261123-1" || len(r.Approvals) != 1 || r.Arrivals.Count != 3 || !r.Ended.Equal(ended) {
		t.Errorf("by a worker: %+v, %v", r, err)
	}

	path := filepath.Join(archive, "contoso", "20261123-1", "report.json")
	data, err := json.Marshal(migration.Report{Tenant: "contoso", Mailboxes: []migration.MailboxAccount{{Address: "ada@contoso.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = o.Report(t.Context(), "contoso")
	if err != nil || r.Source != path || len(r.Mailboxes) != 1 {
		t.Errorf("from the archive: %+v, %v", r, err)
	}

	launch("https://archive.example.com/")
	if r, err = o.Report(t.Context(), "contoso"); err != nil || r.Source != "" {
		t.Errorf("archive elsewhere: %+v, %v", r, err)
	}
	f.add(t, "contoso", workflows.TenantType, isRunning, nil)
	if _, err := o.Report(t.Context(), "contoso"); !IsKind(err, NoReport) || !strings.Contains(err.Error(), "isn't over") {
		t.Errorf("while it runs: %v", err)
	}
}
