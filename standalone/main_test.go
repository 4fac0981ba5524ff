package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// runMain makes the test binary behave as the command, so that tests can start it as a process and kill it.
const runMain = "STANDALONE_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is one process of the command under test.
type command struct {
	*exec.Cmd
	mu     sync.Mutex
	output bytes.Buffer
}

// Write collects what the process prints.
func (c *command) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.output.Write(p)
}

func (c *command) printed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.output.String()
}

// run starts the command; it is killed when the test ends, if it still runs.
func run(t *testing.T, args ...string) *command {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &command{Cmd: exec.CommandContext(t.Context(), executable, args...)}
	c.Env = append(os.Environ(), runMain+"=1")
	c.Stdout, c.Stderr = c, c
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// ports returns flags with free ports for Temporal and the Web UI.
func ports(t *testing.T) (temporal, ui int, flags []string) {
	t.Helper()
	var found [2]int
	for i := range found {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		found[i] = l.Addr().(*net.TCPAddr).Port
	}
	return found[0], found[1], []string{"--port", strconv.Itoa(found[0]), "--ui-port", strconv.Itoa(found[1])}
}
