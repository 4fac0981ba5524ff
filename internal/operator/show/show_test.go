package show

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
	"github.com/mailferry/mailferry/workflows"
)

var update = flag.Bool("update", false, "write testdata anew; look at the difference")

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see it with go test -update and git diff. Got:\n%s", path, got)
	}
}

// moved is a status in the middle of step 7.
func moved() operator.Status {
	s := operator.Status{Worker: true}
	s.Tenant, s.Organisation, s.Launch, s.State = "contoso", "Contoso Ltd", "20261123-1", migration.Running
	s.Started = ago(26 * time.Hour)
	for _, step := range migration.Steps() {
		one := workflows.StepStatus{Step: step, State: migration.Pending}
		switch {
		case step < migration.StepConnect:
			one.State = migration.Done
		case step == migration.StepConnect:
			one.State, one.Since, one.Text = migration.Waiting, ago(3*time.Minute), "3 of 4 mailboxes; one needs you"
		case step == migration.StepMigrate:
			one.State, one.Text = migration.Running, "2 of 4 mailboxes verified; the pilot wave is complete, and the others are being copied as fast as both servers let them"
		}
		s.Steps = append(s.Steps, one)
	}
	s.Totals = workflows.Totals{
		Mailboxes: 4, Verified: 2, Excluded: 1, Expected: 12500, Passwords: 3,
		Account: migration.Account{Source: 12400, Copied: 8000, Already: 20, LeftOut: 3, Refused: 1, Bytes: 1_234_567_890},
	}
	s.Waves = []workflows.WaveStatus{
		{Name: "pilot", State: migration.Done, Totals: workflows.Totals{Mailboxes: 1, Verified: 1}},
		{Name: "main", State: migration.Running, Totals: workflows.Totals{Mailboxes: 3, Verified: 1}},
	}
	s.Doing = "copying 2 mailboxes"
	s.Retrying = []workflows.Retrying{
		{Wave: "wave-02", What: "send the announcement", Since: ago(2 * time.Hour), Words: "dial tcp 192.0.2.7:25: connection refused"},
	}
	s.Waiting = []workflows.Waiting{{
		Step: migration.StepConnect, Mailbox: "bob@contoso.com", Since: ago(3 * time.Minute),
		Problem: migration.Problem{
			Kind: "sign-in-refused", Text: "the source refused to sign bob in: \"NO \x1b[31mLOGIN failed\"", Remedy: "correct the password in the CSV and launch it again",
		},
	}}
	s.WaitingCount = 2
	s.Pace.Began = ago(2 * time.Hour)
	s.Outlook = operator.Outlook{
		Messages: 4.2, Bytes: 612_000, Over: migration.Duration(35 * time.Minute), Left: migration.Duration(18 * time.Minute), Ends: now.Add(18 * time.Minute),
		Began: ago(2 * time.Hour), Slowest: "cleo@contoso.com", Forecast: migration.Duration(90 * time.Minute),
	}
	s.Audit = []migration.AuditEntry{
		{At: ago(25 * time.Hour), What: "too long ago to be shown"},
		{At: ago(24 * time.Hour), What: "a list of 4 mailboxes was taken in"},
		{At: ago(20 * time.Hour), What: "published TXT contoso.com: MS=ms123"},
		{At: ago(10 * time.Minute), By: "grace", What: "bob@contoso.com is left out"},
		{At: ago(time.Minute), By: "grace", What: "retry-step was ignored: nothing waits at step 4"},
	}
	return s
}

func TestStatus(t *testing.T) {
	live := []operator.Live{{
		Address: "ada@contoso.com", Doing: "first copy", Started: ago(2 * time.Minute), Heartbeat: ago(time.Minute), Attempt: 1,
		Progress: migration.Progress{Messages: 1200, Bytes: 60_000_000, Folder: "Archive/2019", Total: 9000},
	}}
	closed := moved()
	closed.Closed, closed.Ended, closed.State, closed.Waiting, closed.WaitingCount = "completed", now, migration.Done, nil, 0
	gate := moved()
	gate.Waiting, gate.WaitingCount = nil, 0
	gate.Gate = &workflows.Gate{
		Digest: "4f1d2c", Domains: []string{"contoso.com"}, Accepted: []string{"bob@contoso.com"}, Since: ago(time.Hour),
		Changes: []migration.Change{{
			Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 mail.contoso.com"}},
			After:  migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"0 contoso-com.mail.protection.outlook.com"}},
		}, {After: migration.Record{Name: "autodiscover.contoso.com", Type: "CNAME", TTL: 3600, Data: []string{"autodiscover.outlook.com"}}}},
	}
	gate.Outlook.Ended, gate.Outlook.Slowest = ago(time.Hour), ""
	routing := moved()
	routing.Waiting, routing.WaitingCount, routing.Outlook = nil, 0, gate.Outlook
	for i := range routing.Steps[:migration.StepCutover] {
		routing.Steps[i].State, routing.Steps[i].Text = migration.Done, ""
	}
	routing.Proofs = []migration.Proof{{
		Domain: "contoso.com", Kind: migration.ProofProbe, State: migration.ProofPassed,
		Text: "probe 1 is in the mailbox of ada@contoso.com: " + strings.Repeat("from mail.outside.example by mail.protection.outlook.com | ", 6),
	}, {Domain: "contoso.com", Kind: migration.ProofTrace, State: migration.ProofOpen, Text: "no message yet"}}
	unchanged := gate
	unchanged.Gate = &workflows.Gate{Digest: "77aa", Domains: []string{"contoso.com"}, Since: ago(time.Minute)}
	rejected := gate
	rejected.Approvals = []migration.Approval{{At: ago(time.Minute), Digest: "4f1d2c", By: "Grace Hopper", Note: "not before the trade fair", Rejected: true}}
	killed := moved()
	killed.Closed, killed.Ended, killed.Waiting, killed.WaitingCount = "terminated", now, nil, 0
	aborted := moved()
	aborted.State, aborted.Waiting, aborted.WaitingCount = migration.Aborted, nil, 0
	for i := range aborted.Steps[migration.StepConnect-1:] {
		aborted.Steps[int(migration.StepConnect)-1+i].State = migration.Aborted
	}
	paused := moved()
	paused.State, paused.Waiting, paused.WaitingCount, paused.Outlook = migration.Paused, nil, 0, operator.Outlook{Unknown: "the migration is paused"}
	crowd := moved()
	crowd.Outlook = operator.Outlook{Unknown: "too little has been copied yet to say"}
	for _, name := range []string{"cleo", "dan", "eve", "fay"} {
		crowd.Waiting = append(crowd.Waiting, workflows.Waiting{Step: migration.StepMigrate, Mailbox: name + "@contoso.com", Problem: migration.Problem{
			Kind: "target-full", Text: "the target mailbox takes no more", Remedy: "give it room, then retry",
		}, Since: ago(time.Hour)})
	}
	crowd.WaitingCount = 7
	gate.Proofs = []migration.Proof{{Domain: "contoso.com", Kind: migration.ProofProbe, State: migration.ProofOpen, Text: "the probe has not arrived yet"}}
	remembered := moved()
	remembered.Worker, remembered.Note, remembered.Modified = false, "no worker is running, so nothing goes on and this is the last that is known", ago(time.Hour)
	remembered.Outlook = operator.Outlook{Unknown: "no worker is running", Forecast: remembered.Outlook.Forecast}
	rememberedGate := remembered
	rememberedGate.Waiting, rememberedGate.WaitingCount = nil, 0
	rememberedGate.Gate = &workflows.Gate{Digest: "4f1d2c", Since: ago(time.Hour)}
	for _, test := range []struct {
		name    string
		status  operator.Status
		live    []operator.Live
		options Options
	}{
		{"moving", moved(), live, Options{Width: 100, Command: "starter --address temporal:7233"}},
		{"narrow", moved(), nil, Options{Width: 60}},
		{"gate", gate, nil, Options{}},
		{"rejected", rejected, nil, Options{}},
		{"routing", routing, nil, Options{Width: 100}},
		{"unchanged", unchanged, nil, Options{}},
		{"crowd", crowd, nil, Options{}},
		{"paused", paused, nil, Options{}},
		{"closed", closed, nil, Options{}},
		{"aborted", aborted, nil, Options{}},
		{"terminated", killed, nil, Options{}},
		{"remembered", remembered, nil, Options{}},
		{"remembered-gate", rememberedGate, nil, Options{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Now = now
			var out bytes.Buffer
			if err := Status(&out, test.status, test.live, test.options); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsRune(out.String(), '\x1b') {
				t.Error("without colour, and with a server's words cleaned, there must be no escape sequence")
			}
			golden(t, test.name, out.String())
		})
	}
}

func TestStatusInColour(t *testing.T) {
	var out bytes.Buffer
	if err := Status(&out, moved(), nil, Options{Color: true, Now: now}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[32m✓ done\x1b[0m") || strings.Contains(out.String(), "\x1b[31mLOGIN") {
		t.Errorf("our colours, and nobody else's, must be there:\n%q", out.String())
	}
}

func TestLine(t *testing.T) {
	golden(t, "line", Line(moved(), Options{Now: now})+"\n")
}

func TestReport(t *testing.T) {
	r := migration.Report{
		Tenant: "contoso", Organisation: "Contoso Ltd", Launch: "20261123-1", State: migration.Done, Domains: []string{"contoso.com"},
		Started: ago(48 * time.Hour), Ended: now, Refusals: 1,
		Account: migration.Account{Source: 1204, Copied: 1200, Already: 2, LeftOut: 1, Refused: 1, Bytes: 5_000_000},
		Mailboxes: []migration.MailboxAccount{{
			Address: "ada@contoso.com", State: migration.Done, RefusalCount: 2, Verification: migration.Verification{Verified: true},
			Account:  migration.Account{Source: 1204, Copied: 1200, Already: 2, LeftOut: 1, Refused: 1, Bytes: 5_000_000},
			Refusals: []migration.Refusal{{Folder: "INBOX", UID: 7, Size: 200_000_000, Kind: "too-large", Words: "NO message too large", MessageID: "<a@b>"}},
		}, {Address: "bob@contoso.com", State: migration.Excluded, Problem: &migration.Problem{Text: "left out by grace"}}},
		Changes: []migration.Change{{
			Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 mail.contoso.com"}},
			After:  migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"0 contoso-com.mail.protection.outlook.com"}},
		}},
		Proofs:    []migration.Proof{{Domain: "contoso.com", Kind: migration.ProofQuiet, State: migration.ProofPassed, Text: "nothing arrived for 3d"}},
		Arrivals:  migration.Arrivals{Count: 2, Last: ago(80 * time.Hour), From: []string{"old.example.net"}},
		Approvals: []migration.Approval{{At: ago(24 * time.Hour), Digest: "4f1d2c", By: "grace", Note: "agreed"}},
		Audit:     []migration.AuditEntry{{At: ago(30 * time.Hour), By: "grace", What: "step 6 is tried again"}},
		Steps: []migration.StepTime{
			{Step: migration.StepUsers, State: migration.Done, Began: ago(48 * time.Hour), Ended: ago(46 * time.Hour), Most: migration.Duration(24 * time.Hour)},
			{Step: migration.StepRouting, State: migration.Running, Began: ago(3 * time.Hour), Least: migration.Duration(72 * time.Hour), Most: migration.Duration(14 * 24 * time.Hour)},
			{Step: migration.StepWelcome, State: migration.Pending},
		},
	}
	var out bytes.Buffer
	if err := Report(&out, r, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "report", out.String())

	out.Reset()
	interim := migration.Report{
		Tenant: "contoso", Organisation: "Contoso Ltd", Launch: "20261123-1", State: migration.Running, Domains: []string{"contoso.com"},
		Started: ago(48 * time.Hour), At: now, Account: migration.Account{Source: 1204, Copied: 600},
	}
	if err := Report(&out, interim, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "interim", out.String())
}

func TestVerdict(t *testing.T) {
	var out bytes.Buffer
	for _, v := range []report.Verdict{
		{Tenant: "contoso", Launch: "20261123-1", Mailboxes: 62, Messages: 6121, Entries: 7, Last: "9f86d081"},
		{Tenant: "contoso", Launch: "20261123-1", Mailboxes: 62, Files: 131, SumsHash: "e3b0c442"},
		{Tenant: "contoso", Launch: "20261123-1", Mailboxes: 1, Interim: true, Entries: 1, Missing: 3, Faults: []string{"folder \"a\x1b[31m\" does not close"}, FaultCount: 2},
	} {
		if err := Verdict(&out, v); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "verdict", out.String())
}

func TestPlan(t *testing.T) {
	p := migration.Plan{
		Tenant: "contoso", Organisation: "Contoso Ltd", Domains: []string{"contoso.com"}, Archive: "file:///srv/mailferry",
		Endpoints: []migration.Endpoint{{Name: "old", Host: "imap.contoso.com", Port: 993, Security: migration.TLS, Auth: migration.AuthPassword, MailboxesAtOnce: 20}},
		Target:    migration.Target{Host: "outlook.office365.com", Port: 993},
		DNS:       migration.DNS{Mode: "rfc2136", Server: "ns1.contoso.com:53"},
		Waves:     []migration.Wave{{Name: "pilot"}, {Name: "main"}},
		Timing: migration.Timing{
			Delta: migration.Duration(24 * time.Hour), DeltaAfterMX: migration.Duration(15 * time.Minute), Quiet: migration.Duration(72 * time.Hour),
		},
	}
	rows := []migration.Mailbox{{Address: "a", Wave: "pilot"}, {Address: "b", Wave: "main"}, {Address: "c", Wave: "main"}}
	var out bytes.Buffer
	if err := Plan(&out, p, rows, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan", out.String())
}

func TestFit(t *testing.T) {
	lines := []string{"one", "\x1b[32mtwo\x1b[0m", strings.Repeat("x", 25), "four"}
	for _, test := range []struct {
		width, height int
		want          string
	}{
		{80, 24, "one|two|xxxxxxxxxxxxxxxxxxxxxxxxx|four"},
		{80, 5, "one|two|xxxxxxxxxxxxxxxxxxxxxxxxx|four"},
		{80, 4, "... 2 lines more, which starter status shows|xxxxxxxxxxxxxxxxxxxxxxxxx|four"},
		{10, 7, "one|two|xxxxxxxxxxxxxxxxxxxxxxxxx|four"}, // the third takes three rows
		{10, 6, "one|... 2 lines more, which starter status shows|four"},
		{10, 2, "one|two|xxxxxxxxxxxxxxxxxxxxxxxxx|four"}, // no room to say anything
	} {
		got := strings.NewReplacer("\x1b[32m", "", "\x1b[0m", "").Replace(strings.Join(fit(lines, test.width, test.height), "|"))
		if got != test.want {
			t.Errorf("%dx%d: %q, want %q", test.width, test.height, got, test.want)
		}
	}
}

func TestWhatIsOfferedInsteadOfARetry(t *testing.T) {
	for want, w := range map[string]workflows.Waiting{
		"abort contoso":                            {Step: migration.StepRouting, Problem: migration.Problem{Kind: workflows.RolledBack}},
		"resume contoso --wave main":               {Step: migration.StepMigrate, Wave: "main", Problem: migration.Problem{Kind: workflows.PausedAlone}},
		"resume contoso --mailbox ada@contoso.com": {Step: migration.StepMigrate, Wave: "main", Mailbox: "ada@contoso.com", Problem: migration.Problem{Kind: workflows.PausedAlone}},
	} {
		s := moved()
		s.Waiting, s.WaitingCount = []workflows.Waiting{w}, 1
		var b strings.Builder
		if err := Status(&b, s, nil, Options{Command: "starter"}); err != nil {
			t.Fatal(err)
		}
		if out := b.String(); !strings.Contains(out, "Then: starter "+want+"\n") || strings.Contains(out, "retry-step contoso") {
			t.Errorf("instead of %q it offers:\n%s", want, out)
		}
	}
}

// page has a mailbox of every sort.
func page() operator.MailboxPage {
	line := func(name string, state migration.State, step migration.Step) operator.MailboxLine {
		return operator.MailboxLine{MailboxStatus: workflows.MailboxStatus{Address: name + "@contoso.com", Wave: "main", State: state, Step: step}}
	}
	copying := line("ada", migration.Running, migration.StepMigrate)
	copying.Doing, copying.Expected, copying.There, copying.Bytes = "first copy", workflows.Load{Messages: 12500, Bytes: 2e9}, 8020, 1_234_567_890
	copying.MessagesPerSecond, copying.BytesPerSecond, copying.Left = 12.4, 1.9e6, migration.Duration(6*time.Minute)
	again := line("ben", migration.Running, migration.StepMigrate)
	again.Attempt, again.Failure = 3, "the source closed the connection: BYE \x1b[2Jtoo many"
	waiting := line("cleo", migration.Waiting, migration.StepCredentials)
	waiting.Since, waiting.Who = ago(3*time.Hour), operator.User
	waiting.Problem = &migration.Problem{Kind: "sign-in-refused", Text: "the source refused \"cleo\": NO", Remedy: "correct the password"}
	evil := line("=cmd|' /C calc'!A0", migration.Pending, migration.StepUsers)
	evil.Doing = "@SUM(1+1)\n=1"
	return operator.MailboxPage{Tenant: "contoso", Worker: true, Next: "wave:main/cleo@contoso.com", Mailboxes: []operator.MailboxLine{copying, again, waiting, evil}}
}

func TestMailboxes(t *testing.T) {
	var out bytes.Buffer
	if err := Mailboxes(&out, page(), "starter mailboxes contoso --page wave:main/cleo@contoso.com", Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	golden(t, "mailboxes", out.String())
	out.Reset()
	none := operator.MailboxPage{Note: "no worker is running, so nothing goes on and this is the last that is known"}
	if err := Mailboxes(&out, none, "", Options{Now: now}); err != nil || !strings.HasPrefix(out.String(), "No worker is running") || !strings.HasSuffix(out.String(), "No such mailbox.\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestMailboxesCSV(t *testing.T) {
	var out bytes.Buffer
	if err := MailboxesCSV(&out, page()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") || strings.ContainsAny(cell, "\x1b\n") {
				t.Errorf("the cell %q is a formula or draws", cell)
			}
		}
	}
	golden(t, "mailboxes-csv", out.String())
}

// What a spreadsheet may take for a formula is kept from it wherever it looks for one, as in the report's tables.
func TestMailboxesCSVHasNoFormula(t *testing.T) {
	for _, text := range []string{"=1+1", " =1+1", "a;=1+1", "\t@SUM(1)", "＝1"} {
		var out bytes.Buffer
		line := operator.MailboxLine{MailboxStatus: workflows.MailboxStatus{Problem: &migration.Problem{Text: text}}}
		if err := MailboxesCSV(&out, operator.MailboxPage{Mailboxes: []operator.MailboxLine{line}}); err != nil {
			t.Fatal(err)
		}
		if want := report.Cell(text); !strings.Contains(out.String(), want) || want == text {
			t.Errorf("%q stands there as\n%s", text, out.String())
		}
	}
}
