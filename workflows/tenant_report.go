package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// observe keeps when each step began and ended, and how far the migration had come when.
func (t *tenant) observe(s Status) {
	if t.s.Times == nil {
		for _, step := range migration.Steps() {
			t.s.Times = append(t.s.Times, migration.StepTime{Step: step})
		}
	}
	for i, step := range s.Steps {
		times := &t.s.Times[i]
		times.State = step.State
		if times.Began.IsZero() && step.State != migration.Pending {
			times.Began = t.now()
		}
		switch {
		case !step.State.Finished(): // late rows begin a step anew
			times.Ended = time.Time{}
		case times.Ended.IsZero():
			times.Ended = t.now()
		}
	}
	account := s.Totals.Account
	t.s.Curve.Add(migration.Point{
		At: t.now(), Mailboxes: s.Totals.Mailboxes, Verified: s.Totals.Verified,
		Messages: account.Copied + account.Already + account.Moved + account.Merged, Bytes: account.Bytes,
	})
}

// stepTimes are the steps' times with what the plan says of them.
func (t *tenant) stepTimes() []migration.StepTime {
	all := make([]migration.StepTime, len(t.s.Times))
	copy(all, t.s.Times)
	for i := range all {
		switch s := &all[i]; s.Step {
		case migration.StepUsers:
			s.Most = t.timing.MailboxLimit
		case migration.StepSource:
			s.Most = t.timing.DNSLimit
		case migration.StepOptimise:
			for _, d := range t.s.Domains { // until the old TTL has run out
				s.Least = max(s.Least, migration.Duration(time.Duration(d.Original.TTL)*time.Second))
			}
		case migration.StepRouting:
			s.Least, s.Most = t.timing.Quiet, t.timing.QuietLimit
		}
	}
	return all
}

// report answers the query: everything that a report says but the mailboxes, as it is now.
func (t *tenant) report() migration.Report {
	status := t.status()
	r := migration.Report{
		Tenant: t.scope.Tenant, Organisation: t.in.Plan.Organisation, Launch: t.scope.Launch, Started: t.s.Started, Ended: t.s.Ended,
		At: t.now(), State: status.State, Domains: t.in.Plan.Domains, Total: status.Totals.Mailboxes, Account: status.Totals.Account,
		Refusals: status.Totals.Refusals, Expected: status.Totals.Expected, Steps: t.stepTimes(), Curve: t.s.Curve.Points,
		Approvals: t.s.Approvals, Changes: t.s.Changes, Proofs: t.s.Proofs, Arrivals: t.arrivals(), Audit: t.s.Audit,
	}
	for _, w := range t.s.Waves {
		r.Waves = append(r.Waves, migration.WaveTrail{Wave: w.Name})
	}
	return r
}

// closingReport is what the migration leaves behind, but for the mailboxes' accounts, which the archive adds. The step
// that writes it is done with it.
func (t *tenant) closingReport() migration.Report {
	t.observe(t.status())
	r := t.report()
	r.At, r.State = time.Time{}, t.outcome()
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Step == migration.StepWelcome && s.State == migration.Running {
			s.State, s.Ended = migration.Done, t.s.Ended
		}
	}
	return r
}

// archive writes the closing report.
func (t *tenant) archive(ctx workflow.Context) error {
	t.says("the report is being written")
	t.s.Ended = t.now()
	in := activities.ArchiveReportInput{Scope: t.scope, Archive: t.in.Plan.Archive, Report: t.closingReport()}
	var out activities.ArchiveReportOutput
	err := t.do(ctx, migration.StepWelcome, "write the closing report", a.ArchiveReport, in, &out)
	switch {
	case errors.Is(err, errSkipped):
		t.record("", "the migration ends without a closing report in the archive")
	case err != nil:
		return err
	default:
		t.s.Report = t.scope.Tenant + "/" + t.scope.Launch + "/report.html"
		t.s.Files, t.s.Missing = out.Files, out.Missing
	}
	t.says("")
	return nil
}
