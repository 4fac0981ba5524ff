package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// What the page and the text name at most; the tables have everything.
const (
	maxRows     = 2_000
	maxFolders  = 10_000
	maxNotices  = 1_000
	maxRefusals = 2_000
)

// summary is what the page and the text are made of.
type summary struct {
	migration.Report
	Waves []*waveSum
	// Verified, LeftOut and Open count mailboxes: Open are those that are neither verified nor left out. Short are
	// those whose equation doesn't close; two of them can make up for one another in the sum.
	Verified, LeftOut, Open, Short int
	// Rows are the first mailboxes, without what was refused; MoreRows is how many are not among them.
	Rows     []migration.MailboxAccount
	MoreRows int
	// Foldered are those of Rows whose folders are shown.
	Foldered    []migration.MailboxAccount
	MoreFolders int
	// Notices are what keeps mailboxes from being whole, and then the other notes.
	Notices     []notice
	MoreNotices int
	problems    []notice
	notes       []notice
	// Observed is what happened to messages that is no failure, the most frequent first.
	Observed    []observed
	Refused     []refused
	MoreRefused int
	// Records are the DNS sets that were changed, as they were at first and are now.
	Records []migration.Change
}

// waveSum is what became of one wave.
type waveSum struct {
	Name                               string
	Mailboxes, Verified, LeftOut, Open int
	Account                            migration.Account
	Refusals                           int
}

// notice is something about a mailbox that a reader must know.
type notice struct {
	Address string
	// Kind is how it is shown: "no" for what keeps the mailbox from being whole, and otherwise its state.
	Kind, Label string
	Text        string
}

// problem is the label of a notice of what keeps a mailbox from being whole.
const problem = "problem"

// refused is a message that is not at the target.
type refused struct {
	Address string
	migration.Refusal
}

// summarise goes through the accounts once.
func summarise(r migration.Report, accounts Accounts) (*summary, error) {
	s := &summary{Report: r, Records: net(r.Changes)}
	for _, w := range r.Waves { // in the plan's order
		s.Waves = append(s.Waves, &waveSum{Name: w.Wave})
	}
	s.Mailboxes = nil
	folders := 0
	for m, err := range accounts {
		if err != nil {
			return nil, err
		}
		s.sum(m)
		s.note(m)
		s.refusals(m)
		s.observe(m)
		if len(s.Rows) == maxRows {
			s.MoreRows++
			s.MoreFolders += len(m.Folders)
			continue
		}
		m.Refusals, m.Audit = nil, nil
		s.Rows = append(s.Rows, m)
		if folders += len(m.Folders); len(m.Folders) > 0 && folders <= maxFolders {
			s.Foldered = append(s.Foldered, m)
		} else {
			s.MoreFolders += len(m.Folders)
		}
	}
	slices.SortStableFunc(s.Observed, func(a, b observed) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.kind, b.kind)) })
	// Where not all have room, problems have it first.
	s.Notices = append(s.problems, s.notes...)
	if more := len(s.Notices) - maxNotices; more > 0 {
		s.Notices, s.MoreNotices = s.Notices[:maxNotices], s.MoreNotices+more
	}
	return s, nil
}

func (s *summary) sum(m migration.MailboxAccount) {
	i := slices.IndexFunc(s.Waves, func(w *waveSum) bool { return w.Name == m.Wave })
	if i < 0 {
		i = len(s.Waves)
		s.Waves = append(s.Waves, &waveSum{Name: m.Wave})
	}
	w := s.Waves[i]
	w.Mailboxes++
	w.Account.Add(m.Account)
	w.Refusals += m.RefusalCount
	switch {
	case m.State == migration.Excluded:
		w.LeftOut++
		s.LeftOut++
	case m.Verification.Verified:
		w.Verified++
		s.Verified++
	default:
		w.Open++
		s.Open++
	}
}

// note takes up what a reader must know of a mailbox.
func (s *summary) note(m migration.MailboxAccount) {
	bad := func(text string) { s.take(&s.problems, notice{m.Address, "no", problem, oneLine(text)}) }
	known := func(text string) {
		s.take(&s.notes, notice{m.Address, string(m.State), string(m.State), oneLine(text)})
	}
	short := shortfalls(m)
	if s.over() && len(short) > 0 {
		s.Short++
		bad("does not close: " + short[0])
	}
	for _, fault := range m.Verification.Faults {
		bad(fault)
	}
	if m.Problem != nil {
		bad(m.Problem.String())
	}
	open := m.State != migration.Excluded && !m.Verification.Verified
	if s.over() && open && len(short) == 0 && len(m.Verification.Faults) == 0 && m.Problem == nil {
		bad("is not verified")
	}
	if m.Note != "" {
		known(m.Note)
	} else if m.State == migration.Excluded {
		bad("was left out")
	}
}

// take adds a notice while there is room for its sort.
func (s *summary) take(to *[]notice, n notice) {
	if len(*to) == maxNotices {
		s.MoreNotices++
		return
	}
	*to = append(*to, n)
}

// shortfalls are the equations of a mailbox that don't close: its own, and those of its folders.
func shortfalls(m migration.MailboxAccount) []string {
	var all []string
	if !m.Account.Closes() {
		all = append(all, balance(m.Account))
	}
	for _, f := range m.Folders {
		if !f.Account.Closes() {
			all = append(all, fmt.Sprintf("folder %q: %s", f.Source, balance(f.Account)))
		}
	}
	return all
}

func (s *summary) refusals(m migration.MailboxAccount) {
	for i, r := range m.Refusals {
		if len(s.Refused) == maxRefusals {
			s.MoreRefused += len(m.Refusals) - i
			break
		}
		s.Refused = append(s.Refused, refused{m.Address, r})
	}
	s.MoreRefused += max(0, m.RefusalCount-len(m.Refusals))
}

// Known reports whether there are accounts of mailboxes; a migration that goes on without workers has none.
func (s *summary) Known() bool { return len(s.Rows) > 0 }

// over reports whether the migration has ended.
func (s *summary) over() bool { return !s.Ended.IsZero() }

// End is the moment to which the report tells.
func (s *summary) End() time.Time {
	if s.over() {
		return s.Ended
	}
	return s.At
}

// verdict is the report in a word and in a sentence.
type verdict struct {
	// Grade is how it looks: good, partly or bad.
	Grade          string
	Word, Sentence string
}

func (v verdict) String() string { return v.Word + ": " + v.Sentence }

// Conclusion is a report's verdict in words.
func Conclusion(r migration.Report) string {
	s, err := summarise(r, Of(r.Mailboxes))
	if err != nil { // accounts in memory can be read
		return err.Error()
	}
	return s.verdict().String()
}

const (
	good   = "good"
	partly = "partly"
	bad    = "bad"
)

func (s *summary) verdict() verdict {
	whole := s.Account.Closes() && s.Short == 0 && s.Missing == 0
	switch {
	case !s.over() && !s.Known():
		return verdict{partly, "Under way", "how far its mailboxes are is not known here."}
	case !s.over():
		return verdict{partly, "Under way", fmt.Sprintf("%s of %s mailboxes are verified.", Count(s.Verified), Count(s.Total))}
	case s.State == migration.Aborted:
		return verdict{bad, "Aborted", accounted(whole)}
	case !whole:
		return verdict{bad, "Not complete", accounted(false)}
	case s.Open > 0:
		return verdict{bad, "Not complete", fmt.Sprintf("Every message is accounted for, but %s not verified.", Plural(s.Open, "mailbox is", "mailboxes are"))}
	case s.LeftOut > 0 || s.Account.Refused > 0:
		return verdict{partly, "Complete, with exceptions", "Every message is accounted for; what was left out or refused is named below."}
	}
	return verdict{good, "Complete", "Every message is accounted for."}
}

func accounted(whole bool) string {
	if whole {
		return "Every message that was moved is accounted for."
	}
	return "NOT every message is accounted for; the mailboxes are named below."
}

// Decided says who let the MX be changed.
func (s *summary) Decided() string {
	var by []string
	on := ""
	for _, a := range s.Approvals {
		if a.Rejected {
			continue
		}
		on = " on " + moment(a.At)
		if len(by) > 0 {
			on = ", last" + on
		}
		by = append(by, oneLine(a.By))
	}
	if by == nil {
		return ""
	}
	return "The change of MX was approved by " + strings.Join(by, ", ") + on + "."
}

// Proved says how the proofs stand that mail arrives.
func (s *summary) Proved() string {
	passed := 0
	for _, p := range s.Proofs {
		if p.State == migration.ProofPassed {
			passed++
		}
	}
	if len(s.Proofs) == 0 {
		return ""
	}
	return fmt.Sprintf("That mail arrives at Microsoft 365: %s of %s passed.", Count(passed), Plural(len(s.Proofs), "proof", "proofs"))
}

// net are the sets that were changed, each once, as it was before the first change and is after the last.
func net(changes []migration.Change) []migration.Change {
	var all []migration.Change
	for _, c := range changes {
		i := slices.IndexFunc(all, func(have migration.Change) bool { return owner(have) == owner(c) })
		if i < 0 {
			all = append(all, c)
			continue
		}
		all[i].After = c.After
	}
	return all
}
