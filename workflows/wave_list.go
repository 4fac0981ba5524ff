package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// namedChanges is how many of a list's changes are named.
	namedChanges = 50
	// movedWindow is how many rows one message brings to another wave.
	movedWindow = 100
)

// prints tell one version of a row from another by hashes of what is no secret: passwords aren't in them.
type prints struct {
	// Account is of what says which mailbox at the source it is, Person of what its user is made from, Rest of all else.
	Account uint64 `json:"account"`
	Person  uint64 `json:"person"`
	Rest    uint64 `json:"rest"`
}

func printsOf(m migration.Mailbox) prints {
	of := func(values ...string) uint64 { return hash(strings.Join(values, "\x00")) }
	return prints{
		Account: of(m.Endpoint, m.User, m.UserRoot),
		Person:  of(m.Licence, m.UsageLocation, string(m.Type)),
		Rest:    of(m.SourceAddress, m.DisplayName, m.Language, fmt.Sprint(m.Live)),
	}
}

// waitsForPassword reports whether a sign-in was refused, so that a list's password is worth a try. Passwords can't be
// compared: each is sealed anew.
func (r *row) waitsForPassword() bool {
	_, problem := r.waits()
	return problem != nil && ofCredentials(problem.Kind)
}

// ofCredentials reports whether a problem of the kind may be over with another password or account.
func ofCredentials(kind string) bool {
	switch kind {
	case "sign-in-refused", "secret-closed", "endpoint-unknown", "auth-unknown", "address":
		return true
	}
	return false
}

// judgement is what a row of a list changes in the wave: What is "new", what is corrected, or empty; Fault is why it can't.
type judgement struct{ What, Fault string }

const newRow = "new"

// heldWords are said of a row that a list moves and that neither wave may serve until the list is taken in.
const heldWords = "held by a list that moves it to another wave; launch that list again, or another in its place"

// judge says what a row of a list would change.
func (w *wave) judge(m migration.Mailbox) judgement {
	r := w.find(m.Address)
	if w.s.Orders.Close || w.s.Archived || w.aborting() != nil {
		return judgement{Fault: "comes too late: the wave is ending"}
	}
	if r == nil {
		return judgement{What: newRow}
	}
	now := printsOf(m)
	var what []string
	account, person := now.Account != r.Prints.Account, now.Person != r.Prints.Person
	switch {
	case account:
		what = append(what, "source account")
	case r.waitsForPassword() && m.Password != "":
		what = append(what, "password")
	}
	if person {
		what = append(what, "licence, country or type")
	}
	if now.Rest != r.Prints.Rest {
		what = append(what, "names, language or use")
	}
	switch {
	case len(what) == 0:
		return judgement{}
	case r.Lost || r.started() && (r.Report.Finished || r.Report.Final):
		return judgement{Fault: "can't be corrected any more, since its mailbox has ended or has made its final delta: leave its row as it was"}
	case person && w.begunToStart(r):
		return judgement{Fault: "can't get another licence, country or type here: its user is made; change it in the admin centre"}
	case account && r.Granted && !r.mayChangeAccount():
		return judgement{Fault: "has another source account, and its first copy has begun: pause the mailbox, restart it, launch this list again, and resume it"}
	}
	return judgement{What: strings.Join(what, "; ")}
}

// mayChangeAccount reports whether nothing of the old source account is in the way of another: the mailbox is left out, or
// it is paused and begins again by matching.
func (r *row) mayChangeAccount() bool {
	return r.out() || r.Report.State == migration.Paused && !r.Report.Copied
}

// begunToStart reports whether the row has a workflow of its own or is just getting one.
func (w *wave) begunToStart(r *row) bool { return r.started() || w.starting && r.Stage == stageStart }

// stage keeps what rows would change until their import is committed, and says so. A chunk that comes again replaces itself.
func (w *wave) stage(m stageMessage) {
	w.unstage(m.Import, m.Chunk)
	v := verdict{Wave: w.in.Name, Import: m.Import, Chunk: m.Chunk}
	refuse := func(why string) {
		if v.FaultCount++; v.FaultCount <= namedReasons {
			v.Faults = append(v.Faults, why)
		}
	}
	var changed []migration.Mailbox
	for _, row := range m.Rows {
		j := w.judge(row)
		if j.What == newRow && slices.Contains(m.Moving, row.Address) {
			j.What = "wave"
		}
		switch {
		case j.Fault != "":
			refuse(row.Address + " " + j.Fault)
			continue
		case j.What == "":
			v.Unchanged++
			continue
		case j.What == newRow:
			v.New++
		default:
			v.Corrected++
		}
		changed = append(changed, row)
		if len(v.Changes) < namedChanges {
			v.Changes = append(v.Changes, RowChange{Address: row.Address, What: j.What})
		}
	}
	for _, address := range m.Leaving {
		switch r := w.find(address); {
		case r == nil:
			refuse(address + " is not in wave " + w.in.Name + " any more")
		case w.begunToStart(r):
			refuse(address + " can't go to another wave: its mailbox has started in wave " + w.in.Name)
		}
	}
	m.Rows = changed
	if over := w.overweight(changed); over > 0 {
		refuse(fmt.Sprintf("wave %s would hold %d kB more than it can: enrol fewer at once", w.in.Name, over>>10+1))
	}
	if v.FaultCount == 0 {
		w.s.Staged = append(w.s.Staged, m)
		for _, address := range m.Leaving {
			w.find(address).Held = true
		}
	}
	w.answerTenant(v)
}

// answerTenant sends a verdict. A tenant that is gone needs none.
func (w *wave) answerTenant(v verdict) {
	w.beside(func(ctx workflow.Context) {
		if err := w.send(ctx, w.in.Parent, signalVerdict, v); err != nil {
			w.record("", "its tenant could not be told about rows of a list: "+err.Error())
		}
	})
}

// beside does something that must end before a new run begins.
func (w *wave) beside(act func(workflow.Context)) {
	w.busy++
	workflow.Go(w.base, func(ctx workflow.Context) {
		defer func() { w.busy-- }()
		act(ctx)
	})
}

// unstage drops the staged rows of an import, or of one of its chunks.
func (w *wave) unstage(list string, chunk int) {
	var dropped []string
	w.s.Staged = slices.DeleteFunc(w.s.Staged, func(have stageMessage) bool {
		if have.Import != list || chunk != 0 && have.Chunk != chunk {
			return false
		}
		dropped = append(dropped, have.Leaving...)
		return true
	})
	for _, address := range dropped {
		if r := w.find(address); r != nil {
			r.Held = slices.ContainsFunc(w.s.Staged, func(m stageMessage) bool { return slices.Contains(m.Leaving, address) })
		}
	}
}

// settleImport makes the staged rows of an import real, or drops them.
func (w *wave) settleImport(m importMessage) {
	if m.Commit {
		for _, chunk := range w.s.Staged {
			if chunk.Import != m.Import {
				continue
			}
			for _, mailbox := range chunk.Rows {
				w.take(mailbox, slices.Contains(chunk.Moving, mailbox.Address))
			}
			w.letGo(chunk.Leaving, chunk.To)
		}
	}
	w.unstage(m.Import, m.Chunk)
	w.tell()
}

// take makes a row of a list real: a new one, or a correction.
func (w *wave) take(m migration.Mailbox, moving bool) {
	if r := w.find(m.Address); r != nil {
		r.Held = false
		if j := w.judge(m); j.Fault != "" {
			w.record("", "the correction of "+m.Address+" was refused: "+j.Fault)
			return
		}
		w.correct(r, m)
		return
	}
	w.s.Rows = append(w.s.Rows, &row{
		Address: m.Address, Endpoint: m.Endpoint, Mailbox: &m, Prints: printsOf(m), Slot: w.slot(), State: migration.Running,
		Since: w.now(), Late: w.s.Orders.Begin, Held: moving,
	})
}

// slot is a new row's place among all that the wave ever had.
func (w *wave) slot() int {
	w.s.Slots++
	return w.s.Slots - 1
}

// correct gives a row the values of a later list, and has what waited tried again with them.
func (w *wave) correct(r *row, m migration.Mailbox) {
	before, waited := r.Prints, r.waitsForPassword()
	r.Prints, r.Endpoint = printsOf(m), m.Endpoint
	r.Corrected++
	m.Live = m.Live || r.User.Live
	w.record("", "the row of "+r.Address+" was corrected")
	if r.started() {
		r.Correction = &m
		return
	}
	r.Mailbox = &m
	switch {
	case before.Person != r.Prints.Person:
		r.Stage = min(r.Stage, stageUsers)
	case before.Account != r.Prints.Account, waited:
		r.Stage = min(r.Stage, stageCredentials)
	}
	if r.State == migration.Waiting || r.State == migration.Running {
		r.State, r.Problem, r.Since, r.After = migration.Running, nil, w.now(), time.Time{}
	}
}

// letGo hands rows with all that was done for them to another wave.
func (w *wave) letGo(addresses []string, to string) {
	var rows []*row
	w.s.Rows = slices.DeleteFunc(w.s.Rows, func(r *row) bool {
		if !slices.Contains(addresses, r.Address) {
			return false
		}
		rows = append(rows, r)
		return true
	})
	if len(rows) == 0 {
		return
	}
	w.record("", fmt.Sprintf("%d rows went to wave %s", len(rows), to))
	w.beside(func(ctx workflow.Context) {
		// What is under way for them goes with them: users are made and told once.
		_ = workflow.Await(ctx, func() bool { return !slices.ContainsFunc(rows, func(r *row) bool { return r.inHand }) })
		for window := range slices.Chunk(rows, movedWindow) {
			if err := w.send(ctx, WaveID(w.scope.Tenant, w.scope.Launch, to), signalMoved, movedMessage{window}); err != nil {
				w.record("", "wave "+to+" can't be reached: "+err.Error())
			}
		}
	})
}

// takeMoved takes rows that another wave let go. The list that moves them, which corrects them too, comes before or after.
func (w *wave) takeMoved(m movedMessage) {
	for _, moved := range m.Rows {
		if moved == nil || moved.Mailbox == nil || moved.started() {
			w.ignore("", signalMoved, "it is not the row of a mailbox that has yet to start")
			continue
		}
		have := w.find(moved.Address)
		if have != nil && have.Mailbox == nil {
			w.ignore("", signalMoved, moved.Address+" has its mailbox here already")
			continue
		}
		moved.Slot, moved.Held, moved.Late = w.slot(), true, w.s.Orders.Begin
		if have == nil {
			w.s.Rows = append(w.s.Rows, moved)
			continue
		}
		listed := *have.Mailbox
		moved.Slot, moved.Held = have.Slot, false
		*have = *moved
		w.correct(have, listed)
	}
	w.tellSoon()
}

// corrected are rows whose workflows must be told that they were corrected.
func (w *wave) corrected() []*row {
	var rows []*row
	for _, r := range w.s.Rows {
		if r.Correction != nil && r.started() && !r.Lost && !r.Report.Final {
			if rows = append(rows, r); len(rows) == activities.BatchSize {
				break
			}
		}
	}
	return rows
}

// passOn tells mailboxes how their rows were corrected.
func (w *wave) passOn(ctx workflow.Context) {
	rows := w.corrected()
	sent := make([]*migration.Mailbox, len(rows))
	futures := make([]workflow.Future, len(rows))
	for i, r := range rows {
		sent[i] = r.Correction
		endpoint, _ := w.in.Plan.Endpoint(r.Correction.Endpoint)
		c := correction{Number: r.Corrected, Mailbox: *r.Correction, Endpoint: endpoint}
		futures[i] = workflow.SignalExternalWorkflow(ctx, MailboxID(w.scope.Tenant, w.scope.Launch, r.Address), "", signalCorrect, c)
	}
	for i, r := range rows {
		if err := futures[i].Get(ctx, nil); err != nil {
			w.lose(r, err.Error())
		}
		if r.Correction == sent[i] {
			r.Correction = nil
		}
	}
}
