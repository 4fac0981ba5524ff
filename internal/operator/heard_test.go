package operator

import (
	"errors"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

func TestHear(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	at := func(minutes int, by, what string) migration.AuditEntry {
		return migration.AuditEntry{At: began.Add(time.Duration(minutes) * time.Minute), By: by, What: what}
	}
	old := []migration.AuditEntry{at(1, "", "a list was taken in"), at(2, "grace", "retry-step was ignored: long ago")}
	for _, test := range []struct {
		name    string
		more    []migration.AuditEntry
		ignored string
		entries int
	}{
		{"taken", []migration.AuditEntry{at(3, "grace", "retry-step 6")}, "", 1},
		{"something else happens too", []migration.AuditEntry{at(3, "", "a wave began"), at(3, "grace", "retry-step 6")}, "", 1},
		{"ignored", []migration.AuditEntry{at(3, "grace", "retry-step was ignored: nothing waits at step 6")}, "nothing waits at step 6", 0},
		{"unreadable", []migration.AuditEntry{at(3, "", "retry-step was ignored: its payload is not as documented")}, "its payload is not as documented", 0},
		{"another's is ignored", []migration.AuditEntry{at(3, "ada", "retry-step was ignored: x"), at(3, "grace", "retry-step 6")}, "", 1},
		{"nothing is said", nil, "", 0},
	} {
		f.answers["contoso"] = workflows.Status{Audit: old}
		heard, err := o.Hear(t.Context(), "contoso", workflows.SignalRetry, "grace", func() error {
			f.answers["contoso"] = workflows.Status{Audit: append(old[:2:2], test.more...)}
			return nil
		})
		if err != nil || !heard.Answered || heard.Ignored != test.ignored || len(heard.Entries) != test.entries {
			t.Errorf("%s: %+v, %v", test.name, heard, err)
		}
	}
	refused := errors.New("no")
	if _, err := o.Hear(t.Context(), "contoso", workflows.SignalRetry, "grace", func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("an order that can't be given: %v", err)
	}
	f.workers = false
	given := false
	heard, err := o.Hear(t.Context(), "contoso", workflows.SignalRetry, "grace", func() error { given = true; return nil })
	if err != nil || heard.Answered || !given {
		t.Errorf("without a worker: %+v, %v, given %t", heard, err, given)
	}
}

func TestSince(t *testing.T) {
	entry := func(what string) migration.AuditEntry { return migration.AuditEntry{At: began, What: what} }
	a, b := entry("a"), entry("b")
	for _, test := range []struct {
		before, after []migration.AuditEntry
		want          int
	}{
		{nil, []migration.AuditEntry{a}, 1},
		{[]migration.AuditEntry{a}, []migration.AuditEntry{a}, 0},
		{[]migration.AuditEntry{a}, []migration.AuditEntry{a, b}, 1},
		{[]migration.AuditEntry{a, a}, []migration.AuditEntry{a, a, a}, 1},          // the same twice at one time
		{[]migration.AuditEntry{a}, []migration.AuditEntry{b, b}, 2},                // a wave tells its last only
		{[]migration.AuditEntry{a, a}, []migration.AuditEntry{a}, 0},                // cut meanwhile
		{[]migration.AuditEntry{b, a}, []migration.AuditEntry{a, b, entry("c")}, 2}, // the oldest left out
	} {
		if got := since(test.before, test.after); len(got) != test.want {
			t.Errorf("after %v, %v has %d more, want %d", test.before, test.after, len(got), test.want)
		}
	}
}
