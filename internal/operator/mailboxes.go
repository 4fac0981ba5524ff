package operator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// Verified is a word by which mailboxes can be asked for, besides those of migration.State: the last pass closed.
const Verified = "verified"

// MailboxStates are the words that [MailboxQuery.State] may have.
var MailboxStates = []string{
	string(migration.Waiting), string(migration.Failed), string(migration.Paused), string(migration.Excluded),
	string(migration.Running), string(migration.Pending), string(migration.Done), Verified,
}

// MailboxQuery says which of a tenant's mailboxes are wanted. The zero value is the first 50 of all.
type MailboxQuery struct {
	Wave  string
	State string
	// Slowest wants those whose first copy takes longest from now on, the slowest first; there is no next page of them.
	Slowest bool
	// Limit is how many are wanted at most; 0 is 50, and less than 0 is all.
	Limit int
	// Page is the Next of the page before.
	Page string
}

// usualLimit is how many mailboxes a page has where nobody says.
const usualLimit = 50

// MailboxPage is an answer to a MailboxQuery.
type MailboxPage struct {
	Tenant string `json:"tenant"`
	// Worker says that the waves answered. Without a worker the mailboxes' memos are shown, as they last had it, and those
	// that have not begun to copy are missing; Note says so.
	Worker    bool          `json:"worker"`
	Note      string        `json:"note,omitempty"`
	Mailboxes []MailboxLine `json:"mailboxes"`
	// Next asks for the next page; empty where there is none.
	Next string `json:"next,omitempty"`
}

// MailboxLine is a mailbox with what is known of it this minute.
type MailboxLine struct {
	workflows.MailboxStatus
	// There is how many messages are at the target or accounted for otherwise, what is under way included; Bytes how many
	// bytes were copied.
	There int   `json:"there"`
	Bytes int64 `json:"bytes,omitempty"`
	// MessagesPerSecond and BytesPerSecond are the rate of the copy under way; zero where there is none.
	MessagesPerSecond float64 `json:"messagesPerSecond,omitempty"`
	BytesPerSecond    float64 `json:"bytesPerSecond,omitempty"`
	// Left is how long its first copy still takes, at its own rate or that of the others; zero where nobody can say.
	Left migration.Duration `json:"left,omitempty"`
	// Who must act, where it waits for a person.
	Who Party `json:"who,omitempty"`
	// Failure is why its copy is being tried again, and Attempt for how many times it was begun.
	Attempt int    `json:"attempt,omitempty"`
	Failure string `json:"failure,omitempty"`
	// Modified is when a memo was written that this was made from.
	Modified time.Time `json:"modified,omitzero"`
}

// Mailboxes lists a tenant's mailboxes: by the waves' own answers, or by visibility and memos where no worker is there. A
// page's mailboxes that are at work are described, to know their rate.
func (o *Operator) Mailboxes(ctx context.Context, tenant string, q MailboxQuery) (MailboxPage, error) {
	if q.State != "" && !slices.Contains(MailboxStates, q.State) {
		return MailboxPage{}, &Error{
			Kind: Invalid, Text: fmt.Sprintf("%q is no state of a mailbox", q.State), Hints: []string{"the states are " + strings.Join(MailboxStates, ", ")},
		}
	}
	if q.Limit == 0 {
		q.Limit = usualLimit
	}
	s, err := o.Status(ctx, tenant)
	if err != nil {
		return MailboxPage{}, err
	}
	if err := hasWave(s, q.Wave); err != nil {
		return MailboxPage{}, err
	}
	page := MailboxPage{Tenant: tenant, Worker: s.Worker, Note: s.Note}
	list := o.byWaves
	switch {
	case s.Closed != "":
		list, page.Worker, page.Note = o.byMemos, false, "the migration is over, and this is how its mailboxes ended"
	case !s.Worker:
		list = o.byMemos
		page.Note += "; mailboxes that have not begun to copy are known to their waves alone, and are missing here"
	}
	if q.Slowest {
		page.Mailboxes, err = o.slowest(ctx, s, q, list)
		return page, err
	}
	lines, next, err := list(ctx, s, q)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Mailboxes, err = o.enliven(ctx, lines)
	return page, err
}

func hasWave(s Status, name string) error {
	if name == "" {
		return nil
	}
	var names []string
	for _, w := range s.Waves {
		if w.Name == name {
			return nil
		}
		names = append(names, w.Name)
	}
	return &Error{
		Kind: UnknownTenant, Text: fmt.Sprintf("%s has no wave %q, or not yet", s.Tenant, name), Hints: []string{"it has: " + strings.Join(names, ", ")},
	}
}

// byWave begins the token of a page that the waves answered.
const byWave = "wave:"

// byWaves asks one wave after the other until there are enough. A page's token is the wave and the address of its last
// mailbox, so that mailboxes that come or go meanwhile shift nothing.
func (o *Operator) byWaves(ctx context.Context, s Status, q MailboxQuery) ([]MailboxLine, string, error) {
	place, ok := strings.CutPrefix(q.Page, byWave)
	if q.Page != "" && !ok {
		return nil, "", otherList()
	}
	fromWave, fromAddress, _ := strings.Cut(place, "/")
	var lines []MailboxLine
	for _, w := range s.Waves {
		if q.Wave != "" && w.Name != q.Wave || fromWave != "" && w.Name != fromWave {
			continue
		}
		answer, err := o.Wave(ctx, w.ID)
		if err != nil {
			return nil, "", err
		}
		slices.SortFunc(answer.Mailboxes, func(a, b workflows.MailboxStatus) int { return cmp.Compare(a.Address, b.Address) })
		for _, m := range answer.Mailboxes {
			if fromWave != "" && m.Address <= fromAddress || !q.wants(m) {
				continue
			}
			if len(lines) == q.Limit {
				last := lines[len(lines)-1]
				return lines, byWave + last.Wave + "/" + last.Address, nil
			}
			m.Wave = w.Name
			lines = append(lines, MailboxLine{MailboxStatus: m})
		}
		fromWave = ""
	}
	return lines, "", nil
}

func otherList() error {
	return &Error{
		Kind: Invalid, Text: "this page belongs to a list that was made otherwise: a worker has come or gone meanwhile",
		Hints: []string{"begin with the first page again"},
	}
}

// wants reports whether a mailbox is asked for by its state.
func (q MailboxQuery) wants(m workflows.MailboxStatus) bool {
	switch q.State {
	case "":
		return true
	case Verified:
		return m.Verification.Verified && m.Problem == nil && m.State != migration.Excluded
	case string(migration.Failed):
		return m.State == migration.Failed || m.State == migration.Aborted
	}
	return string(m.State) == q.State
}

// enliven adds what the mailboxes are doing this minute.
func (o *Operator) enliven(ctx context.Context, lines []MailboxLine) ([]MailboxLine, error) {
	var ids, others []string
	for i := range lines {
		l := &lines[i]
		a := l.Account
		l.There, l.Bytes = a.Copied+a.Already+a.Moved+a.Merged+a.LeftOut+a.Refused, a.Bytes
		if l.Problem != nil {
			l.Who = Who(l.Step, l.Address, *l.Problem)
		}
		switch {
		case l.ID == "" || l.State != migration.Running || l.Step < migration.StepMigrate:
		case l.Copied:
			others = append(others, l.ID)
		default:
			ids = append(ids, l.ID)
		}
	}
	ids = append(ids, others...)
	ids = ids[:min(len(ids), mostDescribed)]
	all, err := o.Live(ctx, ids)
	for _, live := range all {
		i := slices.IndexFunc(lines, func(l MailboxLine) bool { return l.ID == live.ID })
		if live.Activity != copyActivity || i < 0 {
			continue
		}
		l := &lines[i]
		l.There += live.Progress.Messages
		l.Bytes += live.Progress.Bytes
		if o.now().Sub(live.Heartbeat) < stale {
			l.MessagesPerSecond, l.BytesPerSecond = live.Rate()
		}
		if live.Attempt > 1 {
			l.Attempt, l.Failure = live.Attempt, live.Failure
		}
		if !l.Copied {
			l.Left = migration.Duration(lasts(l.load(), l.MessagesPerSecond, l.BytesPerSecond).Round(time.Second))
		}
	}
	return lines, err
}

// mostDescribed is how many mailboxes of a page are described at most: a list of all has tens of thousands.
const mostDescribed = 500

// stale is how old a heartbeat is that says nothing of this minute any more: the plan's timeout is a minute.
const stale = 2 * time.Minute

// load is what is left of its first copy.
func (l MailboxLine) load() workflows.Load {
	if l.Copied {
		return workflows.Load{}
	}
	left := workflows.Load{Messages: max(0, l.Expected.Messages-l.There), Bytes: max(0, l.Expected.Bytes-l.Bytes)}
	if left.Messages == 0 {
		left.Bytes = 0
	}
	return left
}

// mostSlowest is how many mailboxes at most are described to find the slowest.
const mostSlowest = 200

// slowest are the mailboxes whose first copies take longest from now on.
func (o *Operator) slowest(ctx context.Context, s Status, q MailboxQuery, list lister) ([]MailboxLine, error) {
	limit := q.Limit
	q.Limit, q.Page = -1, ""
	lines, _, err := list(ctx, s, q)
	if err != nil {
		return nil, err
	}
	lines = slices.DeleteFunc(lines, func(l MailboxLine) bool {
		return l.Copied || l.State == migration.Excluded || l.State == migration.Aborted || l.State == migration.Done
	})
	takes := func(l MailboxLine) time.Duration {
		return cmp.Or(l.Left.D(), lasts(l.load(), AssumedMessages, AssumedBytes))
	}
	byTime := func(a, b MailboxLine) int {
		return cmp.Or(cmp.Compare(takes(b), takes(a)), cmp.Compare(a.Address, b.Address))
	}
	slices.SortFunc(lines, byTime)
	if len(lines) > mostSlowest {
		lines = lines[:mostSlowest]
	}
	if lines, err = o.enliven(ctx, lines); err != nil {
		return nil, err
	}
	share := float64(max(1, s.Pace.Active))
	for i := range lines {
		l := &lines[i]
		if l.Left == 0 {
			l.Left = migration.Duration(lasts(l.load(), s.Outlook.Messages/share, s.Outlook.Bytes/share).Round(time.Second))
		}
	}
	slices.SortFunc(lines, byTime)
	if limit >= 0 && len(lines) > limit {
		lines = lines[:limit]
	}
	return lines, nil
}

// lister gives the mailboxes of a query, of any state, with the token of the next page.
type lister func(context.Context, Status, MailboxQuery) ([]MailboxLine, string, error)
