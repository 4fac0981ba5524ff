package host

import (
	"context"
	"fmt"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/notify"
)

// notifier adapts notify to the activities.
type notifier struct{ secrets *secrets }

// server opens what signing in to the server needs.
func (n notifier) server(s migration.SMTP, h *held) (notify.Server, error) {
	password, err := h.open(s.Password, fmt.Sprintf("the password for the mail server %s", s.Host))
	if err != nil {
		return notify.Server{}, err
	}
	pool, err := roots(s.CA, fmt.Sprintf("the mail server %s", s.Host))
	if err != nil {
		return notify.Server{}, err
	}
	return notify.Server{Host: s.Host, Port: s.Port, Security: s.Security, Roots: pool, User: s.User, Password: password}, nil
}

// Notify implements activities.Notifier.
func (n notifier) Notify(ctx context.Context, plan migration.Notices, s migration.SMTP, notice migration.Notice) error {
	h := n.secrets.hold()
	defer h.release()
	server, err := n.server(s, h)
	if err != nil {
		return err
	}
	return h.clean(notify.Notify(ctx, plan.From, plan.ReplyTo, server, notice))
}

// Probe implements activities.Notifier.
func (n notifier) Probe(ctx context.Context, relay migration.SMTP, from, to, messageID string) error {
	h := n.secrets.hold()
	defer h.release()
	server, err := n.server(relay, h)
	if err != nil {
		return err
	}
	return h.clean(notify.Probe(ctx, server, from, to, messageID))
}
