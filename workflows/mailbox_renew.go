package workflows

import "github.com/mailferry/mailferry/internal/migration"

// takeCorrection takes what a later list says of the mailbox. It is put in place between two activities.
func (m *mailbox) takeCorrection(c correction) {
	switch {
	case c.Mailbox.Address != m.in.Mailbox.Address:
		m.ignore("", signalCorrect, "it is the row of another mailbox")
		return
	case c.Number <= m.s.Corrected || m.s.Finished:
		return
	}
	m.s.Corrected, m.s.Correction = c.Number, &c
	m.touch()
}

// mustRenew reports whether the mailbox has another row, or is to begin again.
func (m *mailbox) mustRenew() bool { return m.s.Correction != nil || m.s.Anew }

// breaksOff reports whether what is under way is of no use any more.
func (m *mailbox) breaksOff() bool {
	c := m.s.Correction
	return m.s.Anew || c != nil && printsOf(c.Mailbox).Account != printsOf(m.in.Mailbox).Account
}

// renew puts a correction in place, and begins again where that was ordered or another source account makes it necessary.
// What waited for the thing corrected is tried again.
func (m *mailbox) renew() {
	s := &m.s
	anew := m.breaksOff()
	if c := s.Correction; c != nil {
		m.in.Mailbox, m.in.Endpoint, s.Correction = c.Mailbox, c.Endpoint, nil
		m.record("", "its row was corrected")
		if s.Problem != nil && (anew || ofCredentials(s.Problem.Kind)) {
			s.Problem, s.Demanded = nil, s.Copied
		}
	}
	if anew {
		s.Anew = false
		s.Copy = migration.MailboxState{InUse: s.Copy.InUse} // which is the target's, and lasts
		s.Pass, s.Problem, s.Poison, s.Quarantine = nil, nil, nil, nil
		s.DeletionsAsked, s.DeletionsAllowed = 0, 0
		s.Copied, s.Unverified, s.Late, s.Verification = false, 0, 0, migration.Verification{}
	}
	m.tell()
}

// restart has the mailbox begin again by matching. One that is left out comes back by it, as long as the MX wasn't changed.
func (m *mailbox) restart(o Order) {
	s := &m.s
	switch {
	case m.ending() != "":
		m.ignore(o.By, SignalRestart, m.ending())
		return
	case m.closing(), s.Finished:
		m.ignore(o.By, SignalRestart, "the mailbox is finished")
		return
	case s.Excluded != nil && !s.Switched.IsZero():
		m.ignore(o.By, SignalRestart, tooLateToReturn(m.in.Mailbox.Address))
		return
	case s.Excluded == nil && s.Pass != nil && s.Problem == nil && !m.paused():
		m.ignore(o.By, SignalRestart, "a pass is under way; pause the mailbox first")
		return
	}
	if s.Excluded != nil {
		s.Excluded, s.Note = nil, ""
		s.Restored++
		m.record(o.By, because("taken back in", o.Reason))
	}
	s.Anew = true
	m.record(o.By, because("begins again by matching", o.Reason))
	m.tell()
}
