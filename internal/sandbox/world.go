// Package sandbox is a whole world in one directory: an organisation with mailboxes on an old system, its DNS zone, a
// Microsoft tenant, and somebody outside who goes on sending mail. Whoever migrates meets real protocols on loopback
// ports (IMAP, SMTP, DNS, HTTPS), with TLS by the world's own authority.
//
// # It outlives its process
//
// Everything that was acknowledged is in the directory before the answer is sent: mailboxes, zones, users, sent mail,
// ports, certificates, and the mail that is still to arrive. A process that is killed and started again with the same
// directory is the same world on the same ports. Waits are counted from stored instants by the clock on the wall.
// Only what a resolver remembers, connections, and faults that were switched on are lost, as anywhere.
//
// # Secrets
//
// Passwords and keys are derived from one random file in the directory's secrets folder (mode 0600). None is logged.
package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/dns"
	"github.com/mailferry/mailferry/internal/sandbox/graph"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/smtp"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// World runs from [Open] to [World.Close].
type World struct {
	options     Options
	log         *slog.Logger
	db          *bbolt.DB
	secrets     *secrets
	authority   *authority
	certificate *tls.Config
	sockets     *sockets
	people      []Account
	mishaps     Mishaps
	deeds       []Deed
	ledger      *ledger

	source, target         *store.Store
	sourceIMAP, targetIMAP *imap.Server
	dns                    *dns.Authority
	resolverA, resolverB   *dns.Resolver
	tenant                 *graph.Server
	outside                *smtp.Outside

	cancel context.CancelFunc
	group  *errgroup.Group

	// desks is held while somebody does something with a message.
	desks sync.Mutex

	mu sync.Mutex
	// faults take the desk's faults away.
	faults []func()
}

// Open starts the world in o.Dir, and makes it first if the directory is new. Everything answers when Open returns.
// Ctx bounds the opening alone.
func Open(ctx context.Context, o Options) (*World, error) {
	w := &World{log: o.Log}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if err := w.prepare(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the world in %q: %w", o.Dir, err), w.release())
	}
	w.serve()
	return w, nil
}

// prepare opens everything and starts nothing.
func (w *World) prepare(ctx context.Context, o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if w.db, err = store.Open(filepath.Join(dir, "world.db")); err != nil {
		return err
	}
	if w.options, err = settle(w.db, o); err != nil {
		return err
	}
	if w.secrets, err = openSecrets(dir); err != nil {
		return err
	}
	if w.authority, err = openAuthority(dir); err != nil {
		return err
	}
	if w.certificate, err = w.authority.server(w.hosts()); err != nil {
		return err
	}
	if w.sockets, err = listen(w.db, o.Ports); err != nil {
		return err
	}
	w.people = w.accounts()
	if err := errors.Join(w.planMishaps(), w.planDeeds()); err != nil {
		return err
	}
	if err := w.openNames(); err != nil {
		return err
	}
	if err := w.openMailboxes(ctx); err != nil {
		return err
	}
	if err := w.openTenant(); err != nil {
		return err
	}
	return w.openOutside()
}

// settle returns the world's options: the stored ones, or at the first time the caller's with the defaults.
func settle(db *bbolt.DB, o Options) (Options, error) {
	var stored *Options
	if err := get(db, "options", &stored); err != nil {
		return Options{}, err
	}
	if stored != nil {
		return o.merge(*stored)
	}
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return Options{}, err
	}
	return o, put(db, "options", o)
}

func (w *World) openNames() (err error) {
	w.dns, err = dns.Open(w.db, map[string]string{tsigName: w.tsigSecret()}, w.log)
	if err != nil {
		return err
	}
	for _, zone := range w.zones() {
		if err := w.dns.AddZone(zone); err != nil {
			return err
		}
	}
	w.resolverA = dns.NewResolver(w.sockets.address(portDNS), nil)
	w.resolverB = dns.NewResolver(w.sockets.address(portDNS), nil)
	return nil
}

func (w *World) openMailboxes(ctx context.Context) (err error) {
	if w.source, err = store.New(w.db, string(Source)); err != nil {
		return err
	}
	if w.target, err = store.New(w.db, string(Target)); err != nil {
		return err
	}
	if w.ledger, err = openLedger(w.db, map[Side]*store.Store{Source: w.source, Target: w.target}); err != nil {
		return err
	}
	began := time.Now()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := corpus.Fill(w.source, w.options.Seed, w.corpus()); err != nil {
		return fmt.Errorf("filling the old system's mailboxes: %w", err)
	}
	w.log.Info("the old system's mailboxes are filled", "mailboxes", len(w.people), "took", time.Since(began).Round(time.Millisecond))
	dialect := imap.Source()
	if w.options.Dotted {
		dialect = imap.DottedSource()
	}
	w.sourceIMAP = imap.NewServer(imap.Config{
		Store: w.source, Dialect: dialect, TLS: w.certificate, Authenticate: w.signInSource, Log: w.log.With("server", portSourceIMAP),
	})
	w.targetIMAP = imap.NewServer(imap.Config{
		Store: w.target, Dialect: w.tenantDialect(), TLS: w.certificate, Authenticate: w.signInTarget,
		Expires: func(token string) time.Time { return w.tenant.Expires(token) }, Log: w.log.With("server", portTargetIMAP),
	})
	w.poison()
	return nil
}

func (w *World) tenantDialect() imap.Dialect { return imap.ExchangeOnline(imap.Classic) }

// corpus is what the old system's mailboxes hold at the beginning.
func (w *World) corpus() corpus.Spec {
	spec := corpus.Spec{
		Messages: (w.options.Messages + w.options.Mailboxes - 1) / w.options.Mailboxes, Big: !w.options.Small, Separator: "/",
	}
	if w.options.Dotted {
		dialect := imap.DottedSource()
		spec.Separator, spec.Prefix = dialect.Separator, dialect.Prefix
	}
	for _, account := range w.people {
		spec.Addresses = append(spec.Addresses, account.Address)
	}
	return spec
}

func (w *World) openTenant() (err error) {
	w.tenant, err = graph.Open(graph.Config{
		DB: w.db, Base: "https://" + w.sockets.address(portMicrosoft), Mail: mailResource, Delays: *w.options.Delays, Log: w.log,
		Tenant: graph.Tenant{
			ID: guid(w.secrets.bytes("tenant")), Initial: initialName,
			ClientID: guid(w.secrets.bytes("client")), Secret: w.secrets.password("client-secret"),
			Roles: []string{
				"User.ReadWrite.All", "Organization.Read.All", "Domain.ReadWrite.All", "MailboxSettings.Read", "Mail.ReadBasic.All",
				"Application.ReadWrite.All", "ExchangeMessageTrace.Read.All",
			},
			MailRoles: []string{"IMAP.AccessAsApp"},
			Licences:  map[string]int{licence: w.options.Mailboxes + 5, "DESKLESSPACK": 5, "M365_F1": 5},
		},
		LookupTXT: func(ctx context.Context, domain string) ([]string, error) {
			// The tenant asks the domain's own server and remembers nothing.
			return dns.NewResolver(w.sockets.address(portDNS), nil).Texts(ctx, domain)
		},
		MakeMailbox: func(address string) error {
			account, _ := w.account(address)
			return w.target.Create(address, imap.ExchangeFolders(account.Language))
		},
		CountInbox: func(address string) (int, int) {
			inbox, err := w.target.Folder(address, store.Inbox)
			if err != nil {
				return 0, 0
			}
			return inbox.Messages, inbox.Unseen
		},
		Exchanger: w.exchanger,
	})
	return err
}

// licence is the SKU part number that the plan names.
const licence = "O365_BUSINESS_ESSENTIALS"

func guid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// serve starts all servers and what happens by itself.
func (w *World) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.group, ctx = errgroup.WithContext(ctx)
	run := func(name string, do func() error) {
		w.group.Go(func() error {
			err := do()
			if err != nil {
				w.log.Error("a part of the world has stopped", "part", name, "error", err)
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	run(portDNS, func() error { return w.dns.Serve(ctx, w.sockets.dns[portDNS]) })
	run(portResolverA, func() error { return w.resolverA.Serve(ctx, w.sockets.dns[portResolverA]) })
	run(portResolverB, func() error { return w.resolverB.Serve(ctx, w.sockets.dns[portResolverB]) })
	run(portSourceIMAP, func() error { return w.sourceIMAP.Serve(ctx, w.sockets.tcp[portSourceIMAP]) })
	run(portTargetIMAP, func() error { return w.targetIMAP.Serve(ctx, w.sockets.tcp[portTargetIMAP]) })
	run(portMicrosoft, func() error { return w.serveHTTP(ctx) })
	for name, config := range map[string]smtp.Config{
		portSourceMX: w.sourceServer(), portSourceSubmission: w.sourceSubmission(), portTenantMX: w.tenantServer(),
		portTenantSubmission: w.tenantSubmission(), portRelay: w.relay(),
	} {
		run(name, func() error { return smtp.Serve(ctx, w.sockets.tcp[name], config) })
	}
	run("outside", func() error { return w.outside.Run(ctx) })
	run("arrivals", func() error { return w.arrive(ctx) })
	run("people", func() error { return w.work(ctx) })
	run("clock", func() error { return w.tick(ctx) })
}

func (w *World) serveHTTP(ctx context.Context) error {
	server := &http.Server{
		Handler: w.handler(), TLSConfig: w.certificate.Clone(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.ServeTLS(w.sockets.tcp[portMicrosoft], "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tick makes what the clock brings about also when nobody looks.
func (w *World) tick(ctx context.Context) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.tenant.Provision()
		}
	}
}

// Close stops everything. The error is the first with which a part of the world had stopped by itself before.
func (w *World) Close() error {
	w.cancel()
	err := w.group.Wait()
	return errors.Join(err, w.release())
}

// release gives back what prepare has opened. Listeners that were served are closed already.
func (w *World) release() error {
	if w.sockets != nil {
		_ = w.sockets.Close()
	}
	if w.db != nil {
		return w.db.Close()
	}
	return nil
}

// Wait blocks until a part of the world has stopped by itself, and returns its error, or nil after Close.
func (w *World) Wait() error { return w.group.Wait() }

// The parts of the world, for tests that look inside or switch faults on.
func (w *World) Tenant() *graph.Server     { return w.tenant }
func (w *World) Zones() *dns.Authority     { return w.dns }
func (w *World) SourceIMAP() *imap.Server  { return w.sourceIMAP }
func (w *World) TargetIMAP() *imap.Server  { return w.targetIMAP }
func (w *World) Store(s Side) *store.Store { return w.ledger.stores[s] }

// Roots trusts the world's authority and nobody else.
func (w *World) Roots() *x509.CertPool { return w.authority.pool }

func (w *World) clientTLS() *tls.Config {
	return &tls.Config{RootCAs: w.authority.pool, MinVersion: tls.VersionTLS12}
}

// Address is host:port of one of the servers that [World.Addresses] lists; empty for any other name.
func (w *World) Address(name string) string {
	if !isService(name) {
		return ""
	}
	return w.sockets.address(name)
}

// Line is a server of the world.
type Line struct{ Name, Address, Note string }

// Addresses lists the servers for printing.
func (w *World) Addresses() []Line {
	lines := make([]Line, 0, len(services))
	for _, service := range services {
		lines = append(lines, Line{service.name, w.sockets.address(service.name), service.note})
	}
	return lines
}

// CA is the path of the authority's certificate.
func (w *World) CA() string { return w.authority.path }

// Domains are those that move.
func (w *World) Domains() []string { return append([]string(nil), w.options.Domains...) }
