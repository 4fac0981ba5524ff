// Package host builds the workers of a process: the workflows, and the activities with their real implementations.
// The commands worker and standalone are its two faces.
//
// It is where sealed secrets are opened: the libraries get clear ones in their own options, and no secret leaves in an
// error or a log line. Nothing here decides anything about a migration.
package host

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/workflows"
)

// stopTimeout is how long running activities may take to end in order: a copy returns what it learnt.
const stopTimeout = 40 * time.Second

// cachedWorkflows is how many workflows stay in memory between their tasks. A mailbox's state may come near 1 MB, so
// the SDK's 10,000 would be too many; one that isn't there is replayed.
const cachedWorkflows = 2000

// Host runs the workers of one process: one on each task queue.
type Host struct {
	workers []worker.Worker
	log     *slog.Logger
	failed  chan error
}

// New makes the workers, which poll nothing before Start.
func New(c client.Client, config Config) (*Host, error) {
	a, log, err := newActivities(c, config)
	if err != nil {
		return nil, err
	}
	worker.SetStickyWorkflowCacheSize(cachedWorkflows) // of the process, before its first worker starts
	h := &Host{log: log, failed: make(chan error, 1)}

	options := h.options(config)
	options.MaxConcurrentActivityExecutionSize = cmp.Or(config.MigrateSlots, defaultMigrateSlots)
	migrate := worker.New(c, activities.MigrateQueue, options)
	workflows.Register(migrate)
	migrate.RegisterActivity(a)

	options = h.options(config)
	options.MaxConcurrentActivityExecutionSize = cmp.Or(config.CopySlots, defaultCopySlots)
	options.DisableWorkflowWorker = true
	copies := worker.New(c, activities.CopyQueue, options)
	copies.RegisterActivity(a)

	h.workers = []worker.Worker{migrate, copies}
	return h, nil
}

// newActivities puts the real implementations together.
func newActivities(c client.Client, config Config) (*activities.Activities, *slog.Logger, error) {
	public, ok := config.Keys.Public()
	if !ok {
		return nil, nil, errors.New("a worker needs a private key to open secrets with; make one with \"starter keygen\"")
	}
	opened, log := config.opened, config.Log
	if opened == nil {
		opened = newSecrets(config.Keys)
		log = slog.New(quiet{cmp.Or(config.Log, slog.Default()).Handler(), opened})
	}
	tenants := &directory{secrets: opened}
	return &activities.Activities{
		Directory: tenants,
		Zone:      zones{opened},
		Mailboxes: &mailboxes{secrets: opened, directory: tenants},
		Notifier:  notifier{opened},
		Archive:   fileArchive{},
		Reports:   reports{},
		Children:  children{c},
		Passwords: passwords{public, opened},
		Heartbeat: c,
	}, log, nil
}

// options are those that both workers share.
func (h *Host) options(config Config) worker.Options {
	options := worker.Options{
		WorkerStopTimeout: stopTimeout,
		Interceptors:      workflows.Interceptors(),
		OnFatalError: func(err error) {
			select {
			case h.failed <- err:
			default: // the first is enough
			}
		},
	}
	if config.Deployment != "" && config.BuildID != "" {
		options.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true,
			Version:       worker.WorkerDeploymentVersion{DeploymentName: config.Deployment, BuildID: config.BuildID},
			// Workflows run for weeks and continue as new: they move to a new version as soon as it is current.
			DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		}
	}
	return options
}

// Start begins to poll. It fails when the server can't be reached or the namespace isn't there.
func (h *Host) Start() error {
	for i, w := range h.workers {
		if err := w.Start(); err != nil {
			for _, started := range h.workers[:i] {
				started.Stop()
			}
			return fmt.Errorf("starting the worker: %w", err)
		}
	}
	h.log.Info("the worker has started", "queues", []string{activities.MigrateQueue, activities.CopyQueue})
	return nil
}

// Failed gives the error by which a worker ended on its own, for example because its namespace was deleted.
func (h *Host) Failed() <-chan error { return h.failed }

// Stop polls no more and waits until what is running has ended, at most 40 seconds: copies return what they learnt.
func (h *Host) Stop() {
	h.log.Info("the worker is stopping")
	var wait sync.WaitGroup
	for _, w := range h.workers {
		wait.Go(w.Stop)
	}
	wait.Wait()
}
