package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/migration"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

var began = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func hour(h float64) time.Time { return began.Add(time.Duration(h * float64(time.Hour))) }

// sample is a migration of two weeks in which not all went well.
func sample() (migration.Report, []migration.MailboxAccount) {
	hours := func(n float64) migration.Duration { return migration.Duration(n * float64(time.Hour)) }
	r := migration.Report{
		Tenant: "contoso", Organisation: "Contoso Ltd", Launch: "20261123-1", Started: began, Ended: hour(330), State: migration.Done,
		Domains: []string{"contoso.com", "contoso.co.uk"}, Total: 62, Expected: 5710,
		Changes: []migration.Change{
			{After: migration.Record{Name: "contoso.com", Type: "TXT", TTL: 3600, Data: []string{"MS=ms51347234"}}},
			{
				Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 86400, Data: []string{"10 mail.contoso.com", "20 backup.contoso.com"}},
				After:  migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 mail.contoso.com", "20 backup.contoso.com"}},
			},
			{
				Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 mail.contoso.com", "20 backup.contoso.com"}},
				After:  migration.Record{Name: "contoso.com", Type: "MX", TTL: 3600, Data: []string{"0 contoso-com.mail.protection.outlook.com"}},
			},
		},
		Proofs: []migration.Proof{
			{Domain: "contoso.com", Kind: migration.ProofRecords, State: migration.ProofPassed, Text: "3 of 3 resolvers give the new MX"},
			{Domain: "contoso.com", Kind: migration.ProofProbe, State: migration.ProofPassed, Text: "a message from outside arrived by way of Microsoft 365 alone"},
			{Domain: "contoso.com", Kind: migration.ProofQuiet, State: migration.ProofPassed, Text: "nothing arrived at the source for 3d"},
		},
		Approvals: []migration.Approval{
			{At: hour(230), Digest: "k3x9-q2mw-71pd-8s4f", By: "Grace Hopper", Note: "not before the audit", Rejected: true},
			{At: hour(250), Digest: "k3x9-q2mw-71pd-8s4f", By: "Grace Hopper", Note: "agreed with the board"},
		},
		Arrivals: migration.Arrivals{Count: 3, Last: hour(255), From: []string{"slow.example.net"}},
	}
	for i, span := range [][2]float64{{0, 9}, {0, 20}, {1, 12}, {1, 30}, {0, 0.1}, {9, 32}, {9, 220}, {20, 226}, {226, 251}, {251, 327}, {327, 330}} {
		step := migration.StepTime{Step: migration.Step(i + 1), State: migration.Done, Began: hour(span[0]), Ended: hour(span[1])}
		switch step.Step {
		case migration.StepUsers:
			step.Most = hours(24)
		case migration.StepOptimise:
			step.Least = hours(24)
		case migration.StepRouting:
			step.Least, step.Most = hours(72), hours(14*24)
		}
		r.Steps = append(r.Steps, step)
	}
	for i := range 120 {
		h := 9 + float64(i)*2.7
		share := min(1, float64(i*i)/6400)
		r.Curve = append(r.Curve, migration.Point{At: hour(h), Mailboxes: 62, Verified: int(61 * share), Messages: int(5800 * min(1, float64(i)/70)), Bytes: 0})
	}
	for _, entry := range []migration.AuditEntry{
		{At: hour(0.1), What: "the list of mailboxes is in: 62 rows"},
		{At: hour(32), By: "Grace Hopper", What: "retry-step 4 of ben@contoso.com: the password was reset"},
		{At: hour(230), By: "Grace Hopper", What: "rejected the change of MX: not before the audit"},
		{At: hour(250), By: "Grace Hopper", What: "approved the change of MX, digest k3x9-q2mw-71pd-8s4f: agreed with the board"},
		{At: hour(251), What: "the MX of contoso.com is changed"},
	} {
		r.Audit = migration.AddAudit(r.Audit, "contoso/20261123-1", entry)
	}
	wave := migration.AddAudit(nil, "contoso/20261123-1/pilot", migration.AuditEntry{At: hour(40), By: "Ada", What: "paused: the source is being backed up"})
	r.Waves = []migration.WaveTrail{{Wave: "pilot", Audit: wave}, {Wave: "offices"}, {Wave: "works"}}
	return finish(r, mailboxes())
}

func mailboxes() []migration.MailboxAccount {
	var all []migration.MailboxAccount
	for i := range 60 {
		inbox := migration.Account{Source: 60 + i, Copied: 55 + i, Already: 3, LeftOut: 2, Bytes: int64(40_000_000 + i*911_000)}
		archive := migration.Account{Source: 12, Copied: 11, Moved: 1, Bytes: 9_000_000}
		m := migration.MailboxAccount{
			Address: fmt.Sprintf("user%02d@contoso.com", i), User: fmt.Sprintf("user%02d", i), Wave: []string{"pilot", "offices", "works"}[i%3],
			State: migration.Done, Passes: 14, Verification: migration.Verification{Verified: true},
			Folders: []migration.FolderAccount{{Source: "INBOX", Target: "Inbox", Account: inbox}, {Source: "Archív/2019", Target: "Archív/2019", Account: archive}},
		}
		if i == 7 {
			m.Folders[0].Account.Copied--
			m.Folders[0].Account.Refused++
			m.RefusalCount = 1
			m.Refusals = []migration.Refusal{{Folder: "INBOX", UID: 4711, MessageID: "<big@contoso.com>", Size: 211_000_000, Kind: "too-large", Words: "NO message exceeds the limit"}}
			m.Observations = []migration.Observation{{Kind: "line-ends-mended", Count: 3}}
		}
		all = append(all, m)
	}
	broken := migration.Account{Source: 31, Copied: 30, Bytes: 1_000_000}
	all = append(all,
		migration.MailboxAccount{Address: "gone@contoso.com", User: "gone", Wave: "works", State: migration.Excluded, Note: "left out by Grace Hopper: has left the company"},
		migration.MailboxAccount{
			Address: "zoe@contoso.com", User: "zoe", Wave: "works", State: migration.Done, Folders: []migration.FolderAccount{{Source: "INBOX", Target: "Inbox", Account: broken}},
			Verification: migration.Verification{Faults: []string{`"INBOX" lacks UID 17`}},
			Problem:      &migration.Problem{Kind: "mailbox-full", Text: "the mailbox is full", Remedy: "give it a larger licence"},
			Audit:        migration.AddAudit(nil, "contoso/20261123-1/zoe@contoso.com", migration.AuditEntry{At: hour(60), By: "Ada", What: "resumed"}),
		})
	return all
}

// finish makes the sums.
func finish(r migration.Report, all []migration.MailboxAccount) (migration.Report, []migration.MailboxAccount) {
	for i := range all {
		for _, f := range all[i].Folders {
			all[i].Account.Add(f.Account)
		}
		r.Account.Add(all[i].Account)
		r.Refusals += all[i].RefusalCount
	}
	return r, all
}

func written(t *testing.T, name string, r migration.Report, accounts Accounts) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, name, r, accounts); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.String()
}

func TestFiles(t *testing.T) {
	r, all := sample()
	for _, name := range Names() {
		got, path := written(t, name, r, Of(all)), filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got; go test ./internal/report -update writes it anew):\n%s", name, diff)
		}
	}
	if err := Write(&bytes.Buffer{}, "report.pdf", r, Of(all)); err == nil {
		t.Error("a file that there isn't was written")
	}
}

func TestJSONIsTheWholeReport(t *testing.T) {
	r, all := sample()
	var back migration.Report
	if err := json.Unmarshal([]byte(written(t, JSON, r, Of(all))), &back); err != nil {
		t.Fatal(err)
	}
	want := r
	for m := range Of(all) {
		want.Mailboxes = append(want.Mailboxes, m)
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(written(t, JSON, migration.Report{}, Of(nil))), &back); err != nil {
		t.Errorf("an empty report: %v", err)
	}
}

func TestAnAccountThatCannotBeRead(t *testing.T) {
	r, all := sample()
	lost := errors.New("the disk is gone")
	for _, name := range Names() {
		accounts := func(yield func(migration.MailboxAccount, error) bool) {
			_ = yield(all[0], nil) && yield(migration.MailboxAccount{}, lost)
		}
		if err := Write(&bytes.Buffer{}, name, r, accounts); !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever servers, senders and people wrote stays text.
func TestForeignWords(t *testing.T) {
	const nasty = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'\x1b[31m\u202egpj.exe\r\nforged line"
	formulas := []string{"=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "a;=1", "a\",=1", "＝1"}
	all := []migration.MailboxAccount{{Address: nasty, User: nasty, Wave: nasty, Note: nasty, RefusalCount: 11, Problem: &migration.Problem{Text: nasty, Remedy: nasty}}}
	for i, f := range append(formulas, nasty) {
		all[0].Folders = append(all[0].Folders, migration.FolderAccount{Source: f, Target: nasty})
		all[0].Refusals = append(all[0].Refusals, migration.Refusal{Folder: f, UID: uint32(i), MessageID: f, Kind: f, Words: f})
		all = append(all, migration.MailboxAccount{Address: f, User: f, Wave: f, Note: f})
	}
	r := migration.Report{
		Tenant: "t", Launch: "l", Organisation: nasty, Started: began, Ended: hour(1), Domains: []string{nasty},
		Approvals: []migration.Approval{{By: nasty, Note: nasty, Digest: nasty}},
		Changes:   []migration.Change{{After: migration.Record{Name: nasty, Type: nasty, Data: []string{nasty}}}},
		Proofs:    []migration.Proof{{Domain: nasty, Text: nasty}},
		Arrivals:  migration.Arrivals{Count: 1, From: []string{nasty}},
		Audit:     migration.AddAudit(nil, "t/l", migration.AuditEntry{By: nasty, What: nasty}),
		Curve:     []migration.Point{{At: began}, {At: hour(1), Messages: 1}},
	}
	html := written(t, HTML, r, Of(all))
	if !strings.Contains(html, `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`) {
		t.Error("the page doesn't forbid the browser to load anything")
	}
	for _, never := range []string{"<script", "<img", "javascript:", " src=\"", " href=\"", "url("} {
		if strings.Contains(html, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if tags := regexp.MustCompile(`(?i)<(script|img|iframe|object|embed|link|a|form|input|base)\b`).FindAllString(html, -1); tags != nil {
		t.Errorf("the page has the elements %q", tags)
	}
	text := written(t, Text, r, Of(all))
	if regexp.MustCompile(`(?m)^forged line`).MatchString(text) {
		t.Error("a foreign line break made a line of its own")
	}
	for name, content := range map[string]string{HTML: html, Text: text, Mailboxes: written(t, Mailboxes, r, Of(all))} {
		if strings.ContainsAny(content, "\x1b\u202e\t") {
			t.Errorf("%s holds control characters", name)
		}
	}
	for _, name := range []string{Mailboxes, Folders, Refusals} {
		content := written(t, name, r, Of(all))
		for _, comma := range []rune{',', ';', '\t'} {
			reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, "\ufeff")))
			reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = comma, true, -1
			records, err := reader.ReadAll()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, record := range records {
				for _, cell := range record {
					if begin := strings.TrimLeft(cell, " \""); begin != "" && strings.ContainsAny(begin[:1], "=+-@\t\r") {
						t.Errorf("%s, parted at %q, has the formula %q", name, comma, cell)
					}
				}
			}
		}
	}
}

func TestTableKeepsOtherText(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Archív/2019": "Archív/2019", "a=b": "a=b", "a-b@c": "a-b@c", "x, y": "x, y", "'": "'",
		"-1": "'-1", " -1": " '-1", "a,-b": "a,'-b", `"-`: `"'-`, "two\nlines": "two lines", "=": "'=", "--": "'--",
	} {
		if got := Cell(text); got != want {
			t.Errorf("Cell(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	whole := migration.MailboxAccount{State: migration.Done, Account: migration.Account{Source: 1, Copied: 1}, Verification: migration.Verification{Verified: true}}
	refusedOne := whole
	refusedOne.Account, refusedOne.RefusalCount = migration.Account{Source: 2, Copied: 1, Refused: 1}, 1
	open := whole
	open.Verification.Verified = false
	short := open
	short.Account.Copied = 0
	if got := Conclusion(migration.Report{Total: 3}); got != "Under way: how far its mailboxes are is not known here." {
		t.Errorf("of sums alone: %q", got)
	}
	for _, test := range []struct {
		name, grade, text string
		mailbox           migration.MailboxAccount
		change            func(*migration.Report)
	}{
		{"whole", good, "Every message is accounted for.", whole, nil},
		{"refused", partly, "what was left out or refused is named below", refusedOne, nil},
		{"not verified", bad, "but 1 mailbox is not verified", open, nil},
		{"does not close", bad, "NOT every message is accounted for", short, nil},
		{"account missing", bad, "NOT every message is accounted for", whole, func(r *migration.Report) { r.Missing = 1 }},
		{"aborted", bad, "Aborted: Every message that was moved", whole, func(r *migration.Report) { r.State = migration.Aborted }},
		{"under way", partly, "Under way: 1 of 1 mailboxes", whole, func(r *migration.Report) { r.Ended = time.Time{} }},
	} {
		r, all := finish(migration.Report{Total: 1, State: migration.Done, Ended: hour(1)}, []migration.MailboxAccount{test.mailbox})
		r.Account = all[0].Account
		if test.change != nil {
			test.change(&r)
		}
		s, err := summarise(r, Of(all))
		if err != nil {
			t.Fatal(err)
		}
		if v := s.verdict(); v.Grade != test.grade || !strings.Contains(v.String(), test.text) {
			t.Errorf("%s: %+v; want %s, %q", test.name, v, test.grade, test.text)
		}
	}
}

// What two mailboxes lack and have too much of is no balance.
func TestShortfallsDoNotMakeUpForOneAnother(t *testing.T) {
	lacks := migration.MailboxAccount{Address: "a", State: migration.Done, Account: migration.Account{Source: 2, Copied: 1}}
	excess := migration.MailboxAccount{Address: "b", State: migration.Done, Account: migration.Account{Source: 1, Copied: 2}}
	within := migration.MailboxAccount{Address: "c", State: migration.Done, Account: migration.Account{Source: 3, Copied: 3}, Folders: []migration.FolderAccount{
		{Source: "INBOX", Account: lacks.Account}, {Source: "Sent", Account: excess.Account},
	}}
	for name, all := range map[string][]migration.MailboxAccount{"mailboxes": {lacks, excess}, "folders": {within}} {
		for i := range all {
			all[i].Verification.Verified = true
		}
		r := migration.Report{Total: len(all), Ended: hour(1), Account: migration.Account{Source: 3, Copied: 3}}
		s, err := summarise(r, Of(all))
		if err != nil {
			t.Fatal(err)
		}
		if v := s.verdict(); v.Grade != bad || !strings.Contains(v.Sentence, "NOT every message") || len(s.Notices) != len(all) {
			t.Errorf("%s: %+v, %+v", name, v, s.Notices)
		}
	}
}

// However many notes there are, no problem is pushed out by them.
func TestProblemsComeFirst(t *testing.T) {
	var all []migration.MailboxAccount
	for i := range maxNotices {
		all = append(all, migration.MailboxAccount{Address: fmt.Sprintf("user%04d@contoso.com", i), State: migration.Done, Note: "something", Verification: migration.Verification{Verified: true}})
	}
	all = append(all, migration.MailboxAccount{Address: "zoe@contoso.com", State: migration.Done, Problem: &migration.Problem{Text: "the mailbox is full"}})
	s, err := summarise(migration.Report{Ended: hour(1)}, Of(all))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Notices[0]; n.Address != "zoe@contoso.com" || n.Text != "the mailbox is full" || len(s.Notices) != maxNotices || s.MoreNotices != 1 {
		t.Errorf("the first of %d notices is %+v, and there are %d more", len(s.Notices), n, s.MoreNotices)
	}
}

// What happened to many messages is summed up, so that it hides nothing else.
func TestObservationsAreSummedUp(t *testing.T) {
	var all []migration.MailboxAccount
	for i := range 3 {
		all = append(all, migration.MailboxAccount{Observations: []migration.Observation{{Kind: "keywords-dropped", Count: 1 + i}, {Kind: "never\nheard of", Count: 1}}})
	}
	s, err := summarise(migration.Report{}, Of(all))
	if err != nil {
		t.Fatal(err)
	}
	want := []observed{{observations["keywords-dropped"], 6, 3, "keywords-dropped"}, {"never heard of", 3, 3, "never\nheard of"}}
	if len(s.Notices) > 0 || !slices.Equal(s.Observed, want) {
		t.Errorf("%+v, notices %+v; want %+v", s.Observed, s.Notices, want)
	}
}

// The page stays of a size that a browser opens; the tables are whole.
func TestManyMailboxes(t *testing.T) {
	const total = 5_000
	accounts := func(yield func(migration.MailboxAccount, error) bool) {
		for i := range total {
			m := migration.MailboxAccount{Address: fmt.Sprintf("user%05d@contoso.com", i), Note: "something", RefusalCount: 201}
			for j := range 20 {
				m.Folders = append(m.Folders, migration.FolderAccount{Source: fmt.Sprintf("folder %d", j), Target: "x"})
			}
			for j := range 10 {
				m.Refusals = append(m.Refusals, migration.Refusal{Folder: "INBOX", UID: uint32(j)})
			}
			if !yield(m, nil) {
				return
			}
		}
	}
	r := migration.Report{Tenant: "t", Launch: "l", Total: total, Ended: hour(1)}
	html := written(t, HTML, r, accounts)
	if len(html) > 8<<20 {
		t.Errorf("the page has %d bytes", len(html))
	}
	for _, want := range []string{"And 3,000 more: see mailboxes.csv", "And 90,000 more folders: see folders.csv", "And 9,000 more: see mailboxes.csv", "And 1,003,000 more: see refusals.csv"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	if n := strings.Count(written(t, Folders, r, accounts), "\r\n"); n != 1+20*total {
		t.Errorf("folders.csv has %d lines", n)
	}
	if n := strings.Count(written(t, Refusals, r, accounts), "\r\n"); n != 1+11*total {
		t.Errorf("refusals.csv has %d lines", n)
	}
}

func TestVerify(t *testing.T) {
	r, all := sample()
	content := written(t, JSON, r, Of(all))
	v, err := Verify(strings.NewReader(content))
	if err != nil || v.FaultCount != 0 || v.Mailboxes != 62 || v.Entries != 7 || v.Last != r.Audit[4].Hash || v.Messages != r.Account.Source {
		t.Errorf("a whole report: %+v, %v", v, err)
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"an entry's words", "rejected the change", "approved the change", "entry 3 of the audit trail of contoso/20261123-1, or one before it, was changed"},
		{"an entry's author", "\"by\": \"Grace Hopper\",\n      \"what\": \"retry", "\"by\": \"Ada\",\n      \"what\": \"retry", "entry 2 of the audit trail"},
		{"a wave's entry", "is being backed up", "is broken", "entry 1 of the audit trail of contoso/20261123-1/pilot"},
		{"a mailbox's entry", `"what":"resumed"`, `"what":"paused"`, "entry 1 of the audit trail of contoso/20261123-1/zoe@contoso.com"},
		{"a mailbox's account", `"address":"user03@contoso.com","user":"user03","wave":"pilot","state":"done","account":{"source":75`, `"address":"user03@contoso.com","user":"user03","wave":"pilot","state":"done","account":{"source":76`, "user03@contoso.com is said to be verified and does not close"},
		{"a folder's account", `{"source":"INBOX","target":"Inbox","account":{"source":60,`, `{"source":"INBOX","target":"Inbox","account":{"source":61,`, `user00@contoso.com is said to be verified and does not close: folder "INBOX"`},
		{"a sum", fmt.Sprintf(`"source": %d`, r.Account.Source), `"source": 1`, "the sums are not those of the mailboxes"},
		{"a mailbox taken out", `"address":"user03@contoso.com"`, `"address":"user04@contoso.com"`, "user04@contoso.com has two accounts"},
		{"a refusal made up", `"refusals":[{"folder":"INBOX","uid":4711`, `"refusals":[{"folder":"INBOX","uid":1},{"folder":"INBOX","uid":4711`, "user07@contoso.com names 2 of 1 refusals"},
		{"the number of mailboxes", `"total": 62`, `"total": 63`, "the report has 62 mailboxes of 63"},
	} {
		changed := strings.Replace(content, test.old, test.new, 1)
		if changed == content {
			t.Fatalf("%s: the report doesn't hold %q", test.name, test.old)
		}
		v, err := Verify(strings.NewReader(changed))
		if err != nil || v.FaultCount == 0 || !strings.Contains(strings.Join(v.Faults, "\n"), test.want) {
			t.Errorf("%s: %+v, %v; want %q", test.name, v.Faults, err, test.want)
		}
	}
	interim := migration.Report{Tenant: "contoso", Launch: "20261123-1", Total: 62, Account: migration.Account{Source: 9}}
	if v, err := Verify(strings.NewReader(written(t, JSON, interim, Of(nil)))); err != nil || v.FaultCount != 0 || !v.Interim {
		t.Errorf("an interim report of sums alone: %+v, %v", v, err)
	}
	for _, other := range []string{"", "{}", "[]", content[:len(content)/2], content + "{}", `{"mailboxes": 1}`, "plain text"} {
		if _, err := Verify(strings.NewReader(other)); err == nil || !strings.Contains(err.Error(), "not a report") {
			t.Errorf("%.20q is a report: %v", other, err)
		}
	}
}

func TestChart(t *testing.T) {
	for _, test := range []struct {
		name   string
		points []migration.Point
		drawn  bool
	}{
		{"none", nil, false},
		{"one", []migration.Point{{At: began}}, false},
		{"all at once", []migration.Point{{At: began}, {At: began, Messages: 3}}, false},
		{"nothing moved", []migration.Point{{At: began}, {At: hour(1)}}, true},
		{"a minute", []migration.Point{{At: began}, {At: began.Add(time.Minute), Messages: 3, Verified: 1, Mailboxes: 1}}, true},
		{"a year", []migration.Point{{At: began}, {At: hour(24 * 365), Messages: 3_000_000_000, Verified: 50_000, Mailboxes: 50_000}}, true},
	} {
		c := draw(&summary{Report: migration.Report{Curve: test.points}})
		if (c != nil) != test.drawn {
			t.Errorf("%s: %+v", test.name, c)
			continue
		}
		if c == nil {
			continue
		}
		if n := len(c.Times); n < 1 || n > 9 {
			t.Errorf("%s: %d marks of time: %+v", test.name, n, c.Times)
		}
		for _, p := range c.Panels {
			if strings.Contains(p.Line, "NaN") || strings.Contains(p.Line, "Inf") || len(p.Marks) < 2 {
				t.Errorf("%s: %+v", test.name, p)
			}
		}
	}
	for n, want := range map[int]int{0: 1, 1: 1, 3: 4, 5: 6, 7: 8, 9: 10, 61: 80, 5800: 6000, 8001: 10000} {
		if got := niceLimit(n); got != want {
			t.Errorf("niceLimit(%d) = %d, want %d", n, got, want)
		}
	}
}
