package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// prepare starts step 2: each domain and each source by itself, so that users of a verified domain wait for no other.
func (t *tenant) prepare() {
	for _, d := range t.s.Domains {
		if !d.Ready {
			t.beside(func(ctx workflow.Context) error { return t.domain(ctx, d) })
		}
	}
	for _, e := range t.in.Plan.Endpoints {
		if !slices.Contains(t.s.Inspected, e.Name) {
			t.beside(func(ctx workflow.Context) error { return t.inspect(ctx, e) })
		}
	}
	if !t.s.TraceAsked {
		t.beside(t.trace)
	}
}

// beside runs something beside the steps. It is done with, or begun again by the next run.
func (t *tenant) beside(run func(workflow.Context) error) {
	t.busy++
	workflow.Go(t.work, func(ctx workflow.Context) {
		defer func() { t.busy-- }()
		_ = run(ctx) // it ends early only because the tenant is aborted or goes on as a new run
		t.touch()
	})
}

// source is step 2: every domain is verified and knows its records, and every source has been looked into.
func (t *tenant) source(ctx workflow.Context) error {
	t.says("domains are being verified")
	return t.await(ctx, func() bool {
		return t.s.TraceAsked && len(t.s.Inspected) == len(t.in.Plan.Endpoints) &&
			!slices.ContainsFunc(t.s.Domains, func(d *tenantDomain) bool { return !d.Ready })
	})
}

// domain has the tenant verify a domain, learns which records it wants, and publishes SPF and DKIM early.
func (t *tenant) domain(ctx workflow.Context, d *tenantDomain) error {
	if !d.Verified {
		if err := t.verify(ctx, d); err != nil {
			return err
		}
	}
	records, err := t.serviceRecords(ctx, d)
	if err != nil {
		return err
	}
	var publish []migration.Record
	for _, r := range records {
		switch {
		case r.Type == "MX" && strings.EqualFold(r.Name, d.Name):
			d.Wanted = r
		case r.Type == "TXT" && len(r.Data) > 0 && strings.HasPrefix(strings.ToLower(r.Data[0]), "v=spf1"):
			publish = append(publish, r)
		}
	}
	for _, r := range t.in.Plan.DNS.DKIM {
		if name := strings.ToLower(r.Name); strings.HasSuffix(name, "."+d.Name) {
			publish = append(publish, r)
		}
	}
	d.Proven = nil
	for _, r := range publish {
		published, err := t.publishRecord(ctx, r)
		if err != nil {
			return err
		}
		d.Proven = append(d.Proven, published)
	}
	d.Ready = true
	t.record("", d.Name+" is verified; its MX is to be "+joined(d.Wanted.Data))
	return nil
}

// verify publishes the record that the tenant wants to see, and has it look until it does.
func (t *tenant) verify(ctx workflow.Context, d *tenantDomain) error {
	in := activities.DomainInput{Microsoft: t.in.Plan.Microsoft, Domain: d.Name}
	var out activities.DomainOutput
	if err := t.do(ctx, migration.StepSource, "add "+d.Name+" to the tenant", a.EnsureDomain, in, &out); err != nil {
		return err
	}
	if out.Domain.Verified {
		d.Verified = true
		return nil
	}
	if _, err := t.publishRecord(ctx, out.Domain.Proof); err != nil {
		return err
	}
	if err := t.visible(ctx, migration.StepSource, d, out.Domain.Proof); err != nil {
		return err
	}
	for {
		var verified activities.DomainOutput
		if err := t.do(ctx, migration.StepSource, "have the tenant verify "+d.Name, a.VerifyDomain, in, &verified); err != nil {
			return err
		}
		if verified.Domain.Verified {
			d.Verified = true
			t.touch()
			return nil
		}
		why := migration.Problem{
			Kind:   "domain-unverified",
			Text:   fmt.Sprintf("the tenant has not seen the record %s of %s for %s", joined(out.Domain.Proof.Data), d.Name, t.timing.DNSLimit),
			Remedy: "look at the zone with another resolver, and retry the step",
		}
		if err := t.again(ctx, migration.StepSource, d, why); err != nil {
			return err
		}
	}
}

// serviceRecords waits until the tenant knows which MX it wants.
func (t *tenant) serviceRecords(ctx workflow.Context, d *tenantDomain) ([]migration.Record, error) {
	in := activities.DomainInput{Microsoft: t.in.Plan.Microsoft, Domain: d.Name}
	for {
		var out activities.ServiceRecordsOutput
		if err := t.do(ctx, migration.StepSource, "learn which records "+d.Name+" needs", a.ServiceRecords, in, &out); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out.Records, func(r migration.Record) bool { return r.Type == "MX" && strings.EqualFold(r.Name, d.Name) }) {
			return out.Records, nil
		}
		why := migration.Problem{
			Kind: "no-service-records", Text: "the tenant has not said for " + t.timing.DNSLimit.String() + " which MX record " + d.Name + " needs",
			Remedy: "look at the domain in the admin centre, and retry the step",
		}
		if err := t.again(ctx, migration.StepSource, d, why); err != nil {
			return nil, err
		}
	}
}

// dns is where records are read and changed, without those that the plan wants to have there: they can be many, and
// each goes to an activity by itself.
func (t *tenant) dns() migration.DNS {
	d := t.in.Plan.DNS
	d.DKIM = nil
	return d
}

// publishRecord adds a record to what stands in the DNS, and returns the set as it is then.
func (t *tenant) publishRecord(ctx workflow.Context, r migration.Record) (migration.Record, error) {
	in := activities.PublishInput{DNS: t.dns(), Record: r}
	var out activities.PublishOutput
	if err := t.do(ctx, migration.StepSource, fmt.Sprintf("publish %s %s", r.Type, r.Name), a.Publish, in, &out); err != nil {
		return migration.Record{}, err
	}
	if !out.Change.Before.Same(out.Change.After) {
		t.s.Changes = append(t.s.Changes, out.Change)
		t.record("", fmt.Sprintf("published %s %s: %s", r.Type, r.Name, joined(out.Change.After.Data)))
	}
	return out.Change.After, nil
}

// visible waits until every server and resolver gives a set.
func (t *tenant) visible(ctx workflow.Context, step migration.Step, d *tenantDomain, r migration.Record) error {
	for {
		in := activities.VisibleInput{DNS: t.dns(), Record: r}
		var out activities.VisibleOutput
		if err := t.do(ctx, step, fmt.Sprintf("look for %s %s everywhere", r.Type, r.Name), a.Visible, in, &out); err != nil {
			return err
		}
		if len(out.Missing) == 0 {
			return nil
		}
		why := migration.Problem{
			Kind: "dns-slow", Text: fmt.Sprintf("%s %s is not given for %s by %s", r.Type, r.Name, t.timing.DNSLimit, joined(out.Missing)),
			Remedy: "look at these servers, and retry the step",
		}
		if err := t.again(ctx, step, d, why); err != nil {
			return err
		}
	}
}

// again waits for the next look at something that takes its time. When it has taken too long a person is asked, and
// gives it as long again.
func (t *tenant) again(ctx workflow.Context, step migration.Step, d *tenantDomain, why migration.Problem) error {
	switch {
	case d.Deadline.IsZero():
		d.Deadline = t.now().Add(t.timing.DNSLimit.D())
	case !t.now().Before(d.Deadline):
		if _, err := t.ask(ctx, step, why); err != nil {
			return err
		}
		d.Deadline = t.now().Add(t.timing.DNSLimit.D())
		return nil
	}
	return t.sleep(ctx, t.timing.Poll.D(), "look at "+d.Name+" again")
}

// inspect looks into a source by one of its mailboxes. One that can't be opened is its row's fault, so others are
// tried before a person is asked.
func (t *tenant) inspect(ctx workflow.Context, e migration.Endpoint) error {
	if err := t.await(ctx, t.committed); err != nil {
		return err
	}
	for {
		problem := &migration.Problem{}
		for _, m := range t.s.Samples {
			if m.Endpoint != e.Name {
				continue
			}
			var facts migration.SourceFacts
			in := activities.InspectSourceInput{Endpoint: e, Mailbox: m, Rules: t.in.Plan.Copy}
			err := t.try(ctx, migration.StepSource, "look into the source "+e.Name, a.InspectSource, in, &facts)
			if err == nil {
				t.s.Sources = append(t.s.Sources, fmt.Sprintf("%s: %s; %s", e.Name, facts.Greeting, strings.Join(facts.Capabilities, " ")))
				problem = nil
				break
			}
			if problem = problemOf(err); problem == nil {
				return ended(err)
			}
		}
		if problem == nil || problem.Text == "" { // an endpoint that no row uses needs no look
			t.s.Inspected = append(t.s.Inspected, e.Name)
			return nil
		}
		if _, err := t.ask(ctx, migration.StepSource, *problem); err != nil {
			return err
		}
	}
}

// trace asks for message trace early, because a new tenant takes its time to grant it. Without it that proof can't be
// had, and nothing else is lost.
func (t *tenant) trace(ctx workflow.Context) error {
	t.s.Traceless = ""
	in := activities.DomainInput{Microsoft: t.in.Plan.Microsoft}
	if err := t.try(ctx, migration.StepSource, "ask for message trace", a.EnsureTrace, in, nil); err != nil {
		problem := problemOf(err)
		if problem == nil {
			return ended(err)
		}
		t.s.Traceless = problem.Text
		t.record("", "message trace can't be had: "+problem.String())
	}
	t.s.TraceAsked = true
	return nil
}
