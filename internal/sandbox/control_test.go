package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailferry/mailferry/internal/sandbox"
)

// desk calls the world's own desk.
func desk(t *testing.T, w *sandbox.World, password, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, "https://"+w.Address("microsoft")+"/sandbox/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("sandbox", password)
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: tlsFor(w), DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestTheDesk(t *testing.T) {
	w := open(t, small(t.TempDir()))
	if _, err := w.Plan("mfpub1:x"); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(filepath.Dir(w.CA()), "secrets", "control"))
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(string(file))
	if status, _ := desk(t, w, "wrong", "GET", "state", ""); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", status)
	}
	must := func(status int, method, path, body string) string {
		t.Helper()
		got, text := desk(t, w, password, method, path, body)
		if got != status {
			t.Errorf("%s %s: %d %s", method, path, got, text)
		}
		return text
	}
	if text := must(200, "GET", "mishaps", ""); strings.TrimSpace(text) != "{}" {
		t.Errorf("something goes wrong by plan in a small world: %s", text)
	}
	if text := must(200, "GET", "deeds", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("somebody means to work in a small world: %s", text)
	}
	var state sandbox.State
	if err := json.Unmarshal([]byte(must(200, "GET", "state", "")), &state); err != nil || state.MovedMX || state.ArrivalsLeft < 2 {
		t.Errorf("the state is %+v, %v", state, err)
	}
	if ledger := must(200, "GET", "ledger", ""); strings.Count(ledger, `"sha256"`) < 20 {
		t.Errorf("the ledger is %s", ledger)
	}
	must(400, "POST", "grant/ada@harbour.example", "")
	must(400, "POST", "faults/microsoft", `{"Unknown":1}`)

	must(200, "POST", "faults/microsoft", `{"path":"/domains","status":503,"code":"serviceNotAvailable","retryAfter":"3s"}`)
	c := newCaller(t, w)
	if status, text := c.do("GET", "/domains", ""); status != 503 {
		t.Errorf("Graph with a fault: %d %s", status, text)
	}
	must(200, "POST", "faults/source-imap", `{"command":"SELECT","answer":"NO Server is sick","delay":"1ms"}`)
	sick := func() error {
		client, err := imapclient.DialTLS(w.Address("source-imap"), &imapclient.Options{TLSConfig: tlsFor(w)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		if err := client.Login("ada", w.Accounts()[0].Password).Wait(); err != nil {
			t.Fatal(err)
		}
		_, err = client.Select("INBOX", nil).Wait()
		return err
	}
	if err := sick(); err == nil || !strings.Contains(err.Error(), "Server is sick") {
		t.Errorf("IMAP with a fault: %v", err)
	}
	must(200, "DELETE", "faults", "")
	if status, text := c.do("GET", "/domains", ""); status != 200 {
		t.Errorf("Graph without faults: %d %s", status, text)
	}
	if err := sick(); err != nil {
		t.Errorf("IMAP without faults: %v", err)
	}
}
