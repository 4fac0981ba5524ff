package workflows

import (
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// carryLimit is how large the input of a new run may be, in bytes of JSON: the server terminates a workflow that would
// go on with more than 2 MB.
const carryLimit = 1_800_000

// fits reports whether the input of a new run, or of an activity, is small enough.
func fits(in any) bool { return len(encode(in)) <= carryLimit }

// keptAudit is how many entries of an audit trail are carried on where all would be too much.
const keptAudit = 100

// fewer is an audit trail without its middle.
func fewer(audit []migration.AuditEntry) []migration.AuditEntry {
	if over := len(audit) - keptAudit; over > 0 {
		return migration.CutAudit(audit, keptAudit/2, over)
	}
	return audit
}

// trim keeps what a new run of the tenant begins with small: what each wave's next report, or the next orders to it, bring
// again goes first, then the middle of the audit trail.
func (t *tenant) trim() {
	t.nameFewer(t.namedEach())
	in := t.in
	in.Carried = &t.s
	for _, less := range []func(){
		func() { t.nameFewer(1) },
		t.dropRepeated,
		func() { t.s.Audit = fewer(t.s.Audit) },
		func() { t.nameFewer(0) },
	} {
		if fits(in) {
			return
		}
		less()
	}
}

// namedEach is how many of those that wait for a person in a wave a tenant names, and carries on: some 300 of all.
func (t *tenant) namedEach() int { return max(1, 300/max(1, len(t.s.Waves))) }

// nameFewer keeps so many of those that wait for a person in a wave.
func (t *tenant) nameFewer(each int) {
	for _, w := range t.s.Waves {
		if waiting := w.Report.Status.Waiting; len(waiting) > each {
			w.Report.Status.Waiting = waiting[:each]
		}
	}
}

// dropRepeated drops the waves' steps in words and what fails in them, what they were told, so that they are told again, and all but one of the
// addresses of a domain to which a routing probe can be sent.
func (t *tenant) dropRepeated() {
	var probed []string
	for _, w := range t.s.Waves {
		w.Report.Status.Steps, w.Report.Status.Retrying, w.Told.Domains = nil, nil, nil
		var probes []string
		for _, address := range w.Report.Probes {
			domain := migration.Mailbox{Address: address}.Domain()
			if !slices.Contains(probed, domain) {
				probed = append(probed, domain)
				probes = append(probes, address)
			}
		}
		w.Report.Probes = probes
	}
}

// What a tenant carries beside its plan and its ledger, in bytes of JSON: of each wave and of each domain, as measured by
// a test, and of all else, approvals and a trail that is cut short among it.
const (
	waveWeight, domainWeight = 1500, 4000
	otherWeight              = 160_000
	// fullTenant is what all of it may weigh: less than 2 MB, and more than where a tenant begins to leave things out.
	fullTenant = 1_950_000
)

// room is how many more mailboxes the tenant can carry. Each takes a place in the ledger, which base64 makes a third longer.
func (t *tenant) room() int {
	free := fullTenant - len(encode(t.in.Plan)) - waveWeight*len(t.s.Waves) - domainWeight*len(t.s.Domains) - otherWeight
	taken := len(t.s.Ledger)
	for _, i := range t.s.Imports {
		taken += len(i.Staged)
	}
	return max(0, (free*3/4-taken)/ledgerEntry)
}

// trim keeps what a new run of the wave begins with small: first the middle of the audit trail goes, then the ends of long
// words. 500 rows of the longest kind take 1.2 MB of it.
func (w *wave) trim() {
	in := w.in
	in.Carried = &w.s
	if fits(in) {
		return
	}
	w.s.Audit = fewer(w.s.Audit)
	for _, limit := range []int{300, 120, 40} {
		if fits(in) {
			return
		}
		for _, r := range w.s.Rows {
			r.shorten(limit)
		}
	}
}

// shorten cuts what servers and people wrote.
func (r *row) shorten(limit int) {
	r.Note = cut(r.Note, limit)
	r.Problem, r.Report.Problem = trimmed(r.Problem, limit), trimmed(r.Report.Problem, limit)
	r.Report.Retrying = nil // its next report has it again
	for _, o := range []*Order{&r.Excluded, &r.Told.Exclude, &r.Told.Abort} {
		o.By, o.Reason = cut(o.By, max(limit, 60)), cut(o.Reason, limit)
	}
}

func trimmed(p *migration.Problem, limit int) *migration.Problem {
	if p == nil {
		return nil
	}
	return &migration.Problem{Kind: p.Kind, Text: cut(p.Text, limit), Remedy: cut(p.Remedy, limit)}
}

// rowWeight is how much a wave carries for a row beside the row itself, in bytes of JSON.
const rowWeight = 1100

// overweight is by how many bytes the wave would carry too much with these rows more; negative where there is room.
func (w *wave) overweight(more []migration.Mailbox) int {
	size := len(encode(w.in.Plan)) + rowWeight*len(w.s.Rows)
	for _, r := range w.s.Rows {
		if r.Mailbox != nil {
			size += len(encode(r.Mailbox))
		}
		if r.Correction != nil {
			size += len(encode(r.Correction))
		}
	}
	staged := func(rows []migration.Mailbox) {
		size += len(encode(rows))
		for _, row := range rows {
			if w.find(row.Address) == nil {
				size += rowWeight
			}
		}
	}
	staged(more)
	for _, m := range w.s.Staged {
		staged(m.Rows)
	}
	return size - carryLimit
}

// trim drops each folder's account from what a new run of the mailbox begins with where it would be too much. They are
// counted anew with the final delta.
func (m *mailbox) trim() {
	if !fits(m.carried()) {
		m.s.Verification.Folders = nil
	}
}

// carried is what a new run begins with.
func (m *mailbox) carried() MailboxInput {
	in := m.in
	in.Carried = &m.s
	return in
}

// tooLarge is the problem of a mailbox that has more folders than a workflow can remember; nil where it can. Pairs are no
// part of it: they are dropped where there are too many.
func (m *mailbox) tooLarge() *migration.Problem {
	in, s := m.in, m.s
	s.Verification.Folders, in.Carried = nil, &s
	size := len(encode(in))
	if size <= carryLimit {
		return nil
	}
	problem, _ := migration.AsProblem(migration.StateTooLarge(m.in.Mailbox.Address, size))
	return problem
}

// memoRoom is how large a memo of a tenant or a wave may be, in bytes of JSON.
const memoRoom = 2 << 10

// fitted is the memo without what it has no room for: first of words, then of long addresses.
func (m Memo) fitted() Memo {
	for _, limit := range []int{200, 100, 60} {
		if len(encode(m)) <= memoRoom {
			return m
		}
		m.Doing, m.First = cut(m.Doing, limit), cut(m.First, limit)
	}
	if m.Pace != nil && len(encode(m)) > memoRoom {
		pace := *m.Pace
		pace.Slowest, m.Pace = "", &pace
	}
	return m
}
