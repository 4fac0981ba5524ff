package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// testPlan is a plan with real waits: the test environment skips them.
func testPlan() migration.Plan {
	minutes := func(n int) migration.Duration { return migration.Duration(time.Duration(n) * time.Minute) }
	return migration.Plan{
		Tenant: "contoso", Organisation: "Contoso", Domains: []string{"contoso.com"}, Archive: "file:///archive",
		Endpoints: []migration.Endpoint{{Name: "old", Host: "mail.old.example", Port: 993, MailboxesAtOnce: 2}},
		DNS:       migration.DNS{Mode: "rfc2136", TTL: 300},
		Waves:     []migration.Wave{{Name: "wave-01"}, {Name: "wave-02"}},
		Copy:      migration.CopyRules{SliceTime: minutes(15)},
		Routing: migration.Routing{
			Required: []migration.ProofKind{migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace, migration.ProofQuiet},
			Relay:    &migration.SMTP{Host: "relay.example"},
		},
		Timing: migration.Timing{
			Poll: minutes(1), MailboxLimit: minutes(600), DNSLimit: minutes(600), Delta: minutes(24 * 60), DeltaAfterMX: minutes(15),
			Quiet: minutes(72 * 60), QuietLimit: minutes(14 * 24 * 60), Report: minutes(5), Resend: minutes(1), Children: minutes(60),
			Retry: minutes(1), RetryMax: minutes(10), Heartbeat: minutes(1),
		},
	}
}

func testRows(wave string, names ...string) []migration.Mailbox {
	rows := make([]migration.Mailbox, len(names))
	for i, n := range names {
		rows[i] = migration.Mailbox{Address: n + "@contoso.com", User: n, Endpoint: "old", Wave: wave, Password: "sealed"}
	}
	return rows
}

// answer takes an update's answer in.
type answer struct {
	t        *testing.T
	name     string
	want     string // a part of the refusal, or empty
	complete func(any)
	answered *bool
}

func (a answer) Accept() {}

func (a answer) Reject(err error) {
	if a.want == "" || !strings.Contains(err.Error(), a.want) {
		a.t.Errorf("%s was refused: %v; want a refusal with %q", a.name, err, a.want)
	}
	if a.answered != nil {
		*a.answered = true
	}
}

func (a answer) Complete(result any, err error) {
	switch {
	case err == nil && a.want != "":
		a.t.Errorf("%s succeeded, want a refusal with %q", a.name, a.want)
	case err != nil && (a.want == "" || !strings.Contains(err.Error(), a.want)):
		a.t.Errorf("%s failed: %v; want %q", a.name, err, a.want)
	}
	if a.complete != nil && err == nil {
		a.complete(result)
	}
	if a.answered != nil {
		*a.answered = true
	}
}
