package host

import (
	"log/slog"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/seal"
)

func lazyClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{
		HostPort: "127.0.0.1:1", Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestHostNeedsAKeyAndAServer(t *testing.T) {
	c := lazyClient(t)
	if _, err := New(c, Config{}); err == nil {
		t.Error("a host without a key was made")
	}
	keys, _ := newKeys(t)
	h, err := New(c, Config{Keys: keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err == nil {
		t.Error("a host without a server was started")
		h.Stop()
	}
}

func TestVersioningNeedsBothNames(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		on     bool
	}{
		"none":            {Config{}, false},
		"deployment only": {Config{Deployment: "mailferry"}, false},
		"build only":      {Config{BuildID: "1"}, false},
		"both":            {Config{Deployment: "mailferry", BuildID: "1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := (&Host{}).options(test.config).DeploymentOptions
			if got.UseVersioning != test.on {
				t.Errorf("versioning %v, want %v", got.UseVersioning, test.on)
			}
			if test.on && got.DefaultVersioningBehavior != workflow.VersioningBehaviorAutoUpgrade {
				t.Error("workflows that run for weeks would be pinned to a version")
			}
		})
	}
}

func TestImplementationsAreComplete(t *testing.T) {
	keys, _ := newKeys(t)
	a, log, err := newActivities(lazyClient(t), Config{Keys: keys})
	if err != nil || log == nil {
		t.Fatal(err)
	}
	if a.Directory == nil || a.Zone == nil || a.Mailboxes == nil || a.Notifier == nil || a.Archive == nil || a.Children == nil ||
		a.Passwords == nil || a.Heartbeat == nil {
		t.Errorf("something is missing: %+v", a)
	}
	if _, _, err := newActivities(lazyClient(t), Config{Keys: seal.Keyring{}}); err == nil {
		t.Error("an empty keyring was taken")
	}
}
