package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/report"
)

// reports are the real ones.
type reports struct{}

func (reports) Names() []string { return report.Names() }

func (reports) Write(w io.Writer, name string, r migration.Report, accounts iter.Seq2[migration.MailboxAccount, error]) error {
	return report.Write(w, name, r, accounts)
}

func newArchiver() (*activities.Activities, archive) {
	kept := archive{}
	return &activities.Activities{Heartbeat: &heartbeats{}, Archive: kept, Reports: reports{}}, kept
}

var contosoLaunch = activities.Scope{Tenant: "contoso", Launch: "20261123-1"}

func TestArchive(t *testing.T) {
	a, kept := newArchiver()
	long := strings.Repeat("a", 300)
	addresses := []string{"grace@contoso.com", "ada@contoso.com", "../../etc/passwd", "a/b\x00@contoso.com", long + "1@contoso.com", long + "2@contoso.com"}
	for i, address := range addresses {
		in := activities.ArchiveAccountInput{Scope: contosoLaunch, Archive: "file:///x", Account: migration.MailboxAccount{
			Address: address, State: migration.Done, Account: migration.Account{Source: i, Copied: i}, RefusalCount: 1,
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

	in := activities.ArchiveReportInput{Scope: contosoLaunch, Archive: "file:///x", Report: migration.Report{
		Tenant: "contoso", Organisation: "Contoso Ltd", Launch: "20261123-1", State: migration.Done, Total: 8,
		Ended: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Account: migration.Account{Source: 9, Copied: 7, Refused: 2},
	}}
	out, err := run[activities.ArchiveReportOutput](t, a, nil, a.ArchiveReport, in)
	if err != nil {
		t.Fatal(err)
	}
	var back migration.Report
	if err := json.Unmarshal(kept["contoso/20261123-1/report.json"], &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Mailboxes) != len(addresses) || back.Missing != 2 || out.Missing != 2 {
		t.Errorf("%d mailboxes in the report, %d of them missing; want all %d, and 2 missing", len(back.Mailboxes), back.Missing, len(addresses))
	}
	if want := (migration.Account{Source: 15, Copied: 15}); back.Account != want || back.Refusals != 6 {
		t.Errorf("the sums are %+v and %d refusals, want those of the archive", back.Account, back.Refusals)
	}
	if html := string(kept["contoso/20261123-1/report.html"]); !strings.Contains(html, "Contoso Ltd") || !strings.Contains(html, "2 mailboxes left no account") {
		t.Errorf("report.html is %.500s", html)
	}
	want := slices.Clone(report.Names())
	for _, file := range out.Files {
		content := kept[file.Name]
		if sum := fmt.Sprintf("%x", sha256.Sum256(content)); file.Bytes != int64(len(content)) || file.Bytes == 0 || file.SHA256 != sum {
			t.Errorf("%+v is not what was written, %d bytes", file, len(content))
		}
	}
	if last := out.Files[len(out.Files)-1]; len(out.Files) != len(want)+1 || last.Name != "contoso/20261123-1/SHA256SUMS" {
		t.Errorf("the files are %+v", out.Files)
	}
	for name := range kept {
		if below := strings.TrimPrefix(name, "contoso/20261123-1/"); strings.Contains(below, "/") {
			want = append(want, below)
		}
	}
	slices.Sort(want)
	var got []string
	for line := range strings.Lines(string(kept["contoso/20261123-1/SHA256SUMS"])) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if sum != fmt.Sprintf("%x", sha256.Sum256(kept["contoso/20261123-1/"+name])) {
			t.Errorf("SHA256SUMS has another hash of %q", name)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("SHA256SUMS lists %q, want %q", got, want)
	}
}

// At whichever file an archive can't be written any more, it isn't said to be whole, and a retry makes it so.
func TestAnArchiveThatIsFullIsNotWhole(t *testing.T) {
	full := errors.New("no space left on device")
	in := activities.ArchiveReportInput{Scope: contosoLaunch, Report: migration.Report{Tenant: "contoso", Launch: "20261123-1", Total: 1}}
	for room := range len(report.Names()) + 1 {
		a, kept := newArchiver()
		account := activities.ArchiveAccountInput{Scope: contosoLaunch, Account: migration.MailboxAccount{Address: "ada@contoso.com"}}
		if _, err := run[any](t, a, nil, a.ArchiveAccount, account); err != nil {
			t.Fatal(err)
		}
		a.Archive = &smallArchive{archive: kept, room: room, full: full}
		out, err := run[activities.ArchiveReportOutput](t, a, nil, a.ArchiveReport, in)
		if _, whole := kept["contoso/20261123-1/SHA256SUMS"]; err == nil || whole || len(out.Files) > 0 {
			t.Errorf("with room for %d files: %v, %+v", room, err, out)
		}
		a.Archive = kept
		if _, err := run[activities.ArchiveReportOutput](t, a, nil, a.ArchiveReport, in); err != nil {
			t.Fatal(err)
		}
		if _, whole := kept["contoso/20261123-1/SHA256SUMS"]; !whole {
			t.Errorf("with room for %d files, and then for all: no SHA256SUMS", room)
		}
	}
}

// smallArchive has room for so many more files.
type smallArchive struct {
	archive
	room int
	full error
}

func (s *smallArchive) Write(ctx context.Context, archive, name string, write func(io.Writer) error) error {
	if s.room == 0 {
		return s.full
	}
	s.room--
	return s.archive.Write(ctx, archive, name, write)
}

// What a workflow lets go of comes back in the report, each entry once, in one chain.
func TestAuditTrailsAreMadeWhole(t *testing.T) {
	a, kept := newArchiver()
	trail := func(subject string, n int) (all []migration.AuditEntry) {
		for i := range n {
			all = migration.AddAudit(all, subject, migration.AuditEntry{At: time.Unix(int64(i), 0), What: fmt.Sprint(i + 1)})
		}
		return all
	}
	tenant, wave := trail("contoso/20261123-1", 950), trail("contoso/20261123-1/wave/1", 3)
	keep := func(wave string, entries []migration.AuditEntry) {
		t.Helper()
		in := activities.ArchiveAuditInput{Scope: contosoLaunch, Wave: wave, Entries: entries}
		for range 2 {
			if _, err := run[any](t, a, nil, a.ArchiveAudit, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	keep("", tenant[:200])
	keep("", migration.CutAudit(slices.Clone(tenant), 0, 200)[:200])
	keep("wave/1", wave)
	keep("other", nil)
	rest := migration.CutAudit(slices.Clone(tenant), 0, 300) // 100 of them are in the archive already
	in := activities.ArchiveReportInput{Scope: contosoLaunch, Report: migration.Report{
		Tenant: "contoso", Launch: "20261123-1", Audit: rest, Waves: []migration.WaveTrail{{Wave: "wave/1"}, {Wave: "other"}},
	}}
	if _, err := run[activities.ArchiveReportOutput](t, a, nil, a.ArchiveReport, in); err != nil {
		t.Fatal(err)
	}
	var back migration.Report
	if err := json.Unmarshal(kept["contoso/20261123-1/report.json"], &back); err != nil {
		t.Fatal(err)
	}
	if missing, err := migration.CheckAudit(back.Audit, "contoso/20261123-1"); len(back.Audit) != 950 || missing != 0 || err != nil {
		t.Errorf("%d entries, %d missing, %v", len(back.Audit), missing, err)
	}
	for i, e := range back.Audit {
		if (e.Before != "") != (i == 0) {
			t.Errorf("entry %d names the hash before it: %q", e.Number, e.Before)
		}
	}
	if len(back.Waves) != 2 || len(back.Waves[0].Audit) != 3 || len(back.Waves[1].Audit) != 0 {
		t.Errorf("the waves' trails are %+v", back.Waves)
	}
	verdict, err := report.Verify(bytes.NewReader(kept["contoso/20261123-1/report.json"]))
	if err != nil || verdict.FaultCount > 0 || verdict.Entries != 953 {
		t.Errorf("verified: %+v, %v", verdict, err)
	}
}

func TestABrokenFileInTheArchiveNeedsAPerson(t *testing.T) {
	for _, name := range []string{"contoso/20261123-1/mailboxes/ada@contoso.com.json", "contoso/20261123-1/audit/tenant/0000000001.json"} {
		a, kept := newArchiver()
		kept[name] = []byte("{")
		in := activities.ArchiveReportInput{Scope: contosoLaunch}
		_, err := run[activities.ArchiveReportOutput](t, a, nil, a.ArchiveReport, in)
		var problem migration.Problem
		if applicationError(t, err).Details(&problem) != nil || problem.Kind != "archive-broken" {
			t.Errorf("%s: %v", name, err)
		}
		if _, written := kept["contoso/20261123-1/report.html"]; written {
			t.Errorf("%s: a report was written all the same", name)
		}
	}
}
