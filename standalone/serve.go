package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/seal"
)

func serveCommand() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run Temporal, its Web UI and a worker for a real, small organisation",
		Long: `Runs a Temporal server on a SQLite file, the Temporal Web UI and a worker in this process, until Ctrl-C.

It makes the workers' key at the first start and prints the line that plans need (sealTo). Launch migrations with the
starter, which finds this server by itself. Back up the data directory: it is the only record of what was done, and
its key alone opens the sealed passwords.`,
		Example: "  standalone serve --data /var/lib/mailferry\n  starter launch --plan plan.yaml --csv mailboxes.csv",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := os.MkdirAll(p.data, 0o700); err != nil {
				return fmt.Errorf("make the data directory: %w", err)
			}
			key, err := workerKey(p)
			if err != nil {
				return err
			}
			m, err := start(c.Context(), p, key.ring)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Temporal  %s\nWeb UI    %s\nsealTo:   %s\nCtrl-C ends it; the same command goes on.\n", m.server.Address, m.server.UI, key.public)
			ctx, cancel := m.until(c.Context())
			defer cancel()
			return errors.Join(waitForEnd(ctx), m.stop())
		},
	}
	p.flags(c.Flags(), "data/serve")
	return c
}

// waitForEnd waits for Ctrl-C, which is no error, or for whatever else ends ctx, which is.
func waitForEnd(ctx context.Context) error {
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keyPair is the workers' key pair.
type keyPair struct {
	ring   seal.Keyring
	public seal.Public
}

// workerKey reads the workers' private keys, the newest first, or makes one at the first start.
func workerKey(p place) (keyPair, error) {
	path := p.path("worker.key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newKey(path); err != nil {
			return keyPair{}, fmt.Errorf("make the workers' key: %w", err)
		}
	} else if err != nil {
		return keyPair{}, fmt.Errorf("read the workers' key: %w", err)
	}
	ring, err := seal.ParseKeyring(string(text))
	if err != nil {
		return keyPair{}, fmt.Errorf("read the workers' keys in %s: %w", path, err)
	}
	public, ok := ring.Public()
	if !ok {
		return keyPair{}, fmt.Errorf("%s holds no key; put the workers' private key back", path)
	}
	return keyPair{ring, public}, nil
}

// newKey writes a key under another name first, so that a process which dies on the way leaves no half a key.
func newKey(path string) ([]byte, error) {
	private, _, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".new", []byte(private+"\n"), 0o600); err != nil {
		return nil, err
	}
	return []byte(private), os.Rename(path+".new", path)
}
