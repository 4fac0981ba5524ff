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

const (
	// allDomains is the domain of a proof that is one for all.
	allDomains = "all"
	// probePatience is after how many looks a probe that didn't come is given up and another is sent.
	probePatience = 10
	// acceptWord begins the reason of a retry-step that accepts the stragglers.
	acceptWord = "accept"
)

// routing is step 10: mail from outside is proved to arrive at the tenant and no longer at the source; then comes the
// final delta, and synchronisation stops.
func (t *tenant) routing(ctx workflow.Context) error {
	if t.s.Proofs == nil {
		for _, d := range t.s.Domains {
			for _, kind := range []migration.ProofKind{migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace} {
				t.s.Proofs = append(t.s.Proofs, migration.Proof{Domain: d.Name, Kind: kind, State: migration.ProofOpen})
			}
		}
		t.s.Proofs = append(t.s.Proofs, migration.Proof{Domain: allDomains, Kind: migration.ProofQuiet, State: migration.ProofOpen})
	}
	if !t.s.Finish {
		if err := t.prove(ctx); err != nil {
			return err
		}
		t.s.Finish = true
		t.record("", "mail arrives at the tenant; the final delta of every mailbox is ordered")
	}
	t.says("the final delta of every mailbox is being made")
	t.set(migration.StepRouting, migration.Running, "final delta")
	if err := t.await(ctx, t.finished); err != nil {
		return err
	}
	t.set(migration.StepRouting, migration.Running, "")
	return nil
}

// finished reports whether every mailbox that isn't left out has made its final delta.
func (t *tenant) finished() bool {
	return !slices.ContainsFunc(t.s.Waves, func(w *tenantWave) bool {
		return w.Rows > 0 && (w.Lost || !w.Report.Finished)
	})
}

// prove looks at the proofs until those that the plan requires have passed, or a person accepts what is left.
func (t *tenant) prove(ctx workflow.Context) error {
	pause := t.timing.Poll.D()
	for {
		if t.s.Rollback != nil {
			return t.goneBack(ctx)
		}
		if err := t.look(ctx); err != nil {
			return err
		}
		open := t.open()
		t.set(migration.StepRouting, migration.Running, fmt.Sprintf("%d required proofs are open", len(open)))
		if len(open) == 0 {
			return nil
		}
		t.says("waiting for proofs of routing: " + joined(open))
		if problem := t.stuck(open); problem != nil {
			if err := t.askAboutProofs(ctx, *problem); err != nil {
				return err
			}
			pause = t.timing.Poll.D()
			continue
		}
		next := t.now().Add(pause)
		if !t.polled() {
			next = t.nextQuiet()
		}
		if _, err := t.awaitUntil(ctx, next, "look at the proofs of routing again", func() bool { return t.quiet() || t.s.Rollback != nil }); err != nil {
			return err
		}
		// Looking soon matters most soon after the change.
		pause = min(2*pause, max(t.timing.DeltaAfterMX.D(), t.timing.Poll.D()))
	}
}

// goneBack waits until the records are set back, and then for the second abort.
func (t *tenant) goneBack(ctx workflow.Context) error {
	if err := t.await(ctx, func() bool { return t.s.RolledBack }); err != nil {
		return err
	}
	for {
		if _, err := t.ask(ctx, migration.StepRouting, *t.rolledBack()); err != nil {
			return err
		}
	}
}

// look looks at every proof that is open.
func (t *tenant) look(ctx workflow.Context) error {
	for i := range t.s.Proofs {
		p := &t.s.Proofs[i]
		if p.State != migration.ProofOpen {
			continue
		}
		at := slices.IndexFunc(t.s.Domains, func(d *tenantDomain) bool { return d.Name == p.Domain })
		before := *p
		var err error
		switch p.Kind {
		case migration.ProofRecords:
			err = t.proveRecords(ctx, p, t.s.Domains[at])
		case migration.ProofOldTTL:
			t.proveOldTTL(p, t.s.Domains[at])
		case migration.ProofProbe:
			err = t.proveProbe(ctx, p, t.s.Domains[at])
		case migration.ProofTrace:
			err = t.proveTrace(ctx, p)
		case migration.ProofQuiet:
			t.proveQuiet(p)
		}
		if err != nil {
			return err
		}
		if p.State != before.State {
			t.record("", fmt.Sprintf("proof %q for %s: %s, %s", p.Kind, p.Domain, p.State, p.Text))
		}
		if *p != before {
			t.touch()
		}
	}
	return nil
}

// required reports whether the plan requires a kind of proof.
func (t *tenant) required(kind migration.ProofKind) bool {
	return slices.Contains(t.in.Plan.Routing.Required, kind)
}

// open are the required proofs that haven't passed, in words.
func (t *tenant) open() []string {
	var all []string
	for _, p := range t.s.Proofs {
		if t.required(p.Kind) && p.State != migration.ProofPassed && !(p.Kind == migration.ProofQuiet && t.s.Accepted != nil) {
			all = append(all, fmt.Sprintf("%s of %s", p.Kind, p.Domain))
		}
	}
	return all
}

// polled reports whether an open proof has to be looked for by activities.
func (t *tenant) polled() bool {
	return slices.ContainsFunc(t.s.Proofs, func(p migration.Proof) bool {
		return p.State == migration.ProofOpen && p.Kind != migration.ProofQuiet && (t.required(p.Kind) || p.Kind == migration.ProofOldTTL)
	})
}

// stuck is why a person must be asked: a required proof can't be had, or it has taken too long.
func (t *tenant) stuck(open []string) *migration.Problem {
	for _, p := range t.s.Proofs {
		if t.required(p.Kind) && (p.State == migration.ProofFailed || p.State == migration.ProofNotObtainable && t.s.Accepted == nil) {
			return &migration.Problem{
				Kind: "proof-not-obtainable", Text: fmt.Sprintf("the required proof %q of %s can't be had: %s", p.Kind, p.Domain, p.Text),
				Remedy: "mend the cause, and retry the step",
			}
		}
	}
	if t.now().Before(t.s.QuietUntil) {
		return nil
	}
	problem := &migration.Problem{
		Kind: "routing-unproved", Text: fmt.Sprintf("after %s these proofs are still open: %s", t.timing.QuietLimit, joined(open)),
		Remedy: "mend the cause, and retry the step to wait as long again",
	}
	if t.onlyQuiet() {
		arrivals := t.arrivals()
		problem.Kind = "stragglers"
		problem.Text = fmt.Sprintf("after %s mail still arrives at the source: %d messages, the last on %s, from %s",
			t.timing.QuietLimit, arrivals.Count, stamp(arrivals.Last), joined(arrivals.From))
		problem.Remedy = "have these senders corrected and retry the step to wait as long again; or retry it with a reason that begins with \"" +
			acceptWord + "\" to go on in spite of them"
	}
	return problem
}

// onlyQuiet reports whether the stragglers are all that keeps the proofs from being complete.
func (t *tenant) onlyQuiet() bool {
	return !slices.ContainsFunc(t.s.Proofs, func(p migration.Proof) bool {
		return t.required(p.Kind) && p.Kind != migration.ProofQuiet && p.State != migration.ProofPassed
	})
}

// askAboutProofs asks a person, who has it looked at for as long again, or accepts the stragglers.
func (t *tenant) askAboutProofs(ctx workflow.Context, problem migration.Problem) error {
	t.set(migration.StepRouting, migration.Waiting, problem.Text)
	order, err := t.ask(ctx, migration.StepRouting, problem)
	if err != nil {
		return err
	}
	t.set(migration.StepRouting, migration.Running, "")
	t.s.QuietUntil = t.now().Add(t.timing.QuietLimit.D())
	for i := range t.s.Proofs {
		p := &t.s.Proofs[i]
		switch accepts := strings.HasPrefix(strings.ToLower(strings.TrimSpace(order.Reason)), acceptWord); {
		case p.Kind == migration.ProofQuiet && accepts && problem.Kind == "stragglers":
			t.s.Accepted = &Order{By: order.By, Reason: order.Reason}
			p.State, p.Text = migration.ProofNotObtainable, "accepted by "+order.By+": "+order.Reason+"; "+problem.Text
		case p.State == migration.ProofFailed, p.State == migration.ProofNotObtainable:
			p.State = migration.ProofOpen
		}
	}
	return nil
}

// proveRecords: all authoritative servers and the plan's resolvers give the new MX.
func (t *tenant) proveRecords(ctx workflow.Context, p *migration.Proof, d *tenantDomain) error {
	in := activities.VisibleInput{DNS: t.in.Plan.DNS, Record: d.Wanted}
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
	for _, e := range t.in.Plan.Endpoints {
		for _, host := range sourceHosts(t.in.Plan, e) {
			for _, line := range received {
				if strings.Contains(strings.ToLower(line), "by "+strings.ToLower(host)) {
					return host
				}
			}
		}
	}
	return ""
}

// proveTrace: the tenant's own trace shows mail from outside since the change.
func (t *tenant) proveTrace(ctx workflow.Context, p *migration.Proof) error {
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
		p.State, p.Text = migration.ProofPassed, fmt.Sprintf("%d messages, the newest from %s to %s", len(out.Rows), out.Rows[0].Sender, out.Rows[0].Recipient)
	}
	return nil
}

// notObtainable writes down why a proof can't be had.
func (t *tenant) notObtainable(p *migration.Proof, err error) error {
	problem := problemOf(err)
	if problem == nil {
		return errAborted
	}
	p.State, p.Text = migration.ProofNotObtainable, problem.String()
	return nil
}

// arrivals are what the source still took in since the migration began.
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
		p.Text += fmt.Sprintf("; %d messages arrived there in all, from %s", arrivals.Count, shorten(joined(arrivals.From), 200))
	}
}
