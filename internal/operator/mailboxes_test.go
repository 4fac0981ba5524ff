package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

const launch1 = "20261123-1"

// fleet is a tenant of two waves, whose mailboxes are in every state, with a worker.
func fleet(t *testing.T) *fake {
	f := newFake()
	f.add(t, "contoso", workflows.TenantType, isRunning, map[string]any{memoLaunch: record{Launch: launch1}})
	mailbox := func(name string, state migration.State, step migration.Step) workflows.MailboxStatus {
		address := name + "@contoso.com"
		return workflows.MailboxStatus{Address: address, ID: workflows.MailboxID("contoso", launch1, address), State: state, Step: step}
	}
	verified := mailbox("eve", migration.Running, migration.StepMigrate)
	verified.Copied, verified.Verification.Verified, verified.Account = true, true, migration.Account{Source: 9, Copied: 8, Refused: 1}
	waiting := mailbox("bob", migration.Waiting, migration.StepCredentials)
	waiting.Problem = &migration.Problem{Kind: "sign-in-refused", Text: "the source refused bob", Remedy: "mend it"}
	copying := mailbox("ada", migration.Running, migration.StepMigrate)
	copying.Expected, copying.Account = workflows.Load{Messages: 1000, Bytes: 1e6}, migration.Account{Copied: 100, Bytes: 1e5}
	next := mailbox("cleo", migration.Pending, migration.StepMigrate)
	next.Expected = workflows.Load{Messages: 50_000, Bytes: 1e9}
	waves := map[string][]workflows.MailboxStatus{
		"pilot": {verified, waiting},
		"main":  {copying, next, mailbox("dan", migration.Excluded, migration.StepMigrate), mailbox("fay", migration.Failed, migration.StepMigrate)},
	}
	status := workflows.Status{Tenant: "contoso", Launch: launch1, State: migration.Running, Totals: workflows.Totals{Mailboxes: 6}}
	status.Pace = workflows.Pace{Began: began, Active: 2, All: workflows.Load{Messages: 60_000}, Left: workflows.Load{Messages: 50_900}, Rate: &workflows.Rate{
		Load: workflows.Load{Messages: 6000}, Over: migration.Duration(10 * time.Minute), At: began,
	}}
	for _, name := range []string{"pilot", "main"} {
		id := workflows.WaveID("contoso", launch1, name)
		one := workflows.WaveStatus{Name: name, ID: id}
		status.Waves = append(status.Waves, one)
		one.Mailboxes = waves[name]
		f.answers[id] = one
		f.add(t, id, workflows.WaveType, isRunning, map[string]any{workflows.MemoStatus: workflows.Memo{}})
		for _, m := range waves[name] {
			if m.Step != migration.StepMigrate {
				continue // it has no workflow yet
			}
			m.Wave = name
			run := isRunning
			if m.State == migration.Failed {
				run, m.State = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, migration.Running
			}
			f.add(t, m.ID, workflows.MailboxType, run, map[string]any{workflows.MemoStatus: workflows.MailboxMemo{MailboxStatus: m, Modified: began}})
		}
	}
	f.answers["contoso"] = status
	beat(t, f, copying.ID, began, migration.Progress{Messages: 300, Bytes: 3e5})
	return f
}

// beat gives a mailbox a copy under way, which began a minute before.
func beat(t *testing.T, f *fake, id string, at time.Time, progress migration.Progress) {
	t.Helper()
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(activities.CopyCheckpoint{Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	f.runs[id].PendingActivities = []*workflowpb.PendingActivityInfo{{
		ActivityType: &commonpb.ActivityType{Name: copyActivity}, Attempt: 1, HeartbeatDetails: payloads,
		LastStartedTime: timestamppb.New(at.Add(-time.Minute)), LastHeartbeatTime: timestamppb.New(at),
	}}
}

func names(page MailboxPage) string {
	var all []string
	for _, m := range page.Mailboxes {
		all = append(all, strings.TrimSuffix(m.Address, "@contoso.com"))
	}
	return strings.Join(all, " ")
}

func TestMailboxes(t *testing.T) {
	for _, test := range []struct {
		query         MailboxQuery
		workers, memo string
	}{
		{MailboxQuery{}, "bob eve ada cleo dan fay", "ada cleo dan eve fay"},
		{MailboxQuery{Wave: "main"}, "ada cleo dan fay", "ada cleo dan fay"},
		{MailboxQuery{State: "waiting"}, "bob", ""},
		{MailboxQuery{State: "failed"}, "fay", "fay"},
		{MailboxQuery{State: "verified"}, "eve", "eve"},
		{MailboxQuery{State: "running", Wave: "main"}, "ada", "ada"},
		{MailboxQuery{Limit: -1}, "bob eve ada cleo dan fay", "ada cleo dan eve fay"},
		{MailboxQuery{Slowest: true}, "cleo ada bob fay", "cleo ada fay"},
		{MailboxQuery{Slowest: true, Limit: 1}, "cleo", "cleo"},
	} {
		for _, workers := range []bool{true, false} {
			f := fleet(t)
			f.workers = workers
			o := operatorOf(f)
			o.now = func() time.Time { return began }
			page, err := o.Mailboxes(t.Context(), "contoso", test.query)
			want := test.workers
			if !workers {
				want = test.memo
			}
			if got := names(page); err != nil || got != want || page.Worker != workers {
				t.Errorf("%+v with workers %t: %q, %v; want %q", test.query, workers, got, err, want)
			}
			if note := strings.Contains(page.Note, "no worker is running"); note == workers {
				t.Errorf("with workers %t the note is %q", workers, page.Note)
			}
		}
	}
}

// Page by page there is every mailbox once, whatever the server's own pages are, and although one was left out meanwhile.
func TestMailboxPages(t *testing.T) {
	for _, test := range []struct {
		workers bool
		pages   int
		want    string
	}{{true, 0, "bob eve ada cleo dan fay"}, {false, 0, "ada cleo dan eve fay"}, {false, 2, "ada cleo dan eve fay"}, {false, 3, "ada cleo dan eve fay"}} {
		for limit := 1; limit <= 7; limit++ {
			f := fleet(t)
			f.workers, f.pages = test.workers, test.pages
			o := operatorOf(f)
			var all []string
			query := MailboxQuery{Limit: limit}
			for range 10 {
				page, err := o.Mailboxes(t.Context(), "contoso", query)
				if err != nil {
					t.Fatal(err)
				}
				if len(page.Mailboxes) > limit {
					t.Errorf("%d mailboxes on a page of %d", len(page.Mailboxes), limit)
				}
				all = append(all, names(page))
				if query.Page = page.Next; page.Next == "" {
					break
				}
			}
			if got := strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), " "); got != test.want {
				t.Errorf("by %d, workers %t, pages of %d: %q, want %q", limit, test.workers, test.pages, got, test.want)
			}
		}
	}
}

func TestMailboxLines(t *testing.T) {
	f := fleet(t)
	o := operatorOf(f)
	o.now = func() time.Time { return began.Add(30 * time.Second) }
	page, err := o.Mailboxes(t.Context(), "contoso", MailboxQuery{})
	if err != nil {
		t.Fatal(err)
	}
	line := func(name string) MailboxLine {
		i := slices.IndexFunc(page.Mailboxes, func(l MailboxLine) bool { return l.Address == name+"@contoso.com" })
		return page.Mailboxes[i]
	}
	// 100 of the slices before and 300 of this one, in a minute: 5 a second, and 600 to go.
	if ada := line("ada"); ada.There != 400 || ada.Bytes != 400_000 || ada.MessagesPerSecond != 5 || ada.Left.D() != 2*time.Minute || ada.Who != "" {
		t.Errorf("ada: %+v", ada)
	}
	if bob := line("bob"); bob.Who != User || bob.Wave != "pilot" {
		t.Errorf("bob: %+v", bob)
	}
	if eve := line("eve"); eve.There != 9 {
		t.Errorf("eve: %+v", eve)
	}
	o.now = func() time.Time { return began.Add(time.Hour) }
	if page, err = o.Mailboxes(t.Context(), "contoso", MailboxQuery{}); err != nil || line("ada").MessagesPerSecond != 0 || line("ada").There != 400 {
		t.Errorf("an hour after the last heartbeat: %+v, %v", line("ada"), err)
	}
}

// A mailbox whose workflow ended without a word says how, and one that ended in order says so whatever its last memo was.
func TestMailboxesThatEnded(t *testing.T) {
	f := fleet(t)
	f.workers = false
	id := workflows.MailboxID("contoso", launch1, "dan@contoso.com")
	memo := workflows.MailboxMemo{MailboxStatus: workflows.MailboxStatus{Address: "dan@contoso.com", State: migration.Aborted, Doing: "being aborted"}}
	f.add(t, id, workflows.MailboxType, isDone, map[string]any{workflows.MemoStatus: memo})
	page, err := operatorOf(f).Mailboxes(t.Context(), "contoso", MailboxQuery{State: "failed"})
	if err != nil || len(page.Mailboxes) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	if dan := page.Mailboxes[0]; dan.Doing != "ended" || dan.Problem != nil || dan.State != migration.Aborted {
		t.Errorf("dan: %+v", dan)
	}
	if fay := page.Mailboxes[1]; fay.Problem == nil || !strings.Contains(fay.Problem.Text, "was terminated") || fay.Who != You || !fay.Since.Equal(ended) {
		t.Errorf("fay: %+v", fay)
	}
}

func TestMailboxesAskedWrongly(t *testing.T) {
	f := fleet(t)
	o := operatorOf(f)
	for _, test := range []struct {
		query MailboxQuery
		want  string
	}{
		{MailboxQuery{State: "broken"}, `"broken" is no state of a mailbox`},
		{MailboxQuery{Wave: "third"}, `contoso has no wave "third", or not yet`},
		{MailboxQuery{Page: "memo:0:"}, "this page belongs to a list that was made otherwise"},
	} {
		if _, err := o.Mailboxes(t.Context(), "contoso", test.query); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.query, err)
		}
	}
	f.workers = false
	for _, page := range []string{"wave:pilot/x", "memo:x:", "memo:-1:", "memo:0:?"} {
		if _, err := o.Mailboxes(t.Context(), "contoso", MailboxQuery{Page: page}); !IsKind(err, Invalid) {
			t.Errorf("page %q: %v", page, err)
		}
	}
	if _, err := o.Mailboxes(t.Context(), "fabrikam", MailboxQuery{}); !IsKind(err, UnknownTenant) {
		t.Error(err)
	}
	if want := fmt.Sprintf("%s = 'contoso'", workflows.SearchTenant.GetName()); !slices.ContainsFunc(f.queries, func(q string) bool { return strings.Contains(q, want) }) {
		t.Errorf("asked %q", f.queries)
	}
}
