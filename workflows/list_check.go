package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// waveRows is how many mailboxes a wave takes; chunkRows how many one update brings.
	waveRows  = 500
	chunkRows = 500
	// rowLimit is the longest row, in bytes of JSON.
	rowLimit = 2 << 10
	// namedReasons is how many reasons a refusal names.
	namedReasons = 50
)

// mayEnroll refuses a chunk whole, with the reasons of every row that is wrong.
func (t *tenant) mayEnroll(in EnrollInput) error {
	if err := t.closed(); err != nil {
		return err
	}
	if in.Import == "" || in.Of < 1 || in.Chunk < 1 || in.Chunk > in.Of {
		return fmt.Errorf("chunk %d of %d of the import %q: chunks are numbered from 1, and the import needs a name", in.Chunk, in.Of, in.Import)
	}
	i := t.imported(in.Import)
	if i != nil {
		switch {
		case i.Committed, slices.Contains(i.Chunks, in.Chunk):
			return nil // repeated: it changes nothing
		case i.Of != in.Of:
			return fmt.Errorf("the import has %d chunks, not %d; discard it first", i.Of, in.Of)
		}
	}
	if n := len(in.Rows); n < 1 || n > chunkRows {
		return fmt.Errorf("a chunk has 1 to %d rows, not %d", chunkRows, n)
	}
	if i == nil {
		i = &importState{}
	}
	reasons := t.faults(i, in.Rows)
	return refusal(reasons, len(reasons))
}

// refusal names the first of so many reasons why rows can't be taken; nil if there are none.
func refusal(reasons []string, count int) error {
	if count == 0 {
		return nil
	}
	named := reasons[:min(len(reasons), namedReasons)]
	more := ""
	if count > len(named) {
		more = "; and more"
	}
	return fmt.Errorf("%d rows are refused: %s%s", count, strings.Join(named, "; "), more)
}

// closed is why no list can be taken in any more.
func (t *tenant) closed() error {
	switch {
	case t.s.Aborted != nil:
		return fmt.Errorf("the migration was aborted by %s", t.s.Aborted.By)
	case t.s.Rollback != nil:
		return fmt.Errorf("the MX is being set back, as %s ordered; no list is taken in any more", t.s.Rollback.By)
	case t.s.Closing:
		return errors.New("the migration is being closed; launch the mailboxes again when it has ended")
	}
	return nil
}

// closedToNew is why no mailbox can be added any more, though those that are there can be corrected.
func (t *tenant) closedToNew() error {
	if t.s.Finish {
		return errors.New("comes too late: the final delta of all is ordered; launch it again when this migration has ended")
	}
	return nil
}

// faults are what is wrong with rows of one of an import's chunks, as far as it can be seen without their waves. Other
// lists that are staged don't matter: this one takes their place.
func (t *tenant) faults(i *importState, rows []migration.Mailbox) []string {
	var reasons []string
	refuse := func(m migration.Mailbox, why string, args ...any) {
		reasons = append(reasons, m.Address+" "+fmt.Sprintf(why, args...))
	}
	wave := rows[0].Wave
	at := t.waveAt(wave)
	var seen ledger
	coming := 0
	for _, m := range rows {
		if m.Wave != wave {
			refuse(m, "is in wave %q, and the chunk's first row is in %q; a chunk is for one wave", m.Wave, wave)
		}
		if m.Address != strings.ToLower(m.Address) || m.User == "" {
			refuse(m, "must have its address in lower case and a name to sign in with")
		}
		if !slices.Contains(t.in.Plan.Domains, m.Domain()) {
			refuse(m, "is in none of the plan's domains")
		}
		if _, known := t.in.Plan.Endpoint(m.Endpoint); !known {
			refuse(m, "names the endpoint %q, which the plan doesn't have", m.Endpoint)
		}
		if data := encode(m); len(data) > rowLimit {
			refuse(m, "is a row of %d bytes; at most %d can be taken", len(data), rowLimit)
		}
		_, twice := seen.wave(m.Address)
		if _, staged := i.Staged.wave(m.Address); twice || staged {
			refuse(m, "is in the list twice")
		}
		seen.add(m, 0)
		have, known := t.s.Ledger.wave(m.Address)
		if err := t.closedToNew(); err != nil && (!known || have != at) {
			refuse(m, "%s", err)
		}
		if !known || have != at {
			coming++
		}
	}
	reasons = append(reasons, t.takenAccounts(i, rows)...)
	switch {
	case at < 0:
		reasons = append(reasons, fmt.Sprintf("the plan has no wave %q", wave))
	case coming > t.room():
		reasons = append(reasons, fmt.Sprintf("the migration has room for %d more mailboxes: put the others into a migration of their own", t.room()))
	case t.s.Waves[at].Rows+i.coming(wave)+coming > waveRows:
		reasons = append(reasons, fmt.Sprintf("wave %q would have more than %d mailboxes", wave, waveRows))
	}
	return reasons
}

// waveAt is the place of a wave, negative if there is none.
func (t *tenant) waveAt(name string) int {
	return slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == name })
}

// coming is how many rows the import's staged chunks bring to a wave.
func (i *importState) coming(wave string) int {
	at := slices.IndexFunc(i.Waves, func(w importWave) bool { return w.Name == wave })
	if at < 0 {
		return 0
	}
	return i.Waves[at].Rows
}

// mayCommit refuses to commit what isn't wholly staged.
func (t *tenant) mayCommit(in EnrollCommitInput) error {
	i := t.imported(in.Import)
	switch {
	case i == nil:
		return fmt.Errorf("nothing is staged of the import %q; another list may have taken its place: launch again", in.Import)
	case i.Rows != in.Rows:
		return fmt.Errorf("%d rows of the import are staged, not %d: launch again", i.Rows, in.Rows)
	case i.Committed:
		return nil
	case len(i.Chunks) != i.Of:
		return fmt.Errorf("%d of the import's %d chunks are staged: launch again", len(i.Chunks), i.Of)
	}
	if err := t.closedToNew(); err != nil && i.New > 0 {
		return fmt.Errorf("a new mailbox %w", err)
	}
	return t.closed()
}

// mayDiscard refuses to discard what is real.
func (t *tenant) mayDiscard(in EnrollCommitInput) error {
	if i := t.imported(in.Import); i != nil && i.Committed {
		return fmt.Errorf("the import %q is committed; its mailboxes can be left out one by one", in.Import)
	}
	return nil
}
