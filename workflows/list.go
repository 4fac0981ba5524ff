package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
)

// samplesEach is how many rows of each source are kept to inspect it by.
const samplesEach = 3

// importWave is what an import brings to one wave.
type importWave struct {
	Name string `json:"name"`
	// Rows are those that come to the wave, Leave those that another takes.
	Rows  int `json:"rows"`
	Leave int `json:"leave,omitempty"`
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

// imported finds an import.
func (t *tenant) imported(id string) *importState {
	i := slices.IndexFunc(t.s.Imports, func(i *importState) bool { return i.ID == id })
	if i < 0 {
		return nil
	}
	return t.s.Imports[i]
}

// lists is how many lists were taken in.
func (t *tenant) lists() int {
	n := 0
	for _, i := range t.s.Imports {
		if i.Committed {
			n++
		}
	}
	return n
}

// enroll hands rows to their wave, which says what they change, and keeps none but samples. Where one is refused all
// are.
func (t *tenant) enroll(ctx workflow.Context, in EnrollInput) (EnrollResult, error) {
	if err := t.turn(ctx); err != nil {
		return EnrollResult{}, err
	}
	defer func() { t.enrolling = false }()
	if err := t.mayEnroll(in); err != nil { // another may have come first
		return EnrollResult{}, err
	}
	i := t.imported(in.Import)
	if i != nil && (i.Committed || slices.Contains(i.Chunks, in.Chunk)) {
		return i.result(), nil
	}
	t.supersede(ctx, in.Import)
	at := t.waveAt(in.Rows[0].Wave)
	if err := t.startWave(ctx, t.s.Waves[at]); err != nil {
		return EnrollResult{}, err
	}
	parts := t.divide(in, at)
	verdict, err := t.hand(ctx, in, parts)
	if err != nil {
		return EnrollResult{}, err
	}
	if i == nil {
		i = &importState{ID: in.Import, Of: in.Of}
		t.s.Imports = append(t.s.Imports, i)
	}
	i.Chunks = append(i.Chunks, in.Chunk)
	i.Rows += len(in.Rows)
	i.add(verdict.listing)
	t.keep(i, in, parts)
	t.touch()
	return i.result(), nil
}

// supersede drops what is staged of other lists: whoever brought them died, or left them for this one. One that a wave
// has taken in already is to be committed again.
func (t *tenant) supersede(ctx workflow.Context, by string) {
	for _, i := range slices.Clone(t.s.Imports) {
		begun := slices.ContainsFunc(i.Waves, func(w importWave) bool { return w.Settled })
		if i.ID != by && !i.Committed && !begun {
			t.drop(ctx, i)
			t.record("", fmt.Sprintf("a staged list of %d mailboxes was dropped: another takes its place", i.Rows))
		}
	}
}

// drop forgets a staged import. A wave that can't be told is gone, and holds nothing of it.
func (t *tenant) drop(ctx workflow.Context, i *importState) {
	_ = t.settleImport(ctx, i, false)
	t.s.Imports = slices.DeleteFunc(t.s.Imports, func(have *importState) bool { return have == i })
}

// result is what is known of an import by now.
func (i *importState) result() EnrollResult {
	return EnrollResult{Staged: i.Rows, New: i.New, Corrected: i.Corrected, Unchanged: i.Unchanged, Changes: i.Changes}
}

// part is what one wave is handed of a chunk.
type part struct {
	at      int
	message stageMessage
}

// divide is the rows for their wave, and for each wave that has one of them yet that it goes.
func (t *tenant) divide(in EnrollInput, at int) []part {
	parts := []part{{at, stageMessage{Import: in.Import, Chunk: in.Chunk, Rows: in.Rows}}}
	for _, m := range in.Rows {
		from, known := t.s.Ledger.wave(m.Address)
		if !known || from == at {
			continue
		}
		parts[0].message.Moving = append(parts[0].message.Moving, m.Address)
		n := slices.IndexFunc(parts, func(p part) bool { return p.at == from })
		if n < 0 {
			n = len(parts)
			parts = append(parts, part{from, stageMessage{Import: in.Import, Chunk: in.Chunk, To: t.s.Waves[at].Name}})
		}
		parts[n].message.Leaving = append(parts[n].message.Leaving, m.Address)
	}
	return parts
}

// verdictLimit is how long a wave may take to say what rows change, which is a matter of seconds: it may have been ended
// since it was handed them, and a new run of the tenant waits until the update is answered.
const verdictLimit = 10 * time.Minute

// hand gives a chunk's parts to their waves and waits for what they say. What one refuses none keeps.
func (t *tenant) hand(ctx workflow.Context, in EnrollInput, parts []part) (verdict, error) {
	t.verdicts = nil
	for _, p := range parts {
		if err := t.send(ctx, t.waveID(t.s.Waves[p.at]), signalStage, p.message); err != nil {
			return verdict{}, fmt.Errorf("wave %s cannot be reached: %w", t.s.Waves[p.at].Name, err)
		}
	}
	said := func(w *tenantWave) int {
		return slices.IndexFunc(t.verdicts, func(v verdict) bool {
			return v.Wave == w.Name && v.Import == in.Import && v.Chunk == in.Chunk
		})
	}
	_, err := workflow.AwaitWithTimeout(ctx, verdictLimit, func() bool {
		return t.s.Aborted != nil || !slices.ContainsFunc(parts, func(p part) bool {
			return said(t.s.Waves[p.at]) < 0 && !t.s.Waves[p.at].Lost
		})
	})
	if err != nil {
		return verdict{}, err
	}
	if err := t.closed(); err != nil {
		return verdict{}, err
	}
	var all verdict
	for _, p := range parts {
		w := t.s.Waves[p.at]
		n := said(w)
		if n < 0 {
			err = fmt.Errorf("wave %s does not answer; see its workflow %s, and launch the list again", w.Name, t.waveID(w))
			continue
		}
		all.Faults = append(all.Faults, t.verdicts[n].Faults...)
		all.FaultCount += t.verdicts[n].FaultCount
		all.add(t.verdicts[n].listing)
	}
	if err == nil {
		err = refusal(all.Faults, all.FaultCount)
	}
	if err != nil {
		for _, p := range parts {
			_ = t.send(ctx, t.waveID(t.s.Waves[p.at]), signalImport, importMessage{Import: in.Import, Chunk: in.Chunk})
		}
	}
	return all, err
}

// keep notes what a chunk that was staged brings to which wave.
func (t *tenant) keep(i *importState, in EnrollInput, parts []part) {
	at := parts[0].at
	coming := 0
	for _, m := range in.Rows {
		from, known := t.s.Ledger.wave(m.Address)
		if !known || from != at {
			coming++
		}
		if !known || from != at || !t.s.Ledger.has(hash(m.Address), accountOf(m)) {
			i.Staged.add(m, at)
		}
		t.keepSample(i, m)
	}
	i.bring(t.s.Waves[at].Name, coming, 0)
	for _, p := range parts[1:] {
		i.bring(t.s.Waves[p.at].Name, 0, len(p.message.Leaving))
	}
}

// turn waits for the updates before this one.
func (t *tenant) turn(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return !t.enrolling }); err != nil {
		return err
	}
	t.enrolling = true
	return nil
}

// bring counts the rows that come to a wave, and those that leave it.
func (i *importState) bring(wave string, come, leave int) {
	at := slices.IndexFunc(i.Waves, func(w importWave) bool { return w.Name == wave })
	if at < 0 {
		at = len(i.Waves)
		i.Waves = append(i.Waves, importWave{Name: wave})
	}
	i.Waves[at].Rows += come
	i.Waves[at].Leave += leave
}

// keepSample keeps a row if there are few of its source yet, or if it corrects one that is kept.
func (t *tenant) keepSample(i *importState, m migration.Mailbox) {
	have := 0
	for _, s := range slices.Concat(t.s.Samples, i.Samples) {
		if s.Endpoint == m.Endpoint {
			have++
		}
	}
	corrects := slices.ContainsFunc(t.s.Samples, func(s migration.Mailbox) bool { return s.Address == m.Address })
	if have < samplesEach || corrects {
		i.Samples = append(i.Samples, m)
	}
}

// learn keeps an import's samples in the place of older ones of the same mailboxes. A look into a source that failed for
// its credentials is tried again with them.
func (t *tenant) learn(samples []migration.Mailbox) {
	for _, m := range samples {
		t.s.Samples = slices.DeleteFunc(t.s.Samples, func(s migration.Mailbox) bool { return s.Address == m.Address })
	}
	t.s.Samples = append(t.s.Samples, samples...)
	for _, q := range t.asks {
		if q.Step == migration.StepSource && q.answer == nil && ofCredentials(q.Problem.Kind) && len(samples) > 0 {
			q.answer = &StepOrder{Step: q.Step}
		}
	}
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
		return i.result(), nil
	}
	if err := t.settleImport(ctx, i, true); err != nil {
		return EnrollResult{}, err
	}
	t.s.Ledger.take(i.Staged)
	t.learn(i.Samples)
	result := i.result()
	*i = importState{ID: i.ID, Of: i.Of, Rows: i.Rows, listing: i.listing, Committed: true}
	i.Changes = nil
	t.set(migration.StepList, migration.Done, fmt.Sprintf("%d mailboxes", t.s.Ledger.len()))
	t.record("", fmt.Sprintf("a list of %d mailboxes was taken in: %d new, %d corrected, %d as they were", i.Rows, i.New, i.Corrected, i.Unchanged))
	return result, nil
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
	t.drop(ctx, i)
	if i.New+i.Corrected > 0 {
		t.record("", fmt.Sprintf("a staged list of %d mailboxes was not confirmed, and nothing of it was taken", i.Rows))
	}
	return EnrollResult{}, nil
}

// settleImport tells the waves of an import what becomes of it. Its error is a wave that is to take rows in and can't be told.
func (t *tenant) settleImport(ctx workflow.Context, i *importState, commit bool) error {
	for n := range i.Waves {
		part := &i.Waves[n]
		if part.Settled {
			continue
		}
		w := t.s.Waves[t.waveAt(part.Name)]
		err := t.send(ctx, t.waveID(w), signalImport, importMessage{Import: i.ID, Commit: commit})
		if err != nil && commit {
			return fmt.Errorf("wave %s cannot be reached: %w", w.Name, err)
		}
		part.Settled = true
		if commit {
			w.Rows += part.Rows - part.Leave
		}
	}
	return nil
}
