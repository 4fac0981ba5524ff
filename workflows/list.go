package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

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
	// samplesEach is how many rows of each source are kept to inspect it by.
	samplesEach = 3
)

// importWave is what an import brings to one wave.
type importWave struct {
	Name string `json:"name"`
	Rows int    `json:"rows"`
	// Settled says that the wave was told what became of it.
	Settled bool `json:"settled,omitempty"`
}

// handleUpdates registers the updates. Their validators only look.
func (t *tenant) handleUpdates(ctx workflow.Context) error {
	for _, u := range []struct {
		name, description  string
		handler, validator any
	}{
		{UpdateEnroll, "Stage at most 500 rows of a list of mailboxes.", t.enroll, t.mayEnroll},
		{UpdateEnrollCommit, "Make a staged list real.", t.enrollCommit, t.mayCommit},
		{UpdateEnrollDiscard, "Drop a staged list.", t.enrollDiscard, t.mayDiscard},
		{UpdatePasswords, "Hand out first passwords of new users, of one wave.", t.handOut, t.mayHandOut},
		{UpdateApprove, "Approve the change of MX that the digest names.", t.approve, t.undecided},
	} {
		options := workflow.UpdateHandlerOptions{Validator: u.validator, Description: u.description}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, u.name, u.handler, options); err != nil {
			return err
		}
	}
	return nil
}

// approve is the approval that is answered.
func (t *tenant) approve(_ workflow.Context, d Decision) (ApproveResult, error) {
	if err := t.undecided(d); err != nil {
		return ApproveResult{}, err
	}
	t.decide(d, false)
	return ApproveResult{Digest: d.Digest, At: t.now()}, nil
}

// mayEnroll refuses a chunk whole, with the reasons of every row that is wrong.
func (t *tenant) mayEnroll(in EnrollInput) error {
	if err := t.closed(); err != nil {
		return err
	}
	if in.Import == "" || in.Of < 1 || in.Chunk < 1 || in.Chunk > in.Of {
		return fmt.Errorf("chunk %d of %d of the import %q: chunks are numbered from 1, and the import needs a name", in.Chunk, in.Of, in.Import)
	}
	if i := t.imported(in.Import); i != nil {
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
	if reasons := t.faults(in.Rows); len(reasons) > 0 {
		count := len(reasons)
		if count > namedReasons {
			reasons = append(reasons[:namedReasons], "and more")
		}
		return fmt.Errorf("%d rows are refused: %s", count, strings.Join(reasons, "; "))
	}
	return nil
}

// closed is why no list can be taken in any more.
func (t *tenant) closed() error {
	switch {
	case t.s.Aborted != nil:
		return fmt.Errorf("the migration was aborted by %s", t.s.Aborted.By)
	case !t.s.CutOver.IsZero():
		return fmt.Errorf("the MX was changed on %s; no mailbox can be added after that", stamp(t.s.CutOver))
	}
	return nil
}

// faults are what is wrong with rows of one chunk.
func (t *tenant) faults(rows []migration.Mailbox) []string {
	var reasons []string
	refuse := func(m migration.Mailbox, why string, args ...any) {
		reasons = append(reasons, m.Address+" "+fmt.Sprintf(why, args...))
	}
	wave := rows[0].Wave
	var seen ledger
	for _, m := range rows {
		if m.Wave != wave {
			refuse(m, "is in wave %q, and the chunk's first row is in %q; a chunk is for one wave", m.Wave, wave)
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
		if _, twice := seen.wave(m.Address); twice {
			refuse(m, "is in the list twice")
		}
		seen.add(m.Address, 0)
		if t.known(m.Address) {
			refuse(m, "is enrolled already")
		}
	}
	i := slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == wave })
	switch {
	case i < 0:
		reasons = append(reasons, fmt.Sprintf("the plan has no wave %q", wave))
	case t.s.Waves[i].Rows+t.s.Waves[i].Staged+len(rows) > waveRows:
		reasons = append(reasons, fmt.Sprintf("wave %q would have more than %d mailboxes", wave, waveRows))
	}
	return reasons
}

// known reports whether the address is committed or staged.
func (t *tenant) known(address string) bool {
	if _, known := t.s.Ledger.wave(address); known {
		return true
	}
	return slices.ContainsFunc(t.s.Imports, func(i *importState) bool {
		_, staged := i.Staged.wave(address)
		return staged
	})
}

// imported finds an import that wasn't discarded.
func (t *tenant) imported(id string) *importState {
	i := slices.IndexFunc(t.s.Imports, func(i *importState) bool { return i.ID == id && !i.Discarded })
	if i < 0 {
		return nil
	}
	return t.s.Imports[i]
}

// enroll hands rows to their wave before it returns, and keeps none but samples.
func (t *tenant) enroll(ctx workflow.Context, in EnrollInput) (EnrollResult, error) {
	if err := t.turn(ctx); err != nil {
		return EnrollResult{}, err
	}
	defer func() { t.enrolling = false }()
	if err := t.mayEnroll(in); err != nil { // another may have come first
		return EnrollResult{}, err
	}
	i := t.imported(in.Import)
	if i == nil {
		i = &importState{ID: in.Import, Of: in.Of}
		t.s.Imports = append(t.s.Imports, i)
	}
	if i.Committed || slices.Contains(i.Chunks, in.Chunk) {
		return EnrollResult{Staged: i.Rows}, nil
	}
	at := slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == in.Rows[0].Wave })
	w := t.s.Waves[at]
	if err := t.startWave(ctx, w); err != nil {
		return EnrollResult{}, err
	}
	if err := t.send(ctx, t.waveID(w), signalStage, stageMessage{in.Import, in.Chunk, in.Rows}); err != nil {
		return EnrollResult{}, fmt.Errorf("wave %s cannot be reached: %w", w.Name, err)
	}
	i.Chunks = append(i.Chunks, in.Chunk)
	i.Rows += len(in.Rows)
	w.Staged += len(in.Rows)
	i.bring(w.Name, len(in.Rows))
	for _, m := range in.Rows {
		i.Staged.add(m.Address, at)
		i.sample(m)
	}
	t.touch()
	return EnrollResult{Staged: i.Rows}, nil
}

// turn waits for the updates before this one.
func (t *tenant) turn(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return !t.enrolling }); err != nil {
		return err
	}
	t.enrolling = true
	return nil
}

// bring counts rows for a wave.
func (i *importState) bring(wave string, rows int) {
	at := slices.IndexFunc(i.Waves, func(w importWave) bool { return w.Name == wave })
	if at < 0 {
		i.Waves = append(i.Waves, importWave{Name: wave, Rows: rows})
		return
	}
	i.Waves[at].Rows += rows
}

// sample keeps a row if there are few of its source yet.
func (i *importState) sample(m migration.Mailbox) {
	have := 0
	for _, s := range i.Samples {
		if s.Endpoint == m.Endpoint {
			have++
		}
	}
	if have < samplesEach {
		i.Samples = append(i.Samples, m)
	}
}

func (t *tenant) mayCommit(in EnrollCommitInput) error {
	i := t.imported(in.Import)
	switch {
	case i == nil:
		return fmt.Errorf("nothing is staged of the import %q", in.Import)
	case i.Rows != in.Rows:
		return fmt.Errorf("%d rows of the import are staged, not %d", i.Rows, in.Rows)
	case len(i.Chunks) != i.Of:
		return fmt.Errorf("%d of the import's %d chunks are staged", len(i.Chunks), i.Of)
	case i.Committed:
		return nil
	}
	return t.closed()
}

// enrollCommit makes a staged import real.
func (t *tenant) enrollCommit(ctx workflow.Context, in EnrollCommitInput) (EnrollResult, error) {
	if err := t.turn(ctx); err != nil {
		return EnrollResult{}, err
	}
	defer func() { t.enrolling = false }()
	if err := t.mayCommit(in); err != nil {
		return EnrollResult{}, err
	}
	i := t.imported(in.Import)
	if i.Committed {
		return EnrollResult{Staged: i.Rows}, nil
	}
	if err := t.settleImport(ctx, i, true); err != nil {
		return EnrollResult{}, err
	}
	t.s.Ledger.take(i.Staged)
	t.s.Samples = append(t.s.Samples, i.Samples...)
	i.Committed, i.Staged, i.Samples = true, nil, nil
	t.set(migration.StepList, migration.Done, fmt.Sprintf("%d mailboxes", len(t.s.Ledger)/ledgerEntry))
	t.record("", fmt.Sprintf("a list of %d mailboxes was taken in", i.Rows))
	return EnrollResult{Staged: i.Rows}, nil
}

func (t *tenant) mayDiscard(in EnrollCommitInput) error {
	if i := t.imported(in.Import); i != nil && i.Committed {
		return fmt.Errorf("the import %q is committed; its mailboxes can be left out one by one", in.Import)
	}
	return nil
}

// enrollDiscard drops a staged import.
func (t *tenant) enrollDiscard(ctx workflow.Context, in EnrollCommitInput) (EnrollResult, error) {
	if err := t.turn(ctx); err != nil {
		return EnrollResult{}, err
	}
	defer func() { t.enrolling = false }()
	i := t.imported(in.Import)
	if i == nil {
		return EnrollResult{}, nil
	}
	if err := t.mayDiscard(in); err != nil {
		return EnrollResult{}, err
	}
	if err := t.settleImport(ctx, i, false); err != nil {
		return EnrollResult{}, err
	}
	i.Discarded, i.Staged, i.Samples = true, nil, nil
	t.record("", fmt.Sprintf("a staged list of %d mailboxes was discarded", i.Rows))
	return EnrollResult{}, nil
}

// settleImport tells the waves of an import what becomes of it.
func (t *tenant) settleImport(ctx workflow.Context, i *importState, commit bool) error {
	for n := range i.Waves {
		part := &i.Waves[n]
		if part.Settled {
			continue
		}
		at := slices.IndexFunc(t.s.Waves, func(w *tenantWave) bool { return w.Name == part.Name })
		w := t.s.Waves[at]
		if err := t.send(ctx, t.waveID(w), signalImport, importMessage{i.ID, commit}); err != nil {
			return fmt.Errorf("wave %s cannot be reached: %w", w.Name, err)
		}
		part.Settled = true
		w.Staged -= part.Rows
		if commit {
			w.Rows += part.Rows
		}
	}
	return nil
}
