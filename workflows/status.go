package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// status answers the query: everything an operator may want to see.
func (t *tenant) status() Status {
	s := Status{
		Tenant: t.scope.Tenant, Organisation: t.in.Plan.Organisation, Launch: t.scope.Launch, State: migration.Running,
		Started: t.s.Started, Steps: t.steps(), Waiting: t.waiting(), Retrying: t.failing(), Totals: t.totals(), Pace: t.copyPace(),
		Gate: t.shownGate(), Doing: t.doing,
		Sources: t.s.Sources, Proofs: t.s.Proofs, Approvals: t.s.Approvals, Audit: t.s.Audit, Lists: t.lists(), Report: t.s.Report,
	}
	for _, w := range t.s.Waves {
		if !w.Started {
			continue
		}
		one := w.Report.Status
		one.Name, one.ID, one.Waiting = w.Name, t.waveID(w), t.named(w)
		one.Retrying = nil // it is among the tenant's
		if one.State == "" {
			one.State = migration.Pending
		}
		if w.Lost {
			one.State = migration.Failed
		}
		s.Waves = append(s.Waves, one)
	}
	switch {
	case t.s.Aborted != nil:
		s.State = migration.Aborted
	case t.step(migration.StepWelcome).State.Finished():
		s.State = migration.Done
	case t.s.Paused:
		s.State = migration.Paused
	case s.Gate != nil, len(s.Waiting) > 0:
		s.State = migration.Waiting
	}
	return s
}

// steps are the eleven as they stand: those of the waves as counted from their reports.
func (t *tenant) steps() []StepStatus {
	all := make([]StepStatus, len(t.s.Steps))
	for i, own := range t.s.Steps {
		all[i] = own
		switch own.Step {
		case migration.StepUsers, migration.StepAnnounce, migration.StepCredentials, migration.StepConnect, migration.StepMigrate:
			all[i] = t.counted(own)
		case migration.StepSource, migration.StepList: // they begin at once, beside the others
			if own.State == migration.Pending {
				all[i].State, all[i].Since = migration.Running, t.s.Started
			}
		case migration.StepWelcome:
			if done, total, waiting := t.count(own.Step); !own.State.Finished() && t.s.Closing {
				all[i].Text = fmt.Sprintf("%d of %d mailboxes have ended", done, total)
				if waiting > 0 {
					all[i].State = migration.Waiting
				}
			}
		}
		if all[i].State == migration.Running && t.asked(own.Step) {
			all[i].State = migration.Waiting
		}
		if t.s.Aborted != nil && !all[i].State.Finished() {
			all[i].State, all[i].Text = migration.Aborted, "" // it waits for nothing any more
		}
	}
	return all
}

// asked reports whether the step waits for a person's answer.
func (t *tenant) asked(step migration.Step) bool {
	for _, q := range t.asks {
		if q.Step == step {
			return true
		}
	}
	return false
}

// counted is a step that the waves pass.
func (t *tenant) counted(own StepStatus) StepStatus {
	done, total, waiting := t.count(own.Step)
	begun := false
	for _, w := range t.s.Waves {
		begun = begun || w.Begun
	}
	s := stepOf(stepCount{Step: own.Step, Done: done, Waiting: waiting, Late: t.late(own.Step)}, total, begun)
	s.Since = own.Since
	return s
}

// waiting are the things that wait for a person: the tenant's own first, then what the waves name. What several parts of
// one step wait for, and one order answers, is one thing.
func (t *tenant) waiting() []Waiting {
	var all []Waiting
	for _, q := range t.asks {
		same := func(have Waiting) bool { return have.Step == q.Step && have.Problem == q.Problem }
		if !slices.ContainsFunc(all, same) {
			all = append(all, q.Waiting)
		}
	}
	for _, w := range t.s.Waves {
		if w.Lost {
			all = append(all, Waiting{Step: migration.StepMigrate, Wave: w.Name, Problem: migration.Problem{
				Kind: "wave-ended", Text: "the workflow " + t.waveID(w) + " ended without a report, or can't be reached",
				Remedy: "see in the Web UI why; if it has been started again there, retry the step",
			}})
		}
		all = append(all, t.named(w)...)
	}
	return all
}

// named are the first of those that wait for a person in a wave: what a tenant answers with has a limit too.
func (t *tenant) named(w *tenantWave) []Waiting {
	all := w.Report.Status.Waiting
	return all[:min(len(all), t.namedEach())]
}

// shownRetrying is how much of what fails again and again the status names.
const shownRetrying = 50

// failing is what fails again and again: the tenant's own first, then what the waves name.
func (t *tenant) failing() []Retrying {
	all := slices.Clone(t.s.Retrying)
	for _, w := range t.s.Waves {
		all = append(all, w.Report.Status.Retrying...)
	}
	return all[:min(len(all), shownRetrying)]
}

// totals are the sums over the waves.
func (t *tenant) totals() Totals {
	var sum Totals
	for _, w := range t.s.Waves {
		one := w.Report.Status.Totals
		sum.Mailboxes += max(w.Rows, one.Mailboxes)
		sum.Verified += one.Verified
		sum.Finished += one.Finished
		sum.Failed += one.Failed
		sum.Excluded += one.Excluded
		sum.Account.Add(one.Account)
		sum.Refusals += one.Refusals
		sum.Expected += one.Expected
		sum.Passwords += one.Passwords
	}
	return sum
}

// first is what the memo says of all that waits.
func (m *Memo) first(w Waiting) {
	m.First, m.Kind, m.Mailbox = cut(w.Problem.Text, 300), cut(w.Problem.Kind, 60), cut(w.Mailbox, maxAddress)
}

// show brings the details, the attributes and the memo up to date.
func (t *tenant) show() {
	t.sample()
	status := t.status()
	t.observe(status)
	workflow.SetCurrentDetails(t.base, tenantDetails(status))
	memo := Memo{State: status.State, Step: migration.StepWelcome, Doing: shorten(status.Doing, 200), Waiting: status.CountWaiting(), Totals: status.Totals, Pace: &status.Pace}
	found := false
	for _, s := range status.Steps {
		memo.States = append(memo.States, s.State)
		if !found && !s.State.Finished() {
			memo.Step, memo.Since, found = s.Step, s.Since, true
		}
	}
	if len(status.Waiting) > 0 {
		memo.first(status.Waiting[0])
	}
	if status.Gate != nil {
		memo.Digest = status.Gate.Digest
	}
	t.publish(memo)
}
