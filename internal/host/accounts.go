package host

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
)

// defaultLoginFormat is how Dovecot writes a master user's sign-in (doc.dovecot.org, master users).
const defaultLoginFormat = "{user}*{master}"

// source is the account by which the mailbox is opened at its source.
func source(e migration.Endpoint, m migration.Mailbox, h *held) (mailcopy.Account, error) {
	pool, err := roots(e.CA, fmt.Sprintf("the endpoint %q", e.Name))
	if err != nil {
		return mailcopy.Account{}, err
	}
	account := mailcopy.Account{
		Address:    net.JoinHostPort(e.Host, strconv.Itoa(e.Port)),
		ServerName: e.Host,
		Security:   e.Security,
		Roots:      pool,
	}
	switch e.Auth {
	case migration.AuthPassword, "":
		password, err := h.open(m.Password, fmt.Sprintf("the source password of %q", m.Address))
		if err != nil {
			return mailcopy.Account{}, err
		}
		account.Auth = mailcopy.Auth{User: m.User, Password: password}
	case migration.AuthMaster, migration.AuthProxy:
		password, err := h.open(e.MasterPassword, fmt.Sprintf("the master password of the endpoint %q", e.Name))
		if err != nil {
			return mailcopy.Account{}, err
		}
		if e.Auth == migration.AuthProxy {
			account.Auth = mailcopy.Auth{Mechanism: "PLAIN", User: e.MasterUser, Identity: m.User, Password: password}
			break
		}
		login := strings.NewReplacer("{user}", m.User, "{master}", e.MasterUser).Replace(cmp.Or(e.LoginFormat, defaultLoginFormat))
		account.Auth = mailcopy.Auth{User: login, Password: password}
	default:
		return mailcopy.Account{}, migration.NeedsPerson("auth-unknown",
			fmt.Sprintf("the endpoint %q wants the auth %q, which this worker doesn't know", e.Name, e.Auth),
			"use password, master or proxy, or a newer worker", nil)
	}
	return account, nil
}

// target is the account by which the mailbox is opened in the tenant.
func (m *mailboxes) target(door activities.Door, address string, h *held) (mailcopy.Account, error) {
	pool, err := roots(door.Target.CA, "the target")
	if err != nil {
		return mailcopy.Account{}, err
	}
	return mailcopy.Account{
		Address:    net.JoinHostPort(door.Target.Host, strconv.Itoa(door.Target.Port)),
		ServerName: door.Target.Host,
		Security:   migration.TLS,
		Roots:      pool,
		Auth: mailcopy.Auth{
			Mechanism: "XOAUTH2",
			User:      address,
			Token:     func(ctx context.Context) (string, error) { return m.directory.token(ctx, door.Microsoft, h) },
		},
	}, nil
}
