package main

import (
	"errors"
	"fmt"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// calm ends what was wrong with the world.
func (t *tenant) calm() {
	t.world.Mu.Lock()
	defer t.world.Mu.Unlock()
	t.world.Refuse = nil
}

// correction corrects a row that waits for its credentials, and one whose mailbox has started.
func (t *tenant) correction() error {
	if err := t.waiting("sign-in-refused"); err != nil {
		return err
	}
	if err := t.until("the other copy", func(s workflows.Status) bool { return s.Totals.Verified == 1 }); err != nil {
		return err
	}
	t.calm()
	ada, ben := row("ada", 1), row("ben", 1)
	ada.Language = "de"
	in := workflows.EnrollInput{Import: "corrected", Chunk: 1, Of: 1, Rows: []migration.Mailbox{ada, ben}}
	if err := t.update(workflows.UpdateEnroll, in); err != nil {
		return err
	}
	if err := t.update(workflows.UpdateEnrollCommit, workflows.EnrollCommitInput{Import: "corrected", Rows: 2}); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// lateRow adds a mailbox while the gate stands.
func (t *tenant) lateRow() error {
	if err := t.atGate(); err != nil {
		return err
	}
	if err := t.list("late", 2, "zoe"); err != nil {
		return err
	}
	verified := func(s workflows.Status) bool { return s.Totals.Verified == 4 && s.Gate != nil }
	if err := t.until("the late copy", verified); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// lateRowAfterCutover adds one when the MX was changed.
func (t *tenant) lateRowAfterCutover() error {
	if err := t.approve(); err != nil {
		return err
	}
	if err := t.until("the change", func(s workflows.Status) bool { return s.Steps[migration.StepRouting-1].State == migration.Running }); err != nil {
		return err
	}
	if err := t.list("late", 1, "zoe"); err != nil {
		return err
	}
	if err := t.end(migration.Done); err != nil {
		return err
	}
	if account := t.world.Accounts["zoe@contoso.com"]; account.State != migration.Done {
		return fmt.Errorf("the late mailbox ended %q", account.State)
	}
	return nil
}

// excludeBeforeStart leaves out two rows that have no mailbox yet, and takes one back.
func (t *tenant) excludeBeforeStart() error {
	if err := t.until("two mailboxes that are waited for", func(s workflows.Status) bool { return len(s.Waves) > 0 && s.Waves[0].Totals.Mailboxes == 2 }); err != nil {
		return err
	}
	for _, user := range []string{"ben", "cleo"} {
		if err := t.signal(workflows.SignalExclude, workflows.RowOrder{Mailbox: user + "@contoso.com", By: "Grace", Reason: "left the company"}); err != nil {
			return err
		}
	}
	if err := t.until("the exclusions", func(s workflows.Status) bool { return s.Totals.Excluded == 2 }); err != nil {
		return err
	}
	t.calm()
	if err := t.signal(workflows.SignalRestart, workflows.RowOrder{Mailbox: "cleo@contoso.com", By: "Grace"}); err != nil {
		return err
	}
	accepted := func(s workflows.Status) bool {
		return s.Gate != nil && len(s.Gate.Accepted) == 1 && s.Totals.Verified == 2
	}
	if err := t.until("the gate with one left out", accepted); err != nil {
		return err
	}
	return t.approveAndEnd()
}

// restart leaves a mailbox out that has copied, and has it come back by beginning again.
func (t *tenant) restart() error {
	if err := t.atGate(); err != nil {
		return err
	}
	order := workflows.RowOrder{Mailbox: "ben@contoso.com", By: "Grace", Reason: "perhaps"}
	for _, step := range []struct {
		signal   string
		accepted int
	}{{workflows.SignalExclude, 1}, {workflows.SignalRestart, 0}} {
		if err := t.signal(step.signal, order); err != nil {
			return err
		}
		stands := func(s workflows.Status) bool {
			return s.Gate != nil && len(s.Gate.Accepted) == step.accepted && s.Totals.Verified == 3-step.accepted
		}
		if err := t.until("the gate after "+step.signal, stands); err != nil {
			return err
		}
	}
	return t.approveAndEnd()
}

// movedRow puts a row that waits into another wave.
func (t *tenant) movedRow() error {
	if err := t.waiting("sign-in-refused"); err != nil {
		return err
	}
	t.calm()
	if err := t.list("moved", 2, "ben"); err != nil {
		return err
	}
	if err := t.approveAndEnd(); err != nil {
		return err
	}
	if account := t.world.Accounts["ben@contoso.com"]; account.Wave != "wave-02" {
		return errors.New("the moved mailbox ended in " + account.Wave)
	}
	return nil
}
