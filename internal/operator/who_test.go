package operator

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// TestEveryProblemIsSomebodys reads the sources for kinds of problems: a new one needs a line in the table.
func TestEveryProblemIsSomebodys(t *testing.T) {
	kinds := regexp.MustCompile(`NeedsPerson\(\s*"([a-z0-9-]+)"|\b[kK]ind:\s*"([a-z0-9-]+)"|\b[kK]ind[A-Z]\w*\s*=\s*"([a-z0-9-]+)"`)
	// These are kinds of other things: of refused messages, notices and lists; and the one that Who itself decides.
	others := strings.Fields("refused too-large source-broken announcement reminder farewell welcome full sign-in-refused")
	seen := map[string]bool{}
	for _, dir := range []string{"activities", "workflows", "internal/host", "internal/m365", "internal/mailcopy", "internal/migration", "internal/notify", "internal/zone"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "replaytest") || strings.Contains(path, "fake") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, match := range kinds.FindAllStringSubmatch(string(source), -1) {
				seen[match[1]+match[2]+match[3]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d kinds found: does the search still fit the sources?", len(seen))
	}
	for kind := range seen {
		if _, known := parties[kind]; !known && !slices.Contains(others, kind) {
			t.Errorf("nobody is named for problems of kind %q", kind)
		}
	}
	for kind := range parties {
		if !seen[kind] && kind != "change-slow" && kind != workflows.RolledBack && kind != workflows.PausedAlone { // whose constants have other names
			t.Errorf("no problem is of kind %q any more", kind)
		}
	}
}

func TestWho(t *testing.T) {
	for _, test := range []struct {
		step    migration.Step
		mailbox string
		kind    string
		want    Party
	}{
		{migration.StepCredentials, "ada@contoso.com", "sign-in-refused", User},
		{migration.StepSource, "", "sign-in-refused", Tenant},
		{migration.StepUsers, "ada@contoso.com", "sign-in-refused", Tenant},
		{migration.StepSource, "", "dns-slow", DNS},
		{migration.StepMigrate, "ada@contoso.com", "something new", You},
	} {
		if got := Who(test.step, test.mailbox, migration.Problem{Kind: test.kind}); got != test.want {
			t.Errorf("%s at step %d of %q is for %s, want %s", test.kind, test.step, test.mailbox, got, test.want)
		}
	}
}

func TestDues(t *testing.T) {
	waiting := func(kind string) workflows.Waiting { return workflows.Waiting{Problem: migration.Problem{Kind: kind}} }
	s := Status{Status: workflows.Status{Gate: &workflows.Gate{}, Waiting: []workflows.Waiting{waiting("dns-slow"), waiting("poison"), waiting("dns-by-hand")}}}
	dues := s.Dues()
	if len(dues) != 2 || dues[0].Party != You || dues[0].Count != 2 || dues[1].Party != DNS || dues[1].Count != 2 || dues[1].First.Problem.Kind != "dns-slow" {
		t.Errorf("dues %+v", dues)
	}
}
