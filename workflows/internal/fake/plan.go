package fake

import (
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// Plan is a plan for the world, with weeks pressed into seconds.
func Plan() migration.Plan {
	ms := func(n int) migration.Duration { return migration.Duration(time.Duration(n) * time.Millisecond) }
	return migration.Plan{
		Tenant: "contoso", Organisation: "Contoso", Domains: []string{"contoso.com"}, Archive: "file:///archive",
		Endpoints: []migration.Endpoint{{Name: "old", Host: "mail.old.example", Port: 993, MailboxesAtOnce: 2}},
		DNS:       migration.DNS{Mode: "rfc2136", TTL: 1},
		Copy:      migration.CopyRules{SliceTime: ms(60000)},
		Routing: migration.Routing{
			Required: []migration.ProofKind{
				migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace, migration.ProofQuiet,
			},
			Relay: &migration.SMTP{Host: "relay.example"},
		},
		Timing: migration.Timing{
			Poll: ms(100), MailboxLimit: ms(60000), DNSLimit: ms(60000), Delta: ms(2000), DeltaAfterMX: ms(400), Quiet: ms(2000),
			QuietLimit: ms(60000), Report: ms(300), Resend: ms(500), Children: ms(2000), Retry: ms(100), RetryMax: ms(1000), Heartbeat: ms(10000),
		},
	}
}

// Row is a user's mailbox in a wave of the plan.
func Row(wave, user string) migration.Mailbox {
	return migration.Mailbox{Address: user + "@contoso.com", User: user, Endpoint: "old", Wave: wave, Password: "mfbox1:sealed"}
}
