package embedded_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/standalone/embedded"
)

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestServerKeepsWhatItWasTold(t *testing.T) {
	o := embedded.Options{Dir: t.TempDir(), Port: port(t), UIPort: port(t), Namespace: "default", Retention: 90 * 24 * time.Hour}
	for _, run := range []string{"first", "second"} {
		s, err := embedded.Start(t.Context(), o)
		if err != nil {
			t.Fatalf("%s start: %v", run, err)
		}
		if _, err := embedded.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("a second server in the same directory got %v", err)
		}
		c, err := client.Dial(client.Options{HostPort: s.Address})
		if err != nil {
			t.Fatal(err)
		}
		if run == "first" {
			if _, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: "none"}, "Nothing"); err != nil {
				t.Fatal(err)
			}
		} else if _, err := c.DescribeWorkflowExecution(t.Context(), "kept", ""); err != nil {
			t.Errorf("the workflow of the first run: %v", err)
		}
		checkRetention(t, c)
		if response, err := http.Get(s.UI); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("the Web UI answered %v, %v", response, err)
		}
		c.Close()
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

func checkRetention(t *testing.T, c client.Client) {
	t.Helper()
	answer, err := c.WorkflowService().DescribeNamespace(context.Background(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); got != 90*24*time.Hour {
		t.Errorf("closed runs are kept %s, want 90 days", got)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port, UIPort: port(t), Namespace: "default"})
	if err == nil || !strings.Contains(err.Error(), "--port") {
		t.Errorf("got %v, want an error that names --port", err)
	}
}
