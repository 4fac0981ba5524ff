package deploy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mailferry/mailferry/internal/operator"
)

func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv([]string{"POSTGRES_PASSWORD=pass"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return project
}

func TestEveryPortIsOnLoopback(t *testing.T) {
	published := 0
	for _, service := range load(t).Services {
		for _, port := range service.Ports {
			published++
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", service.Name, port.Published, port.HostIP)
			}
		}
	}
	if published != 2 {
		t.Errorf("%d ports are published, want Temporal's and the Web UI's", published)
	}
}

func TestImagesArePinned(t *testing.T) {
	for _, service := range load(t).Services {
		if service.Build == nil && (!strings.Contains(service.Image, ":") || strings.HasSuffix(service.Image, ":latest")) {
			t.Errorf("%s has image %q", service.Name, service.Image)
		}
	}
}

// TestWebUISwitches checks that the Web UI cannot terminate, reset or pause a migration behind its back.
func TestWebUISwitches(t *testing.T) {
	ui := load(t).Services["ui"]
	for _, name := range []string{"WORKFLOW_TERMINATE", "WORKFLOW_RESET", "WORKFLOW_PAUSE", "BATCH_ACTIONS", "ACTIVITY_COMMANDS", "START_WORKFLOW"} {
		if value := ui.Environment["TEMPORAL_"+name+"_DISABLED"]; value == nil || *value != "true" {
			t.Errorf("TEMPORAL_%s_DISABLED is not true", name)
		}
	}
}

func TestPasswordIsAskedFor(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv([]string{"POSTGRES_PASSWORD="}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(t.Context()); err == nil || !strings.Contains(err.Error(), "set it in .env") {
		t.Errorf("without a password: %v", err)
	}
}

func TestNamespaceHasTheSearchAttributes(t *testing.T) {
	script, err := os.ReadFile("temporal/namespace.sh")
	if err != nil {
		t.Fatal(err)
	}
	words := map[enumspb.IndexedValueType]string{enumspb.INDEXED_VALUE_TYPE_KEYWORD: "Keyword", enumspb.INDEXED_VALUE_TYPE_INT: "Int"}
	for name, kind := range operator.Attributes() {
		if want := name + ":" + words[kind]; !strings.Contains(string(script), want) {
			t.Errorf("namespace.sh does not make %s", want)
		}
	}
}
