// Worker does the work of migrations: it takes workflows and activities from a Temporal server's task queues until it is
// told to stop. It keeps nothing: any number of workers may run, and be stopped and killed at any time.
//
// It is configured by the environment alone: see -h. Its log goes to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/mailferry/mailferry/internal/host"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
)

const usage = `usage: worker

Runs migrations for a Temporal server until SIGTERM or SIGINT; then gives its work back, which takes up to 40 seconds.
It is configured by the environment:

  TEMPORAL_ADDRESS          host:port of the Temporal server (localhost:7233)
  TEMPORAL_NAMESPACE        namespace (default)
  TEMPORAL_API_KEY, TEMPORAL_TLS, TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, ...
                            as for the temporal command
  MAILFERRY_KEY_FILE        file with the workers' private keys, the newest first; "starter keygen" makes one (required)
  MAILFERRY_MIGRATE_SLOTS   light activities at the same time (50)
  MAILFERRY_COPY_SLOTS      mailboxes copied at the same time (16)
  MAILFERRY_LOG_LEVEL       debug, info, warn or error (info)
  TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID
                            both: this worker is a version of that Worker Deployment
`

// checkTimeout bounds how long the server may take to answer at the start.
const checkTimeout = 20 * time.Second

func main() {
	if len(os.Args) > 1 {
		fmt.Fprint(os.Stderr, usage)
		if arg := os.Args[1]; arg == "-h" || arg == "-help" || arg == "--help" {
			return
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		for _, hint := range operator.Hints(err) {
			fmt.Fprintf(os.Stderr, "hint: %s\n", hint)
		}
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context) error {
	config, err := host.ConfigFromEnv()
	if err != nil {
		return err
	}
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return fmt.Errorf("reading the Temporal client's configuration: %w", err)
	}
	options.Logger = log.NewStructuredLogger(config.Log)
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}

	start, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c, err := client.DialContext(start, options)
	if err != nil {
		return operator.Translate(err)
	}
	defer c.Close()
	if err := check(start, c, options.Namespace, config.Log); err != nil {
		return err
	}

	h, err := host.New(c, config)
	if err != nil {
		return err
	}
	if err := h.Start(); err != nil {
		return operator.Translate(err)
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-h.Failed():
		err = operator.Translate(err)
	}
	h.Stop()
	return err
}

// check fails where the namespace can't carry migrations at all. That it forgets too early is the launch's to refuse:
// here it is only said.
func check(ctx context.Context, c client.Client, namespace string, log *slog.Logger) error {
	err := operator.Check(ctx, c, namespace, migration.Plan{})
	var known *operator.Error
	if errors.As(err, &known) && known.Kind == operator.ShortMemory {
		log.Warn(known.Text)
		return nil
	}
	return err
}
