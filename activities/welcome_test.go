package activities_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestArchive(t *testing.T) {
	kept := archive{}
	a := &activities.Activities{Heartbeat: &heartbeats{}, Archive: kept}
	scope := activities.Scope{Tenant: "contoso", Launch: "20261123-1"}
	long := strings.Repeat("a", 300)
	addresses := []string{"grace@contoso.com", "ada@contoso.com", "../../etc/passwd", "a/b\x00@contoso.com", long + "1@contoso.com", long + "2@contoso.com"}
	for i, address := range addresses {
		in := activities.ArchiveAccountInput{Scope: scope, Archive: "file:///x", Account: migration.MailboxAccount{
			Address: address, State: migration.Done, Account: migration.Account{Source: i, Copied: i},
		}}
		for range 2 { // again changes nothing
			if _, err := run[any](t, a, nil, a.ArchiveAccount, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range kept {
		parts := strings.Split(name, "/")
		if len(parts) != 4 || parts[0] != "contoso" || parts[1] != "20261123-1" || parts[2] != "mailboxes" ||
			strings.HasPrefix(parts[3], ".") || len(parts[3]) > 200 || strings.ContainsAny(parts[3], "\x00\\") {
			t.Errorf("the name %q is not safe", name)
		}
	}
	if len(kept) != len(addresses) {
		t.Errorf("%d files of %d mailboxes", len(kept), len(addresses))
	}
	if _, ok := kept["contoso/20261123-1/mailboxes/ada@contoso.com.json"]; !ok {
		t.Error("an ordinary address doesn't name its file")
	}

	report := sampleReport()
	if _, err := run[any](t, a, nil, a.ArchiveReport, activities.ArchiveReportInput{Scope: scope, Archive: "file:///x", Report: report}); err != nil {
		t.Fatal(err)
	}
	var back migration.Report
	if err := json.Unmarshal(kept["contoso/20261123-1/report.json"], &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Mailboxes) != len(addresses) || !slices.IsSortedFunc(back.Mailboxes, func(x, y migration.MailboxAccount) int { return strings.Compare(x.Address, y.Address) }) {
		t.Errorf("%d mailboxes in the report, want all %d in order", len(back.Mailboxes), len(addresses))
	}
	text := string(kept["contoso/20261123-1/report.txt"])
	for _, want := range []string{
		"Contoso Ltd", "7 copied, 2 refused", "every message is accounted for", "ada@contoso.com",
		"10 mail.old.example (TTL 300 s)", "nothing", "probe     passed: found", "approved abc123 (by Grace): looks good", "MX changed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("report.txt does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x00") {
		t.Error("report.txt holds control characters")
	}
}

func sampleReport() migration.Report {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return migration.Report{
		Tenant: "contoso", Organisation: "Contoso Ltd", Launch: "20261123-1", Started: at, State: migration.Done,
		Account:   migration.Account{Source: 9, Copied: 7, Refused: 2},
		Approvals: []migration.Approval{{At: at, Digest: "abc123", By: "Grace", Note: "looks\ngood"}},
		Changes: []migration.Change{{
			Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 mail.old.example"}},
			After:  migration.Record{Name: "contoso.com", Type: "MX"},
		}},
		Proofs: []migration.Proof{{Domain: "contoso.com", Kind: migration.ProofProbe, State: migration.ProofPassed, Text: "found"}},
		Audit:  []migration.AuditEntry{{At: at, What: "MX changed"}},
	}
}

func TestReportNamesWhatWasRefused(t *testing.T) {
	kept := archive{}
	a := &activities.Activities{Heartbeat: &heartbeats{}, Archive: kept}
	scope := activities.Scope{Tenant: "t", Launch: "l"}
	_, err := run[any](t, a, nil, a.ArchiveAccount, activities.ArchiveAccountInput{Scope: scope, Account: migration.MailboxAccount{
		Address: "a@x", RefusalCount: 3,
		Refusals: []migration.Refusal{{Folder: "Archív/2019", UID: 4, Size: 40_000_000, Kind: "too-large", Words: "NO\r\nforged line"}},
		Problem:  &migration.Problem{Text: "the disk is full", Remedy: "make room"},
		Note:     "left out by Grace", Verification: migration.Verification{Faults: []string{"INBOX: one is missing"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run[any](t, a, nil, a.ArchiveReport, activities.ArchiveReportInput{Scope: scope}); err != nil {
		t.Fatal(err)
	}
	text := string(kept["t/l/report.txt"])
	for _, want := range []string{
		`a@x: folder "Archív/2019", UID 4, no Message-ID, 40.0 MB: too-large NO forged line`, "a@x: and 2 more",
		"a@x: the disk is full (make room)", "a@x: left out by Grace", "a@x: INBOX: one is missing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("report.txt does not say %q:\n%s", want, text)
		}
	}
}
