package main

import (
	"context"
	"crypto/tls"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/sandbox"
)

// compareWorld reads every mailbox on both sides of the simulated world and compares them. What must be where is known
// from the world alone; what the closing report names counts only where the world had planned it.
func compareWorld(ctx context.Context, world *sandbox.World, report operator.Report) (*comparison, error) {
	// Mail from outside that came between two readings would look as if it stood at one side once too often.
	resume := world.Hold()
	defer resume()
	known, err := worldFacts(world)
	if err != nil {
		return nil, err
	}
	for _, m := range report.Mailboxes {
		if f, ours := known[m.Address]; ours {
			f.listed, f.refused, f.excluded = true, m.Refusals, m.State == migration.Excluded
		}
	}
	c := &comparison{}
	roots := &tls.Config{RootCAs: world.Roots(), MinVersion: tls.VersionTLS12}
	for _, a := range world.Accounts() {
		source, err := read(ctx, login{address: world.Address("source-imap"), tls: roots, user: a.User, password: a.Password})
		if err != nil {
			return nil, err
		}
		var target reading
		if world.Store(sandbox.Target).Has(a.Address) {
			target, err = read(ctx, login{address: world.Address("target-imap"), tls: roots, user: a.Address, token: world.MailToken})
			if err != nil {
				return nil, err
			}
		}
		c.mailbox(a.Address, source, target, *known[a.Address])
	}
	return c, nil
}

// worldFacts is what the world knows of each mailbox.
func worldFacts(world *sandbox.World) (map[string]*facts, error) {
	expected, err := world.Expected()
	if err != nil {
		return nil, err
	}
	deeds, err := world.Deeds()
	if err != nil {
		return nil, err
	}
	unmovable, err := world.Unmovable()
	if err != nil {
		return nil, err
	}
	leaver := world.Mishaps().Leaver
	all := map[string]*facts{}
	for _, a := range world.Accounts() {
		all[a.Address] = &facts{unmovable: map[string]bool{}, leaver: a.Address == leaver}
	}
	for _, m := range expected {
		switch m.Side {
		case sandbox.Target:
			all[m.Address].direct = append(all[m.Address].direct, short(m.Internal, m.MessageID))
		case sandbox.Source:
			all[m.Address].put++
		}
	}
	for _, l := range unmovable {
		all[l.Address].unmovable[short(l.Internal, l.MessageID)] = true
	}
	for _, d := range deeds {
		if !d.Done.IsZero() {
			all[d.Address].deeds = append(all[d.Address].deeds, d)
		}
	}
	return all, nil
}
