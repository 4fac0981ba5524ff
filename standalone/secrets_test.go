package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/sandbox/store"
	"github.com/mailferry/mailferry/standalone/embedded"
)

// token is a JSON Web Token in its compact form (RFC 7519): every token of the simulated tenant is one.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)

// checkSecrets looks for every password and token of a demo in everything that it left behind: the database file, the
// histories as they would be exported, the logs, the report and the archive, and the notices as they were delivered.
// Only the inputs (the lists) and the simulated world itself hold secrets.
func checkSecrets(t *testing.T, dir string) {
	t.Helper()
	secrets := demoSecrets(t, dir)
	if len(secrets) < 8 {
		t.Fatalf("only %d secrets are known; the search would prove little", len(secrets))
	}
	places := map[string][]byte{}
	readPlaces(t, dir, places)
	exportHistories(t, dir, places)
	readNotices(t, dir, places)
	openBoxes(t, dir, places, secrets)
	control := false
	for place, content := range places {
		control = control || strings.HasPrefix(place, "payloads") && bytes.Contains(content, []byte("Harbour Trading"))
		for name, secret := range secrets {
			for _, form := range [][]byte{secret, []byte(base64.StdEncoding.EncodeToString(secret))} {
				if bytes.Contains(content, form) {
					t.Errorf("%s holds the secret %s", place, name)
				}
			}
		}
		if token.Match(content) {
			t.Errorf("%s holds a token", place)
		}
	}
	if !control {
		t.Error("not even the organisation's name was found in the histories; the search is blind")
	}
	t.Logf("%d secrets looked for in %d places", len(secrets), len(places))
}

// demoSecrets collects the passwords of the lists, wrong ones among them, and the plan's secret files.
func demoSecrets(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	secrets := map[string][]byte{}
	for _, list := range lists(t, dir) {
		listSecrets(t, list, secrets)
	}
	plan, err := os.ReadFile(filepath.Join(dir, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`\{file: "([^"]+)"\}`).FindAllSubmatch(plan, -1) {
		secret, err := os.ReadFile(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		secrets[filepath.Base(string(found[1]))] = bytes.TrimSpace(secret)
	}
	return secrets
}

// lists are the demo's lists of mailboxes.
func lists(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no list of mailboxes is in %s: %v", dir, err)
	}
	return found
}

// listSecrets collects the passwords of one list.
func listSecrets(t *testing.T, list string, secrets map[string][]byte) {
	t.Helper()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(rows[0], "Password")
	for _, row := range rows[1:] {
		secrets["password of "+row[0]+" in "+filepath.Base(list)] = []byte(row[column])
	}
}

// openBoxes opens every sealed secret that stands anywhere, the users' first passwords among them, with the workers' key,
// so that they too are looked for in the clear.
func openBoxes(t *testing.T, dir string, places, secrets map[string][]byte) {
	t.Helper()
	pair, err := workerKey(place{data: dir})
	if err != nil {
		t.Fatal(err)
	}
	before := len(secrets)
	for _, content := range places {
		for _, box := range regexp.MustCompile(`mfbox1:[0-9a-f]+:[A-Za-z0-9_-]+`).FindAll(content, -1) {
			// One that a page of the database has cut doesn't open; it stands whole in an exported history.
			if secret, err := pair.ring.Open(migration.Sealed(box)); err == nil {
				secrets[fmt.Sprintf("in a box, with the hash %x", sha256.Sum256(secret))] = secret
			}
		}
	}
	if opened := len(secrets) - before; opened < 10 {
		t.Errorf("only %d sealed secrets were found and opened, want those of the CSV, the plan and the users", opened)
	}
}

// readPlaces reads every file of the demo but its inputs, the key and the simulated world.
func readPlaces(t *testing.T, dir string, places map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if entry.IsDir() {
			if filepath.Dir(name) == "world" && entry.Name() != "archive" {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) == ".csv" && filepath.Dir(name) == "." || name == "worker.key" || filepath.Dir(name) == "world" {
			return nil
		}
		places[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"temporal/temporal.db", "worker.log", "report.txt"} {
		if len(places[must]) == 0 {
			t.Errorf("%s is missing or empty", must)
		}
	}
	found := false
	for place := range places {
		found = found || strings.HasPrefix(place, "world/archive/")
	}
	if !found {
		t.Error("nothing is in the archive")
	}
}

// exportHistories reads every workflow's history from the demo's database, as JSON.
func exportHistories(t *testing.T, dir string, places map[string][]byte) {
	t.Helper()
	port, ui, _ := ports(t)
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(dir, "temporal"), Port: port, UIPort: ui, Namespace: client.DefaultNamespace})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	c, err := client.Dial(client.Options{HostPort: server.Address})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range list.Executions {
		history := &historypb.History{}
		events := c.GetWorkflowHistory(t.Context(), run.Execution.WorkflowId, run.Execution.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			history.Events = append(history.Events, event)
		}
		text, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		name := "history of " + run.Execution.WorkflowId + " " + run.Execution.RunId
		places[name] = text
		places["payloads in the "+name] = payloads(t, text)
	}
	if len(list.Executions) < 1+3+60-1 {
		t.Errorf("only %d histories, want those of a tenant, its waves and their mailboxes but for one left out", len(list.Executions))
	}
}

// payload finds the payloads in an exported history, which are in base64.
var payload = regexp.MustCompile(`"data":\s*"([A-Za-z0-9+/]+=*)"`)

// payloads decodes what an exported history holds in base64, where nothing could be found.
func payloads(t *testing.T, history []byte) []byte {
	t.Helper()
	var all []byte
	for _, found := range payload.FindAllSubmatch(history, -1) {
		decoded, err := base64.StdEncoding.DecodeString(string(found[1]))
		if err != nil {
			t.Fatalf("a payload is not in base64: %v", err)
		}
		all = append(append(all, decoded...), '\n')
	}
	if len(all) == 0 {
		t.Error("a history without payloads was exported; nothing could be found in it")
	}
	return all
}

// readNotices reads the notices that users were sent, from both sides' inboxes.
func readNotices(t *testing.T, dir string, places map[string][]byte) {
	t.Helper()
	world, err := sandbox.Open(t.Context(), sandbox.Options{Dir: filepath.Join(dir, "world")})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	notices := 0
	for _, side := range []sandbox.Side{sandbox.Source, sandbox.Target} {
		mailboxes := world.Store(side)
		for _, account := range world.Accounts() {
			inbox, err := mailboxes.Folder(account.Address, store.Inbox)
			if err != nil {
				t.Fatal(err)
			}
			err = mailboxes.Scan(inbox.ID, 1, 1<<32-1, func(entry store.Entry) error {
				const largest = 1 << 20
				if entry.Size > largest {
					return nil
				}
				body, err := mailboxes.Body(entry).Bytes()
				if err != nil {
					return err
				}
				if bytes.Contains(body, []byte(".mailferry@")) {
					notices++
					places[string(side)+" notice to "+account.Address+" "+entry.Internal.String()] = body
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if notices < 2*50 {
		t.Errorf("only %d notices were found, want an announcement and a welcome to each user", notices)
	}
}
