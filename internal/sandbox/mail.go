package sandbox

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/mailferry/mailferry/internal/sandbox/graph"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/smtp"
)

// The accounts that belong to no user.
const (
	noticesUser = "notices"
	relayUser   = "probe"
	masterUser  = "master"
)

// errSignIn refuses a sign-in without saying why.
var errSignIn = errors.New("wrong user or password")

// signInSource judges a sign-in at the old system: a user's own, the master user's as "user*master", or the master
// user's with the user as authorisation identity (RFC 4616).
func (w *World) signInSource(mechanism, user, identity, secret string) (string, error) {
	if mechanism == "XOAUTH2" {
		return "", errSignIn
	}
	name, password := user, ""
	switch before, after, starred := strings.Cut(user, "*"); {
	case starred && after == masterUser:
		name, password = before, w.secrets.password(masterUser)
	case user == masterUser && identity != "":
		name, password = identity, w.secrets.password(masterUser)
	case identity != "" && identity != user:
		return "", errSignIn
	}
	account, found := w.account(name)
	if password == "" {
		password = account.Password
	}
	if !found || !same(password, secret) {
		return "", errSignIn
	}
	return account.Address, nil
}

// signInTarget judges a sign-in at the tenant: by token alone.
func (w *World) signInTarget(mechanism, user, _, secret string) (string, error) {
	if mechanism != "XOAUTH2" {
		return "", errSignIn
	}
	address, err := w.tenant.SignIn(user, secret)
	if errors.Is(err, graph.ErrNoAccess) {
		return "", imap.ErrNoAccess
	}
	return address, err
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// local reports whether the address is in one of the domains that move.
func (w *World) local(address string) bool {
	for _, domain := range w.options.Domains {
		if strings.HasSuffix(strings.ToLower(address), "@"+domain) {
			return true
		}
	}
	return false
}

// sourceServer is the old system's mail server: it takes mail for its own mailboxes, before and after the MX change.
func (w *World) sourceServer() smtp.Config {
	return smtp.Config{
		Name: w.sourceHost(), TLS: w.certificate, Log: w.log,
		Check: func(to string) error {
			switch {
			case !w.local(to):
				return smtp.Refuse(554, 5, 7, 1, "<"+to+">: Relay access denied")
			case !w.source.Has(strings.ToLower(to)):
				return smtp.Refuse(550, 5, 1, 1, "<"+to+">: Recipient address rejected: User unknown in virtual mailbox table")
			}
			return nil
		},
		Deliver: func(d smtp.Delivery) error { return w.ledger.deliver(Source, portSourceMX, d) },
	}
}

// sourceSubmission is where the old system's users, and notices, send from.
func (w *World) sourceSubmission() smtp.Config {
	inbound := w.sourceServer()
	return smtp.Config{
		Name: w.sourceHost(), TLS: w.certificate, Implicit: true, Log: w.log,
		SignIn: func(user, password string) bool {
			if user == noticesUser {
				return same(w.secrets.password("notices-before"), password)
			}
			account, found := w.account(user)
			return found && same(account.Password, password)
		},
		Check: func(to string) error {
			if !w.local(to) {
				return nil
			}
			return inbound.Check(to)
		},
		Deliver: func(d smtp.Delivery) error {
			if !w.local(d.To) {
				return w.ledger.deliver(Outside, portSourceSubmission, d)
			}
			return w.ledger.deliver(Source, portSourceSubmission, d)
		},
	}
}

// tenantServer is the tenant's mail exchanger. Whom it doesn't know it refuses at the door (directory-based edge
// blocking).
func (w *World) tenantServer() smtp.Config {
	return smtp.Config{
		Name: strings.TrimPrefix(protection, "."), TLS: w.certificate, Log: w.log,
		Check: func(to string) error {
			switch {
			case !w.tenant.Accepts(to[strings.LastIndexByte(to, '@')+1:]):
				return smtp.Refuse(550, 5, 7, 64, "TenantAttribution; Relay Access Denied")
			case !w.tenant.Recipient(to):
				return smtp.Refuse(550, 5, 4, 1, "Recipient address rejected: Access denied.")
			}
			return nil
		},
		Deliver: func(d smtp.Delivery) error { return w.deliverTenant(portTenantMX, d) },
	}
}

func (w *World) deliverTenant(origin string, d smtp.Delivery) error {
	if err := w.ledger.deliver(Target, origin, d); err != nil {
		return err
	}
	id, subject := identify(d.Body)
	return w.tenant.Received(d.Key, d.From, d.To, id, subject, d.IP, len(d.Body))
}

// tenantSubmission is where notices are sent from once the MX record has changed.
func (w *World) tenantSubmission() smtp.Config {
	inbound := w.tenantServer()
	return smtp.Config{
		Name: strings.TrimPrefix(protection, "."), TLS: w.certificate, Log: w.log,
		SignIn: func(user, password string) bool {
			return user == noticesUser && same(w.secrets.password("notices-after"), password)
		},
		Check: func(to string) error {
			if !w.tenant.Accepts(to[strings.LastIndexByte(to, '@')+1:]) {
				return nil
			}
			return inbound.Check(to)
		},
		Deliver: func(d smtp.Delivery) error {
			if !w.tenant.Accepts(d.To[strings.LastIndexByte(d.To, '@')+1:]) {
				return w.ledger.deliver(Outside, portTenantSubmission, d)
			}
			return w.deliverTenant(portTenantSubmission, d)
		},
	}
}

// relay is an account at somebody else's mail server, which passes on what it is given by the MX record.
func (w *World) relay() smtp.Config {
	return smtp.Config{
		Name: outsideHost, TLS: w.certificate, Implicit: true, Log: w.log,
		SignIn: func(user, password string) bool {
			return user == relayUser && same(w.secrets.password("relay"), password)
		},
		Check: func(to string) error {
			if !w.local(to) {
				return smtp.Refuse(554, 5, 7, 1, "<"+to+">: Relay access denied")
			}
			return nil
		},
		Deliver: func(d smtp.Delivery) error {
			return w.outside.Submit(smtp.Letter{ID: d.Key + "." + d.To, From: d.From, To: d.To, Body: d.Body, Queued: d.At.UTC()})
		},
	}
}

// openOutside makes the sender from outside, which finds its way by the first resolver.
func (w *World) openOutside() (err error) {
	config := smtp.OutsideConfig{
		DB: w.db, Name: outsideHost, Retry: w.options.Every / 2, Log: w.log, TLS: w.clientTLS(),
		Exchangers: func(ctx context.Context, domain string) ([]string, error) {
			return w.resolverA.MailExchangers(ctx, domain)
		},
		Route: func(host string) (string, bool) {
			switch {
			case host == w.sourceHost():
				return w.sockets.address(portSourceMX), true
			case isTenants(host):
				return w.sockets.address(portTenantMX), true
			}
			return "", false
		},
	}
	w.outside, err = smtp.OpenOutside(config)
	return err
}
