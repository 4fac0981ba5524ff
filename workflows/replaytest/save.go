package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"

	"github.com/mailferry/mailferry/workflows"
)

// save writes every run of the tenant, its waves and its mailboxes, and how many there are of each.
func (t *tenant) save(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var expected strings.Builder
	count := func(name, kind, id, first string) error {
		if err := t.closed(id); err != nil {
			return err
		}
		n, err := t.saveChain(folder, name, id, first)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		fmt.Fprintf(&expected, "%s %s %d\n", name, kind, n)
		return nil
	}
	if err := count("tenant", workflows.TenantType, t.plan.Tenant, t.run.GetRunID()); err != nil {
		return err
	}
	children, err := t.children(t.plan.Tenant, t.run.GetRunID())
	if err != nil {
		return err
	}
	for _, wave := range children {
		if err := count(name(wave.id), workflows.WaveType, wave.id, wave.run); err != nil {
			return err
		}
		mailboxes, err := t.children(wave.id, wave.run)
		if err != nil {
			return err
		}
		for _, m := range mailboxes {
			if err := count(name(m.id), workflows.MailboxType, m.id, m.run); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(folder, "expected.txt"), []byte(expected.String()), 0o644)
}

// closed waits until a workflow has ended, in whatever way.
func (t *tenant) closed(id string) error {
	for range 100 {
		description, err := t.DescribeWorkflowExecution(t.ctx, id, "")
		if err != nil {
			return err
		}
		if description.WorkflowExecutionInfo.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s still runs though its tenant has ended", id)
}

// name is a file's name for a workflow ID.
func name(id string) string {
	base := id[strings.LastIndexByte(id, '/')+1:]
	if user, _, ok := strings.Cut(base, "@"); ok {
		return "mailbox-" + user
	}
	return base
}

// child is a workflow that another started.
type child struct{ id, run string }

// children are those that any run of the chain has started.
func (t *tenant) children(id, first string) ([]child, error) {
	var all []child
	for run := first; run != ""; {
		history, next, err := t.history(id, run)
		if err != nil {
			return nil, err
		}
		for _, e := range history.Events {
			if started := e.GetChildWorkflowExecutionStartedEventAttributes(); started != nil {
				all = append(all, child{started.WorkflowExecution.WorkflowId, started.WorkflowExecution.RunId})
			}
		}
		run = next
	}
	return all, nil
}

// saveChain writes the runs of a chain and returns how many there are.
func (t *tenant) saveChain(folder, name, id, first string) (int, error) {
	n := 0
	for run := first; run != ""; {
		history, next, err := t.history(id, run)
		if err != nil {
			return n, err
		}
		n++
		if err := write(filepath.Join(folder, fmt.Sprintf("%s-%d.json.gz", name, n)), history); err != nil {
			return n, err
		}
		run = next
	}
	return n, nil
}

// history reads one run, and which run it went on as.
func (t *tenant) history(id, run string) (*historypb.History, string, error) {
	var history historypb.History
	next := ""
	events := t.GetWorkflowHistory(context.WithoutCancel(t.ctx), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, "", err
		}
		history.Events = append(history.Events, e)
		if on := e.GetWorkflowExecutionContinuedAsNewEventAttributes(); on != nil {
			next = on.NewExecutionRunId
		}
	}
	return &history, next, nil
}

func write(path string, history *historypb.History) error {
	data, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(history)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	zip, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := zip.Write(data); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return file.Close()
}

// explain is how the workflows stand, for a shape that didn't come to its end.
func (t *tenant) explain() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ids := []string{t.plan.Tenant}
	for _, wave := range t.plan.Waves {
		ids = append(ids, t.wave(wave.Name))
	}
	var b strings.Builder
	for _, user := range []string{"ada", "ben", "cleo"} {
		ids = append(ids, t.mailbox(user))
	}
	for _, id := range ids {
		var status any
		value, err := t.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
		if err == nil {
			err = value.Get(&status)
		}
		text, _ := json.Marshal(status)
		fmt.Fprintf(&b, "%s: %s %v\n", id, text, err)
	}
	return b.String()
}
