package main

import (
	"context"
	"crypto/tls"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/sandbox"
)

// compareWorld reads every mailbox on both sides of the simulated world and compares them. What the tenant took in
// straight from outside is known from the world's own ledger, what was refused by name from the closing report.
func compareWorld(ctx context.Context, world *sandbox.World, report operator.Report) (*comparison, error) {
	// Mail from outside that came between two readings would look as if it stood at one side once too often.
	resume := world.Hold()
	defer resume()
	expected, err := world.Expected()
	if err != nil {
		return nil, err
	}
	direct := map[string][]string{}
	for _, m := range expected {
		if m.Side == sandbox.Target {
			direct[m.Address] = append(direct[m.Address], instant(m.Internal)+"\x00"+m.MessageID)
		}
	}
	refused := map[string][]migration.Refusal{}
	for _, m := range report.Mailboxes {
		refused[m.Address] = m.Refusals
	}
	roots := &tls.Config{RootCAs: world.Roots(), MinVersion: tls.VersionTLS12}
	c := &comparison{}
	for _, a := range world.Accounts() {
		source, err := read(ctx, login{address: world.Address("source-imap"), tls: roots, user: a.User, password: a.Password})
		if err != nil {
			return nil, err
		}
		target, err := read(ctx, login{address: world.Address("target-imap"), tls: roots, user: a.Address, token: world.MailToken})
		if err != nil {
			return nil, err
		}
		c.mailbox(a.Address, source, target, direct[a.Address], refused[a.Address])
	}
	return c, nil
}
