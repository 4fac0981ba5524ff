package servertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/temporaltest"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mailferry/mailferry/internal/operator"
)

const planFile = `tenant: contoso
organisation: Contoso Ltd
domains: [contoso.com]
microsoft: {tenantId: 11111111-2222-3333-4444-555555555555, clientId: 66666666-7777-8888-9999-000000000000, secret: {env: GRAPH_SECRET}}
endpoints: [{name: old, host: imap.contoso.com, auth: password}]
dns: {mode: manual, resolvers: [1.1.1.1]}
notices: {from: mail-team@contoso.com, before: {host: smtp.contoso.com}, after: {host: smtp.office365.com}}
users: {licence: O365_BUSINESS_ESSENTIALS, usageLocation: GB}
waves: [{name: pilot}]
routing: {required: [records, old-ttl, trace, quiet]}
archive: file:///srv/mailferry
`

const listFile = `EmailAddress,UserName,Password
ada@contoso.com,ada,first-p4ssword
bob@contoso.com,bob,second-p4ssword
`

// commandLine is the built starter in a directory of its own.
type commandLine struct {
	t           *testing.T
	path, dir   string
	environment []string
}

// run runs a command, which must end with the code, and returns what it printed.
func (c commandLine) run(code int, args ...string) (stdout, stderr string) {
	c.t.Helper()
	cmd := exec.Command(c.path, args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.environment...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		c.t.Fatal(err)
	}
	if got != code {
		c.t.Fatalf("starter %s ended with %d, not %d:\n%s%s", strings.Join(args, " "), got, code, &out, &complaints)
	}
	return out.String(), complaints.String()
}

// running is a command that goes on while others are run.
type running struct {
	commandLine
	command *exec.Cmd
	lines   *bufio.Scanner
}

func (c commandLine) start(args ...string) running {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.environment...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return running{c, cmd, bufio.NewScanner(out)}
}

// until waits for a line that matches; a command that ends before has failed.
func (r running) until(pattern string) {
	r.t.Helper()
	var printed []string
	for r.lines.Scan() {
		if regexp.MustCompile(pattern).MatchString(r.lines.Text()) {
			return
		}
		printed = append(printed, r.lines.Text())
	}
	r.t.Fatalf("no %q in:\n%s", pattern, strings.Join(printed, "\n"))
}

func (c commandLine) want(text string, patterns ...string) {
	c.t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(`(?m)` + pattern).MatchString(text) {
			c.t.Errorf("no %q in:\n%s", pattern, text)
		}
	}
}

// TestCommandLine goes from the keys to the report as an operator does.
func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "starter")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/mailferry/mailferry/starter").CombinedOutput(); err != nil {
		t.Fatalf("building the starter: %v\n%s", err, out)
	}
	server := temporaltest.NewServer(temporaltest.WithT(t))
	client, namespace := server.GetDefaultClient(), server.GetDefaultNamespace()
	w := world{operator.New(client), client, namespace}
	c := commandLine{t, path, dir, []string{
		"TEMPORAL_ADDRESS=" + server.GetFrontendHostPort(), "TEMPORAL_NAMESPACE=" + namespace,
		"TEMPORAL_CONFIG_FILE=" + filepath.Join(dir, "none.toml"), "GRAPH_SECRET=graph-p4ssword",
	}}
	sealTo, _ := c.run(0, "keygen", "--out", "workers.key")
	c.write("plan.yaml", sealTo+planFile)
	c.write("mailboxes.csv", listFile)
	launch := []string{"launch", "--plan", "plan.yaml", "--csv", "mailboxes.csv"}

	// A namespace that isn't ready is named with the command that makes it so.
	_, stderr := c.run(1, launch...)
	c.want(stderr, `^error: the namespace ".*" forgets what is closed after 1d; this plan needs \d+ days$`, `^hint: temporal operator namespace update .*--retention 90d$`)
	remember(t, w)
	_, stderr = c.run(1, launch...)
	c.want(stderr, `^error: the namespace lacks Mailferry's search attributes: MailferryTenant, MailferryLaunch, MailferryState, MailferryStep$`)
	w.addAttributes(t)
	_, stderr = c.run(1, "status")
	c.want(stderr, `^error: the namespace ".*" has no migration$`)

	stop := w.work(t)
	stdout, _ := c.run(0, launch...)
	c.want(stdout, `^pilot +2 +begins at once`, `^launched contoso, launch \d{8}-1, with all of its 2 mailboxes$`, `starter status contoso --watch$`)
	stdout, _ = c.run(0, launch...)
	c.want(stdout, `^contoso runs already with this plan and this list, launch \d{8}-1: nothing changed$`)
	c.write("late.csv", "EmailAddress,UserName,Password\nbob@contoso.com,bob,second-p4ssword\neve@contoso.com,eve,third-p4ssword\n")
	late := []string{"launch", "--plan", "plan.yaml", "--csv", "late.csv"}
	stdout, stderr = c.run(1, late...)
	c.want(stdout, `^contoso runs already, launch \d{8}-1. This list changes: 1 new, 0 corrected, 1 as they were$`, `^eve@contoso.com +new$`)
	c.want(stderr, `^error: not done without a confirmation$`, `^hint: confirm it with --yes$`)
	stdout, _ = c.run(0, append(late, "--yes")...)
	c.want(stdout, `^contoso, launch \d{8}-1, has taken the list in: 1 new, 0 corrected, 1 as they were$`)

	stdout, _ = c.run(3, "status", "contoso")
	c.want(stdout, `^ 5  List of mailboxes +✓ done$`, `^The MX change has waited for approval`, `^  Approve:  starter approve contoso --digest 4f1d$`)
	stdout, _ = c.run(3, "status", "contoso", "--json")
	var status operator.Status
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || status.Gate == nil || !status.Worker {
		t.Errorf("status --json: %v\n%s", err, stdout)
	}
	waitFor(t, func() bool { names, err := w.Tenants(t.Context()); return err == nil && len(names) == 1 })
	stdout, _ = c.run(3, "status") // the only one there is
	c.want(stdout, `^contoso  Contoso Ltd, launch`)
	_, stderr = c.run(1, "status", "fabrikam")
	c.want(stderr, `^error: there is no migration "fabrikam"$`, `^hint: this namespace has: contoso$`)
	stdout, stderr = c.run(0, "report", "contoso")
	c.want(stdout, `^since .*, an interim report as of `)
	c.want(stderr, `^hint: the migration goes on, so this is an interim report`)

	_, stderr = c.run(1, "approve", "contoso", "--digest", "77aa", "--by", "grace")
	c.want(stderr, `^error: not approved: the gate shows another digest$`)
	stdout, _ = c.run(0, "pause", "contoso", "--by", "grace", "--reason", "a test")
	c.want(stdout, `^taken: pausing contoso, by grace$`)
	stdout, _ = c.run(0, "retry-step", "contoso", "connect", "--mailbox", "ada@contoso.com", "--by", "grace")
	c.want(stdout, `^taken: retry of step 6 \(Connect\) for ada@contoso.com by grace$`)
	_, stderr = c.run(1, "skip-step", "contoso", "10", "--by", "grace")
	c.want(stderr, `^error: step 10 \(Verify routing\) cannot be skipped for a whole tenant`)
	_, stderr = c.run(1, "exclude", "contoso", "nobody@contoso.com", "--by", "grace")
	c.want(stderr, `^error: contoso has no mailbox "nobody@contoso.com"$`)

	// Watched from one terminal, approved from another.
	watched := c.start("status", "contoso", "--watch", "--every", "100ms")
	watched.until(`contoso: running, .*the MX change waits for approval, digest 4f1d`)
	stdout, _ = c.run(0, "approve", "contoso", "--digest", "4f1d", "--by", "grace")
	c.want(stdout, `^approved by grace at .*: 4f1d$`)
	watched.until(`contoso: done, .*, completed$`)
	if err := watched.command.Wait(); err != nil {
		t.Errorf("the watch ended badly with the migration: %v", err)
	}
	stdout, stderr = c.run(0, "report", "contoso")
	c.want(stdout, `^contoso  Contoso Ltd, launch \d{8}-1: ✓ done$`, `approved by grace$`)
	c.want(stderr, `^hint: the archive cannot be read from here`)
	_, stderr = c.run(1, "abort", "contoso", "--yes", "--by", "grace")
	c.want(stderr, `^error: contoso isn't running any more: it completed on `)

	// Without a worker.
	stop()
	stdout, _ = c.run(1, "status", "contoso") // its memo never said that it was done
	c.want(stdout, `^No worker `, `^Read what was moved, changed and decided: starter report contoso$`)
	noSecrets(t, w)
}

func (c commandLine) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// remember has the namespace keep closed runs long enough.
func remember(t *testing.T, w world) {
	t.Helper()
	_, err := w.client.WorkflowService().UpdateNamespace(t.Context(), &workflowservice.UpdateNamespaceRequest{
		Namespace: w.namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(90 * 24 * time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// noSecrets looks for the secrets of plan and list in everything that the launch left at the server.
func noSecrets(t *testing.T, w world) {
	t.Helper()
	history := w.client.GetWorkflowHistory(t.Context(), "contoso", "", false, 0)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(event.String(), "p4ssword") {
			t.Errorf("a secret stands in event %d", event.GetEventId())
		}
	}
	described, err := w.client.DescribeWorkflowExecution(t.Context(), "contoso", "")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(described.String(), "p4ssword") {
		t.Error("a secret stands in the memo or another part of the description")
	}
}
