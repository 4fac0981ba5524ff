// Package fake is a world without I/O for tests of the workflows and for recording their histories: it stands in the
// activities' place, under their names, and remembers what was done.
package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// World is what the activities would find, as far as the workflows care. Its fields are the faults of a test; the
// methods have the names of the activities and are registered in their place.
type World struct {
	// Mu guards the fields while workflows run.
	Mu sync.Mutex
	// MX is what stands in the zone, by domain.
	MX map[string]migration.Record
	// Calls are what was done, in order, as "activity what".
	Calls []string
	// Refuse is asked before everything; its error is the activity's.
	Refuse func(activity, what string) error
	// Copies and Verifications are what those activities were called with.
	Copies        []activities.CopyInput
	Verifications []activities.VerifyInput
	// Exits and Verdicts are how the next slices and verifications of a mailbox end, by address; then all is well.
	Exits    map[string][]activities.CopyOutput
	Verdicts map[string][]bool
	// users are those that were made.
	users []string
	// InUse are the addresses of users whose mailboxes held mail already.
	InUse []string
	// Late is how many messages the next verifications of a mailbox find that came after the pass.
	Late map[string][]int
	// Arrivals are what the next deltas of a mailbox find.
	Arrivals map[string][]migration.Arrivals
	// Ended are the workflows that don't run any more.
	Ended []string
	// Probes is how many of the next probes come by way of the source.
	Probes int
	// Accounts, Audit (by wave, "" is the tenant) and Report are what was archived.
	Accounts map[string]migration.MailboxAccount
	Audit    map[string][]migration.AuditEntry
	Report   *migration.Report
}

// New is a world with one domain, contoso.com.
func New() *World {
	return &World{
		MX: map[string]migration.Record{
			"contoso.com": {Name: "contoso.com", Type: "MX", TTL: 3600, Data: []string{"10 mail.old.example"}},
		},
		Exits: map[string][]activities.CopyOutput{}, Verdicts: map[string][]bool{}, Late: map[string][]int{}, Arrivals: map[string][]migration.Arrivals{},
		Accounts: map[string]migration.MailboxAccount{}, Audit: map[string][]migration.AuditEntry{},
	}
}

func (w *World) did(activity, what string) error {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Calls = append(w.Calls, activity+" "+what)
	if w.Refuse != nil {
		return w.Refuse(activity, what)
	}
	return nil
}

// Count is how often something was done.
func (w *World) Count(call string) int {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	n := 0
	for _, c := range w.Calls {
		if strings.HasPrefix(c, call) {
			n++
		}
	}
	return n
}

// NotYet is the kind of a problem that isn't one: the mailbox is merely not ready.
const NotYet = "not-yet"

func notYet(err error) bool {
	var application *temporal.ApplicationError
	var problem migration.Problem
	return errors.As(err, &application) && application.Details(&problem) == nil && problem.Kind == NotYet
}

// Problem is the error of an activity that needs a person.
func Problem(kind, text string) error {
	return temporal.NewApplicationErrorWithOptions(text, activities.ProblemType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{migration.Problem{Kind: kind, Text: text, Remedy: "mend it"}},
	})
}

func (w *World) each(name string, mailboxes []migration.Mailbox) ([]migration.Outcome, error) {
	outcomes := make([]migration.Outcome, len(mailboxes))
	for i, m := range mailboxes {
		outcomes[i] = migration.Outcome{Address: m.Address, Done: true}
		if err := w.did(name, m.Address); err != nil {
			outcomes[i].Done = false
			var application *temporal.ApplicationError
			var problem migration.Problem
			if !errors.As(err, &application) || application.Details(&problem) != nil {
				return nil, err
			}
			if problem.Kind != NotYet {
				outcomes[i].Problem = &problem
			}
		}
	}
	return outcomes, nil
}

func (w *World) EnsureUsers(_ context.Context, in activities.EnsureUsersInput) (activities.EnsureUsersOutput, error) {
	outcomes, err := w.each("EnsureUsers", in.Mailboxes)
	var out activities.EnsureUsersOutput
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for _, o := range outcomes {
		user := activities.UserOutcome{Outcome: o, Result: migration.UserResult{Live: slices.Contains(w.InUse, o.Address)}}
		if o.Done && !slices.Contains(w.users, o.Address) { // only a user that is created has a first password
			w.users = append(w.users, o.Address)
			user.Result.Created, user.Password = true, "sealed "+migration.Sealed(o.Address)
		}
		out.Outcomes = append(out.Outcomes, user)
	}
	return out, err
}

// HandOut gives back what it was given, marked with the key.
func (w *World) HandOut(_ context.Context, in activities.HandOutInput) (activities.HandOutOutput, error) {
	var out activities.HandOutOutput
	for _, p := range in.Passwords {
		out.Passwords = append(out.Passwords, activities.FirstPassword{Address: p.Address, Password: p.Password + " for " + migration.Sealed(in.Key)})
	}
	return out, w.did("HandOut", fmt.Sprintf("%d to %s", len(in.Passwords), in.To))
}

func (w *World) MailboxesAnswer(_ context.Context, in activities.MailboxesAnswerInput) (activities.OutcomesOutput, error) {
	outcomes, err := w.each("MailboxesAnswer", in.Mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *World) Notify(_ context.Context, in activities.NotifyInput) (activities.OutcomesOutput, error) {
	mailboxes := make([]migration.Mailbox, len(in.To))
	for i, to := range in.To {
		mailboxes[i] = to.Mailbox
	}
	outcomes, err := w.each("Notify "+string(in.Kind), mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *World) OpenSources(_ context.Context, in activities.OpenSourcesInput) (activities.OutcomesOutput, error) {
	outcomes, err := w.each("OpenSources", in.Mailboxes)
	return activities.OutcomesOutput{Outcomes: outcomes}, err
}

func (w *World) Connect(_ context.Context, in activities.ConnectInput) (activities.ConnectOutput, error) {
	outcomes, err := w.each("Connect", in.Mailboxes)
	var out activities.ConnectOutput
	for _, o := range outcomes {
		out.Outcomes = append(out.Outcomes, activities.ConnectOutcome{Outcome: o, Messages: 10, Folders: 1})
	}
	return out, err
}

func (w *World) InspectSource(_ context.Context, in activities.InspectSourceInput) (migration.SourceFacts, error) {
	return migration.SourceFacts{Greeting: "OK ready"}, w.did("InspectSource", in.Mailbox.Address)
}

func (w *World) EnsureDomain(_ context.Context, in activities.DomainInput) (activities.DomainOutput, error) {
	proof := migration.Record{Name: in.Domain, Type: "TXT", TTL: 60, Data: []string{"MS=ms1"}}
	return activities.DomainOutput{Domain: migration.Domain{Name: in.Domain, Proof: proof}}, w.did("EnsureDomain", in.Domain)
}

func (w *World) VerifyDomain(_ context.Context, in activities.DomainInput) (activities.DomainOutput, error) {
	err := w.did("VerifyDomain", in.Domain)
	if notYet(err) {
		return activities.DomainOutput{Domain: migration.Domain{Name: in.Domain}}, nil
	}
	return activities.DomainOutput{Domain: migration.Domain{Name: in.Domain, Verified: true}}, err
}

func (w *World) ServiceRecords(_ context.Context, in activities.DomainInput) (activities.ServiceRecordsOutput, error) {
	err := w.did("ServiceRecords", in.Domain)
	if notYet(err) {
		return activities.ServiceRecordsOutput{}, nil
	}
	return activities.ServiceRecordsOutput{Records: []migration.Record{
		{Name: in.Domain, Type: "MX", TTL: 3600, Data: []string{"0 contoso-com.mail.protection.outlook.com"}},
		{Name: in.Domain, Type: "TXT", TTL: 3600, Data: []string{"v=spf1 include:spf.protection.outlook.com -all"}},
	}}, err
}

func (w *World) EnsureTrace(context.Context, activities.DomainInput) error {
	return w.did("EnsureTrace", "")
}

func (w *World) Publish(_ context.Context, in activities.PublishInput) (activities.PublishOutput, error) {
	return activities.PublishOutput{Change: migration.Change{After: in.Record}}, w.did("Publish", in.Record.Type)
}

func (w *World) Visible(_ context.Context, in activities.VisibleInput) (activities.VisibleOutput, error) {
	err := w.did("Visible", in.Record.Type)
	if notYet(err) {
		return activities.VisibleOutput{Missing: []string{"192.0.2.1:53"}}, nil
	}
	return activities.VisibleOutput{}, err
}

func (w *World) ReadRecord(_ context.Context, in activities.ReadInput) (activities.ReadOutput, error) {
	err := w.did("ReadRecord", in.Name)
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return activities.ReadOutput{Record: w.MX[in.Name]}, err
}

func (w *World) ApplyChange(_ context.Context, in activities.ApplyInput) error {
	c := in.Change
	if err := w.did("ApplyChange", fmt.Sprintf("%s %d", strings.Join(c.After.Data, ","), c.After.TTL)); err != nil {
		return err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	stands := w.MX[c.After.Name]
	if !stands.Same(c.Before) && !stands.Same(c.After) {
		return Problem("zone-changed", "someone changed "+c.After.Name)
	}
	w.MX[c.After.Name] = c.After
	return nil
}

func (w *World) SendProbe(_ context.Context, in activities.ProbeMailInput) (activities.ProbeMailOutput, error) {
	return activities.ProbeMailOutput{MessageID: fmt.Sprintf("<probe-%d@x>", in.Try)}, w.did("SendProbe", in.To)
}

func (w *World) FindProbe(_ context.Context, in activities.FindProbeInput) (activities.FindProbeOutput, error) {
	received := []string{"from mx.relay.example by eur.prod.outlook.com"}
	w.Mu.Lock()
	if w.Probes > 0 {
		w.Probes--
		received = append(received, "from x by mail.old.example with ESMTP")
	}
	w.Mu.Unlock()
	return activities.FindProbeOutput{Found: true, Received: received}, w.did("FindProbe", in.MessageID)
}

func (w *World) Trace(_ context.Context, in activities.TraceInput) (activities.TraceOutput, error) {
	return activities.TraceOutput{Rows: []migration.TraceRow{{Sender: "x@else.example", Recipient: "ada@" + in.Domain}}}, w.did("Trace", in.Domain)
}

func (w *World) Probe(_ context.Context, in activities.ProbeInput) (activities.ProbeOutput, error) {
	err := w.did("Probe", in.Mailbox.Address)
	w.Mu.Lock()
	defer w.Mu.Unlock()
	if len(in.Cursors) == 0 || len(w.Arrivals[in.Mailbox.Address]) > 0 {
		return activities.ProbeOutput{
			Changed: []string{"INBOX"}, Bounds: []migration.FolderBound{{Source: "INBOX", Next: uint32(len(w.Copies)) + 1}},
		}, err
	}
	return activities.ProbeOutput{}, err
}

func (w *World) Copy(_ context.Context, in activities.CopyInput) (activities.CopyOutput, error) {
	if err := w.did("Copy", in.Mailbox.Address); err != nil {
		return activities.CopyOutput{}, err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Copies = append(w.Copies, in)
	address := in.Mailbox.Address
	if exits := w.Exits[address]; len(exits) > 0 {
		w.Exits[address] = exits[1:]
		return exits[0], nil
	}
	n := 10
	out := activities.CopyOutput{Exit: migration.ExitDone, Progress: migration.Progress{Messages: n}}
	if len(in.State.Folders) > 0 {
		n = in.State.Folders[0].Account.Source
	}
	if late := w.Arrivals[address]; len(late) > 0 && len(in.State.Folders) > 0 {
		w.Arrivals[address] = late[1:]
		out.Arrivals = late[0]
		n += late[0].Count
	}
	out.State.Folders = []migration.FolderState{{Source: "INBOX", Target: "INBOX", Account: migration.Account{Source: n, Copied: n}}}
	return out, nil
}

func (w *World) Verify(_ context.Context, in activities.VerifyInput) (migration.Verification, error) {
	if err := w.did("Verify", in.Mailbox.Address); err != nil {
		return migration.Verification{}, err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Verifications = append(w.Verifications, in)
	v := migration.Verification{Verified: true}
	if verdicts := w.Verdicts[in.Mailbox.Address]; len(verdicts) > 0 {
		v.Verified, w.Verdicts[in.Mailbox.Address] = verdicts[0], verdicts[1:]
		v.Faults = []string{"INBOX does not close"}
	}
	if late := w.Late[in.Mailbox.Address]; len(late) > 0 {
		v.Late, w.Late[in.Mailbox.Address] = late[0], late[1:]
	}
	return v, nil
}

func (w *World) ArchiveAccount(_ context.Context, in activities.ArchiveAccountInput) error {
	if err := w.did("ArchiveAccount", in.Account.Address); err != nil {
		return err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Accounts[in.Account.Address] = in.Account
	return nil
}

func (w *World) ArchiveAudit(_ context.Context, in activities.ArchiveAuditInput) error {
	if err := w.did("ArchiveAudit", in.Wave); err != nil {
		return err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Audit[in.Wave] = append(w.Audit[in.Wave], in.Entries...)
	return nil
}

func (w *World) ArchiveReport(_ context.Context, in activities.ArchiveReportInput) (activities.ArchiveReportOutput, error) {
	if err := w.did("ArchiveReport", ""); err != nil {
		return activities.ArchiveReportOutput{}, err
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Report = &in.Report
	return activities.ArchiveReportOutput{
		Files: []activities.ArchivedFile{{Name: "report.json", Bytes: 1, SHA256: "00"}}, Missing: max(0, in.Report.Total-len(w.Accounts)),
	}, nil
}

func (w *World) ClosedChildren(_ context.Context, in activities.ClosedChildrenInput) (activities.ClosedChildrenOutput, error) {
	err := w.did("ClosedChildren", "")
	w.Mu.Lock()
	defer w.Mu.Unlock()
	var out activities.ClosedChildrenOutput
	for _, id := range in.IDs {
		if slices.Contains(w.Ended, id) {
			out.Closed = append(out.Closed, id)
		}
	}
	return out, err
}

// Register puts the world in the activities' place.
func (w *World) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(w, activity.RegisterOptions{SkipInvalidStructFunctions: true})
}
