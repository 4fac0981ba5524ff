package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// wantsWelcome reports whether the mailbox's user is to be welcomed: not where it was left out or aborted.
func (m *mailbox) wantsWelcome() bool {
	return m.s.Finished && m.s.Excluded == nil && m.s.Aborted == nil
}

// welcome writes to the user, once, what was moved and what was not. The mailbox does it itself because it alone has
// the list of refusals.
func (m *mailbox) welcome() {
	m.does("welcoming its user")
	in := activities.NotifyInput{
		Scope: m.in.Scope, Kind: migration.NoticeWelcome, Organisation: m.in.Organisation, Notices: m.in.Notices, AfterMX: true,
		Door: m.in.Door, Endpoints: []migration.Endpoint{m.in.Endpoint},
		To: []activities.Recipient{{
			Mailbox: m.in.Mailbox, Account: m.s.Copy.Account(), Refusals: m.s.Copy.Refusals, RefusalCount: m.s.Copy.RefusalCount,
		}},
	}
	var out activities.OutcomesOutput
	if err := m.call(m.lightly("send the welcome"), a.Notify, in, &out); err != nil {
		m.trouble(migration.StepWelcome, err)
		return
	}
	for _, o := range out.Outcomes {
		switch {
		case o.Problem != nil:
			m.wait(migration.StepWelcome, *o.Problem)
			return
		case !o.Done:
			_ = workflow.NewTimer(m.base, m.timing.Poll.D()).Get(m.base, nil)
			return
		case o.Note != "":
			m.s.Note = shorten(o.Note, 300)
		}
	}
	m.s.Welcomed = true
}

// archive keeps the mailbox's account and last state where they outlive Temporal.
func (m *mailbox) archive() {
	m.does("archiving its account")
	in := activities.ArchiveAccountInput{Scope: m.in.Scope, Archive: m.in.Archive, Account: m.account(), State: m.s.Copy}
	if !fits(in) {
		in.Account.Folders = nil // each has its account in the state too
	}
	options := m.light(m.base, usual, "archive the account")
	err := workflow.ExecuteActivity(options, a.ArchiveAccount, in).Get(m.base, nil)
	if passing(err) {
		m.postpone(failureWords(err))
		return
	}
	m.recovered()
	if err != nil {
		m.trouble(migration.StepWelcome, err)
		return
	}
	m.s.Archived = true
	m.tell()
}

// welcome is step 11: each mailbox welcomes its user, has its account archived, and ends; then the report is written.
func (t *tenant) welcome(ctx workflow.Context) error {
	if !t.s.Closing {
		t.s.Closing = true
		t.touch()
	}
	t.says("users are being welcomed, accounts archived")
	if err := t.await(ctx, t.ended); err != nil {
		return err
	}
	if err := t.raise(ctx); err != nil {
		return err
	}
	return t.archive(ctx)
}

// raise gives each changed MX the TTL that the tenant recommends, now that it need not be changed again soon. It is no
// more than tidying up, so what it meets is written down and nobody waits for it.
func (t *tenant) raise(ctx workflow.Context) error {
	for _, d := range t.s.Domains {
		if d.Raised || d.Change == nil || d.Wanted.TTL <= d.Change.After.TTL {
			continue
		}
		d.Raised = true
		change := migration.Change{Before: d.Change.After, After: d.Wanted}
		in := activities.ApplyInput{DNS: t.dns(), Change: change}
		if err := t.try(ctx, migration.StepWelcome, "raise the TTL of the MX of "+d.Name, a.ApplyChange, in, nil); err != nil {
			problem := problemOf(err)
			if problem == nil {
				return ended(err)
			}
			t.record("", "the TTL of the MX of "+d.Name+" stays short: "+problem.String())
			continue
		}
		t.s.Changes = append(t.s.Changes, change)
		t.record("", fmt.Sprintf("raised the TTL of the MX of %s to %d s", d.Name, d.Wanted.TTL))
	}
	return nil
}
