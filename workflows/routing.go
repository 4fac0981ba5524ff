package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// allDomains is the domain of a proof that is one for all.
	allDomains = "all"
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
		return w.Rows > 0 && (w.Lost || !w.Report.Finished || w.Report.Status.Totals.Mailboxes != w.Rows)
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
		t.set(migration.StepRouting, migration.Running, fmt.Sprintf("required proofs that are open: %d", len(open)))
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
	t.s.Proofs = nil // they were of the records that are taken back
	t.set(migration.StepRouting, migration.Running, "the records are being set back")
	if err := t.await(ctx, func() bool { return t.s.RolledBack }); err != nil {
		return err
	}
	t.set(migration.StepRouting, migration.Running, "the records are set back")
	t.set(migration.StepCutover, t.step(migration.StepCutover).State, "set back, as "+t.s.Rollback.By+" ordered")
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
