package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"starter": main})
}

// TestScripts runs the command line as an operator does; testdata has a script for each matter.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "mode": mode, "append": appendFile,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("TEMPORAL_CONFIG_FILE", env.WorkDir+"/temporal.toml")
			return nil
		},
	})
}

// exits runs a command that must end with the code: exits 2 starter lunch.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if code := args[0]; !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != code {
		ts.Fatalf("exit code %s wanted, but: %v", code, err)
	}
}

// mode checks a file's permissions: mode 600 FILE.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], got, args[0])
	}
}

// appendFile appends the second file to the first.
func appendFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: append FILE MORE")
	}
	text := ts.ReadFile(args[0]) + ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// TestLinksNoWorld keeps the starter small: it builds in seconds only as long as it links neither the Graph SDK, nor a
// DNS library, nor the Temporal server, nor anything that touches mail.
func TestLinksNoWorld(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	forbidden := regexp.MustCompile(`msgraph|kiota|azidentity|miekg/dns|^go\.temporal\.io/server|go-imap|mailferry/internal/(host|sandbox|mailcopy|imapwire|m365$|zone|notify)`)
	for name := range strings.Lines(string(out)) {
		if forbidden.MatchString(strings.TrimSpace(name)) {
			t.Errorf("links %s", name)
		}
	}
}

// TestDocumentedCommands checks that every command in the operators' pages and in the help is one that there is, with
// flags that it takes.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../docs/operators/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	text := rootLong
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text += "\n" + string(data)
	}
	began := false
	for _, cmd := range newRoot(&began).Commands() {
		text += "\n" + cmd.Example
	}
	commands := regexp.MustCompile(`(?m)^(?:    |  )(?:go run \./)?starter (.+?)(?:   .*| \| .*| >> .*| > .*)?$`).FindAllStringSubmatch(text, -1)
	if len(commands) < 20 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, found := range commands {
		args := strings.Fields(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(found[1], "words"))
		root := newRoot(&began)
		root.SetArgs(append(args, "--help"))
		root.SetOut(io.Discard)
		if cmd, _, err := root.Find(args); err != nil || cmd == root {
			t.Errorf("starter %s: there is no such command", found[1])
		} else if err := root.Execute(); err != nil {
			t.Errorf("starter %s: %v", found[1], err)
		}
	}
}
