package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// probePatience is after how many looks a probe that didn't come is given up and another is sent.
const probePatience = 10

// proveRecords: all authoritative servers and the plan's resolvers give the new MX.
func (t *tenant) proveRecords(ctx workflow.Context, p *migration.Proof, d *tenantDomain) error {
	in := activities.VisibleInput{DNS: t.dns(), Record: d.Wanted}
	var out activities.VisibleOutput
	if err := t.do(ctx, migration.StepRouting, "look for the new MX of "+d.Name+" everywhere", a.Visible, in, &out); err != nil {
		return err
	}
	if p.Text = "not given by " + joined(out.Missing); len(out.Missing) == 0 {
		p.State, p.Text = migration.ProofPassed, "every server and resolver gives "+joined(d.Wanted.Data)
	}
	return nil
}

// oldGone is when the TTL of the MX that was replaced has run out.
func (d *tenantDomain) oldGone() time.Time {
	if d.Change == nil {
		return d.Changed
	}
	return d.Changed.Add(time.Duration(d.Change.Before.TTL) * time.Second)
}

// proveOldTTL: nobody may remember the old MX any more.
func (t *tenant) proveOldTTL(p *migration.Proof, d *tenantDomain) {
	p.Text = "runs out on " + stamp(d.oldGone())
	if !t.now().Before(d.oldGone()) {
		p.State, p.Text = migration.ProofPassed, "ran out on "+stamp(d.oldGone())
	}
}

// proveProbe: a mail from outside is in the new mailbox and didn't come by way of the source. It is sent when the old
// TTL has run out, because until then it may still go to the source, from where a delta would bring it.
func (t *tenant) proveProbe(ctx workflow.Context, p *migration.Proof, d *tenantDomain) error {
	address := t.probeAddress(d.Name)
	if address == "" || t.now().Before(d.oldGone()) {
		p.Text = "is sent when the old TTL has run out"
		return nil
	}
	if d.Probe == "" {
		in := activities.ProbeMailInput{Scope: t.scope, Routing: t.in.Plan.Routing, To: address, Try: d.Try + 1}
		var out activities.ProbeMailOutput
		if err := t.try(ctx, migration.StepRouting, "send a probe to "+address, a.SendProbe, in, &out); err != nil {
			return t.notObtainable(p, err)
		}
		d.Try++
		d.Probe, d.Sent = out.MessageID, t.now()
	}
	in := activities.FindProbeInput{Door: activities.Door{Microsoft: t.in.Plan.Microsoft, Target: t.in.Plan.Target}, Address: address, MessageID: d.Probe}
	var out activities.FindProbeOutput
	if err := t.try(ctx, migration.StepRouting, "look for the probe in the mailbox of "+address, a.FindProbe, in, &out); err != nil {
		return t.notObtainable(p, err)
	}
	host := t.byWayOfSource(out.Received)
	switch {
	case out.Found && host == "":
		p.State, p.Text = migration.ProofPassed, fmt.Sprintf("probe %d is in the mailbox of %s: %s", d.Try, address, shorten(strings.Join(out.Received, " | "), 300))
	case out.Found:
		p.Text = fmt.Sprintf("probe %d came by way of the source's %s", d.Try, host)
		d.Probe = ""
	default:
		p.Text = fmt.Sprintf("probe %d, sent on %s to %s, has not come yet", d.Try, stamp(d.Sent), address)
		if t.now().Sub(d.Sent) >= probePatience*t.timing.Poll.D() {
			d.Probe = ""
		}
	}
	return nil
}

// probeAddress is an address of the domain that can take a probe.
func (t *tenant) probeAddress(domain string) string {
	for _, w := range t.s.Waves {
		for _, address := range w.Report.Probes {
			if (migration.Mailbox{Address: address}).Domain() == domain {
				return address
			}
		}
	}
	return ""
}

// byWayOfSource is the source's host that a Received line names as the one that took the message in, if any does.
func (t *tenant) byWayOfSource(received []string) string {
	for _, host := range t.sourceHosts() {
		for _, line := range received {
			if strings.Contains(strings.ToLower(line), "by "+strings.ToLower(host)) {
				return host
			}
		}
	}
	return ""
}

// sourceHosts are the names by which the source's servers may be known: the plan's, the endpoints', the old MX's.
func (t *tenant) sourceHosts() []string {
	hosts := slices.Clone(t.in.Plan.Routing.SourceHosts)
	for _, e := range t.in.Plan.Endpoints {
		hosts = append(hosts, e.Host)
	}
	for _, d := range t.s.Domains {
		for _, exchanger := range d.Original.Data {
			if _, host, ok := strings.Cut(exchanger, " "); ok && host != "." {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// proveTrace: the tenant's own trace shows mail from outside since the change.
func (t *tenant) proveTrace(ctx workflow.Context, p *migration.Proof) error {
	if t.s.Traceless != "" { // it may have been granted since
		if err := t.trace(ctx); err != nil {
			return err
		}
	}
	if t.s.Traceless != "" {
		p.State, p.Text = migration.ProofNotObtainable, t.s.Traceless
		return nil
	}
	in := activities.TraceInput{Microsoft: t.in.Plan.Microsoft, Domain: p.Domain, Since: t.s.CutOver}
	var out activities.TraceOutput
	if err := t.try(ctx, migration.StepRouting, "ask the message trace about "+p.Domain, a.Trace, in, &out); err != nil {
		return t.notObtainable(p, err)
	}
	if p.Text = "nothing from outside yet"; len(out.Rows) > 0 {
		p.State, p.Text = migration.ProofPassed, fmt.Sprintf("messages that came: %d, the newest from %s to %s", len(out.Rows), out.Rows[0].Sender, out.Rows[0].Recipient)
	}
	return nil
}

// notObtainable writes down why a proof can't be had.
func (t *tenant) notObtainable(p *migration.Proof, err error) error {
	problem := problemOf(err)
	if problem == nil {
		return ended(err)
	}
	p.State, p.Text = migration.ProofNotObtainable, problem.String()
	return nil
}

// arrivals are what the source still took in since the MX change.
func (t *tenant) arrivals() migration.Arrivals {
	var all migration.Arrivals
	for _, w := range t.s.Waves {
		all.Add(w.Report.Status.Arrivals)
	}
	return all
}

// quietSince is when the source last took mail in, at the earliest the change itself. A server whose clock runs ahead
// doesn't put it off.
func (t *tenant) quietSince() time.Time {
	since := t.s.CutOver
	if last := t.arrivals().Last; last.After(since) {
		since = last
	}
	if since.After(t.now()) {
		since = t.now()
	}
	return since
}

// nextQuiet is when the source will have been quiet for long enough, or else the next look.
func (t *tenant) nextQuiet() time.Time {
	due := t.quietSince().Add(t.timing.Quiet.D())
	if !due.After(t.now()) {
		due = t.now().Add(t.timing.Poll.D())
	}
	if t.s.QuietUntil.After(t.now()) && t.s.QuietUntil.Before(due) {
		due = t.s.QuietUntil
	}
	return due
}

// passedSince is the beginning of the oldest of all mailboxes' last finished passes; zero if one never passed.
func (t *tenant) passedSince() time.Time {
	var oldest time.Time
	first := true
	for _, w := range t.s.Waves {
		if w.Rows == 0 || w.Report.Mailboxes == 0 {
			continue
		}
		if first || w.Report.PassedSince.Before(oldest) {
			oldest, first = w.Report.PassedSince, false
		}
	}
	return oldest
}

// quiet reports whether every mailbox has been looked through since the source had been quiet for long enough.
func (t *tenant) quiet() bool {
	return t.passedSince().After(t.quietSince().Add(t.timing.Quiet.D()))
}

// proveQuiet: the source took nothing in for the plan's time, as passes over every mailbox show that began after it.
// When the time is over those passes are demanded.
func (t *tenant) proveQuiet(p *migration.Proof) {
	since := t.quietSince()
	enough := since.Add(t.timing.Quiet.D())
	arrivals := t.arrivals()
	switch {
	case t.quiet():
		p.State, p.Text = migration.ProofPassed, "nothing arrived at the source since "+stamp(since)
		return
	case t.now().After(enough) && t.s.Demanded.Before(enough):
		t.s.Demanded = t.now()
		t.s.Pass++
	}
	p.Text = fmt.Sprintf("the source is quiet since %s, must be until %s", stamp(since), stamp(enough))
	if arrivals.Count > 0 {
		p.Text += fmt.Sprintf("; %d messages arrived there since the change, from %s", arrivals.Count, shorten(joined(arrivals.From), 200))
	}
}
