package workflows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// histories are the recordings of every shape that was ever released; see the package replaytest for how they are made.
const histories = "testdata/histories"

// TestReplay replays every run of every shape of every release. What is missing fails it too: each shape says how many
// runs there are of each workflow.
func TestReplay(t *testing.T) {
	shapes := shapesRecorded(t)
	for _, shape := range shapes {
		t.Run(strings.TrimPrefix(shape, histories+"/"), func(t *testing.T) {
			t.Parallel()
			for _, path := range runsExpected(t, shape) {
				if err := replay(t, path); err != nil {
					t.Errorf("%s: %v; a run of a released version would break here: keep the old order behind workflow.GetVersion", path, err)
				}
			}
		})
	}
}

// TestReplayFailsOnAnotherOrder proves that the gate is one: with two activities exchanged no tenant's history replays.
func TestReplayFailsOnAnotherOrder(t *testing.T) {
	for _, exchanged := range []struct{ name, a, b, file string }{
		{"tenant", "Publish", "Visible", "tenant-1.json.gz"},
		{"tenant", "EnsureDomain", "EnsureTrace", "tenant-1.json.gz"},
		{"wave", "EnsureUsers", "MailboxesAnswer", "wave-01-1.json.gz"},
		{"mailbox", "Copy", "Verify", "mailbox-ada-1.json.gz"},
	} {
		path := filepath.Join(histories, "v1", "approve", exchanged.file)
		if err := replay(t, path, exchange(exchanged.a, exchanged.b)); err == nil {
			t.Errorf("the %s's history replays with %s and %s exchanged", exchanged.name, exchanged.a, exchanged.b)
		}
		if err := replay(t, path); err != nil {
			t.Errorf("the %s's history does not replay as it is: %v", exchanged.name, err)
		}
	}
}

// shapesRecorded are the folders of all shapes of all releases.
func shapesRecorded(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(histories, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	const fewest = 26
	if len(found) < fewest {
		t.Fatalf("%d shapes are recorded in %s, at least %d were released: run make histories, or restore them", len(found), histories, fewest)
	}
	return found
}

// runsExpected are the files of a shape's runs, which must all be there and no others.
func runsExpected(t *testing.T, shape string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shape, "expected.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var name, kind string
		var runs int
		if _, err := fmt.Sscan(lines.Text(), &name, &kind, &runs); err != nil {
			t.Fatalf("%s: %q: %v", shape, lines.Text(), err)
		}
		for n := range runs {
			paths = append(paths, filepath.Join(shape, fmt.Sprintf("%s-%d.json.gz", name, n+1)))
		}
	}
	files, err := filepath.Glob(filepath.Join(shape, "*.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(paths) || len(paths) < 3 {
		t.Fatalf("%s has %d histories, and expected.txt names %d", shape, len(files), len(paths))
	}
	return paths
}

func replay(t *testing.T, path string, more ...interceptor.WorkerInterceptor) error {
	t.Helper()
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: append(Interceptors(), more...)})
	if err != nil {
		t.Fatal(err)
	}
	Register(replayer)
	return replayer.ReplayWorkflowHistory(silent{}, load(t, path))
}

func load(t *testing.T, path string) *historypb.History {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	data, err := io.ReadAll(zip)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	history, err := client.HistoryFromJSON(bytes.NewReader(data), client.HistoryJSONOptions{})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return history
}

// exchanging schedules each of two activities in the other's place.
type exchanging struct {
	interceptor.WorkflowOutboundInterceptorBase
	a, b string
}

// exchange is the interceptor of exchanging.
func exchange(a, b string) interceptor.WorkerInterceptor {
	return &outbound{wrap: func(next interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor {
		e := &exchanging{a: a, b: b}
		e.Next = next
		return e
	}}
}

func (e *exchanging) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	switch name {
	case e.a:
		name = e.b
	case e.b:
		name = e.a
	}
	return e.Next.ExecuteActivity(ctx, name, args...)
}

// silent is a logger that says nothing.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
