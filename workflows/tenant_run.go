package workflows

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// TenantResult is what a tenant ends with.
type TenantResult struct {
	State migration.State `json:"state"`
	// Report is the archive's name of the closing report.
	Report string `json:"report,omitempty"`
	// Files are the report's files with their hashes; Missing is how many mailboxes left no account.
	Files   []activities.ArchivedFile `json:"files,omitempty"`
	Missing int                       `json:"missing,omitempty"`
}

// errSkipped: an operator skipped the step.
var errSkipped = errors.New("the step is skipped")

// tenant is one run of a Tenant workflow.
type tenant struct {
	core
	in TenantInput
	s  TenantState
	// asks are what waits for a person in this run; a new run finds out again.
	asks []*ask
	// doing is what is being waited for, in words, when it isn't a person.
	doing string
	// enrolling keeps one chunk at a time.
	enrolling bool
	// verdicts are what waves have said of the chunk under way.
	verdicts []verdict
	// checkAt is when to look for waves that ended without a report.
	checkAt time.Time
	// handed are waves' answers with first passwords, until they are taken.
	handed []handedMessage
	// changing says that a change of MX is under way just now.
	changing bool
}

// ask is something that waits for a person.
type ask struct {
	Waiting
	// answer is the order that ended the wait; skip says that it was to skip.
	answer *StepOrder
	skip   bool
}

// begin sets everything up and starts what goes on beside the steps.
func (t *tenant) begin(ctx workflow.Context) error {
	scope := activities.Scope{Tenant: t.in.Plan.Tenant, Launch: t.in.Launch}
	t.setup(ctx, scope, t.in.Plan.Timing, trailOf(scope, "", &t.s.Audit), &t.s.Retrying, t.abort)
	if t.in.Carried != nil {
		t.s = *t.in.Carried
	} else {
		t.s = newTenantState(t.in.Plan, t.now())
	}
	t.checkAt = t.now().Add(t.timing.Children.D())
	if t.s.Aborted != nil {
		t.stop()
	}
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (Status, error) { return t.status(), nil }); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, QueryWhere, t.where); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, QueryReport, func() (migration.Report, error) { return t.report(), nil }); err != nil {
		return err
	}
	if err := t.handleUpdates(ctx); err != nil {
		return err
	}
	t.hear()
	t.prepare()
	t.talk(t.base, func() bool { return len(t.owed()) > 0 }, t.order)
	t.background(t.base, func() bool { return !t.now().Before(t.checkAt) && t.s.Ended.IsZero() }, t.check)
	t.background(t.work, t.mustRestore, t.restore)
	t.keepAudit(t.in.Plan.Archive, "")
	t.display(t.show)
	t.pace("look at the waves", func() time.Time { return earliest(t.checkAt, t.memoDue) })
	t.show()
	return nil
}

func newTenantState(p migration.Plan, now time.Time) TenantState {
	s := TenantState{Started: now}
	for _, w := range p.Waves {
		s.Waves = append(s.Waves, &tenantWave{Name: w.Name})
	}
	for _, d := range p.Domains {
		s.Domains = append(s.Domains, &tenantDomain{Name: d})
	}
	for _, step := range migration.Steps() {
		s.Steps = append(s.Steps, StepStatus{Step: step, Name: step.Name(), Title: step.Title(), State: migration.Pending})
	}
	return s
}

// step is how a step stands in the tenant's own book.
func (t *tenant) step(step migration.Step) *StepStatus { return &t.s.Steps[step-1] }

// set writes how a step stands.
func (t *tenant) set(step migration.Step, state migration.State, text string) {
	s := t.step(step)
	if s.State != state || s.Since.IsZero() {
		s.Since = t.now()
	}
	s.State, s.Text = state, text
	t.touch()
}

// says has the status say what is being waited for.
func (t *tenant) says(doing string) {
	if t.doing != doing {
		t.doing = doing
		t.touch()
	}
}

// do runs an activity until it succeeds. A problem has the step wait for a person, who retries it or, where the step
// may be skipped, skips it.
func (t *tenant) do(ctx workflow.Context, step migration.Step, summary string, activity, in, out any) error {
	for {
		err := t.try(ctx, step, summary, activity, in, out)
		if err == nil {
			return nil
		}
		problem := problemOf(err)
		if problem == nil {
			return ended(err)
		}
		if _, err := t.ask(ctx, step, *problem); err != nil {
			return err
		}
	}
}

// try runs an activity for as long as it fails of something that may pass. Its error is a problem, or says that the
// tenant is aborted or goes on as a new run.
func (t *tenant) try(ctx workflow.Context, step migration.Step, summary string, activity, in, out any) error {
	priority := usual
	if step >= migration.StepCutover {
		priority = urgent
	}
	for {
		err := workflow.ExecuteActivity(t.light(ctx, priority, summary), activity, in).Get(ctx, out)
		if !passing(err) {
			t.succeeds(summary)
			return err
		}
		t.fails(Retrying{Step: step, What: summary}, failureWords(err))
		if err := t.sleep(ctx, t.timing.RetryMax.D(), "before it is tried again to "+summary); err != nil {
			return err
		}
	}
}

// ask waits for a person and returns the order that ended the wait.
func (t *tenant) ask(ctx workflow.Context, step migration.Step, problem migration.Problem) (StepOrder, error) {
	q := &ask{Waiting: Waiting{Step: step, Problem: problem, Since: t.now()}}
	t.asks = append(t.asks, q)
	t.touch()
	err := t.await(ctx, func() bool { return q.answer != nil })
	t.asks = slices.DeleteFunc(t.asks, func(have *ask) bool { return have == q })
	t.touch()
	switch {
	case err != nil:
		return StepOrder{}, err
	case q.skip:
		return *q.answer, errSkipped
	}
	return *q.answer, nil
}

// sleep waits by a timer.
func (t *tenant) sleep(ctx workflow.Context, d time.Duration, summary string) error {
	_, err := t.awaitUntil(ctx, t.now().Add(d), summary, func() bool { return false })
	return err
}

// waves waits until every wave that has mailboxes is done with a step.
func (t *tenant) waves(ctx workflow.Context, step migration.Step, doing string) error {
	if err := t.list(ctx); err != nil {
		return err
	}
	t.says(doing)
	return t.await(ctx, func() bool {
		done, total, _ := t.count(step)
		return total > 0 && done == total
	})
}

// count sums the waves' counts of a step.
func (t *tenant) count(step migration.Step) (done, total, waiting int) {
	for _, w := range t.s.Waves {
		total += w.Rows - len(w.Report.Excluded)
		for _, c := range w.Report.Counts {
			if c.Step == step {
				done += c.Done
				waiting += c.Waiting
			}
		}
	}
	return done, total, waiting
}

// late is how many mailboxes that came in a later list are not done with a step.
func (t *tenant) late(step migration.Step) int {
	n := 0
	for _, w := range t.s.Waves {
		for _, c := range w.Report.Counts {
			if c.Step == step {
				n += c.Late
			}
		}
	}
	return n
}

// committed reports whether a list of mailboxes is in.
func (t *tenant) committed() bool {
	return slices.ContainsFunc(t.s.Imports, func(i *importState) bool { return i.Committed })
}

// users, announce, credentials, connect and migrate are steps that the waves pass.
func (t *tenant) users(ctx workflow.Context) error {
	return t.waves(ctx, migration.StepUsers, "users are being added, and their mailboxes made")
}

func (t *tenant) announce(ctx workflow.Context) error {
	return t.waves(ctx, migration.StepAnnounce, "users are being told")
}

func (t *tenant) credentials(ctx workflow.Context) error {
	return t.waves(ctx, migration.StepCredentials, "mailboxes are being opened at the source")
}

func (t *tenant) connect(ctx workflow.Context) error {
	return t.waves(ctx, migration.StepConnect, "both sides of the mailboxes are being opened")
}

func (t *tenant) migrate(ctx workflow.Context) error {
	t.says("mailboxes are being copied and verified")
	return t.await(ctx, t.verified)
}

// verified reports whether every mailbox that isn't left out is verified.
func (t *tenant) verified() bool {
	some := false
	for _, w := range t.s.Waves {
		if w.Rows > 0 && !w.verified() {
			return false
		}
		some = some || w.Rows > 0
	}
	return some
}

// list is step 5: the starter hands the CSV in by updates; see enroll.
func (t *tenant) list(ctx workflow.Context) error {
	if !t.committed() {
		t.says("waiting for the list of mailboxes")
	}
	return t.await(ctx, t.committed)
}

// outcome is the state that the tenant ends in.
func (t *tenant) outcome() migration.State {
	if t.s.Aborted != nil {
		return migration.Aborted
	}
	return migration.Done
}

// wind is what is left to do after an abort: the waves stop and end, everything stays as it is, and the report says so.
func (t *tenant) wind(ctx workflow.Context) error {
	t.asks, t.s.Gate = nil, nil
	t.says("stopping everything; nothing is undone")
	if err := t.await(ctx, t.ended); err != nil {
		return err
	}
	return t.archive(ctx)
}

// ended reports whether every wave has ended.
func (t *tenant) ended() bool {
	return !slices.ContainsFunc(t.s.Waves, func(w *tenantWave) bool {
		return w.Started && !w.Lost && !(w.Report.Final && w.Told.Acknowledged)
	})
}

// joined is a list for people.
func joined(names []string) string { return strings.Join(names, ", ") }
