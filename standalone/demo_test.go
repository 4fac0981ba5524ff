package main

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lastLine is what a demo that lost nothing and doubled nothing ends with.
var lastLine = regexp.MustCompile(`^(\d+) of (\d+) messages accounted for, 0 lost, 0 duplicated$`)

// checkEnd waits for the demo's own end and checks its last line.
func checkEnd(t *testing.T, c *command) {
	t.Helper()
	const most = 5 * time.Minute
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
	if n, _ := strconv.Atoi(found[1]); n < 1000 {
		t.Errorf("only %d messages, want 1,000 at least", n)
	}
}

// TestDemoSurvivesKills kills the whole machine (world, server, worker) three times at random moments, without
// warning, and starts the same command again. Nothing may be lost or doubled; the same holds for one more start
// after the end.
func TestDemoSurvivesKills(t *testing.T) {
	data := t.TempDir()
	_, _, flags := ports(t)
	args := append([]string{"demo", "--data", data, "--approve", "auto", "--exit"}, flags...)
	for kill := range 3 {
		c := run(t, args...)
		time.Sleep(3*time.Second + time.Duration(rand.Int64N(int64(12*time.Second))))
		if err := c.Process.Kill(); err != nil {
			t.Fatalf("kill %d: the demo had ended: %v\n%s", kill+1, err, c.printed())
		}
		if err := c.Wait(); err == nil {
			t.Fatalf("kill %d came after the end:\n%s", kill+1, c.printed())
		}
		t.Logf("kill %d after:\n%s", kill+1, tail(c.printed(), 3))
	}
	checkEnd(t, run(t, args...))
	checkEnd(t, run(t, args...))
	checkSecrets(t, data)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
