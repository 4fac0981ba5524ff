package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/sandbox"
)

// practice is a simulated world, a plan for it, and the activities that a worker would have.
type practice struct {
	world *sandbox.World
	plan  migration.Plan
	rows  []migration.Mailbox
	do    *activities.Activities
	beats *beats
	scope activities.Scope
}

// beats takes heartbeats in a server's place, and refuses them once it is told to.
type beats struct {
	mu    sync.Mutex
	last  json.RawMessage
	count int
	until int // the heartbeat at which the server gives the activity up, 0 for never
}

func (b *beats) RecordActivityHeartbeat(_ context.Context, _ []byte, details ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if b.until > 0 && b.count >= b.until {
		return serviceerror.NewNotFound("the activity is another worker's now")
	}
	raw, err := json.Marshal(details[0])
	b.last = raw
	return err
}

// begin forgets what was counted and sets when the server gives up.
func (b *beats) begin(until int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count, b.until = 0, until
}

func newPractice(t *testing.T, o sandbox.Options) *practice {
	t.Helper()
	o.Dir = filepath.Join(t.TempDir(), "world")
	world, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, public := newKeys(t)
	planFile, list, err := world.WriteFiles(t.TempDir(), public.String())
	if err != nil {
		t.Fatal(err)
	}
	p := &practice{world: world, beats: &beats{}, scope: activities.Scope{Tenant: "harbour", Launch: "20261123-1"}}
	if p.plan, err = plan.Read(planFile, public.Seal); err != nil {
		t.Fatal(err)
	}
	if p.rows, _, err = plan.ReadCSV(list, &p.plan, public.Seal); err != nil {
		t.Fatal(err)
	}
	if p.do, _, err = newActivities(lazyClient(t), Config{Keys: keys, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	p.do.Heartbeat = p.beats
	return p
}

func (p *practice) door() activities.Door {
	return activities.Door{Microsoft: p.plan.Microsoft, Target: p.plan.Target}
}

// try runs one attempt of an activity, with the heartbeat details that an earlier one left.
func try[O any](t *testing.T, p *practice, earlier json.RawMessage, fn, in any) (out O, err error) {
	t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(2 * time.Minute)
	env.RegisterActivity(p.do)
	if earlier != nil {
		env.SetHeartbeatDetails(earlier)
	}
	value, err := env.ExecuteActivity(fn, in)
	if err != nil {
		return out, err
	}
	if value.HasValue() {
		err = value.Get(&out)
	}
	return out, err
}

// must runs an activity that has to succeed.
func must[O any](t *testing.T, p *practice, fn, in any) O {
	t.Helper()
	out, err := try[O](t, p, nil, fn, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// until repeats what isn't ready yet, as a workflow's timer would.
func until(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ready() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about within a minute", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// settle carries the world to where copies can begin: domains verified, users made, mailboxes answering.
func (p *practice) settle(t *testing.T) {
	t.Helper()
	for _, name := range p.plan.Domains {
		in := activities.DomainInput{Microsoft: p.plan.Microsoft, Domain: name}
		domain := must[activities.DomainOutput](t, p, p.do.EnsureDomain, in).Domain
		must[activities.PublishOutput](t, p, p.do.Publish, activities.PublishInput{DNS: p.plan.DNS, Record: domain.Proof})
		until(t, "the domain's verification", func() bool {
			return must[activities.DomainOutput](t, p, p.do.VerifyDomain, in).Domain.Verified
		})
	}
	users := must[activities.EnsureUsersOutput](t, p, p.do.EnsureUsers, activities.EnsureUsersInput{
		Scope: p.scope, Microsoft: p.plan.Microsoft, Users: p.plan.Users, Mailboxes: p.rows,
	})
	for _, o := range users.Outcomes {
		if !o.Done || !o.Result.Created || o.Password == "" {
			t.Fatalf("making %s: %+v", o.Address, o)
		}
	}
	in := activities.MailboxesAnswerInput{Door: p.door(), Mailboxes: p.rows}
	until(t, "the mailboxes' answer", func() bool {
		ready := true
		for _, o := range must[activities.OutcomesOutput](t, p, p.do.MailboxesAnswer, in).Outcomes {
			if o.Problem != nil {
				t.Fatalf("%s: %s", o.Address, o.Problem)
			}
			_ = p.world.Tenant().Grant(o.Address) // fails until the mailbox is there; then it is what the access script does
			ready = ready && o.Done
		}
		return ready
	})
}

func TestOneMailboxThroughItsActivities(t *testing.T) {
	p := newPractice(t, sandbox.Options{Mailboxes: 1, Messages: 150, Small: true, Arrivals: -1, AfterMX: -1})
	p.settle(t)
	row := p.rows[0]
	opened := must[activities.OutcomesOutput](t, p, p.do.OpenSources, activities.OpenSourcesInput{Endpoints: p.plan.Endpoints, Mailboxes: p.rows})
	if !opened.Outcomes[0].Done {
		t.Fatalf("opening the source: %+v", opened.Outcomes[0])
	}
	connected := must[activities.ConnectOutput](t, p, p.do.Connect, activities.ConnectInput{
		Door: p.door(), Endpoints: p.plan.Endpoints, Rules: p.plan.Copy, Mailboxes: p.rows,
	})
	if c := connected.Outcomes[0]; !c.Done || c.Messages < 150 {
		t.Fatalf("connecting: %+v", c)
	}

	state := p.pass(t, row, migration.MailboxState{}, 0)
	verification := must[migration.Verification](t, p, p.do.Verify, activities.VerifyInput{
		Endpoint: p.plan.Endpoints[0], Mailbox: row, Door: p.door(), Rules: p.plan.Copy, State: state,
	})
	if !verification.Verified {
		t.Fatalf("not verified: %+v", verification)
	}
	if got := state.Account(); !got.Closes() || got.Source != connected.Outcomes[0].Messages {
		t.Errorf("account %+v, want all %d messages accounted for", got, connected.Outcomes[0].Messages)
	}
	var cursors []migration.FolderCursor
	for i := range state.Folders {
		cursors = append(cursors, state.Folders[i].Cursors())
	}
	again := must[activities.ProbeOutput](t, p, p.do.Probe, activities.ProbeInput{
		Endpoint: p.plan.Endpoints[0], Mailbox: row, Rules: p.plan.Copy, Cursors: cursors,
	})
	if len(again.Changed)+len(again.Vanished) > 0 {
		t.Errorf("after the pass %v changed and %v vanished; want nothing", again.Changed, again.Vanished)
	}
}

// pass copies a mailbox to the end. With cut > 0 each slice's first attempt is given up by the server at that
// heartbeat, whatever the copy is doing, and the next goes on from the last heartbeat taken.
func (p *practice) pass(t *testing.T, row migration.Mailbox, state migration.MailboxState, cut int) migration.MailboxState {
	t.Helper()
	probe := must[activities.ProbeOutput](t, p, p.do.Probe, activities.ProbeInput{
		Endpoint: p.plan.Endpoints[0], Mailbox: row, Rules: p.plan.Copy,
	})
	remaining := probe.Changed
	for slices := 0; len(remaining) > 0; slices++ {
		if slices == 200 {
			t.Fatal("the copy doesn't come to an end")
		}
		in := activities.CopyInput{
			Scope: p.scope, Endpoint: p.plan.Endpoints[0], Mailbox: row, Door: p.door(), Rules: p.plan.Copy,
			State: state.Part(remaining), Changed: remaining, SourceHosts: p.plan.Routing.SourceHosts,
			Heartbeat: migration.Duration(400 * time.Millisecond),
		}
		out := p.slice(t, in, cut)
		state.Merge(out.State)
		switch out.Exit {
		case migration.ExitDone:
			remaining = nil
		case migration.ExitSlice, migration.ExitStopped:
			remaining = out.Remaining
		default:
			t.Fatalf("the slice ended with %q: problem %+v, poison %+v", out.Exit, out.Problem, out.Poison)
		}
	}
	return state
}

func (p *practice) slice(t *testing.T, in activities.CopyInput, cut int) activities.CopyOutput {
	t.Helper()
	var earlier json.RawMessage
	if cut > 0 {
		p.beats.begin(cut)
		// What the first attempt returns is lost, as it is when the server has given it up.
		if _, err := try[activities.CopyOutput](t, p, nil, p.do.Copy, in); err != nil {
			t.Log("an attempt that was given up:", err)
		}
		earlier = p.beats.last
	}
	p.beats.begin(0)
	var out activities.CopyOutput
	err := errors.New("not tried")
	for attempt := 0; err != nil && attempt < 5; attempt++ {
		if out, err = try[activities.CopyOutput](t, p, earlier, p.do.Copy, in); err != nil {
			earlier = p.beats.last
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCopyThatIsGivenUpAgainAndAgainLosesAndDoublesNothing(t *testing.T) {
	p := newPractice(t, sandbox.Options{Mailboxes: 1, Messages: 250, Small: true, Arrivals: -1, AfterMX: -1})
	p.settle(t)
	p.plan.Copy.SliceMessages = 60
	row := p.rows[0]
	state := p.pass(t, row, migration.MailboxState{}, 3)
	verification := must[migration.Verification](t, p, p.do.Verify, activities.VerifyInput{
		Endpoint: p.plan.Endpoints[0], Mailbox: row, Door: p.door(), Rules: p.plan.Copy, State: state,
	})
	account := state.Account()
	if !verification.Verified || !account.Closes() {
		t.Errorf("verification %+v, account %+v; want it to close", verification, account)
	}
}

func TestNoticeIsFoundWhereItArrived(t *testing.T) {
	p := newPractice(t, sandbox.Options{Mailboxes: 1, Messages: 20, Small: true, Arrivals: -1, AfterMX: -1})
	in := activities.NotifyInput{
		Scope: p.scope, Kind: migration.NoticeAnnouncement, Organisation: p.plan.Organisation, Notices: p.plan.Notices,
		Door: p.door(), Endpoints: p.plan.Endpoints, To: []activities.Recipient{{Mailbox: p.rows[0]}},
	}
	if sent := must[activities.OutcomesOutput](t, p, p.do.Notify, in); !sent.Outcomes[0].Done || sent.Outcomes[0].Note != "" {
		t.Fatalf("sending: %+v", sent.Outcomes[0])
	}
	// An attempt that died before it could say that it had sent leaves this behind.
	earlier := json.RawMessage(`{"outcomes":[null],"intents":["sending"]}`)
	out, err := try[activities.OutcomesOutput](t, p, earlier, p.do.Notify, in)
	if err != nil {
		t.Fatal(err)
	}
	if o := out.Outcomes[0]; !o.Done || !strings.Contains(o.Note, "found in the mailbox") {
		t.Errorf("outcome %+v, want the notice found in the mailbox", o)
	}
}
