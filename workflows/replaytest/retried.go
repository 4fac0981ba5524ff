package main

import (
	"errors"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// failOften has an activity of each level fail more often than it is tried at a time, and a copy say that it did.
func (t *tenant) failOften() {
	t.plan.Timing.RetryMax = migration.Duration(200 * time.Millisecond)
	left := map[string]int{"EnsureDomain": activities.Attempts + 1, "EnsureUsers": activities.Attempts + 1, "Probe": activities.Attempts + 1}
	t.world.Refuse = func(activity, _ string) error {
		if left[activity] == 0 {
			return nil
		}
		left[activity]--
		return errors.New("dial tcp 192.0.2.7:443: no route to host")
	}
	t.world.Exits["cleo@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitLater, Words: "try again later", Remaining: []string{"INBOX"}},
	}
}
