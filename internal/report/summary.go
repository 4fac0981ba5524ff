package report

import (
	"fmt"
	"slices"
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
	// Verified, LeftOut and Open count mailboxes: Open are those that are neither verified nor left out.
	Verified, LeftOut, Open int
	// Rows are the first mailboxes, without what was refused; MoreRows is how many are not among them.
	Rows     []migration.MailboxAccount
	MoreRows int
	// Foldered are those of Rows whose folders are shown.
	Foldered    []migration.MailboxAccount
	MoreFolders int
	Notices     []notice
	MoreNotices int
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
	add := func(bad bool, text string) {
		if len(s.Notices) == maxNotices {
			s.MoreNotices++
			return
		}
		n := notice{m.Address, string(m.State), string(m.State), oneLine(text)}
		if bad {
			n.Kind, n.Label = "no", "problem"
		}
		s.Notices = append(s.Notices, n)
	}
	if m.State != migration.Excluded && !m.Verification.Verified && s.over() {
		add(true, "is not verified")
	}
	if s.over() && !m.Account.Closes() {
		add(true, fmt.Sprintf("does not close: %s at the source = %s", Count(m.Account.Source), equation(m.Account)))
	}
	for _, fault := range m.Verification.Faults {
		add(true, fault)
	}
	if m.Problem != nil {
		add(true, m.Problem.String())
	}
	if m.Note != "" {
		add(false, m.Note)
	} else if m.State == migration.Excluded {
		add(true, "was left out")
	}
	for _, o := range m.Observations {
		add(false, fmt.Sprintf("%s: %s", o.Kind, Count(o.Count)))
	}
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

// over reports whether the migration has ended.
func (s *summary) over() bool { return !s.Ended.IsZero() }

// End is the moment to which the report tells.
func (s *summary) End() time.Time {
	if s.over() {
		return s.Ended
	}
	return s.At
}

// Good, Partly and Bad are how a verdict looks.
const (
	good   = "good"
	partly = "partly"
	bad    = "bad"
)

// verdict is the report in one sentence, and how good it is.
func (s *summary) verdict() (grade, text string) {
	whole := s.Account.Closes() && s.Missing == 0
	switch {
	case !s.over():
		return partly, fmt.Sprintf("The migration is still under way: %s of %s mailboxes are verified.", Count(s.Verified), Count(s.Total))
	case s.State == migration.Aborted:
		return bad, "The migration was aborted. " + accounted(whole)
	case !whole:
		return bad, accounted(false)
	case s.Open > 0:
		return bad, fmt.Sprintf("Every message is accounted for, but %s not verified.", areMailboxes(s.Open))
	case s.LeftOut > 0 || s.Account.Refused > 0:
		return partly, "Every message is accounted for; what was left out or refused is named below."
	}
	return good, "Every message is accounted for."
}

func accounted(whole bool) string {
	if whole {
		return "Every message that was moved is accounted for."
	}
	return "NOT every message is accounted for; the mailboxes are named below."
}

func areMailboxes(n int) string {
	if n == 1 {
		return "1 mailbox is"
	}
	return Count(n) + " mailboxes are"
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
