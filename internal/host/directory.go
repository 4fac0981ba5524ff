package host

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mailferry/mailferry/internal/m365"
	"github.com/mailferry/mailferry/internal/migration"
)

// maxTenants bounds how many tenants' clients are kept. A client is a token or two and some idle connections.
const maxTenants = 16

// directory adapts m365 to the activities, with one client for each tenant.
type directory struct {
	secrets *secrets
	mu      sync.Mutex
	kept    []*tenant // the last used one last
}

// tenant is a client and the secrets that it goes on using.
type tenant struct {
	id     [sha256.Size]byte
	client *m365.Client
	held   *held
}

// tenant returns the client for the configuration, a kept one where there is.
func (d *directory) tenant(m migration.Microsoft) (*tenant, error) {
	encoded, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the tenant's configuration: %w", err)
	}
	id := sha256.Sum256(encoded)
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.kept, func(t *tenant) bool { return t.id == id }); i >= 0 {
		t := d.kept[i]
		d.kept = append(slices.Delete(d.kept, i, i+1), t)
		return t, nil
	}
	h := d.secrets.hold()
	client, err := newClient(m, h)
	if err != nil {
		err = h.clean(err)
		h.release()
		return nil, err
	}
	t := &tenant{id, client, h}
	if len(d.kept) == maxTenants {
		d.kept[0].held.release()
		d.kept = slices.Delete(d.kept, 0, 1)
	}
	d.kept = append(d.kept, t)
	return t, nil
}

func newClient(m migration.Microsoft, h *held) (*m365.Client, error) {
	secret, err := h.open(m.Secret, "the app's client secret")
	if err != nil {
		return nil, err
	}
	certificate, err := h.open(m.Certificate, "the app's certificate")
	if err != nil {
		return nil, err
	}
	pool, err := roots(m.CA, "Microsoft's endpoints")
	if err != nil {
		return nil, err
	}
	return m365.New(m365.Config{
		TenantID: m.TenantID, ClientID: m.ClientID, Secret: secret, Certificate: []byte(certificate),
		Login: m.Login, Graph: m.Graph, Scope: m.Scope, Roots: pool,
	})
}

// token returns a new IMAP token, which no log and no error will show while h is held.
func (d *directory) token(ctx context.Context, m migration.Microsoft, h *held) (string, error) {
	t, err := d.tenant(m)
	if err != nil {
		return "", err
	}
	token, err := t.client.MailToken(ctx)
	if err != nil {
		return "", t.held.clean(err)
	}
	h.use(token)
	return token, nil
}

// call makes one call with the tenant's client. Its result counts even beside an error: a user may have been created
// before what followed failed.
func call[T any](d *directory, m migration.Microsoft, do func(*m365.Client) (T, error)) (T, error) {
	var none T
	t, err := d.tenant(m)
	if err != nil {
		return none, err
	}
	result, err := do(t.client)
	return result, t.held.clean(err)
}

// EnsureUser implements activities.Directory.
func (d *directory) EnsureUser(ctx context.Context, m migration.Microsoft, u migration.User) (migration.UserResult, error) {
	h := d.secrets.hold()
	defer h.release()
	result, err := call(d, m, func(c *m365.Client) (migration.UserResult, error) {
		return c.EnsureUser(ctx, u, func() (string, error) {
			return h.open(u.Password, fmt.Sprintf("the first password of %q", u.Address))
		})
	})
	return result, h.clean(err)
}

// MailboxAnswers implements activities.Directory.
func (d *directory) MailboxAnswers(ctx context.Context, m migration.Microsoft, address string) (bool, error) {
	return call(d, m, func(c *m365.Client) (bool, error) { return c.MailboxAnswers(ctx, address) })
}

// EnsureDomain implements activities.Directory.
func (d *directory) EnsureDomain(ctx context.Context, m migration.Microsoft, domain string) (migration.Domain, error) {
	return call(d, m, func(c *m365.Client) (migration.Domain, error) { return c.EnsureDomain(ctx, domain) })
}

// VerifyDomain implements activities.Directory.
func (d *directory) VerifyDomain(ctx context.Context, m migration.Microsoft, domain string) (bool, error) {
	return call(d, m, func(c *m365.Client) (bool, error) { return c.VerifyDomain(ctx, domain) })
}

// ServiceRecords implements activities.Directory.
func (d *directory) ServiceRecords(ctx context.Context, m migration.Microsoft, domain string) ([]migration.Record, error) {
	return call(d, m, func(c *m365.Client) ([]migration.Record, error) { return c.ServiceRecords(ctx, domain) })
}

// EnsureTrace implements activities.Directory.
func (d *directory) EnsureTrace(ctx context.Context, m migration.Microsoft) error {
	_, err := call(d, m, func(c *m365.Client) (struct{}, error) { return struct{}{}, c.EnsureTrace(ctx) })
	return err
}

// Trace implements activities.Directory.
func (d *directory) Trace(ctx context.Context, m migration.Microsoft, domain string, since time.Time) ([]migration.TraceRow, error) {
	return call(d, m, func(c *m365.Client) ([]migration.TraceRow, error) { return c.Trace(ctx, domain, since) })
}
