package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// heartbeats takes heartbeats as a server does, and answers with what answer says.
type heartbeats struct {
	mu     sync.Mutex
	taken  []json.RawMessage
	answer func(count int) error
}

func (h *heartbeats) RecordActivityHeartbeat(_ context.Context, _ []byte, details ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.answer != nil {
		if err := h.answer(len(h.taken) + 1); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(details[0])
	h.taken = append(h.taken, raw)
	return err
}

func (h *heartbeats) last(t *testing.T, into any) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.taken) == 0 {
		t.Fatal("no heartbeat was taken")
	}
	if err := json.Unmarshal(h.taken[len(h.taken)-1], into); err != nil {
		t.Fatal(err)
	}
}

// directory embeds the interface: a call that a test doesn't expect panics.
type directory struct {
	activities.Directory
	ensureUser func(migration.User) (migration.UserResult, error)
	answers    func(address string) (bool, error)
	domain     func() (migration.Domain, error)
}

func (d directory) EnsureUser(_ context.Context, _ migration.Microsoft, u migration.User) (migration.UserResult, error) {
	return d.ensureUser(u)
}

func (d directory) MailboxAnswers(_ context.Context, _ migration.Microsoft, address string) (bool, error) {
	return d.answers(address)
}

func (d directory) EnsureDomain(context.Context, migration.Microsoft, string) (migration.Domain, error) {
	return d.domain()
}

type mailboxes struct {
	activities.Mailboxes
	openSource   func(migration.Mailbox) error
	openTarget   func(address string) (bool, error)
	inspect      func(migration.Mailbox) (migration.SourceFacts, error)
	copy         func(context.Context, activities.CopyInput, activities.Checkpoint) (activities.CopyOutput, error)
	verify       func(context.Context, activities.VerifyInput) (migration.Verification, error)
	findAtSource func(id string) (bool, error)
	findAtTarget func(id string) (bool, error)
}

func (m mailboxes) OpenSource(_ context.Context, _ migration.Endpoint, b migration.Mailbox) error {
	return m.openSource(b)
}

func (m mailboxes) OpenTarget(_ context.Context, _ activities.Door, address string) (bool, error) {
	return m.openTarget(address)
}

func (m mailboxes) Inspect(_ context.Context, _ migration.Endpoint, b migration.Mailbox, _ migration.CopyRules) (migration.SourceFacts, error) {
	return m.inspect(b)
}

func (m mailboxes) Copy(ctx context.Context, in activities.CopyInput, c activities.Checkpoint) (activities.CopyOutput, error) {
	return m.copy(ctx, in, c)
}

func (m mailboxes) Verify(ctx context.Context, in activities.VerifyInput) (migration.Verification, error) {
	return m.verify(ctx, in)
}

func (m mailboxes) FindAtSource(_ context.Context, _ migration.Endpoint, _ migration.Mailbox, id string) (bool, error) {
	return m.findAtSource(id)
}

func (m mailboxes) FindAtTarget(_ context.Context, _ activities.Door, _, id string) (bool, []string, error) {
	found, err := m.findAtTarget(id)
	return found, nil, err
}

type notifier struct {
	activities.Notifier
	notify func(migration.SMTP, migration.Notice) error
}

func (n notifier) Notify(_ context.Context, _ migration.Notices, s migration.SMTP, notice migration.Notice) error {
	return n.notify(s, notice)
}

type zone struct {
	activities.Zone
	stands  migration.Record
	applied []migration.Change
	fail    error
}

func (z *zone) Read(context.Context, migration.DNS, string, string) (migration.Record, error) {
	return z.stands, nil
}

func (z *zone) Missing(_ context.Context, _ migration.DNS, want migration.Record) ([]string, error) {
	if want.SameData(z.stands) {
		return nil, nil
	}
	return []string{"ns1"}, nil
}

func (z *zone) Apply(_ context.Context, _ migration.DNS, c migration.Change) error {
	z.applied = append(z.applied, c)
	return z.fail
}

type archive map[string][]byte

func (a archive) Put(_ context.Context, _, name string, content []byte) error {
	a[name] = content
	return nil
}

func (a archive) Write(ctx context.Context, archive, name string, write func(io.Writer) error) error {
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	return a.Put(ctx, archive, name, content.Bytes())
}

func (a archive) Get(_ context.Context, _, name string) ([]byte, error) {
	if content, ok := a[name]; ok {
		return content, nil
	}
	return nil, fs.ErrNotExist
}

func (a archive) List(_ context.Context, _, prefix string) ([]string, error) {
	var names []string
	for name := range a {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

type passwords func() (migration.Sealed, error)

func (p passwords) NewPassword() (migration.Sealed, error) { return p() }

func (p passwords) Reseal(secret migration.Sealed, key, _ string) (migration.Sealed, error) {
	return secret + " for " + migration.Sealed(key), nil
}

// run executes one activity with the heartbeat details of an earlier attempt, nil for none.
func run[O any](t *testing.T, a *activities.Activities, earlier any, fn, in any) (O, error) {
	t.Helper()
	env := environment(a)
	if earlier != nil {
		env.SetHeartbeatDetails(earlier)
	}
	return execute[O](t, env, fn, in)
}

// runWith executes one activity on a worker that begins to stop when the channel is closed.
func runWith[O any](t *testing.T, a *activities.Activities, stop chan struct{}, fn, in any) (O, error) {
	t.Helper()
	env := environment(a)
	env.SetWorkerStopChannel(stop)
	return execute[O](t, env, fn, in)
}

func environment(a *activities.Activities) *testsuite.TestActivityEnvironment {
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Hour)
	env.RegisterActivity(a)
	return env
}

func execute[O any](t *testing.T, env *testsuite.TestActivityEnvironment, fn, in any) (O, error) {
	t.Helper()
	var out O
	value, err := env.ExecuteActivity(fn, in)
	if err != nil {
		return out, err
	}
	if value.HasValue() {
		if err := value.Get(&out); err != nil {
			t.Fatal(err)
		}
	}
	return out, nil
}

// rows makes mailboxes of the addresses.
func rows(addresses ...string) []migration.Mailbox {
	all := make([]migration.Mailbox, len(addresses))
	for i, a := range addresses {
		all[i] = migration.Mailbox{Address: a, User: a, Endpoint: "old"}
	}
	return all
}

// applicationError finds the application error that Temporal would see.
func applicationError(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var failure *temporal.ApplicationError
	if !asError(err, &failure) {
		t.Fatalf("%v is no application error", err)
	}
	return failure
}
