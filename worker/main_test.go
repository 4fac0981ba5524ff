package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/seal"
	"github.com/mailferry/mailferry/standalone/embedded"
)

// newKey makes a worker's key and returns its file, and what is sealed to it.
func newKey(t *testing.T) (file string, public seal.Public) {
	t.Helper()
	private, text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = seal.ParsePublic(text); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "worker.key")
	if err := os.WriteFile(file, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, public
}

// keyFile is the file of a new key.
func keyFile(t *testing.T) string {
	t.Helper()
	file, _ := newKey(t)
	return file
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// isolate keeps a developer's own configuration out.
func isolate(t *testing.T, key, address, namespace string) {
	t.Helper()
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	t.Setenv("MAILFERRY_KEY_FILE", key)
	t.Setenv("TEMPORAL_ADDRESS", address)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	isolate(t, "", "127.0.0.1:1", "")
	if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "MAILFERRY_KEY_FILE is not set") {
		t.Errorf("without a key: %v", err)
	}
	isolate(t, keyFile(t), "127.0.0.1:1", "")
	var known *operator.Error
	if err := run(t.Context()); !errors.As(err, &known) || known.Kind != operator.Unreachable || len(known.Hints) == 0 {
		t.Errorf("without a server: %v", err)
	}
}

// startServer starts the server that standalone embeds, and returns its address.
func startServer(t *testing.T) string {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		Dir: t.TempDir(), Port: freePort(t), UIPort: freePort(t), Namespace: client.DefaultNamespace, Retention: 90 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server.Address
}

func TestRunOnARealServer(t *testing.T) {
	server := startServer(t)
	isolate(t, keyFile(t), server, "nowhere")
	var known *operator.Error
	if err := run(t.Context()); !errors.As(err, &known) || known.Kind != operator.NoNamespace {
		t.Errorf("in a namespace that isn't there: %v", err)
	}

	c, err := client.DialContext(t.Context(), client.Options{HostPort: server})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: "bare", WorkflowExecutionRetentionPeriod: durationpb.New(90 * 24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	isolate(t, keyFile(t), server, "bare")
	bounded, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := run(bounded); !errors.As(err, &known) || known.Kind != operator.NoAttributes {
		t.Errorf("in a namespace without search attributes: %v", err)
	}

	isolate(t, keyFile(t), server, "")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	time.AfterFunc(2*time.Second, stop)
	select {
	case err := <-ended:
		if err != nil || ctx.Err() == nil {
			t.Errorf("the worker ended with %v; want it to end without an error when it is told to", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the worker doesn't stop")
	}
}
