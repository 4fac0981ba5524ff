package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/mailferry/mailferry/internal/host"
	"github.com/mailferry/mailferry/internal/seal"
	"github.com/mailferry/mailferry/standalone/embedded"
)

// place is where everything of one machine lives, and the ports it listens on.
type place struct {
	data         string
	port, uiPort int
}

func (p *place) flags(f *pflag.FlagSet, data string) {
	f.StringVar(&p.data, "data", data, "directory that holds everything; the same directory goes on where it was")
	f.IntVar(&p.port, "port", defaultPort, "port of the Temporal server on 127.0.0.1")
	f.IntVar(&p.uiPort, "ui-port", 8233, "port of the Temporal Web UI on 127.0.0.1")
}

func (p *place) path(parts ...string) string {
	return filepath.Join(append([]string{p.data}, parts...)...)
}

// defaultPort is where every Temporal client looks for the server.
const defaultPort = 7233

// retention is how long closed runs are kept: longer than any migration's plan and a month.
const retention = 90 * 24 * time.Hour

// machine is a Temporal server with its Web UI, and a worker, in this process.
type machine struct {
	server *embedded.Server
	client client.Client
	worker *host.Host
	log    io.Closer
}

// start brings the machine up in the place. The caller must call stop.
func start(ctx context.Context, p place, keys seal.Keyring) (*machine, error) {
	file, err := os.OpenFile(p.path("worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the worker's log: %w", err)
	}
	m := &machine{log: file}
	logger := slog.New(slog.NewTextHandler(file, nil))
	if err := m.up(ctx, p, keys, logger); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return m, nil
}

func (m *machine) up(ctx context.Context, p place, keys seal.Keyring, logger *slog.Logger) (err error) {
	m.server, err = embedded.Start(ctx, embedded.Options{
		Dir: p.path("temporal"), Port: p.port, UIPort: p.uiPort, Namespace: client.DefaultNamespace, Retention: retention,
	})
	if err != nil {
		return err
	}
	m.client, err = client.DialContext(ctx, client.Options{HostPort: m.server.Address, Logger: log.NewStructuredLogger(logger)})
	if err != nil {
		return fmt.Errorf("connect to the Temporal server in this process: %w", err)
	}
	m.worker, err = host.New(m.client, host.Config{Keys: keys, Log: logger})
	if err != nil {
		return fmt.Errorf("set the worker up: %w", err)
	}
	if err := m.worker.Start(); err != nil {
		m.worker = nil
		return fmt.Errorf("start the worker: %w", err)
	}
	return nil
}

// until returns a context that ends with ctx, and with the worker's error as its cause when the worker ends by itself.
func (m *machine) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case err := <-m.worker.Failed():
			cancel(fmt.Errorf("the worker ended by itself: %w", err))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stop ends what was started, in the opposite order.
func (m *machine) stop() error {
	if m.worker != nil {
		m.worker.Stop()
	}
	if m.client != nil {
		m.client.Close()
	}
	var err error
	if m.server != nil {
		err = m.server.Stop()
	}
	return errors.Join(err, m.log.Close())
}
