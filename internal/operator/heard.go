package operator

import (
	"context"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// Heard is what a workflow made of an order.
type Heard struct {
	// Answered says that a worker answered before and after the order was given; otherwise the rest is unknown.
	Answered bool
	// Ignored is why the order changes nothing, in the workflow's words; empty where it was taken.
	Ignored string
	// Entries are what the workflow's trail has more than before by who gave the order.
	Entries []migration.AuditEntry
}

// Hear gives an order to the workflow with the ID by calling give, and finds out what came of it from the workflow's audit
// trail: an order is a signal, and a signal has no answer. The signal is the name of the order, and by is who gives it.
func (o *Operator) Hear(ctx context.Context, id, signal, by string, give func() error) (Heard, error) {
	before, err := o.trail(ctx, id)
	answers := err == nil
	if err := give(); err != nil || !answers {
		return Heard{}, err
	}
	after, err := o.trail(ctx, id)
	if err != nil {
		return Heard{}, nil // it is recorded all the same
	}
	h := Heard{Answered: true}
	for _, entry := range since(before, after) {
		why, ignored := strings.CutPrefix(entry.What, signal+" was ignored: ")
		switch {
		case ignored && (entry.By == by || entry.By == ""):
			h.Ignored = why
		case entry.By == by: // the workflow itself may have noted something meanwhile
			h.Entries = append(h.Entries, entry)
		}
	}
	return h, nil
}

// trail is the audit trail of a tenant, or the last of a wave's or a mailbox's.
func (o *Operator) trail(ctx context.Context, id string) ([]migration.AuditEntry, error) {
	var answer struct {
		Audit []migration.AuditEntry `json:"audit"`
	}
	err := o.query(ctx, id, &answer)
	return answer.Audit, err
}

// since are the entries of a trail that came after the last of the one before.
func since(before, after []migration.AuditEntry) []migration.AuditEntry {
	if len(before) == 0 {
		return after
	}
	last := before[len(before)-1]
	same := 0 // entries that are equal to the last stand several times where one thing happened twice
	for i := len(before) - 1; i >= 0 && before[i] == last; i-- {
		same++
	}
	i := slices.Index(after, last)
	if i < 0 {
		return after
	}
	return after[min(i+same, len(after)):]
}
