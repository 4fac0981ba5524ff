package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

func TestStatusByAWorker(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	f.answers["contoso"] = workflows.Status{Tenant: "contoso", State: migration.Running, Totals: workflows.Totals{Mailboxes: 3}}
	s, err := operatorOf(f).Status(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	if !s.Worker || s.Totals.Mailboxes != 3 || s.Note != "" || s.NeedsPerson() {
		t.Errorf("status %+v", s)
	}
	one := workflows.Waiting{Mailbox: "ada@contoso.com"}
	f.answers["contoso"] = workflows.Status{Waiting: []workflows.Waiting{{}, one}, Waves: []workflows.WaveStatus{
		{Waiting: []workflows.Waiting{one}, WaitingCount: 30}, {WaitingCount: 0},
	}}
	if s, err = operatorOf(f).Status(t.Context(), "contoso"); err != nil || s.WaitingCount != 31 || !s.NeedsPerson() {
		t.Errorf("%d things wait, %v; 31 do", s.WaitingCount, err)
	}
}

func TestStatusWithoutAWorker(t *testing.T) {
	f := newFake()
	f.workers = false
	since := began.Add(time.Hour)
	f.add(t, "contoso", workflows.TenantType, isRunning, map[string]any{
		memoLaunch: record{Launch: "20261123-1", Organisation: "Contoso Ltd"},
		workflows.MemoStatus: workflows.Memo{
			State: migration.Waiting, Step: migration.StepCutover, Waiting: 1, First: "the MX change waits", Since: since,
			States: []migration.State{migration.Done, migration.Done}, Totals: workflows.Totals{Mailboxes: 3, Verified: 2}, Digest: "4f1d",
		},
	})
	for i, wave := range []string{"main", "pilot"} {
		f.add(t, "contoso/20261123-1/"+wave, workflows.WaveType, isRunning, map[string]any{
			workflows.MemoStatus: workflows.Memo{State: migration.Running, Totals: workflows.Totals{Mailboxes: 2 - i}},
		}).StartTime = timestamppb.New(began.Add(time.Duration(i) * time.Hour))
	}
	s, err := operatorOf(f).Status(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	if s.Worker || !strings.HasPrefix(s.Note, "no worker is running") || !s.NeedsPerson() {
		t.Errorf("status %+v", s)
	}
	if s.Organisation != "Contoso Ltd" || s.Launch != "20261123-1" || s.Totals.Verified != 2 || s.Gate.Digest != "4f1d" {
		t.Errorf("the memo is not in the status: %+v", s)
	}
	if len(s.Steps) != 11 || s.Steps[1].State != migration.Done || s.Steps[2].State != migration.Pending || s.Steps[8].Since != since {
		t.Errorf("steps %+v", s.Steps)
	}
	if len(s.Waves) != 2 || s.Waves[0].Name != "main" || s.Waves[1].Name != "pilot" || s.Waves[1].Totals.Mailboxes != 1 {
		t.Errorf("waves %+v", s.Waves)
	}
}

// Waves come in the order of their names, though a server lists the newest run first; and one that was terminated has
// failed, whatever its memo last said.
func TestWavesWithoutAWorker(t *testing.T) {
	f := newFake()
	f.workers = false
	f.add(t, "contoso", workflows.TenantType, isRunning, map[string]any{
		memoLaunch: record{Launch: "20261123-1"}, workflows.MemoStatus: workflows.Memo{State: migration.Running},
	})
	for i, name := range []string{"wave-01", "wave-02", "wave-03"} {
		state := isRunning
		if name == "wave-02" {
			state = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
		}
		info := f.add(t, "contoso/20261123-1/"+name, workflows.WaveType, state, map[string]any{workflows.MemoStatus: workflows.Memo{State: migration.Running}})
		info.StartTime = timestamppb.New(began.Add(time.Duration(i) * time.Hour))
	}
	s, err := operatorOf(f).Status(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range s.Waves {
		got = append(got, w.Name+" "+string(w.State))
	}
	if want := []string{"wave-01 running", "wave-02 failed", "wave-03 running"}; !slices.Equal(got, want) {
		t.Errorf("waves %v, want %v", got, want)
	}
}

func TestStatusOfNoTenant(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	_, err := operatorOf(f).Status(t.Context(), "fabrikam")
	if !IsKind(err, UnknownTenant) || err.(*Error).Hints[0] != "this namespace has: contoso" {
		t.Errorf("error %#v", err)
	}
}

func TestWatchYieldsChanges(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	states := []migration.State{migration.Running, migration.Waiting, migration.Waiting, migration.Done}
	var seen []migration.State
	asked := 0
	answer := func() {
		f.answers["contoso"] = workflows.Status{Tenant: "contoso", State: states[min(asked, len(states)-1)]}
		if asked == len(states)-1 {
			launchedBefore(t, f, isDone, true)
		}
		asked++
	}
	answer()
	for s, err := range o.Watch(t.Context(), "contoso", time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, s.State)
		answer()
		if s.State == migration.Waiting && asked == 3 {
			answer() // the same state once more is no news
		}
	}
	if got := len(seen); got != 3 || seen[2] != migration.Done {
		t.Errorf("seen %v", seen)
	}
}

func TestApprove(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	decision := workflows.Decision{Digest: "4f1d", By: "grace"}
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		return workflows.ApproveResult{Digest: "4f1d", At: began}, nil
	}
	if result, err := o.Approve(t.Context(), "contoso", decision); err != nil || result.Digest != "4f1d" {
		t.Errorf("approved %+v, %v", result, err)
	}
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		return nil, temporal.NewApplicationError("the gate shows another digest: 77aa", "refused")
	}
	if _, err := o.Approve(t.Context(), "contoso", decision); !IsKind(err, Refused) || err.Error() != "not approved: the gate shows another digest: 77aa" {
		t.Errorf("error %v", err)
	}
	f.workers = false
	if _, err := o.Approve(t.Context(), "contoso", decision); !IsKind(err, NoWorker) || err.Error() != "nobody answered to the approval: no worker is running" {
		t.Errorf("error %v", err)
	}
	if _, err := o.Approve(t.Context(), "contoso", workflows.Decision{Digest: "4f1d"}); !IsKind(err, Invalid) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := o.Approve(t.Context(), "contoso", workflows.Decision{By: "grace"}); !IsKind(err, Invalid) {
		t.Errorf("without a digest: %v", err)
	}
}

// TestUpdateFollowsANewRun: a workflow that goes on as a new run closes the old one under an update.
func TestUpdateFollowsANewRun(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	calls := 0
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		if calls++; calls == 1 {
			return nil, serviceerror.NewNotFound("workflow execution already completed")
		}
		return workflows.ApproveResult{Digest: "4f1d"}, nil
	}
	if _, err := operatorOf(f).Approve(t.Context(), "contoso", workflows.Decision{Digest: "4f1d", By: "grace"}); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestOrders(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	ctx := t.Context()
	by := workflows.Order{By: "grace", Reason: "test"}
	step := workflows.StepOrder{Step: migration.StepUsers, By: "grace"}
	for name, give := range map[string]func() error{
		workflows.SignalReject:  func() error { return o.Reject(ctx, "contoso", workflows.Decision{Digest: "4f1d", By: "grace"}) },
		workflows.SignalRetry:   func() error { return o.RetryStep(ctx, "contoso", step) },
		workflows.SignalSkip:    func() error { return o.SkipStep(ctx, "contoso", step) },
		workflows.SignalAbort:   func() error { return o.Abort(ctx, "contoso", by) },
		workflows.SignalPause:   func() error { return o.Pause(ctx, "contoso", by) },
		workflows.SignalResume:  func() error { return o.Resume(ctx, "contoso", by) },
		workflows.SignalSyncNow: func() error { return o.SyncNow(ctx, "contoso", by) },
		workflows.SignalExclude: func() error { return o.Exclude(ctx, Holder{ID: "contoso"}, by) },
		workflows.SignalRestart: func() error { return o.Restart(ctx, Holder{ID: "contoso"}, by) },
	} {
		f.signals = nil
		if err := give(); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(f.signals) != 1 || f.signals[0].name != name || f.signals[0].id != "contoso" {
			t.Errorf("%s sent %+v", name, f.signals)
		}
	}
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isDone, true)
	f.add(t, "tailspin", workflows.TenantType, isDone, map[string]any{workflows.MemoStatus: workflows.Memo{State: migration.Aborted}})
	o := operatorOf(f)
	ctx := t.Context()
	for _, test := range []struct {
		name string
		err  error
		kind Kind
		text string
	}{
		{"unsigned", o.Pause(ctx, "contoso", workflows.Order{}), Invalid, "needs the name of who gives it"},
		{"no such step", o.RetryStep(ctx, "contoso", workflows.StepOrder{Step: 12, By: "grace"}), Invalid, "there is no step 12"},
		{"step that can't be skipped", o.SkipStep(ctx, "contoso", workflows.StepOrder{Step: migration.StepRouting, By: "grace"}), Invalid, "step 10 (Verify routing) cannot be skipped"},
		{"ended", o.Pause(ctx, "contoso", workflows.Order{By: "grace"}), NotRunning, "contoso isn't running any more: it completed on 2026-11-25 09:00 UTC"},
		{"aborted", o.Pause(ctx, "tailspin", workflows.Order{By: "grace"}), NotRunning, "tailspin isn't running any more: it was aborted on 2026-11-25 09:00 UTC"},
		{"unknown", o.Pause(ctx, "fabrikam", workflows.Order{By: "grace"}), UnknownTenant, `there is no migration "fabrikam"`},
		{"unknown mailbox", o.Pause(ctx, "contoso/1/mailbox/x", workflows.Order{By: "grace"}), UnknownTenant, `contoso has no mailbox "x" that has begun to copy`},
		{"unknown wave", o.Pause(ctx, "contoso/1/x", workflows.Order{By: "grace"}), UnknownTenant, `contoso has no wave "x"`},
	} {
		if !IsKind(test.err, test.kind) || !strings.Contains(test.err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, test.err)
		}
	}
}

func TestCopying(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	const wave, id = "contoso/20261123-1/pilot", "contoso/20261123-1/mailbox/ada@contoso.com"
	f.answers[wave] = workflows.WaveStatus{Name: "pilot", ID: wave, Mailboxes: []workflows.MailboxStatus{
		{Address: "ada@contoso.com", ID: id, State: migration.Running, Step: migration.StepMigrate, Doing: "first copy"},
		{Address: "bob@contoso.com", ID: "gone", State: migration.Running, Step: migration.StepMigrate, Copied: true},
		{Address: "dan@contoso.com", ID: "not started", State: migration.Running, Step: migration.StepUsers},
		{Address: "eve@contoso.com", ID: "waiting", State: migration.Waiting},
	}}
	f.add(t, id, workflows.MailboxType, isRunning, nil)
	details, err := converter.GetDefaultDataConverter().ToPayload(activities.CopyCheckpoint{
		Progress: migration.Progress{Messages: 120, Bytes: 6000, Folder: "INBOX", Total: 300},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.runs[id].PendingActivities = []*workflowpb.PendingActivityInfo{{
		ActivityType: &commonpb.ActivityType{Name: "Copy"}, HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{details}},
		LastStartedTime: timestamppb.New(began), LastHeartbeatTime: timestamppb.New(began.Add(time.Minute)),
		Attempt: 1, LastFailure: &failurepb.Failure{Message: "connection reset"},
	}}
	s := Status{Status: workflows.Status{Waves: []workflows.WaveStatus{{ID: wave, State: migration.Running}}}, Worker: true}
	live, err := operatorOf(f).Copying(t.Context(), s, 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(live) != 1 || live[0].Address != "ada@contoso.com" || live[0].Progress.Total != 300 || live[0].Failure != "connection reset" {
		t.Fatalf("live %+v", live)
	}
	if messages, bytes := live[0].Rate(); messages != 2 || bytes != 100 {
		t.Errorf("rate %v/s, %v B/s", messages, bytes)
	}
	live[0].Attempt = 2
	if messages, bytes := live[0].Rate(); messages != 0 || bytes != 0 {
		t.Errorf("rate of a second attempt %v/s, %v B/s", messages, bytes)
	}
}

// TestStuck: workers that fail at a workflow are not the same as no workers.
func TestStuck(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	f.runs["contoso"].PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{Attempt: 3}
	f.update = func(client.UpdateWorkflowOptions) (any, error) { return nil, serviceerror.NewDeadlineExceeded("late") }
	_, err := o.Approve(t.Context(), "contoso", workflows.Decision{Digest: "4f1d", By: "grace"})
	if !IsKind(err, NoWorker) || err.Error() != "nobody answered to the approval: the workers fail at the workflow contoso, again and again" {
		t.Errorf("error %v", err)
	}
	if s, err := o.Status(t.Context(), "contoso"); err != nil || s.Worker || !strings.HasPrefix(s.Note, "the workers fail at this migration") {
		t.Errorf("status %+v, %v", s, err)
	}
}

// In a large tenant few mailboxes are copied while thousands wait for their next delta: those few are found all the same.
func TestCopyingFindsFirstCopies(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	s := Status{Worker: true}
	for i := range 20 {
		wave := workflows.WaveStatus{Name: fmt.Sprint(i), ID: fmt.Sprintf("contoso/%d", i), State: migration.Running}
		if i == 17 {
			wave.Pace.Active = 1
		}
		s.Waves = append(s.Waves, wave)
		for j := range 50 {
			m := workflows.MailboxStatus{ID: fmt.Sprintf("%d/%d", i, j), State: migration.Running, Step: migration.StepMigrate, Copied: i != 17 || j != 33}
			wave.Mailboxes = append(wave.Mailboxes, m)
		}
		f.answers[wave.ID] = wave
	}
	f.add(t, "17/33", workflows.MailboxType, isRunning, nil)
	beat(t, f, "17/33", began, migration.Progress{Messages: 5})
	live, err := operatorOf(f).Copying(t.Context(), s, 4)
	if err != nil || len(live) != 1 || live[0].ID != "17/33" {
		t.Errorf("copying %+v, %v", live, err)
	}
}
