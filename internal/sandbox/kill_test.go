package sandbox_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// childDir names a world's directory to a copy of this test binary that only runs it until it is killed.
const childDir = "MAILFERRY_SANDBOX_TEST_CHILD"

// childKind says which world it is, where it isn't the usual one.
const childKind = "MAILFERRY_SANDBOX_TEST_KIND"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		w, err := sandbox.Open(context.Background(), childOptions(dir))
		if err == nil {
			fmt.Println("running")
			err = w.Wait()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func long(dir string) sandbox.Options {
	o := small(dir)
	o.Arrivals, o.AfterMX, o.Every = 60, 20, 5*time.Millisecond
	return o
}

func tlsFor(w *sandbox.World) *tls.Config {
	return &tls.Config{RootCAs: w.Roots(), MinVersion: tls.VersionTLS12}
}

// kill runs the world of the directory in a process of its own and kills that: after at most so long, counted from
// the start or, if it is to run first, from when everything answers.
func kill(t *testing.T, dir string, runs bool, within time.Duration, meanwhile func()) {
	t.Helper()
	killWorld(t, dir, "", runs, within, meanwhile)
}

func killWorld(t *testing.T, dir, kind string, runs bool, within time.Duration, meanwhile func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir, childKind+"="+kind)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	child.Stderr = &complaints
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if runs {
		bufio.NewScanner(output).Scan()
	}
	if meanwhile != nil {
		meanwhile()
	}
	time.Sleep(rand.N(within))
	_ = child.Process.Kill()
	_ = child.Wait()
	if complaints.Len() > 0 {
		t.Fatal(complaints.String())
	}
}

// TestKilledAgainAndAgain kills the world at random moments, while it is made and while mail arrives, and looks whether
// every mail came once.
func TestKilledAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		kill(t, dir, round%3 > 0, 60*time.Millisecond, nil)
	}
	w := open(t, long(dir))
	waitForArrivals(t, w, 20)
	checkSource(t, w)
}

// TestKilledAroundTheChange kills the world before and after the MX record changes: every mail is on one side, once.
func TestKilledAroundTheChange(t *testing.T) {
	dir := t.TempDir()
	w := open(t, long(dir))
	c := newCaller(t, w)
	c.prepareTenant()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 10 {
		change := func() {
			c.update(rr(t, "harbour.example. 1 IN MX 0 harbour-example.mail.protection.outlook.example."))
		}
		if round != 3 {
			change = nil
		}
		kill(t, dir, true, 150*time.Millisecond, change)
	}
	w = open(t, long(dir))
	waitForArrivals(t, w, 0)
	token, err := w.MailToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := compare(t, w, token)
	if count[sandbox.Source]+count[sandbox.Target] != 60 || count[sandbox.Target] == 0 {
		t.Errorf("the mails are on the sides %v, want 60 in all, some of them at the target", count)
	}
	checkSource(t, w)
}

// waitForArrivals waits until no more than so many mails are still to come.
func waitForArrivals(t *testing.T, w *sandbox.World, left int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now, err := w.ArrivalsLeft()
		if err != nil {
			t.Fatal(err)
		}
		if now <= left {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails have not come to an end", now)
		}
	}
}

// checkSource looks whether the old system's mailboxes hold exactly what the ledger says, byte for byte.
func checkSource(t *testing.T, w *sandbox.World) {
	t.Helper()
	ledger, err := w.Expected()
	if err != nil {
		t.Fatal(err)
	}
	want, arrived := map[string]int{}, map[string]int{}
	for _, m := range ledger {
		if m.Side != sandbox.Source {
			continue
		}
		want[m.Address+" "+m.Folder+" "+m.SHA256]++
		if m.Origin == "source-mx" {
			arrived[m.MessageID]++
		}
	}
	if len(arrived) == 0 {
		t.Error("no mail arrived")
	}
	for id, times := range arrived {
		if times != 1 {
			t.Errorf("%s arrived %d times", id, times)
		}
	}
	mailboxes := w.Store(sandbox.Source)
	for _, address := range mailboxes.Mailboxes() {
		folders, err := mailboxes.Folders(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range folders {
			var entries []store.Entry
			if err := mailboxes.Scan(folder.ID, 1, 0, func(e store.Entry) error {
				entries = append(entries, e)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				body, err := mailboxes.Body(entry).Bytes()
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(body)
				want[address+" "+folder.Name+" "+hex.EncodeToString(sum[:])]--
			}
		}
	}
	for message, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d too few", message, missing)
		}
	}
}
