package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

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
		if t.s.Rollback != nil { // some records were changed, and are to go back
			t.s.Gate, t.s.Approved = nil, nil
			return nil
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
		if t.s.Approved.Digest != gate.Digest {
			t.record("", "back to the gate, because "+t.difference(gate)+" since "+t.s.Approved.By+" approved")
			t.s.Approved, t.s.Gate = nil, nil
			continue
		}
		if done, err := t.change(ctx, gate); err != nil || done {
			return err
		}
	}
}

// buildGate waits until the conditions hold, and works out what will be changed.
func (t *tenant) buildGate(ctx workflow.Context) (*Gate, error) {
	t.says("waiting until every mailbox is verified or left out")
	if !t.ready() {
		if t.s.Gate != nil {
			t.record("", "the gate is closed: not every mailbox is verified any more, or the migration is paused")
			t.s.Gate, t.s.Approved = nil, nil
		}
		t.set(migration.StepCutover, migration.Running, "waits until every mailbox is verified or left out")
	}
	if err := t.await(ctx, func() bool { return t.ready() || t.s.Rollback != nil }); err != nil {
		return nil, err
	}
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

// change makes the approved changes, domain by domain. It reports false where a record was changed by someone else in
// between, so that the rest must be asked for again.
func (t *tenant) change(ctx workflow.Context, g *Gate) (bool, error) {
	t.set(migration.StepCutover, migration.Running, "the MX is being changed")
	t.s.Gate = nil
	for _, d := range t.s.Domains {
		if t.s.Rollback != nil {
			return false, nil
		}
		i := slices.IndexFunc(g.Changes, func(c migration.Change) bool { return c.After.Name == d.Wanted.Name })
		if i >= 0 {
			change := g.Changes[i]
			switch err := t.apply(ctx, change); {
			case errors.Is(err, errZoneChanged):
				t.s.Gate = g // so that what follows can say how it differs
				return false, nil
			case err != nil:
				return false, err
			}
			d.Change = &change
			t.s.Changes = append(t.s.Changes, change)
			t.record(t.s.Approved.By, fmt.Sprintf("the MX of %s is changed from %s to %s", d.Name, joined(change.Before.Data), joined(change.After.Data)))
		}
		d.Changed = t.now()
		if t.s.CutOver.IsZero() {
			t.s.CutOver = t.now()
			t.s.QuietUntil = t.now().Add(t.timing.QuietLimit.D())
		}
	}
	t.set(migration.StepCutover, migration.Running, "approved by "+t.s.Approved.By)
	return true, nil
}

// errZoneChanged: the record isn't any more what the change expects.
var errZoneChanged = errors.New("the zone was changed")

// apply makes one change by compare-and-set.
func (t *tenant) apply(ctx workflow.Context, c migration.Change) error {
	in := activities.ApplyInput{DNS: t.in.Plan.DNS, Change: c}
	for {
		err := t.try(ctx, migration.StepCutover, fmt.Sprintf("change the MX of %s to %s", c.After.Name, joined(c.After.Data)), a.ApplyChange, in, nil)
		if err == nil {
			return nil
		}
		problem := problemOf(err)
		switch {
		case problem == nil:
			return errAborted
		case problem.Kind == zoneChanged:
			t.record("", "back to the gate: "+problem.Text)
			t.s.Approved = nil
			return errZoneChanged
		}
		if _, err := t.ask(ctx, migration.StepCutover, *problem); err != nil {
			return err
		}
		if t.s.Rollback != nil {
			return errZoneChanged
		}
	}
}
