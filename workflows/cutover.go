package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// zoneChanged is the kind of the problem that a record isn't any more what the change expects.
const zoneChanged = "zone-changed"

// cutover is step 9: nothing is changed before a person has approved exactly what will be, by its digest. The gate is
// built anew from the conditions and the zone right before the change; if it comes out otherwise, it is asked again.
func (t *tenant) cutover(ctx workflow.Context) error {
	for {
		if t.s.Rollback != nil {
			return t.backOut()
		}
		gate, err := t.buildGate(ctx)
		if err != nil {
			return err
		}
		if t.s.Approved == nil {
			if err := t.askAtGate(ctx, gate); err != nil {
				return err
			}
			continue
		}
		if !t.approves(gate) {
			t.record("", "back to the gate, because "+t.difference(gate)+" since "+t.s.Approved.By+" approved")
			t.s.Approved, t.s.Gate = nil, nil
			continue
		}
		if !t.ready() || !slices.Equal(gate.Accepted, t.accepted()) { // while the zone was read
			continue
		}
		if done, err := t.change(ctx, gate); err != nil || done {
			return err
		}
	}
}

// buildGate waits until the conditions hold, and works out what will be changed.
func (t *tenant) buildGate(ctx workflow.Context) (*Gate, error) {
	if !t.ready() {
		t.says("waiting until every mailbox is verified or left out")
		if t.s.Gate != nil || t.s.Approved != nil {
			t.record("", "the gate is closed: not every mailbox is verified any more, or the migration is paused")
			t.s.Gate, t.s.Approved = nil, nil
		}
		t.set(migration.StepCutover, migration.Running, "waits until every mailbox is verified or left out")
	}
	if err := t.await(ctx, func() bool { return t.ready() || t.s.Rollback != nil }); err != nil {
		return nil, err
	}
	t.says("the MX records are being read")
	g := &Gate{Accepted: t.accepted()}
	for _, d := range t.s.Domains {
		record, err := t.readMX(ctx, migration.StepCutover, d)
		if err != nil {
			return nil, err
		}
		g.Domains = append(g.Domains, d.Name)
		after := d.Wanted
		after.TTL = t.in.Plan.DNS.TTL
		if !record.SameData(after) {
			record.Name, record.Type = after.Name, after.Type
			g.Changes = append(g.Changes, migration.Change{Before: record, After: after})
		}
	}
	g.Digest = g.digest()
	return g, nil
}

// ready reports whether the gate may stand: every mailbox is verified or left out, and nothing is paused.
func (t *tenant) ready() bool { return t.verified() && !t.s.Paused }

// accepted are the mailboxes that would be accepted as not verified.
func (t *tenant) accepted() []string {
	var all []string
	for _, w := range t.s.Waves {
		all = append(all, w.Report.Excluded...)
	}
	slices.Sort(all)
	return all
}

// digestSize is how many octets of the hash make a digest: 80 bits, which people can still read out and compare.
const digestSize = 10

// digest is the beginning of the SHA-256, in hex, of the JSON of what is approved, which has its fields and lists in a
// fixed order.
func (g *Gate) digest() string {
	canonical := encode(struct {
		Domains  []string           `json:"domains"`
		Changes  []migration.Change `json:"changes"`
		Accepted []string           `json:"accepted"`
	}{g.Domains, g.Changes, g.Accepted})
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:digestSize])
}

// askAtGate shows the gate until a person approves, or until what it says may not hold any more.
func (t *tenant) askAtGate(ctx workflow.Context, g *Gate) error {
	if t.s.Gate == nil || t.s.Gate.Digest != g.Digest {
		g.Since = t.now()
		if t.s.Gate != nil {
			t.record("", "the gate is another, because "+t.difference(g))
		}
		t.s.Gate = g
	}
	// A new run finds the gate standing, and the step as one that has only begun.
	t.set(migration.StepCutover, migration.Waiting, "waits for approval of "+g.Digest)
	t.step(migration.StepCutover).Since = t.s.Gate.Since
	t.says("")
	accepted := t.s.Gate.Accepted
	return t.await(ctx, func() bool {
		return t.s.Approved != nil || t.s.Rollback != nil || !t.ready() || !slices.Equal(accepted, t.accepted())
	})
}

// difference says in words how a gate differs from the one that stands.
func (t *tenant) difference(g *Gate) string {
	old := t.s.Gate
	switch {
	case old == nil:
		return "it was not shown"
	case !slices.Equal(old.Accepted, g.Accepted):
		return fmt.Sprintf("the mailboxes accepted as not verified are %d now and were %d", len(g.Accepted), len(old.Accepted))
	}
	for _, c := range g.Changes {
		i := slices.IndexFunc(old.Changes, func(have migration.Change) bool { return have.After.Name == c.After.Name })
		if i < 0 || !old.Changes[i].Before.Same(c.Before) {
			return fmt.Sprintf("the MX of %s is %s (TTL %d)", c.After.Name, joined(c.Before.Data), c.Before.TTL)
		}
	}
	return "some records are changed already"
}

// change makes the approved changes, domain by domain. It reports false where one was not made, so that the conditions
// and the zone must be looked at again.
func (t *tenant) change(ctx workflow.Context, g *Gate) (bool, error) {
	by := t.s.Approved.By
	t.set(migration.StepCutover, migration.Running, "the MX is being changed")
	t.says("the MX is being changed")
	t.s.Gate = nil
	for _, d := range t.s.Domains {
		switch {
		case t.s.Aborted != nil:
			return false, errAborted
		case t.s.Rollback != nil:
			return false, nil
		}
		i := slices.IndexFunc(g.Changes, func(c migration.Change) bool { return c.After.Name == d.Wanted.Name })
		if i < 0 && !d.Changed.IsZero() {
			continue
		}
		if i >= 0 {
			d.Change = &g.Changes[i]
			if problem := t.apply(*d.Change); problem != nil {
				t.s.Gate = g // so that what follows can say how it differs
				return false, t.notChanged(ctx, d, problem)
			}
		}
		if d.Change != nil { // perhaps of an attempt before
			t.s.Changes = append(t.s.Changes, *d.Change)
			t.record(by, fmt.Sprintf("the MX of %s is changed from %s to %s", d.Name, joined(d.Change.Before.Data), joined(d.Change.After.Data)))
		}
		d.Changed = t.now()
		if t.s.CutOver.IsZero() {
			t.s.CutOver = t.now()
			t.s.QuietUntil = t.now().Add(t.timing.QuietLimit.D())
		}
	}
	if t.s.Rollback != nil {
		return false, nil
	}
	t.set(migration.StepCutover, migration.Running, "approved by "+by)
	return true, nil
}

// changeLimit is how long one change is tried before the gate's conditions are looked at again.
const changeLimit = 10 * time.Minute

// tooSlow is the kind of the problem that a change was not made within its limit.
const tooSlow = "change-slow"

// apply makes one change by compare-and-set. No abort cancels it: one that comes meanwhile must know what became of it.
func (t *tenant) apply(c migration.Change) *migration.Problem {
	if t.s.Attempted.IsZero() {
		t.s.Attempted = t.now()
	}
	t.changing = true
	defer func() { t.changing = false }()
	ctx := t.light(t.base, urgent, fmt.Sprintf("change the MX of %s to %s", c.After.Name, joined(c.After.Data)))
	ctx = workflow.WithScheduleToCloseTimeout(workflow.WithWaitForCancellation(ctx, true), changeLimit)
	err := workflow.ExecuteActivity(ctx, a.ApplyChange, activities.ApplyInput{DNS: t.dns(), Change: c}).Get(ctx, nil)
	if err == nil {
		return nil
	}
	var timeout *temporal.TimeoutError
	var failed *temporal.ActivityError
	late := errors.As(err, &timeout) || errors.As(err, &failed) && failed.RetryState() == enums.RETRY_STATE_TIMEOUT
	if problem := problemOf(err); problem != nil && !late {
		return problem
	}
	return &migration.Problem{Kind: tooSlow, Text: fmt.Sprintf("the MX of %s could not be changed within %s: %s", c.After.Name, changeLimit, shorten(err.Error(), 300))}
}

// notChanged does what a change needs that was not made, or not surely: another approval where the zone is another, a
// person where one must act, a pause where it may pass.
func (t *tenant) notChanged(ctx workflow.Context, d *tenantDomain, problem *migration.Problem) error {
	if problem.Kind == zoneChanged {
		d.Change = nil
		if t.s.Rollback == nil {
			t.record("", "back to the gate: "+problem.Text)
		}
		t.s.Approved = nil
		return nil
	}
	if t.s.Rollback != nil {
		return nil
	}
	if problem.Kind == tooSlow {
		t.record("", problem.Text)
		approved := t.s.Approved
		_, err := t.awaitUntil(ctx, t.now().Add(t.timing.Retry.D()), "before the MX is changed again", func() bool {
			return t.s.Rollback != nil || t.s.Approved != approved
		})
		return err
	}
	_, err := t.ask(ctx, migration.StepCutover, *problem)
	return err
}

// approves reports whether the approval holds for what is left to change: alone, or with what was changed under it.
func (t *tenant) approves(g *Gate) bool {
	if t.s.Approved.Digest == g.Digest {
		return true
	}
	whole := Gate{Domains: g.Domains, Accepted: g.Accepted}
	for _, d := range t.s.Domains {
		i := slices.IndexFunc(g.Changes, func(c migration.Change) bool { return c.After.Name == d.Wanted.Name })
		switch {
		case i >= 0:
			whole.Changes = append(whole.Changes, g.Changes[i])
		case d.Change != nil:
			whole.Changes = append(whole.Changes, *d.Change)
		}
	}
	return t.s.Approved.Digest == whole.digest()
}

// attempted reports whether an MX was changed or may have been.
func (t *tenant) attempted() bool {
	return !t.s.CutOver.IsZero() || slices.ContainsFunc(t.s.Domains, func(d *tenantDomain) bool { return d.Change != nil })
}

// backOut ends the step where the records are to go back; where none was changed after all, it ends the migration.
func (t *tenant) backOut() error {
	t.s.Gate, t.s.Approved = nil, nil
	if slices.ContainsFunc(t.s.Domains, func(d *tenantDomain) bool { return d.Change != nil }) {
		return nil
	}
	t.s.Aborted, t.s.Rollback = t.s.Rollback, nil
	t.s.CutOver = time.Time{}
	t.stop()
	t.record(t.s.Aborted.By, "aborted the migration; no MX was changed, and everything stays as it is")
	return errAborted
}

// withdraw takes the rejection of an approval under which a change could not be made yet. It reports whether it was one.
func (t *tenant) withdraw(d Decision) bool {
	if d.By == "" || t.s.Approved == nil || t.s.Approved.Digest != d.Digest || t.changing {
		return false
	}
	t.decide(d, true)
	t.s.Approved = nil
	for _, q := range t.asks {
		if q.Step == migration.StepCutover && q.answer == nil {
			q.answer = &StepOrder{Step: q.Step, By: d.By}
		}
	}
	return true
}

// shownGate is the gate with what grows by itself as it is now.
func (t *tenant) shownGate() *Gate {
	if t.s.Gate == nil {
		return nil
	}
	g := *t.s.Gate
	g.Refusals = t.totals().Refusals
	return &g
}
