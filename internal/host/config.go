package host

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/mailferry/mailferry/internal/seal"
)

// The environment variables that configure a worker beside those of the Temporal client.
const (
	envKeyFile      = "MAILFERRY_KEY_FILE"
	envMigrateSlots = "MAILFERRY_MIGRATE_SLOTS"
	envCopySlots    = "MAILFERRY_COPY_SLOTS"
	envLogLevel     = "MAILFERRY_LOG_LEVEL"
	envDeployment   = "TEMPORAL_DEPLOYMENT_NAME"
	envBuildID      = "TEMPORAL_WORKER_BUILD_ID"
)

const (
	// defaultMigrateSlots are light: most wait for a server's answer.
	defaultMigrateSlots = 50
	// defaultCopySlots are mailboxes: some connections and some MB in flight each.
	defaultCopySlots = 16
	// maxSlots is more than one process can use.
	maxSlots = 2000
)

// Config is what a worker needs to know.
type Config struct {
	// Keys opens the sealed secrets, and seals first passwords; it must hold a key.
	Keys seal.Keyring
	// MigrateSlots and CopySlots are how many activities run at the same time on each queue; 0 means 50 and 16.
	MigrateSlots, CopySlots int
	// Deployment and BuildID switch Worker Versioning on where both are set.
	Deployment, BuildID string
	// Log takes what the worker says; nil means slog's default. No secret that is in use gets through to it.
	Log *slog.Logger

	// opened is set where Log hides its secrets already.
	opened *secrets
}

// ConfigFromEnv reads the configuration. Its Log hides secrets from the first line on, so a client may log to it too:
//
//	MAILFERRY_KEY_FILE        file with the private keys, the newest first (required; "starter keygen" makes one)
//	MAILFERRY_MIGRATE_SLOTS   light activities at the same time (50)
//	MAILFERRY_COPY_SLOTS      mailboxes copied at the same time (16)
//	MAILFERRY_LOG_LEVEL       debug, info, warn or error (info); the log goes to standard error
//	TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID   both: Worker Versioning is on
func ConfigFromEnv() (Config, error) {
	var c Config
	var faults []error
	file := os.Getenv(envKeyFile)
	if file == "" {
		faults = append(faults, fmt.Errorf("%s is not set: it must name the file with the worker's private key, which \"starter keygen\" makes", envKeyFile))
	} else if err := c.readKeys(file); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, readSlots(envMigrateSlots, &c.MigrateSlots), readSlots(envCopySlots, &c.CopySlots))
	level := slog.LevelInfo
	if text := os.Getenv(envLogLevel); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			faults = append(faults, fmt.Errorf("%s is %q; it must be debug, info, warn or error", envLogLevel, text))
		}
	}
	c.opened = newSecrets(c.Keys)
	c.Log = slog.New(quiet{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}), c.opened})
	c.Deployment, c.BuildID = os.Getenv(envDeployment), os.Getenv(envBuildID)
	return c, errors.Join(faults...)
}

func readSlots(name string, slots *int) error {
	text := os.Getenv(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 || n > maxSlots {
		return fmt.Errorf("%s is %q; it must be a number from 2 to %d", name, text, maxSlots)
	}
	*slots = n
	return nil
}

func (c *Config) readKeys(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the worker's key (%s): %w", envKeyFile, err)
	}
	if c.Keys, err = seal.ParseKeyring(string(text)); err != nil {
		return fmt.Errorf("reading the worker's key (%s) from %q: %w", envKeyFile, file, err)
	}
	return nil
}
