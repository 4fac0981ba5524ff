package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

const (
	// obeyLimit is how long orphans are watched for ending, looking every obeyEvery.
	obeyLimit = 30 * time.Second
	obeyEvery = time.Second
)

// abortOrphans stops the waves and mailboxes whose migration is gone, after asking.
func (s *starter) abortOrphans(cmd *cobra.Command, tenant string, who signature, yes bool) error {
	by, err := who.name()
	if err != nil {
		return err
	}
	return s.with(cmd, func(l link) error {
		ctx, out := cmd.Context(), cmd.OutOrStdout()
		orphans, err := l.Orphans(ctx, tenant)
		if err != nil {
			return err
		}
		if len(orphans) == 0 {
			fmt.Fprintln(out, "nothing runs without its migration")
			return nil
		}
		for _, one := range orphans {
			fmt.Fprintf(out, "%s, since %s: %s\n", one.ID, clock(one.Started), one.Why)
		}
		if err := confirm(cmd, yes, "yes", fmt.Sprintf("Stop these %d for good?", len(orphans))); err != nil {
			return err
		}
		reached, err := l.AbortOrphans(ctx, orphans, workflows.Order{By: by, Reason: who.reason})
		if err != nil {
			return err
		}
		left, err := waitForEnd(ctx, l, reached)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%d of %d have ended\n", len(orphans)-len(left), len(orphans))
		if len(left) > 0 {
			return deaf(left)
		}
		return nil
	})
}

// waitForEnd waits a while for the orphans to end and returns those that didn't.
func waitForEnd(ctx context.Context, l link, orphans []operator.Orphan) ([]operator.Orphan, error) {
	limit := time.After(obeyLimit)
	for {
		left, err := l.StillRunning(ctx, orphans)
		if err != nil || len(left) == 0 {
			return left, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-limit:
			return left, nil
		case <-time.After(obeyEvery):
		}
	}
}

// deaf says which orphans did not end. They are not terminated: what they are in the midst of would be cut off.
func deaf(left []operator.Orphan) error {
	e := &operator.Error{Kind: operator.NoWorker, Text: fmt.Sprintf("%d have the order, and have not ended after %s", len(left), obeyLimit)}
	for i, one := range left {
		if i == 10 {
			e.Hints = append(e.Hints, fmt.Sprintf("and %d more still run", len(left)-i))
			break
		}
		e.Hints = append(e.Hints, one.ID+" still runs")
	}
	e.Hints = append(e.Hints, "they end when a worker runs, and a copy when its slice does: ask again later",
		"one that never does can be terminated in the Web UI by who runs the Temporal server; what it copied stays")
	return e
}
