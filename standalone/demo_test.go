package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox"
)

// lastLine is what a demo that lost nothing and doubled nothing ends with.
var lastLine = regexp.MustCompile(`^(\d+) of (\d+) messages accounted for, 0 lost, 0 duplicated$`)

// checkEnd waits for the demo's own end and checks its last line.
func checkEnd(t *testing.T, c *command, atLeast int) {
	t.Helper()
	const most = 12 * time.Minute
	stop := time.AfterFunc(most, func() { _ = c.Process.Kill() })
	defer stop.Stop()
	if err := c.Wait(); err != nil {
		t.Fatalf("the demo ended with %v (it has %s):\n%s", err, most, c.printed())
	}
	lines := strings.Split(strings.TrimSpace(c.printed()), "\n")
	found := lastLine.FindStringSubmatch(lines[len(lines)-1])
	if found == nil || found[1] != found[2] {
		t.Fatalf("the last line is %q:\n%s", lines[len(lines)-1], c.printed())
	}
	if n, _ := strconv.Atoi(found[1]); n < atLeast {
		t.Errorf("only %d messages, want %d at least", n, atLeast)
	}
}

// TestDemoSurvivesKills kills the whole machine (world, server, worker) three times at random moments, without
// warning, and starts the same command again. Nothing may be lost or doubled, and what is not at the target must be
// named with its remedy; the same holds for one more start after the end.
func TestDemoSurvivesKills(t *testing.T) {
	data := t.TempDir()
	_, _, flags := ports(t)
	args := append([]string{"demo", "--data", data, "--approve", "auto", "--exit"}, flags...)
	for kill := range 3 {
		c := run(t, args...)
		time.Sleep(8*time.Second + time.Duration(rand.Int64N(int64(30*time.Second))))
		if err := c.Process.Kill(); err != nil {
			t.Fatalf("kill %d: the demo had ended: %v\n%s", kill+1, err, c.printed())
		}
		if err := c.Wait(); err == nil {
			t.Fatalf("kill %d came after the end:\n%s", kill+1, c.printed())
		}
		t.Logf("kill %d after:\n%s", kill+1, tail(c.printed(), 3))
	}
	last := run(t, args...)
	checkEnd(t, last, 6000)
	t.Logf("it went on:\n%s", last.printed())
	again := run(t, args...)
	checkEnd(t, again, 6000)
	checkMishaps(t, data, again.printed())
	checkSecrets(t, data)
}

// checkMishaps looks whether everything that was to go wrong did, and what came of it: a password corrected by a new row,
// a mailbox left out, one that came late, one message refused, and people who went on working on both sides.
func checkMishaps(t *testing.T, data, printed string) {
	t.Helper()
	world, err := sandbox.Open(t.Context(), sandbox.Options{Dir: filepath.Join(data, "world")})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	m := world.Mishaps()
	for _, want := range []string{m.Leaver + ": left out by ", m.Poison.Address + ": message ", m.Poison.MessageID} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not named:\n%s", want, printed)
		}
	}
	report, err := os.ReadFile(filepath.Join(data, reportFile))
	if err != nil {
		t.Fatal(err)
	}
	accounts := regexp.MustCompile(`(?m)^  (\S+@\S+) +\S+ (\S+) .* (\S+)$`).FindAllSubmatch(report, -1)
	states := map[string]string{}
	for _, a := range accounts {
		states[string(a[1])] = string(a[2]) + " " + string(a[3])
	}
	for _, a := range world.Accounts() {
		want := "done yes"
		if a.Address == m.Leaver {
			want = "excluded -"
		}
		if states[a.Address] != want {
			t.Errorf("%s is %q in the report, want %q", a.Address, states[a.Address], want)
		}
	}
	deeds, err := world.Deeds()
	if err != nil {
		t.Fatal(err)
	}
	done := map[sandbox.Side]map[sandbox.Verb]int{sandbox.Source: {}, sandbox.Target: {}}
	for _, d := range deeds {
		if !d.Done.IsZero() {
			done[d.Side][d.Verb]++
		}
	}
	for side, verbs := range done {
		for _, verb := range []sandbox.Verb{sandbox.FileIt, sandbox.BinIt, sandbox.PurgeIt, sandbox.MarkIt} {
			if verbs[verb] == 0 {
				t.Errorf("nobody has done %q at the %s", verb, side)
			}
		}
	}
	t.Logf("people have done %v", done)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
