package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/internal/linetest"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/sandbox/graph"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
	"github.com/mailferry/mailferry/workflows"
)

// runMain makes the test binary behave as the command, so that tests can start it as a process and kill it.
const runMain = "WORKER_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	// letters is how many messages each of the two folders of the mailbox holds, and appendTakes how long the target takes
	// for one until it is told to hurry: all of them would take longer than a worker that is cut off goes on.
	letters     = 600
	appendTakes = 20 * time.Millisecond
	// under is how many messages a heartbeat tells of when the copy counts as well under way.
	under = 40
)

// folders are those that hold the letters; each is copied on a connection of its own.
var folders = []string{store.Inbox, "Letters"}

// crossing is the migration of one mailbox of a simulated world by workers that are processes of their own.
type crossing struct {
	*operator.Operator
	t      *testing.T
	client client.Client
	world  *sandbox.World
	target *protocol
	plan   migration.Plan
	rows   []migration.Mailbox
	// id is the mailbox's workflow, address the mailbox.
	id, address string
	// server and key are the Temporal server's address and the workers' key file.
	server, key string
	hurry       func()
}

func newCrossing(t *testing.T) *crossing {
	t.Helper()
	c := &crossing{t: t, server: startServer(t), target: &protocol{}}
	key, public := newKey(t)
	c.key = key
	soon := 100 * time.Millisecond
	var err error
	c.world, err = sandbox.Open(t.Context(), sandbox.Options{
		Dir: t.TempDir(), Mailboxes: 1, Messages: 1, Small: true, Arrivals: -1, AfterMX: -1, TTL: 1, NewTTL: 1, Negative: 1,
		Delays: &graph.Delays{Mailbox: soon, IMAP: soon, Grant: soon}, Log: slog.New(slog.NewJSONHandler(c.target, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	c.must(err)
	t.Cleanup(func() {
		if err := c.world.Close(); err != nil {
			t.Error(err)
		}
	})
	planFile, list, err := c.world.WriteFiles(t.TempDir(), public.String())
	c.must(err)
	c.plan, err = plan.Read(planFile, public.Seal)
	c.must(err)
	c.rows, _, err = plan.ReadCSV(list, &c.plan, public.Seal)
	c.must(err)
	c.plan.Copy.SliceTime, c.plan.Copy.SliceMessages = migration.Duration(time.Hour), 10*letters // one slice is enough
	c.address = c.rows[0].Address
	c.fill()
	c.hurry = c.world.TargetIMAP().Inject(imap.Fault{Mailbox: c.address, Command: "APPEND", Delay: appendTakes})
	c.client, err = client.DialContext(t.Context(), client.Options{HostPort: c.server})
	c.must(err)
	t.Cleanup(c.client.Close)
	c.Operator = operator.New(c.client)
	return c
}

func (c *crossing) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// fill puts the letters into the source.
func (c *crossing) fill() {
	c.t.Helper()
	mailboxes := c.world.Store(sandbox.Source)
	for f, folder := range folders {
		if folder != store.Inbox {
			_, err := mailboxes.CreateFolder(c.address, store.FolderSpec{Name: folder})
			c.must(err)
		}
		messages := make([]store.Message, letters)
		for n := range messages {
			written := time.Date(2025, 1, 1, 0, n, 0, 0, time.UTC)
			messages[n] = store.Message{Internal: written, Body: fmt.Appendf(nil,
				"Message-ID: <letter-%d-%d@outside.example>\r\nFrom: grace@outside.example\r\nTo: %s\r\nDate: %s\r\nSubject: Letter %d\r\n\r\n%s\r\n",
				f, n, c.address, written.Format(time.RFC1123Z), n, strings.Repeat("All is well here.\r\n", 20))}
		}
		_, _, err := mailboxes.AppendAll(c.address, folder, messages)
		c.must(err)
	}
}

// process is a worker with a line of its own to the Temporal server.
type process struct {
	*os.Process
	line *linetest.Line
	end  func() // kills it and waits until it is gone
}

// work starts a worker. What it has logged is shown if the test fails.
func (c *crossing) work() process {
	c.t.Helper()
	p := process{line: linetest.New(c.t, c.server)}
	executable, err := os.Executable()
	c.must(err)
	log, err := os.Create(filepath.Join(c.t.TempDir(), "worker.log"))
	c.must(err)
	cmd := exec.Command(executable)
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), runMain+"=1", "TEMPORAL_ADDRESS="+p.line.Address, "TEMPORAL_NAMESPACE="+client.DefaultNamespace,
		"TEMPORAL_CONFIG_FILE="+filepath.Join(c.t.TempDir(), "none.toml"), "MAILFERRY_KEY_FILE="+c.key)
	c.must(cmd.Start())
	p.Process = cmd.Process
	p.end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c.t.Cleanup(func() {
		p.end()
		if text, _ := os.ReadFile(log.Name()); c.t.Failed() {
			c.t.Logf("worker %d:\n%s", p.Pid, text)
		}
		log.Close()
	})
	return p
}

// launch starts the migration, which takes a worker.
func (c *crossing) launch() {
	c.t.Helper()
	var launched operator.Launched
	c.until("the launch", func() bool {
		var err error
		launched, err = c.Launch(c.t.Context(), c.plan, c.rows)
		return err == nil
	})
	c.id = workflows.MailboxID(c.plan.Tenant, launched.Launch, c.address)
}

// until waits for what must come about.
func (c *crossing) until(what string, come func() bool) {
	c.t.Helper()
	const patience = 3 * time.Minute
	for deadline := time.Now().Add(patience); !come(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			status, err := c.Status(c.t.Context(), c.plan.Tenant)
			c.t.Fatalf("%s did not come about in %s; the status is %+v, %v", what, patience, status, err)
		}
	}
}

// copying is the copy as the server sees it, nil while it knows of none.
func (c *crossing) copying() *workflowpb.PendingActivityInfo {
	c.t.Helper()
	description, err := c.client.DescribeWorkflowExecution(c.t.Context(), c.id, "")
	if err != nil {
		return nil // it hasn't begun
	}
	for _, a := range description.PendingActivities {
		if a.ActivityType.Name == "Copy" {
			return a
		}
	}
	return nil
}

// told is how many copied messages the last heartbeat tells of.
func (c *crossing) told() int {
	c.t.Helper()
	live, err := c.Live(c.t.Context(), []string{c.id})
	if err != nil || len(live) != 1 {
		return 0
	}
	return live[0].Progress.Messages
}

// underWay waits until a heartbeat tells that the copy is well under way, in both folders, and returns it as the server
// sees it then.
func (c *crossing) underWay() (a *workflowpb.PendingActivityInfo) {
	c.t.Helper()
	c.until("a copy that is under way", func() bool {
		a = c.copying()
		return a != nil && c.told() >= under && len(writers(c.target.soFar())) >= len(folders)
	})
	return a
}

// has reports whether the process has the activity, whose worker is named by process and host.
func (p process) has(a *workflowpb.PendingActivityInfo) bool {
	return strings.HasPrefix(a.LastWorkerIdentity, fmt.Sprintf("%d@", p.Pid))
}

// taken waits until the process has begun another attempt at the copy and sent its first heartbeat, and returns when it
// began by the server's clock.
func (c *crossing) taken(by process) (began time.Time) {
	c.t.Helper()
	c.until("another attempt", func() bool {
		a := c.copying()
		if a == nil || a.Attempt < 2 || !by.has(a) {
			return false
		}
		began = a.LastStartedTime.AsTime()
		return a.LastHeartbeatTime.AsTime().After(began)
	})
	return began
}

// held is how many messages the target holds.
func (c *crossing) held() (n int) {
	c.t.Helper()
	all, err := c.world.Store(sandbox.Target).Folders(c.address)
	c.must(err)
	for _, f := range all {
		n += f.Messages
	}
	return n
}

// arrive waits until the mailbox is verified, and fails the test unless every message is at the target exactly once and
// the account closes.
func (c *crossing) arrive() {
	c.t.Helper()
	c.until("the verified copy", func() bool {
		s, err := c.Status(c.t.Context(), c.plan.Tenant)
		return err == nil && s.Totals.Verified == 1
	})
	from, to := c.messages(sandbox.Source), c.messages(sandbox.Target)
	for id, n := range from {
		if to[id] != n {
			c.t.Errorf("%s is at the source %d times, and at the target %d times", id, n, to[id])
		}
		delete(to, id)
	}
	if len(to) > 0 {
		c.t.Errorf("the target holds what the source doesn't: %v", to)
	}
	m, err := c.Mailbox(c.t.Context(), c.id)
	c.must(err)
	if !m.Account.Closes() || m.Account.Source != len(from) || !m.Verification.Verified || len(from) < 2*letters {
		c.t.Errorf("the account of %d messages is %+v, the verification %+v", len(from), m.Account, m.Verification)
	}
}

// messages counts the messages of a side by Message-ID.
func (c *crossing) messages(side sandbox.Side) map[string]int {
	c.t.Helper()
	count := map[string]int{}
	mailboxes := c.world.Store(side)
	all, err := mailboxes.Folders(c.address)
	c.must(err)
	for _, f := range all {
		var entries []store.Entry
		c.must(mailboxes.Scan(f.ID, 1, 0, func(e store.Entry) error {
			entries = append(entries, e)
			return nil
		}))
		for _, e := range entries {
			body, err := mailboxes.Body(e).Bytes()
			c.must(err)
			m, err := mail.ReadMessage(bytes.NewReader(body))
			c.must(err)
			count[m.Header.Get("Message-ID")]++
		}
	}
	return count
}

// protocol takes the world's log and keeps what happened at the target, in order.
type protocol struct {
	mu    sync.Mutex
	lines []protocolLine
}

type protocolLine struct {
	Time                          time.Time
	Msg, Server, Command, Mailbox string
	Connection                    int
}

func (l protocolLine) appends() bool { return l.Command == "APPEND" }
func (l protocolLine) ends() bool    { return l.Msg == "imap connection ended" }

// Write takes one line of the log.
func (p *protocol) Write(line []byte) (int, error) {
	var l protocolLine
	if err := json.Unmarshal(line, &l); err != nil {
		return 0, err
	}
	if l.Server != "target-imap" {
		return len(line), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, l)
	return len(line), nil
}

// soFar returns what has happened so far.
func (p *protocol) soFar() []protocolLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]protocolLine(nil), p.lines...)
}

// writers are the connections on which messages were appended.
func writers(lines []protocolLine) map[int]bool {
	found := map[int]bool{}
	for _, l := range lines {
		if l.appends() {
			found[l.Connection] = true
		}
	}
	return found
}

// lastEnd is when the last of the connections ended, zero unless all have.
func lastEnd(lines []protocolLine, connections map[int]bool) (last time.Time) {
	left := len(connections)
	for _, l := range lines {
		if l.ends() && connections[l.Connection] {
			left--
			last = l.Time
		}
	}
	if left > 0 {
		return time.Time{}
	}
	return last
}
