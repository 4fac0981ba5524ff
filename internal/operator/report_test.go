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
	f.answers["contoso?"+workflows.QueryReport+"[]"] = migration.Report{
		Tenant: "contoso", Launch: "20261123-1", Total: 3, Approvals: []migration.Approval{{By: "grace"}},
		Waves: []migration.WaveTrail{{Wave: "pilot"}, {Wave: "main"}}, Account: migration.Account{Source: 1},
	}
	f.answers["contoso/20261123-1/pilot"] = workflows.WaveStatus{Mailboxes: []workflows.MailboxStatus{
		{Address: "ada@contoso.com", State: migration.Done, Account: migration.Account{Source: 3, Copied: 3}, RefusalCount: 1},
		{Address: "bob@contoso.com", State: migration.Done, Account: migration.Account{Source: 4, Copied: 4}},
	}}
	r, err := o.Report(t.Context(), "contoso")
	if err != nil || r.Source != "" || r.Launch != "20261123-1" || len(r.Approvals) != 1 || !r.Ended.Equal(ended) ||
		!strings.Contains(r.Note, "the whole report is in file://"+archive+"/contoso/20261123-1") {
		t.Errorf("by a worker: %+v, %v", r, err)
	}
	if len(r.Mailboxes) != 2 || r.Mailboxes[1].Wave != "pilot" || r.Account.Source != 7 || r.Refusals != 1 {
		t.Errorf("by a worker: %+v", r.Report)
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
	f.add(t, "contoso", workflows.TenantType, isTerminated, nil)
	if r, err = o.Report(t.Context(), "contoso"); err != nil || len(r.Mailboxes) != 2 || !strings.Contains(r.Note, "was terminated, so it wrote no closing report") {
		t.Errorf("terminated: %+v, %v", r, err)
	}
	f.workers = false
	if _, err := o.Report(t.Context(), "contoso"); !IsKind(err, NoReport) || !strings.Contains(err.Error(), "was terminated") {
		t.Errorf("terminated, no worker: %v", err)
	}
	f.workers = true
	f.add(t, "contoso", workflows.TenantType, isRunning, nil)
	if r, err = o.Report(t.Context(), "contoso"); err != nil || !r.Ended.IsZero() || len(r.Mailboxes) != 2 || !strings.Contains(r.Note, "interim") {
		t.Errorf("while it runs: %+v, %v", r, err)
	}
	f.workers = false
	f.add(t, "contoso", workflows.TenantType, isRunning, map[string]any{
		memoLaunch:           record{Launch: "20261123-1", Started: began},
		workflows.MemoStatus: workflows.Memo{State: migration.Running, Totals: workflows.Totals{Mailboxes: 3, Account: migration.Account{Source: 9}}},
	})
	if r, err = o.Report(t.Context(), "contoso"); err != nil || r.Account.Source != 9 || r.Total != 3 || r.At.IsZero() || !strings.Contains(r.Note, "no worker") {
		t.Errorf("while no worker runs: %+v, %v", r, err)
	}
}
