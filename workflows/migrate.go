package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// quietPasses is how many passes that changed nothing go unreported, one less.
	quietPasses = 6
	// unverifiedPasses is how many passes in a row may not close before a person is asked.
	unverifiedPasses = 3
	// latePasses is how many more final deltas are made while mail still arrives before a person is asked.
	latePasses = 5
)

// pass begins a pass, or goes on with the one under way: a slice of the copy, a message tried alone, or the end.
func (m *mailbox) pass() {
	s := &m.s
	switch p := s.Pass; {
	case p == nil:
		m.beginPass()
	case s.Poison != nil:
		m.tryAlone()
	case len(p.Remaining) > 0:
		m.slice()
	default:
		m.endPass()
	}
}

// beginPass looks for what changed at the source.
func (m *mailbox) beginPass() {
	s := &m.s
	p := &pass{Began: m.now(), First: !s.Copied, Final: s.Orders.Finish, Demand: s.Orders.Pass}
	demanded := s.Demanded
	s.Demanded = false
	m.does("looking for changes")
	in := activities.ProbeInput{Endpoint: m.in.Endpoint, Mailbox: m.in.Mailbox, Rules: m.in.Rules}
	for i := range s.Copy.Folders {
		in.Cursors = append(in.Cursors, s.Copy.Folders[i].Cursors())
	}
	var out activities.ProbeOutput
	if err := m.call(m.lightly("look for changes at the source"), a.Probe, in, &out); err != nil {
		s.Demanded = s.Demanded || demanded
		m.trouble(migration.StepMigrate, err)
		return
	}
	p.Changed, p.Bounds = append(out.Changed, out.Vanished...), out.Bounds
	for i := range s.Copy.Folders {
		f := &s.Copy.Folders[i]
		switch changed := slices.Contains(p.Changed, f.Source); {
		case !changed && s.Unverified > 0 && f.Target != "":
			p.Changed = append(p.Changed, f.Source) // what didn't close may lie anywhere
		case changed:
			p.Known = append(p.Known, f.Cursors())
		}
	}
	p.Remaining = slices.Clone(p.Changed)
	s.Pass = p
}

// slice copies for a while, and takes in what that taught.
func (m *mailbox) slice() {
	s, p := &m.s, m.s.Pass
	what := "delta"
	switch {
	case p.First:
		what = "first copy"
	case p.Final:
		what = "final delta"
	}
	m.does(what)
	in := m.copyInput(p.Remaining)
	var out activities.CopyOutput
	if err := m.call(m.heavily(untilItReturns, fmt.Sprintf("%s of %d folders", what, len(p.Remaining))), a.Copy, in, &out); err != nil {
		m.trouble(migration.StepMigrate, err)
		return
	}
	m.take(out)
	switch out.Exit {
	case migration.ExitDone:
		p.Remaining = nil
	case migration.ExitSlice:
		p.Remaining = out.Remaining
		if p.First {
			m.tell() // a large mailbox has many slices, and how far it is decides when all are done
		}
	case migration.ExitStopped:
		p.Remaining = out.Remaining
		if !m.interrupted() {
			// Its worker went down; another will take it.
			_ = workflow.NewTimer(m.base, m.timing.Retry.D()).Get(m.base, nil)
		}
	case migration.ExitLater:
		p.Remaining = out.Remaining
		if out.Progress.Messages == 0 {
			m.postpone(out.Words)
		}
	case migration.ExitProblem:
		p.Remaining = out.Remaining
		s.DeletionsAsked = out.Deletions
		m.wait(migration.StepMigrate, problemIn(out))
	case migration.ExitPoison:
		p.Remaining = out.Remaining
		s.Poison = out.Poison
	default:
		m.wait(migration.StepMigrate, migration.Problem{
			Kind: "unexpected", Text: fmt.Sprintf("the copy ended in a way this version doesn't know: %q", out.Exit),
			Remedy: "run workers of one version, then retry the step",
		})
	}
}

// problemIn is the problem that a copy ended with.
func problemIn(out activities.CopyOutput) migration.Problem {
	if out.Problem != nil {
		return *out.Problem
	}
	return migration.Problem{Kind: "unexplained", Text: "the copy stopped for a person and didn't say why", Remedy: "see the worker's log"}
}

// take merges what a slice learnt.
func (m *mailbox) take(out activities.CopyOutput) {
	s, p := &m.s, m.s.Pass
	marked := s.Copy.InUse != ""
	s.Copy.Merge(out.State)
	if s.Copy.InUse != "" && !marked {
		found := "found in use, so from now on deltas only add what is new: " + s.Copy.InUse
		m.record("", found)
		if s.Note == "" {
			s.Note = shorten(found, 300)
		}
		m.tell()
	}
	// Until the MX change mail is meant to arrive at the source; what comes later is a straggler.
	if !s.Switched.IsZero() && out.Arrivals.Last.After(s.Switched) {
		s.Arrivals.Add(out.Arrivals)
	}
	p.Arrived += out.Arrivals.Count
	p.Done.Messages += out.Progress.Messages
	p.Done.Bytes += out.Progress.Bytes
}

// allowDeletions lets as many deletions go as a person was asked about, who has now retried the step.
func (m *mailbox) allowDeletions(by string) {
	s := &m.s
	if s.DeletionsAsked > 0 {
		m.record(by, fmt.Sprintf("let %d copies of messages that left the source go to Deleted Items", s.DeletionsAsked))
	}
	s.DeletionsAllowed, s.DeletionsAsked = s.DeletionsAsked, 0
}

// tryAlone gives the message that ended the copy again and again one more try by itself, at the lowest priority. If
// that fails too the copy records it as refused; the rest goes on without it, and at the end of the pass a person is
// asked.
func (m *mailbox) tryAlone() {
	s := &m.s
	poison := *s.Poison
	m.does(fmt.Sprintf("trying message %d of %s alone", poison.UID, poison.Folder))
	in := m.copyInput([]string{poison.Folder})
	in.Poison = &poison
	options := func(ctx workflow.Context) workflow.Context {
		return m.heavy(ctx, m.in.Rules, firstCopy, untilItReturns, fmt.Sprintf("try message %d of %s alone", poison.UID, poison.Folder))
	}
	var out activities.CopyOutput
	if err := m.call(options, a.Copy, in, &out); err != nil {
		m.trouble(migration.StepMigrate, err)
		return
	}
	m.take(out)
	switch out.Exit {
	case migration.ExitStopped:
		return
	case migration.ExitLater:
		m.postpone(out.Words)
		return
	case migration.ExitProblem:
		m.wait(migration.StepMigrate, problemIn(out))
		return
	}
	s.Poison = nil
	for _, r := range out.State.Refusals {
		if r.Folder == poison.Folder && r.UID == poison.UID {
			s.Quarantine = append(s.Quarantine, r)
		}
	}
}

// askAboutPoison has a person look at the messages that could not be copied even alone.
func (m *mailbox) askAboutPoison() {
	var all []string
	for _, r := range m.s.Quarantine {
		all = append(all, fmt.Sprintf("UID %d in %q: %s", r.UID, r.Folder, r.Words))
	}
	m.s.Quarantine = nil
	m.wait(migration.StepMigrate, migration.Problem{
		Kind:   "poison",
		Text:   shorten(fmt.Sprintf("of its messages, what ended the copy again and again, tried alone too: %s", strings.Join(all, "; ")), 900),
		Remedy: "look at that at the source; skip the step for this mailbox to count it as refused (the mailbox stays in), or restart the mailbox to try again",
	})
}

// endPass proves the pass and reports it.
func (m *mailbox) endPass() {
	s, p := &m.s, m.s.Pass
	if err := m.verify(); err != nil {
		m.trouble(migration.StepMigrate, err)
		return
	}
	s.Pass, s.Copied, s.DeletionsAsked, s.DeletionsAllowed = nil, true, 0, 0
	s.Passes++
	s.PassBegan, s.LastPass = p.Began, m.now()
	met := p.Demand > s.PassDone
	s.PassDone = max(s.PassDone, p.Demand)
	s.Unchanged++
	if s.Verification.Verified {
		s.Unverified = 0
	} else if s.Unverified++; s.Unverified >= unverifiedPasses {
		s.Unverified = 0
		m.wait(migration.StepMigrate, migration.Problem{
			Kind: "not-verified",
			Text: fmt.Sprintf("%d passes in a row did not close: %s", unverifiedPasses,
				shorten(strings.Join(s.Verification.Faults, "; "), 800)),
			Remedy: "compare the folders named; retry for another pass, or skip the step for this mailbox to leave it out",
		})
		return
	}
	if len(s.Quarantine) > 0 {
		m.askAboutPoison()
		return
	}
	if p.Final && s.Verification.Verified && !m.finish() {
		return
	}
	if p.First || p.Final || met || p.Done.Messages > 0 || p.Arrived > 0 || s.Unchanged >= quietPasses || s.Unverified > 0 {
		m.tell()
	}
}

// finish ends the copying after a final delta that closed, unless mail came to the source meanwhile: then another is
// made. It reports false where mail comes again and again, and a person is asked.
func (m *mailbox) finish() bool {
	s := &m.s
	if s.Verification.Late == 0 {
		s.Late, s.Finished = 0, true
		return true
	}
	if s.Late++; s.Late <= latePasses {
		return true
	}
	s.Late = 0
	m.wait(migration.StepMigrate, migration.Problem{
		Kind: "mail-still-arrives",
		Text: fmt.Sprintf("after %d final deltas there were still messages at the source, %d the last time, that had come during the delta",
			latePasses+1, s.Verification.Late),
		Remedy: "find out who still delivers to the source and stop it; retry for more deltas, or skip the step for this mailbox to leave it out",
	})
	return false
}

// verify recounts what the pass changed, and everything after the first copy, the final delta, or a pass that didn't
// close. A delta that changed nothing keeps the verdict.
func (m *mailbox) verify() error {
	s, p := &m.s, m.s.Pass
	whole := p.First || p.Final || !s.Verification.Verified
	if !whole && len(p.Changed) == 0 {
		return nil
	}
	m.does("verifying")
	in := activities.VerifyInput{
		Endpoint: m.in.Endpoint, Mailbox: m.in.Mailbox, Door: m.in.Door, Rules: m.in.Rules, AddOnly: m.addOnly(), State: s.Copy,
	}
	if !whole {
		in.State, in.Known = s.Copy.Part(p.Changed), p.Known
	}
	var out migration.Verification
	if err := m.call(m.heavily(activities.Attempts, "recount and compare both sides"), a.Verify, in, &out); err != nil {
		return err
	}
	if !whole {
		out.Folders = mergeFolders(s.Verification.Folders, out.Folders)
	}
	s.Verification = out
	return nil
}

// mergeFolders puts the accounts of a part in their places among all.
func mergeFolders(all, some []migration.FolderAccount) []migration.FolderAccount {
	all = slices.Clone(all)
	for _, f := range some {
		i := slices.IndexFunc(all, func(have migration.FolderAccount) bool { return have.Source == f.Source })
		if i < 0 {
			all = append(all, f)
			continue
		}
		all[i] = f
	}
	return all
}

func (m *mailbox) copyInput(folders []string) activities.CopyInput {
	return activities.CopyInput{
		Scope: m.in.Scope, Endpoint: m.in.Endpoint, Mailbox: m.in.Mailbox, Door: m.in.Door, Rules: m.in.Rules,
		State: m.s.Copy.Part(slices.Concat(folders, m.s.Copy.Left())), Changed: folders, Bounds: m.s.Pass.Bounds,
		AddOnly: m.addOnly(), Since: m.s.PassBegan, SourceHosts: m.in.SourceHosts, Heartbeat: m.timing.Heartbeat,
		DeletionsAllowed: m.s.DeletionsAllowed,
	}
}

// addOnly reports whether a pass may only add: the mailbox is in use.
func (m *mailbox) addOnly() bool {
	return m.in.Mailbox.Live || m.s.Orders.AfterMX || m.s.Copy.InUse != ""
}

// priority is that of the pass under way.
func (m *mailbox) priority() int {
	switch {
	case m.s.Orders.AfterMX:
		return urgent
	case m.s.Copied:
		return usual
	}
	return firstCopy
}

func (m *mailbox) lightly(summary string) func(workflow.Context) workflow.Context {
	return func(ctx workflow.Context) workflow.Context { return m.light(ctx, m.priority(), summary) }
}

// untilItReturns are the attempts of an activity that itself knows when it has been tried often enough.
const untilItReturns = 0

func (m *mailbox) heavily(attempts int32, summary string) func(workflow.Context) workflow.Context {
	return func(ctx workflow.Context) workflow.Context {
		return m.heavy(ctx, m.in.Rules, m.priority(), attempts, summary)
	}
}
