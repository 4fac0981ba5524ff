package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// namedWaiting is how many of those that wait for a person a wave names.
	namedWaiting = 20
	// checkWindow is how many children are looked at by one activity.
	checkWindow = 100
)

// tell has a report sent at once.
func (w *wave) tell() {
	w.s.Due = w.now()
	w.touch()
}

// tellSoon has a report sent: at once if a step is complete or someone is needed, and otherwise when it is due.
func (w *wave) tellSoon() {
	if w.news() != w.told {
		w.tell()
		return
	}
	w.s.Due = earliest(w.s.Due, w.s.Reported.Add(w.timing.Report.D()))
	w.touch()
}

// news is what a tenant must know at once.
func (w *wave) news() string {
	type line struct {
		Done               []bool
		Waiting            []string
		Verified, Finished bool
		Met                int
		Out                int
		// Free is what the wave has no use for any more of its shares, Over what it uses beyond them.
		Free, Over []int
	}
	var l line
	r := w.reportNow()
	for _, c := range r.Counts {
		l.Done = append(l.Done, c.Done == r.Mailboxes)
	}
	for _, one := range w.waiting() {
		l.Waiting = append(l.Waiting, fmt.Sprintf("%s %d %s", one.Mailbox, one.Step, one.Problem.Kind))
	}
	l.Verified, l.Finished, l.Out = r.Verified, r.Finished, len(r.Excluded)
	l.Met = w.met()
	for _, s := range w.s.Orders.Shares {
		for _, n := range r.Needs {
			if n.Endpoint == s.Endpoint {
				l.Free, l.Over = append(l.Free, max(0, s.Mailboxes-n.Left)), append(l.Over, max(0, n.Using-s.Mailboxes))
			}
		}
	}
	return string(encode(l))
}

// met is the last demanded pass that every mailbox has made.
func (w *wave) met() int {
	met := w.s.Orders.Pass + w.s.Pass
	for _, r := range w.s.Rows {
		if !r.out() {
			met = min(met, r.Report.PassDone)
		}
	}
	return met
}

// waiting are all rows that wait for a person.
func (w *wave) waiting() []Waiting {
	var all []Waiting
	for _, r := range w.s.Rows {
		if step, problem := r.waits(); problem != nil {
			all = append(all, Waiting{Step: step, Mailbox: r.Address, Wave: w.in.Name, Problem: *short(*problem), Since: r.Since})
		}
	}
	all = append(all, w.pausedAlone()...)
	if p := w.s.Problem; p != nil {
		all = append(all, Waiting{Step: migration.StepWelcome, Wave: w.in.Name, Problem: *p, Since: w.s.Since})
	}
	return all
}

// pausedAlone are the wave and those of its mailboxes that were paused by themselves, and hold up all the others in the end.
func (w *wave) pausedAlone() []Waiting {
	if w.s.Orders.Paused || w.ending() != "" {
		return nil
	}
	wait := func(mailbox, text string, since time.Time) Waiting {
		return Waiting{Step: migration.StepMigrate, Mailbox: mailbox, Wave: w.in.Name, Since: since, Problem: migration.Problem{
			Kind: PausedAlone, Text: text, Remedy: "resume it when what it was paused for is over",
		}}
	}
	if w.s.Paused {
		return []Waiting{wait("", "the wave is paused, and nothing of it is copied", w.s.PausedSince)}
	}
	var all []Waiting
	for _, r := range w.s.Rows {
		if !r.Report.PausedSince.IsZero() && !r.Report.Final && !r.Lost && (!r.out() || w.s.Orders.Close) {
			all = append(all, wait(r.Address, r.Address+" is paused by itself, and nothing of it is copied", r.Report.PausedSince))
		}
	}
	return all
}

// namedRetrying is how much of what fails again and again a wave names.
const namedRetrying = 10

// failing is what fails again and again: the wave's own first, then that of its mailboxes.
func (w *wave) failing() []Retrying {
	all := slices.Clone(w.s.Retrying)
	for _, r := range w.s.Rows {
		if r.Report.Retrying != nil && !r.out() && len(all) < namedRetrying {
			all = append(all, *r.Report.Retrying)
		}
	}
	return all[:min(len(all), namedRetrying)]
}

// mustReport reports whether a report is due. A wave that found no tenant twice sends none until orders come, but its last.
func (w *wave) mustReport() bool {
	return (w.s.Lost < 2 || w.s.Archived) && !w.s.Due.IsZero() && !w.now().Before(w.s.Due) && !w.over()
}

// report sends what there is to know. The final report is sent again until it is acknowledged.
func (w *wave) report(ctx workflow.Context) {
	w.s.Report++
	r := w.reportNow()
	r.Number = w.s.Report
	w.told = w.news()
	w.s.Due, w.s.Reported = time.Time{}, w.now()
	err := w.send(ctx, w.in.Parent, signalReport, r)
	switch {
	case err == nil && r.Final:
		w.s.Lost, w.s.Due = 0, earliest(w.s.Due, w.now().Add(w.timing.Resend.D()))
	case err == nil:
		w.s.Lost = 0
	case isGone(err) && r.Final && w.s.Lost > 0:
		w.s.Orders.Acknowledged = true // nobody is left to be told
	default:
		w.s.Lost++
		w.s.Due = w.now().Add(w.timing.Resend.D())
		if w.s.Lost == 2 {
			w.s.Paused, w.s.PausedSince = true, w.now()
			w.record("", "paused itself: its tenant "+w.in.Parent+" is not there any more; resume it when the tenant is, or abort it")
		}
	}
}

// reportNow is everything a tenant knows of the wave.
func (w *wave) reportNow() waveReport {
	r := waveReport{Number: w.s.Report, Status: w.status(false), Obeyed: w.s.Orders.Number, Needs: w.needs(), Final: w.s.Archived}
	verified, finished := 0, 0
	counts := make([]stepCount, 0, 5)
	for _, step := range waveSteps {
		counts = append(counts, w.count(step))
	}
	var domains []string
	for _, one := range w.s.Rows {
		if one.out() {
			r.Excluded = append(r.Excluded, one.Address)
			continue
		}
		r.Mailboxes++
		if one.verified() {
			verified++
		}
		if one.verified() && one.Report.Finished {
			finished++
		}
		if r.Mailboxes == 1 || one.Report.PassBegan.Before(r.PassedSince) {
			r.PassedSince = one.Report.PassBegan
		}
		domain := migration.Mailbox{Address: one.Address}.Domain()
		if one.verified() && !slices.Contains(domains, domain) {
			domains = append(domains, domain)
			r.Probes = append(r.Probes, one.Address)
		}
	}
	r.Counts = counts
	r.Verified = len(w.s.Rows) > 0 && verified == r.Mailboxes
	r.Finished = len(w.s.Rows) > 0 && finished == r.Mailboxes
	return r
}

// needs is what the wave needs of each source.
func (w *wave) needs() []need {
	var all []need
	for _, e := range w.in.Plan.Endpoints {
		n := need{Endpoint: e.Name}
		for _, r := range w.s.Rows {
			if _, problem := r.waits(); r.Endpoint != e.Name || r.out() || r.Lost || r.Report.Copied || problem != nil {
				continue
			}
			n.Left++
			if r.Granted {
				n.Using++
			}
		}
		if n.Left > 0 {
			all = append(all, n)
		}
	}
	return all
}

// waveSteps are the steps that a wave passes for its rows.
var waveSteps = []migration.Step{
	migration.StepUsers, migration.StepAnnounce, migration.StepCredentials, migration.StepConnect, migration.StepMigrate, migration.StepWelcome,
}

// count counts the rows that are done with a step, and those that wait in it.
func (w *wave) count(step migration.Step) stepCount {
	c := stepCount{Step: step}
	for _, r := range w.s.Rows {
		if r.out() {
			continue
		}
		at, problem := r.waits()
		switch {
		case problem != nil && at == step:
			c.Waiting++
		case step == migration.StepMigrate && r.verified(),
			step == migration.StepWelcome && r.started() && r.Report.Final && r.Report.State == migration.Done,
			r.Stage.past(step):
			c.Done++
			continue
		}
		if r.Late {
			c.Late++
		}
	}
	return c
}

// status answers the query, with the mailboxes where they are asked for.
func (w *wave) status(mailboxes bool) WaveStatus {
	s := WaveStatus{
		Name: w.in.Name, ID: WaveID(w.scope.Tenant, w.scope.Launch, w.in.Name), State: w.state(), Totals: w.totals(), Pace: w.copyPace(),
	}
	s.Waiting = w.waiting()
	s.WaitingCount = len(s.Waiting)
	if len(s.Waiting) > namedWaiting {
		s.Waiting = s.Waiting[:namedWaiting]
	}
	s.Retrying = w.failing()
	total := s.Totals.Mailboxes - s.Totals.Excluded
	for _, step := range waveSteps {
		s.Steps = append(s.Steps, stepOf(w.count(step), total, w.s.Orders.Begin))
	}
	for _, r := range w.s.Rows {
		s.Arrivals.Add(r.Report.Arrivals)
		if mailboxes {
			s.Mailboxes = append(s.Mailboxes, w.mailbox(r))
		}
	}
	return s
}

// stepOf is a step's line for so many mailboxes.
func stepOf(c stepCount, total int, begun bool) StepStatus {
	s := StepStatus{Step: c.Step, Name: c.Step.Name(), Title: c.Step.Title(), State: migration.Pending}
	switch {
	case total > 0 && c.Done == total:
		s.State = migration.Done
	case c.Waiting > 0:
		s.State = migration.Waiting
	case c.Done > 0 || begun && c.Step == migration.StepUsers && total > 0:
		s.State = migration.Running
	}
	if total > 0 && (s.State != migration.Pending) {
		s.Text = fmt.Sprintf("%d of %d", c.Done, total)
	}
	if c.Waiting > 0 {
		s.Text += fmt.Sprintf(", waiting for a person: %d", c.Waiting)
	}
	if c.Late > 0 && total > 0 {
		if s.State == migration.Pending {
			s.Text = fmt.Sprintf("%d of %d", c.Done, total)
		}
		s.Text += fmt.Sprintf(", %d late", c.Late)
	}
	return s
}

// state is where the wave stands.
func (w *wave) state() migration.State {
	switch {
	case w.aborting() != nil:
		return migration.Aborted
	case w.s.Archived:
		return migration.Done
	case w.s.Paused || w.s.Orders.Paused:
		return migration.Paused
	case len(w.waiting()) > 0:
		return migration.Waiting
	case !w.s.Orders.Begin:
		return migration.Pending
	}
	return migration.Running
}

func (w *wave) totals() Totals {
	t := Totals{Mailboxes: len(w.s.Rows)}
	for _, r := range w.s.Rows {
		t.Account.Add(r.Report.Account)
		t.Refusals += r.Report.RefusalCount
		switch {
		case r.out():
			t.Excluded++
			continue
		case r.State == migration.Failed:
			t.Failed++
		}
		t.Expected += r.Expected
		if r.Password != "" && r.Handed == nil {
			t.Passwords++
		}
		if r.verified() {
			t.Verified++
		}
		if r.verified() && r.Report.Finished {
			t.Finished++
		}
	}
	return t
}

// mustCheck reports whether it is time to look for children that ended without a report.
func (w *wave) mustCheck() bool {
	return !w.s.Check.IsZero() && !w.now().Before(w.s.Check) && !w.over() && !w.s.Archived
}

// check looks for children that ended without a report.
func (w *wave) check(ctx workflow.Context) {
	defer func() {
		w.s.Check = w.now().Add(max(w.timing.Children.D(), time.Millisecond))
		w.s.Checked = w.s.Checked || w.s.Orders.Finish || w.s.Orders.Close
	}()
	var rows []*row
	for _, r := range w.s.Rows {
		if r.started() && !r.Report.Final && !r.Lost {
			rows = append(rows, r)
		}
	}
	for window := range slices.Chunk(rows, checkWindow) {
		in := activities.ClosedChildrenInput{}
		for _, r := range window {
			in.IDs = append(in.IDs, MailboxID(w.scope.Tenant, w.scope.Launch, r.Address))
		}
		var out activities.ClosedChildrenOutput
		options := w.light(ctx, usual, fmt.Sprintf("see whether %d mailboxes still run", len(window)))
		if err := workflow.ExecuteActivity(options, a.ClosedChildren, in).Get(ctx, &out); err != nil {
			return // looked at again the next time
		}
		for i, r := range window {
			if slices.Contains(out.Closed, in.IDs[i]) {
				w.lose(r, "it is not running any more")
			}
		}
	}
	w.tellSoon()
}

// show brings the details, the attributes and the memo up to date.
func (w *wave) show() {
	w.timeCopies()
	status := w.status(false)
	workflow.SetCurrentDetails(w.base, waveDetails(status, w.s.Audit))
	memo := Memo{State: status.State, Step: migration.StepMigrate, Waiting: status.WaitingCount, Totals: status.Totals, Pace: &status.Pace}
	for _, s := range status.Steps {
		if s.State != migration.Done {
			memo.Step = s.Step
			break
		}
	}
	if len(status.Waiting) > 0 {
		memo.first(status.Waiting[0])
		memo.Since = status.Waiting[0].Since
	}
	w.publish(memo)
}
