package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// world is what the activities would find, as far as the workflows care. Its fields are the faults of a test; the
// methods have the names of the activities and are registered in their place.
type world struct {
	mu sync.Mutex
	// mx is what stands in the zone, by domain.
	mx map[string]migration.Record
	// calls are what was done, in order, as "activity what".
	calls []string
	// Faults.
	refuse   func(activity, what string) error // asked before everything
	exits    map[string][]activities.CopyOutput
	verdicts map[string][]bool
	arrivals map[string][]migration.Arrivals
	closed   []string
	probes   int
	onChange func(migration.Change)
	accounts map[string]migration.MailboxAccount
	report   *migration.Report
}

func newWorld() *world {
	return &world{
		mx: map[string]migration.Record{
			"contoso.com": {Name: "contoso.com", Type: "MX", TTL: 3600, Data: []string{"10 mail.old.example"}},
		},
		exits: map[string][]activities.CopyOutput{}, verdicts: map[string][]bool{}, arrivals: map[string][]migration.Arrivals{},
		accounts: map[string]migration.MailboxAccount{},
	}
}

func (w *world) did(activity, what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, activity+" "+what)
	if w.refuse != nil {
		return w.refuse(activity, what)
	}
	return nil
}

// count is how often something was done.
func (w *world) count(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if strings.HasPrefix(c, call) {
			n++
		}
	}
	return n
}

// problem is the error of an activity that needs a person.
func problem(kind, text string) error {
	return temporal.NewApplicationErrorWithOptions(text, activities.ProblemType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{migration.Problem{Kind: kind, Text: text, Remedy: "mend it"}},
	})
}

func (w *world) each(name string, mailboxes []migration.Mailbox) ([]migration.Outcome, error) {
	outcomes := make([]migration.Outcome, len(mailboxes))
	for i, m := range mailboxes {
		outcomes[i] = migration.Outcome{Address: m.Address, Done: true}
		if err := w.did(name, m.Address); err != nil {
			outcomes[i].Done = false
			p := problemOf(fmt.Errorf("%w", err))
			if p.Kind == "later" {
				continue
			}
			outcomes[i].Problem = p
		}
	}
	return outcomes, nil
}

func (w *world) EnsureUsers(_ context.Context, in activities.EnsureUsersInput) (activities.EnsureUsersOutput, error) {
	outcomes, err := w.each("EnsureUsers", in.Mailboxes)
	var out activities.EnsureUsersOutput
	for _, o := range outcomes {
		out.Outcomes = append(out.Outcomes, activities.UserOutcome{Outcome: o, Result: migration.UserResult{Created: true}})
	}
	return out, err
}

func (w *world) MailboxesAnswer(_ context.Context, in activities.MailboxesAnswerInput) (activities.OutcomesOutput, error) {
	outcomes, err := w.each("MailboxesAnswer", in.Mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *world) Notify(_ context.Context, in activities.NotifyInput) (activities.OutcomesOutput, error) {
	mailboxes := make([]migration.Mailbox, len(in.To))
	for i, to := range in.To {
		mailboxes[i] = to.Mailbox
	}
	outcomes, err := w.each("Notify "+string(in.Kind), mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *world) OpenSources(_ context.Context, in activities.OpenSourcesInput) (activities.OutcomesOutput, error) {
	outcomes, err := w.each("OpenSources", in.Mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *world) Connect(_ context.Context, in activities.ConnectInput) (activities.ConnectOutput, error) {
	outcomes, err := w.each("Connect", in.Mailboxes)
	var out activities.ConnectOutput
	for _, o := range outcomes {
		out.Outcomes = append(out.Outcomes, activities.ConnectOutcome{Outcome: o, Messages: 10, Folders: 1})
	}
	return out, err
}

func (w *world) InspectSource(_ context.Context, in activities.InspectSourceInput) (migration.SourceFacts, error) {
	return migration.SourceFacts{Greeting: "OK ready"}, w.did("InspectSource", in.Mailbox.Address)
}

func (w *world) EnsureDomain(_ context.Context, in activities.DomainInput) (activities.DomainOutput, error) {
	proof := migration.Record{Name: in.Domain, Type: "TXT", TTL: 60, Data: []string{"MS=ms1"}}
	return activities.DomainOutput{Domain: migration.Domain{Name: in.Domain, Proof: proof}}, w.did("EnsureDomain", in.Domain)
}

func (w *world) VerifyDomain(_ context.Context, in activities.DomainInput) (activities.DomainOutput, error) {
	return activities.DomainOutput{Domain: migration.Domain{Name: in.Domain, Verified: true}}, w.did("VerifyDomain", in.Domain)
}

func (w *world) ServiceRecords(_ context.Context, in activities.DomainInput) (activities.ServiceRecordsOutput, error) {
	return activities.ServiceRecordsOutput{Records: []migration.Record{
		{Name: in.Domain, Type: "MX", TTL: 3600, Data: []string{"0 contoso-com.mail.protection.outlook.com"}},
		{Name: in.Domain, Type: "TXT", TTL: 3600, Data: []string{"v=spf1 include:spf.protection.outlook.com -all"}},
	}}, w.did("ServiceRecords", in.Domain)
}

func (w *world) EnsureTrace(context.Context, activities.DomainInput) error {
	return w.did("EnsureTrace", "")
}

func (w *world) Publish(_ context.Context, in activities.PublishInput) (activities.PublishOutput, error) {
	return activities.PublishOutput{Change: migration.Change{After: in.Record}}, w.did("Publish", in.Record.Type)
}

func (w *world) Visible(_ context.Context, in activities.VisibleInput) (activities.VisibleOutput, error) {
	return activities.VisibleOutput{}, w.did("Visible", in.Record.Type)
}

func (w *world) ReadRecord(_ context.Context, in activities.ReadInput) (activities.ReadOutput, error) {
	err := w.did("ReadRecord", in.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	return activities.ReadOutput{Record: w.mx[in.Name]}, err
}

func (w *world) ApplyChange(_ context.Context, in activities.ApplyInput) error {
	c := in.Change
	if err := w.did("ApplyChange", fmt.Sprintf("%s %d", strings.Join(c.After.Data, ","), c.After.TTL)); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stands := w.mx[c.After.Name]
	if !stands.Same(c.Before) && !stands.Same(c.After) {
		return problem("zone-changed", "someone changed "+c.After.Name)
	}
	w.mx[c.After.Name] = c.After
	if w.onChange != nil {
		w.onChange(c)
	}
	return nil
}

func (w *world) SendProbe(_ context.Context, in activities.ProbeMailInput) (activities.ProbeMailOutput, error) {
	return activities.ProbeMailOutput{MessageID: fmt.Sprintf("<probe-%d@x>", in.Try)}, w.did("SendProbe", in.To)
}

func (w *world) FindProbe(_ context.Context, in activities.FindProbeInput) (activities.FindProbeOutput, error) {
	received := []string{"from mx.relay.example by eur.prod.outlook.com"}
	w.mu.Lock()
	if w.probes > 0 {
		w.probes--
		received = append(received, "from x by mail.old.example with ESMTP")
	}
	w.mu.Unlock()
	return activities.FindProbeOutput{Found: true, Received: received}, w.did("FindProbe", in.MessageID)
}

func (w *world) Trace(_ context.Context, in activities.TraceInput) (activities.TraceOutput, error) {
	return activities.TraceOutput{Rows: []migration.TraceRow{{Sender: "x@else.example", Recipient: "ada@" + in.Domain}}}, w.did("Trace", in.Domain)
}

func (w *world) Probe(_ context.Context, in activities.ProbeInput) (activities.ProbeOutput, error) {
	err := w.did("Probe", in.Mailbox.Address)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(in.Cursors) == 0 || len(w.arrivals[in.Mailbox.Address]) > 0 {
		return activities.ProbeOutput{Changed: []string{"INBOX"}}, err
	}
	return activities.ProbeOutput{}, err
}

func (w *world) Copy(_ context.Context, in activities.CopyInput) (activities.CopyOutput, error) {
	if err := w.did("Copy", in.Mailbox.Address); err != nil {
		return activities.CopyOutput{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	address := in.Mailbox.Address
	if exits := w.exits[address]; len(exits) > 0 {
		w.exits[address] = exits[1:]
		return exits[0], nil
	}
	n := 10
	out := activities.CopyOutput{Exit: migration.ExitDone, Progress: migration.Progress{Messages: n}}
	if len(in.State.Folders) > 0 {
		n = in.State.Folders[0].Account.Source
	}
	if late := w.arrivals[address]; len(late) > 0 && len(in.State.Folders) > 0 {
		w.arrivals[address] = late[1:]
		out.Arrivals = late[0]
		n += late[0].Count
	}
	out.State.Folders = []migration.FolderState{{Source: "INBOX", Target: "INBOX", Account: migration.Account{Source: n, Copied: n}}}
	return out, nil
}

func (w *world) Verify(_ context.Context, in activities.VerifyInput) (migration.Verification, error) {
	if err := w.did("Verify", in.Mailbox.Address); err != nil {
		return migration.Verification{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v := migration.Verification{Verified: true}
	if verdicts := w.verdicts[in.Mailbox.Address]; len(verdicts) > 0 {
		v.Verified, w.verdicts[in.Mailbox.Address] = verdicts[0], verdicts[1:]
		v.Faults = []string{"INBOX does not close"}
	}
	return v, nil
}

func (w *world) ArchiveAccount(_ context.Context, in activities.ArchiveAccountInput) error {
	if err := w.did("ArchiveAccount", in.Account.Address); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts[in.Account.Address] = in.Account
	return nil
}

func (w *world) ArchiveReport(_ context.Context, in activities.ArchiveReportInput) error {
	if err := w.did("ArchiveReport", ""); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = &in.Report
	return nil
}

func (w *world) ClosedChildren(_ context.Context, in activities.ClosedChildrenInput) (activities.ClosedChildrenOutput, error) {
	err := w.did("ClosedChildren", "")
	w.mu.Lock()
	defer w.mu.Unlock()
	var out activities.ClosedChildrenOutput
	for _, id := range in.IDs {
		if slices.Contains(w.closed, id) {
			out.Closed = append(out.Closed, id)
		}
	}
	return out, err
}

// register puts the world in the activities' place.
func (w *world) register(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterActivityWithOptions(w.EnsureUsers, activity.RegisterOptions{Name: "EnsureUsers"})
	env.RegisterActivityWithOptions(w.MailboxesAnswer, activity.RegisterOptions{Name: "MailboxesAnswer"})
	env.RegisterActivityWithOptions(w.Notify, activity.RegisterOptions{Name: "Notify"})
	env.RegisterActivityWithOptions(w.OpenSources, activity.RegisterOptions{Name: "OpenSources"})
	env.RegisterActivityWithOptions(w.Connect, activity.RegisterOptions{Name: "Connect"})
	env.RegisterActivityWithOptions(w.InspectSource, activity.RegisterOptions{Name: "InspectSource"})
	env.RegisterActivityWithOptions(w.EnsureDomain, activity.RegisterOptions{Name: "EnsureDomain"})
	env.RegisterActivityWithOptions(w.VerifyDomain, activity.RegisterOptions{Name: "VerifyDomain"})
	env.RegisterActivityWithOptions(w.ServiceRecords, activity.RegisterOptions{Name: "ServiceRecords"})
	env.RegisterActivityWithOptions(w.EnsureTrace, activity.RegisterOptions{Name: "EnsureTrace"})
	env.RegisterActivityWithOptions(w.Publish, activity.RegisterOptions{Name: "Publish"})
	env.RegisterActivityWithOptions(w.Visible, activity.RegisterOptions{Name: "Visible"})
	env.RegisterActivityWithOptions(w.ReadRecord, activity.RegisterOptions{Name: "ReadRecord"})
	env.RegisterActivityWithOptions(w.ApplyChange, activity.RegisterOptions{Name: "ApplyChange"})
	env.RegisterActivityWithOptions(w.SendProbe, activity.RegisterOptions{Name: "SendProbe"})
	env.RegisterActivityWithOptions(w.FindProbe, activity.RegisterOptions{Name: "FindProbe"})
	env.RegisterActivityWithOptions(w.Trace, activity.RegisterOptions{Name: "Trace"})
	env.RegisterActivityWithOptions(w.Probe, activity.RegisterOptions{Name: "Probe"})
	env.RegisterActivityWithOptions(w.Copy, activity.RegisterOptions{Name: "Copy"})
	env.RegisterActivityWithOptions(w.Verify, activity.RegisterOptions{Name: "Verify"})
	env.RegisterActivityWithOptions(w.ArchiveAccount, activity.RegisterOptions{Name: "ArchiveAccount"})
	env.RegisterActivityWithOptions(w.ArchiveReport, activity.RegisterOptions{Name: "ArchiveReport"})
	env.RegisterActivityWithOptions(w.ClosedChildren, activity.RegisterOptions{Name: "ClosedChildren"})
}

// testPlan is a plan with real waits: the test environment skips them.
func testPlan() migration.Plan {
	minutes := func(n int) migration.Duration { return migration.Duration(time.Duration(n) * time.Minute) }
	return migration.Plan{
		Tenant: "contoso", Organisation: "Contoso", Domains: []string{"contoso.com"}, Archive: "file:///archive",
		Endpoints: []migration.Endpoint{{Name: "old", Host: "mail.old.example", Port: 993, MailboxesAtOnce: 2}},
		DNS:       migration.DNS{Mode: "rfc2136", TTL: 300},
		Waves:     []migration.Wave{{Name: "wave-01"}, {Name: "wave-02"}},
		Copy:      migration.CopyRules{SliceTime: minutes(15)},
		Routing: migration.Routing{
			Required: []migration.ProofKind{migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace, migration.ProofQuiet},
			Relay:    &migration.SMTP{Host: "relay.example"},
		},
		Timing: migration.Timing{
			Poll: minutes(1), MailboxLimit: minutes(600), DNSLimit: minutes(600), Delta: minutes(24 * 60), DeltaAfterMX: minutes(15),
			Quiet: minutes(72 * 60), QuietLimit: minutes(14 * 24 * 60), Report: minutes(5), Resend: minutes(1), Children: minutes(60),
			Retry: minutes(1), RetryMax: minutes(10), Heartbeat: minutes(1),
		},
	}
}

func testRows(wave string, names ...string) []migration.Mailbox {
	rows := make([]migration.Mailbox, len(names))
	for i, n := range names {
		rows[i] = migration.Mailbox{Address: n + "@contoso.com", User: n, Endpoint: "old", Wave: wave, Password: "sealed"}
	}
	return rows
}

// answer takes an update's answer in.
type answer struct {
	t        *testing.T
	name     string
	want     string // a part of the refusal, or empty
	complete func(any)
	answered *bool
}

func (a answer) Accept() {}

func (a answer) Reject(err error) {
	if a.want == "" || !strings.Contains(err.Error(), a.want) {
		a.t.Errorf("%s was refused: %v; want a refusal with %q", a.name, err, a.want)
	}
	if a.answered != nil {
		*a.answered = true
	}
}

func (a answer) Complete(result any, err error) {
	switch {
	case err == nil && a.want != "":
		a.t.Errorf("%s succeeded, want a refusal with %q", a.name, a.want)
	case err != nil && (a.want == "" || !strings.Contains(err.Error(), a.want)):
		a.t.Errorf("%s failed: %v; want %q", a.name, err, a.want)
	}
	if a.complete != nil && err == nil {
		a.complete(result)
	}
	if a.answered != nil {
		*a.answered = true
	}
}
