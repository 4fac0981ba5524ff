package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// rollBack takes an abort after the MX change: the records go back first, and deltas go on, so that what arrives at
// the source again is in both places. What the tenant received meanwhile is left where it is and named; a second abort
// then stops everything.
func (t *tenant) rollBack(o Order) {
	switch {
	case t.s.Finish:
		t.cancelled = false
		t.ignore(o.By, SignalAbort, "the final delta is ordered, so the source is no longer kept up with. To go back, change the records back "+
			"by hand ("+t.wayBack()+"), wait out their TTL, and bring back what arrived meanwhile")
	case t.s.Rollback == nil:
		t.s.Rollback = &o
		if t.s.CutOver.IsZero() { // the change may have been made, so the source no longer says what to delete
			t.s.CutOver = t.s.Attempted
		}
		t.record(o.By, because("ordered the records back: "+t.wayBack(), o.Reason))
		for _, q := range t.asks { // nobody need answer any more
			q.answer = &StepOrder{Step: q.Step, By: o.By}
		}
	case t.s.RolledBack:
		t.s.Aborted = &o
		t.stop()
		t.record(o.By, because("aborted the migration after its records were set back", o.Reason))
	case t.asked(migration.StepCutover):
		t.s.Aborted = &o
		t.stop()
		t.record(o.By, because("aborted the migration though its records are not all set back: "+t.notBack(), o.Reason))
	default:
		t.ignore(o.By, SignalAbort, "the records are being set back just now; abort once more when that is done")
	}
}

// notBack names the changed domains whose old records don't stand again.
func (t *tenant) notBack() string {
	var all []string
	for _, d := range t.s.Domains {
		if d.Change != nil && !d.Restored {
			all = append(all, fmt.Sprintf("the MX of %s is still to be set back to %s", d.Name, joined(d.Change.Before.Data)))
		}
	}
	return joined(all)
}

// wayBack says which records stood before the change.
func (t *tenant) wayBack() string {
	var all []string
	for _, d := range t.s.Domains {
		if d.Change != nil {
			all = append(all, fmt.Sprintf("%s MX %s", d.Name, joined(d.Change.Before.Data)))
		}
	}
	return joined(all)
}

// mustRestore reports whether records are to be set back: not before a change that is under way has ended, and not where
// none was made.
func (t *tenant) mustRestore() bool {
	return t.s.Rollback != nil && !t.s.RolledBack && t.s.Aborted == nil && !t.changing && t.step(migration.StepCutover).State.Finished()
}

// restore sets each changed domain's old record back, and waits until the new records have run out of every cache.
func (t *tenant) restore(ctx workflow.Context) {
	for _, d := range t.s.Domains {
		if d.Change == nil || d.Restored {
			continue
		}
		if t.setBack(ctx, d) != nil {
			return
		}
		d.Restored = true
	}
	t.says("waiting until the new MX has run out of every cache")
	if _, err := t.awaitUntil(ctx, t.s.CachedUntil, "the TTL of the records that were set back", func() bool { return false }); err != nil {
		return
	}
	t.s.RolledBack = true
}

// setBack sets a domain's old record back by compare-and-set. One that someone else changed since is left alone and
// shown; whatever else keeps it from being set back waits for a person, who retries it or aborts once more.
func (t *tenant) setBack(ctx workflow.Context, d *tenantDomain) error {
	back := migration.Change{Before: d.Change.After, After: d.Change.Before}
	in := activities.ApplyInput{DNS: t.dns(), Change: back}
	for {
		err := t.try(ctx, migration.StepCutover, "set the MX of "+d.Name+" back to "+joined(back.After.Data), a.ApplyChange, in, nil)
		if err == nil {
			break
		}
		problem := problemOf(err)
		switch {
		case problem == nil:
			return ended(err)
		case problem.Kind == zoneChanged:
			d.Left = problem.Text
			t.record("", "the MX of "+d.Name+" is left as it is: "+problem.String())
			return nil
		}
		if _, err := t.ask(ctx, migration.StepCutover, *problem); err != nil {
			return err
		}
	}
	t.s.Changes = append(t.s.Changes, back)
	t.record(t.s.Rollback.By, fmt.Sprintf("the MX of %s is set back to %s", d.Name, joined(back.After.Data)))
	if gone := t.now().Add(time.Duration(back.Before.TTL) * time.Second); gone.After(t.s.CachedUntil) {
		t.s.CachedUntil = gone
	}
	return nil
}

// rolledBack is what a person must know when the records are back.
func (t *tenant) rolledBack() *migration.Problem {
	var left string
	for _, d := range t.s.Domains {
		if d.Left != "" {
			left += "; the MX of " + d.Name + " was not set back: " + d.Left
		}
	}
	return &migration.Problem{
		Kind: RolledBack,
		Text: "the records were set back as " + t.s.Rollback.By + " ordered, and deltas go on; mail that arrived at the tenant since " +
			stamp(t.s.CutOver) + " is only there" + left,
		Remedy: "have that mail brought back to the source, then abort once more, which stops everything",
	}
}
