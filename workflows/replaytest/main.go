// Replaytest records the histories that the replay test of package workflows replays. It carries small tenants through
// every shape of a migration on a Temporal server in this process, over a world without I/O, and writes every run of
// every workflow to testdata/histories, with their numbers in expected.txt.
//
//	make histories
//
// Run it when a release changes what the workflows do, after the replay test has passed with the histories of the
// releases before: give the release's name, and its histories come beside the others.
//
//	go run ./workflows/replaytest -release v1 -out workflows/testdata/histories
//
// It is a program and not a test so that package workflows and its tests never link the Temporal server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/temporaltest"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/workflows"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

func main() {
	release := flag.String("release", "v1", "the release whose histories these are")
	out := flag.String("out", filepath.Join("workflows", "testdata", "histories"), "where they go")
	limit := flag.Duration("limit", 3*time.Minute, "how long one shape may take")
	only := flag.String("shape", "", "record one shape alone")
	flag.Parse()
	for _, s := range shapes {
		if *only != "" && s.name != *only {
			continue
		}
		began := time.Now()
		if err := record(s, filepath.Join(*out, *release, s.name), *limit); err != nil {
			fmt.Fprintf(os.Stderr, "replaytest: error: recording %q: %v\n", s.name, err)
			os.Exit(1)
		}
		fmt.Printf("%s recorded in %s\n", s.name, time.Since(began).Round(100*time.Millisecond))
	}
}

// record carries one tenant through a shape on a server of its own.
func record(s shape, folder string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	server := temporaltest.NewServer(
		temporaltest.WithBaseWorkerOptions(worker.Options{Interceptors: workflows.Interceptors()}),
		temporaltest.WithBaseServerOptions(temporal.WithDynamicConfigClient(settings(s.short))),
		temporaltest.WithBaseClientOptions(client.Options{
			Logger: sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))),
		}))
	defer server.Stop()
	c := server.GetDefaultClient()
	if err := attributes(ctx, c, server.GetDefaultNamespace()); err != nil {
		return err
	}
	world := fake.New()
	for _, queue := range []string{activities.MigrateQueue, activities.CopyQueue} {
		server.NewWorker(queue, func(r worker.Registry) {
			world.Register(r)
			if queue == activities.MigrateQueue {
				workflows.Register(r)
			}
		})
	}
	run := &tenant{Client: c, world: world, ctx: ctx}
	if err := run.start(s); err != nil {
		return err
	}
	if err := s.drive(run); err != nil {
		run.ctx = context.WithoutCancel(ctx)
		return errors.Join(fmt.Errorf("%w\n%s", err, run.explain()), run.save(folder))
	}
	return run.save(folder)
}

// settings are the server's. With short histories every workflow goes on as a new run again and again.
func settings(short bool) dynamicconfig.Client {
	set := dynamicconfig.StaticClient{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): []dynamicconfig.ConstrainedValue{{Value: true}},
	}
	if short {
		set[dynamicconfig.HistoryCountSuggestContinueAsNew.Key()] = []dynamicconfig.ConstrainedValue{{Value: 50}}
	}
	return set
}

func attributes(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace,
		SearchAttributes: map[string]enumspb.IndexedValueType{
			workflows.SearchTenant.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.SearchLaunch.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.SearchState.GetName():  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.SearchStep.GetName():   enumspb.INDEXED_VALUE_TYPE_INT,
		},
	})
	return err
}
