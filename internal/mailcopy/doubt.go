package mailcopy

import (
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// doubtsInARow is how many refusals without a message taken in between are the server's state, not the messages'.
	doubtsInARow = 16
	// doubtsInFolder is how many of a folder's messages may be refused in one call, where that is more than a twentieth.
	doubtsInFolder = 20
)

const (
	sourceSide = iota
	targetSide
)

// doubted is a refusal that is withdrawn if it turns out that its side refuses everything.
type doubted struct {
	ledger *ledger
	migration.Refusal
}

// doubt counts a refusal that the words don't explain. When there are too many it returns a problem of kind
// "target-refuses" or "source-refuses", and all of that side's in this call are withdrawn at its end. inRow says that
// no message went well in between unless trust was called.
func (e *engine) doubt(l *ledger, r migration.Refusal, inRow bool) error {
	side := targetSide
	if r.Kind == "source-broken" {
		side = sourceSide
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubts[side] = append(e.doubts[side], doubted{l, r})
	if inRow {
		e.rows[side]++
	}
	inFolder := 0
	for _, d := range e.doubts[side] {
		if d.ledger == l {
			inFolder++
		}
	}
	if e.rows[side] < doubtsInARow && inFolder <= max(doubtsInFolder, l.tasks()/20) {
		return nil
	}
	e.denied[side] = true
	if side == sourceSide {
		return migration.NeedsPerson("source-refuses", fmt.Sprintf("the source doesn't give out %d of the messages of folder %q: %s", inFolder, r.Folder, r.Words),
			"see whether the source's storage is in order and readable for this sign-in, and retry", nil)
	}
	return migration.NeedsPerson("target-refuses", fmt.Sprintf("the target refuses one message after the other, %d of folder %q: %s", inFolder, r.Folder, r.Words),
		"see whether the target mailbox can be written to, and retry", nil)
}

// trust ends a row of refusals: a message went well.
func (e *engine) trust(side int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows[side] = 0
}

// withdraw has what a side refused in this call done again, where it turned out that it refuses everything.
func (e *engine) withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for side, denied := range e.denied {
		if !denied {
			continue
		}
		for _, d := range e.doubts[side] {
			d.ledger.withdraw(d.UID)
			e.learnt.RefusalCount--
			e.learnt.Refusals = slices.DeleteFunc(e.learnt.Refusals, func(r migration.Refusal) bool { return r.Folder == d.Folder && r.UID == d.UID && r.Kind == d.Kind })
		}
	}
}

// withdraw undoes refuse.
func (l *ledger) withdraw(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again(uid, l.refused, &l.state.Account.Refused)
}

// asks notes how many messages there are to copy.
func (l *ledger) asks(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = max(l.asked, n)
}

func (l *ledger) tasks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// gives notes that the source gives messages out.
func (l *ledger) gives() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gave = true
}

func (l *ledger) given() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gave
}
