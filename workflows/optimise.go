package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// optimise is step 8: the MX gets a short TTL so early that its old TTL has run out before the change, and what was
// published of SPF and DKIM is seen everywhere.
func (t *tenant) optimise(ctx workflow.Context) error {
	for _, d := range t.s.Domains {
		if d.Lowered.IsZero() {
			if err := t.lower(ctx, d); err != nil {
				return err
			}
		}
	}
	for _, d := range t.s.Domains {
		for _, r := range d.Proven {
			t.says(fmt.Sprintf("waiting until %s %s is seen everywhere", r.Type, r.Name))
			if err := t.visible(ctx, migration.StepOptimise, d, r); err != nil {
				return err
			}
		}
		d.Deadline = time.Time{}
	}
	for _, d := range t.s.Domains {
		until := d.Lowered.Add(time.Duration(d.Original.TTL) * time.Second)
		if d.Original.TTL <= t.in.Plan.DNS.TTL {
			continue
		}
		t.says(fmt.Sprintf("waiting until %s, when the old TTL of the MX of %s has run out", stamp(until), d.Name))
		if _, err := t.awaitUntil(ctx, until, "the old TTL of the MX of "+d.Name, func() bool { return false }); err != nil {
			return err
		}
	}
	return nil
}

// lower keeps the MX as it stands and gives it a short TTL.
func (t *tenant) lower(ctx workflow.Context, d *tenantDomain) error {
	t.says("the TTL of the MX of " + d.Name + " is being lowered")
	record, err := t.readMX(ctx, migration.StepOptimise, d)
	if err != nil {
		return err
	}
	if d.Original.Name == "" {
		d.Original = record
	}
	short := record
	short.TTL = t.in.Plan.DNS.TTL
	if record.TTL > short.TTL && len(record.Data) > 0 {
		change := migration.Change{Before: record, After: short}
		in := activities.ApplyInput{DNS: t.dns(), Change: change}
		if err := t.do(ctx, migration.StepOptimise, fmt.Sprintf("lower the TTL of the MX of %s to %d s", d.Name, short.TTL),
			a.ApplyChange, in, nil); err != nil {
			return err
		}
		t.s.Changes = append(t.s.Changes, change)
		t.record("", fmt.Sprintf("lowered the TTL of the MX of %s from %d to %d s", d.Name, record.TTL, short.TTL))
	}
	d.Lowered = t.now()
	return nil
}

// readMX reads a domain's MX from its authoritative servers.
func (t *tenant) readMX(ctx workflow.Context, step migration.Step, d *tenantDomain) (migration.Record, error) {
	in := activities.ReadInput{DNS: t.dns(), Name: d.Name, Type: "MX"}
	var out activities.ReadOutput
	err := t.do(ctx, step, "read the MX of "+d.Name, a.ReadRecord, in, &out)
	return out.Record, err
}
