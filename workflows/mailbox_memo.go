package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// answerStatus is the status with everything that only the query tells.
func (m *mailbox) answerStatus() MailboxStatus {
	s := m.status()
	s.Audit = lastOf(m.s.Audit)
	return s
}

// memo is the status, as far as a memo has room for it.
func (s MailboxStatus) memo() MailboxStatus {
	s.ID, s.Audit, s.Retrying = "", nil, nil // the ID is the workflow's own
	s.Verification.Folders, s.Verification.Faults = nil, nil
	if p := s.Problem; p != nil {
		s.Problem = &migration.Problem{Kind: p.Kind, Text: cut(p.Text, 300), Remedy: cut(p.Remedy, 200)}
	}
	return s
}

// headline is what of a memo is worth an event: where the mailbox stands, and during the first copy how far it is.
func (s MailboxStatus) headline() string {
	var l struct {
		State            migration.State
		Step             migration.Step
		Copied, Verified bool
		Problem          string
		Copying          migration.Account
	}
	l.State, l.Step, l.Copied, l.Verified = s.State, s.Step, s.Copied, s.Verification.Verified
	if s.Problem != nil {
		l.Problem = s.Problem.Kind
	}
	if !s.Copied {
		l.Copying = s.Account
	}
	return string(encode(l))
}

// remember writes the memo where its headline changed: a change of state, a slice of the first copy; never a pass.
func (m *mailbox) remember(s MailboxStatus) {
	headline := s.headline()
	if headline == m.headline {
		return
	}
	m.headline = headline
	_ = workflow.UpsertMemo(m.base, map[string]any{MemoStatus: MailboxMemo{s.memo(), m.now()}})
}

// firstMemo is the memo that the mailbox of a row starts with, so that it is known before its first word.
func (w *wave) firstMemo(r *row) map[string]any {
	status := MailboxStatus{
		Address: r.Address, Wave: w.in.Name, State: migration.Pending, Step: migration.StepMigrate, Doing: turn,
		Expected: Load{r.Expected, r.Bytes},
	}
	return map[string]any{MemoStatus: MailboxMemo{status, w.now()}}
}
