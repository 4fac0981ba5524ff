package workflows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// list hands another list in at a time, a chunk a wave, and commits it.
func (b *bench) list(at time.Duration, name string, chunks ...[]migration.Mailbox) {
	rows := 0
	for i, chunk := range chunks {
		rows += len(chunk)
		b.after(at+time.Duration(i)*time.Second, func() {
			b.update(UpdateEnroll, "", EnrollInput{Import: name, Chunk: i + 1, Of: len(chunks), Rows: chunk})
		})
	}
	b.after(at+time.Duration(len(chunks))*time.Second, func() {
		b.update(UpdateEnrollCommit, "", EnrollCommitInput{Import: name, Rows: rows})
	})
}

// staged hands a chunk in, which is taken with these changes, and discards it.
func (b *bench) staged(at time.Duration, want EnrollResult, rows ...migration.Mailbox) {
	b.after(at, func() {
		in := EnrollInput{Import: "looked at", Chunk: 1, Of: 1, Rows: rows}
		b.UpdateWorkflow(UpdateEnroll, time.Now().String(), answer{t: b.t, name: "enroll", complete: func(result any) {
			got := result.(EnrollResult)
			if got.New != want.New || got.Corrected != want.Corrected || got.Unchanged != want.Unchanged ||
				want.Changes != nil && !slices.Equal(got.Changes, want.Changes) {
				b.t.Errorf("staged %+v, want %+v", got, want)
			}
		}}, in)
	})
	b.after(at+time.Second, func() { b.update(UpdateEnrollDiscard, "", EnrollCommitInput{Import: "looked at"}) })
}

// refusesOld has the world refuse everyone at an activity who comes with the password "sealed".
func refusesOld(b *bench, address string) *bool {
	refuses := true
	b.world.Refuse = func(activity, what string) error {
		if refuses && activity == "OpenSources" && what == address {
			return fake.Problem("sign-in-refused", "the source says no")
		}
		return nil
	}
	return &refuses
}

func TestCorrectionOfAPasswordIsTriedByItself(t *testing.T) {
	b := newBench(t)
	rows := testRows("wave-01", "ada", "ben")
	b.enroll(rows)
	refuses := refusesOld(b, "ben@contoso.com")
	b.after(time.Hour, func() {
		if s := b.status(); len(s.Waiting) != 1 || s.Waiting[0].Mailbox != "ben@contoso.com" || s.Waiting[0].Step != migration.StepCredentials {
			t.Errorf("waiting %+v", s.Waiting)
		}
	})
	b.staged(time.Hour, EnrollResult{Corrected: 1, Unchanged: 1, Changes: []RowChange{{"ben@contoso.com", "password"}}}, rows...)
	b.after(2*time.Hour, func() { *refuses = false })
	b.list(2*time.Hour, "second", rows)
	b.after(3*time.Hour, func() {
		s := b.status()
		if len(s.Waiting) != 0 || s.Totals.Verified != 2 || s.Totals.Mailboxes != 2 || s.Lists != 2 {
			t.Errorf("after the correction: %+v, waiting %+v", s.Totals, s.Waiting)
		}
	})
	b.staged(3*time.Hour+time.Minute, EnrollResult{Unchanged: 2}, rows...)
	b.approve(4 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Notify announcement", "Notify reminder"} {
		if n := b.world.Count(kind); n != 2 {
			t.Errorf("%d of %s", n, kind)
		}
	}
}

func TestCorrectionReachesTheMailbox(t *testing.T) {
	b := newBench(t)
	rows := testRows("wave-01", "ada", "ben")
	b.enroll(rows)
	refused := map[string]bool{}
	b.world.Refuse = func(activity, what string) error {
		if activity == "Probe" && what == "ben@contoso.com" && refused["ben"] {
			return fake.Problem("sign-in-refused", "the source says no")
		}
		return nil
	}
	b.after(3*time.Hour, func() { refused["ben"] = true; b.SignalWorkflow(SignalSyncNow, nil) })
	b.after(4*time.Hour, func() {
		if s := b.status(); len(s.Waiting) != 1 || s.Waiting[0].Step != migration.StepMigrate || s.Gate != nil {
			t.Errorf("waiting %+v, gate %v", s.Waiting, s.Gate)
		}
		refused["ben"] = false
	})
	corrected := slices.Clone(rows)
	corrected[0].Language = "de"
	b.list(4*time.Hour+time.Minute, "second", corrected)
	b.after(5*time.Hour, func() {
		s := b.status()
		if len(s.Waiting) != 0 || s.Totals.Verified != 2 || !s.has("0 new, 2 corrected") {
			t.Errorf("after the correction: %+v, waiting %+v, audit %+v", s.Totals, s.Waiting, s.Audit)
		}
	})
	licensed, other := corrected[0], corrected[0]
	licensed.Licence, other.User = "E5", "lovelace"
	b.after(6*time.Hour, func() {
		b.update(UpdateEnroll, "its user is made; change it in the admin centre", EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: []migration.Mailbox{licensed}})
	})
	b.after(7*time.Hour, func() {
		b.update(UpdateEnroll, "another source account, and its first copy has begun", EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: []migration.Mailbox{other}})
	})
	// With the mailbox paused and restarted another account is taken.
	id := MailboxID("contoso", "20261123-1", "ada@contoso.com")
	b.after(8*time.Hour, func() {
		for _, name := range []string{SignalPause, SignalRestart} {
			if err := b.SignalWorkflowByID(id, name, Order{By: "Grace"}); err != nil {
				t.Error(err)
			}
		}
	})
	b.list(9*time.Hour, "third", []migration.Mailbox{other})
	b.after(10*time.Hour, func() {
		if err := b.SignalWorkflowByID(id, SignalResume, Order{By: "Grace"}); err != nil {
			t.Error(err)
		}
	})
	b.approve(12 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if got := b.world.Accounts["ada@contoso.com"]; got.User != "lovelace" || got.State != migration.Done {
		t.Errorf("archived %+v", got)
	}
}

func TestLateRowBeforeTheCutover(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	digest := ""
	b.after(3*time.Hour, func() {
		s := b.status()
		if s.Gate == nil {
			t.Fatal("no gate")
		}
		digest = s.Gate.Digest
		b.world.Refuse = func(activity, what string) error {
			if activity == "MailboxesAnswer" {
				return fake.Problem(fake.NotYet, "")
			}
			return nil
		}
	})
	late := testRows("wave-01", "zoe")
	foreign := migration.Mailbox{Address: "x@else.example", Endpoint: "old", Wave: "wave-01"}
	b.after(3*time.Hour, func() {
		b.update(UpdateEnroll, "none of the plan's domains", EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: []migration.Mailbox{foreign}})
	})
	b.list(3*time.Hour+time.Minute, "late", late)
	b.after(4*time.Hour, func() {
		s := b.status()
		if s.Gate != nil || s.Steps[6].State != migration.Running || !strings.Contains(s.Steps[6].Text, "1 of 2, 1 late") {
			t.Errorf("gate %v, step 7 %+v", s.Gate, s.Steps[6])
		}
		b.world.Refuse = nil
	})
	b.after(6*time.Hour, func() {
		if s := b.status(); s.Gate == nil || s.Gate.Digest != digest {
			t.Errorf("the gate is %+v and was %s", s.Gate, digest)
		}
	})
	b.approve(6 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || s.Totals.Finished != 2 || len(b.world.Accounts) != 2 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
}

func TestLateRowAfterTheCutover(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	b.approve(3 * time.Hour)
	var mailbox MailboxStatus
	b.list(10*time.Hour, "late", testRows("wave-02", "zoe"))
	b.after(12*time.Hour, func() {
		value, err := b.QueryWorkflowByID(MailboxID("contoso", "20261123-1", "zoe@contoso.com"), QueryStatus)
		if err != nil {
			t.Fatal(err)
		}
		if err := value.Get(&mailbox); err != nil {
			t.Fatal(err)
		}
		if !mailbox.AddOnly || mailbox.Passes < 1 {
			t.Errorf("the late mailbox is %+v", mailbox)
		}
	})
	var look func()
	look = func() { // when the final delta is ordered no other comes
		s := b.status()
		switch {
		case s.has("the final delta of every mailbox is ordered"):
			b.update(UpdateEnroll, "comes too late", EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: testRows("wave-02", "tim")})
		case !s.State.Finished():
			b.after(time.Minute, look)
		}
	}
	b.after(70*time.Hour, look)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	s := b.status()
	if s.State != migration.Done || s.Totals.Finished != 2 || b.world.Accounts["zoe@contoso.com"].State != migration.Done {
		t.Errorf("ended %s with %+v: %+v", s.State, s.Totals, b.world.Accounts)
	}
	if !slices.ContainsFunc(b.world.Calls, func(c string) bool { return c == "Notify announcement zoe@contoso.com" }) {
		t.Error("the late user was not told")
	}
}

func TestRowIsLeftOutBeforeItStarts(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben", "cleo"))
	b.world.Refuse = func(activity, what string) error {
		if activity == "MailboxesAnswer" && what != "ada@contoso.com" {
			return fake.Problem(fake.NotYet, "")
		}
		return nil
	}
	b.after(time.Hour, func() {
		b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "nobody@contoso.com", By: "Grace"})
		b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "Ben@contoso.com"})
		b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "Ben@contoso.com", By: "Grace", Reason: "left the company"})
		b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "cleo@contoso.com", By: "Grace"})
	})
	b.after(4*time.Hour, func() {
		b.world.Refuse = nil
		s := b.status()
		if s.Totals.Excluded != 2 || s.Gate == nil || !slices.Equal(s.Gate.Accepted, []string{"ben@contoso.com", "cleo@contoso.com"}) {
			t.Errorf("totals %+v, gate %+v", s.Totals, s.Gate)
		}
		if !s.has("no list has nobody@contoso.com") || !s.has("who gives it") {
			t.Errorf("audit %+v", s.Audit)
		}
		b.SignalWorkflow(SignalRestart, RowOrder{Mailbox: "cleo@contoso.com", By: "Grace", Reason: "she stays"})
	})
	b.after(6*time.Hour, func() {
		if s := b.status(); s.Gate == nil || !slices.Equal(s.Gate.Accepted, []string{"ben@contoso.com"}) || s.Totals.Verified != 2 {
			t.Errorf("taken back: totals %+v, gate %+v", s.Totals, s.Gate)
		}
	})
	b.approve(7 * time.Hour)
	b.after(11*time.Hour, func() { b.SignalWorkflow(SignalRestart, RowOrder{Mailbox: "ben@contoso.com", By: "Grace"}) })
	b.after(14*time.Hour, func() {
		value, err := b.QueryWorkflowByID(WaveID("contoso", "20261123-1", "wave-01"), QueryStatus)
		var s WaveStatus
		if err != nil || value.Get(&s) != nil {
			t.Fatal(err)
		}
		if last := s.Audit[len(s.Audit)-1]; !strings.Contains(last.What, "the MX was changed") {
			t.Errorf("the wave says last: %+v", last)
		}
		if m := s.Mailboxes[1]; m.State != migration.Excluded || m.Doing != "left out by Grace: left the company" {
			t.Errorf("left out: %+v", m)
		}
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	account := b.world.Accounts["ben@contoso.com"]
	if account.State != migration.Excluded || account.Note != "left out by Grace: left the company" || b.world.Count("Copy ben") != 0 {
		t.Errorf("archived %+v", account)
	}
}

func TestMailboxComesBackByRestart(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"))
	for hour, order := range map[int]string{3: SignalExclude, 5: SignalRestart} {
		b.after(time.Duration(hour)*time.Hour, func() {
			b.SignalWorkflow(order, RowOrder{Mailbox: "ben@contoso.com", By: "Grace", Reason: "perhaps"})
		})
	}
	b.after(4*time.Hour, func() {
		if s := b.status(); s.Gate == nil || len(s.Gate.Accepted) != 1 || s.Totals.Excluded != 1 {
			t.Errorf("left out: gate %+v, totals %+v", s.Gate, s.Totals)
		}
	})
	b.after(7*time.Hour, func() {
		if s := b.status(); s.Gate == nil || len(s.Gate.Accepted) != 0 || s.Totals.Excluded != 0 || s.Totals.Verified != 2 {
			t.Errorf("taken back: gate %+v, totals %+v", s.Gate, s.Totals)
		}
	})
	b.approve(8 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if n := b.world.Count("Copy ben"); n != 2 || b.world.Accounts["ben@contoso.com"].State != migration.Done {
		t.Errorf("%d first copies, archived %+v", n, b.world.Accounts["ben@contoso.com"])
	}
}

func TestRowMovesToAnotherWave(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
	b.world.Refuse = func(activity, what string) error {
		if activity == "OpenSources" && what == "ben@contoso.com" {
			return fake.Problem("sign-in-refused", "the source says no")
		}
		return nil
	}
	b.after(time.Hour, func() {
		b.update(UpdateEnroll, "ada@contoso.com can't go to another wave", EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: testRows("wave-02", "ada")})
	})
	b.staged(time.Hour+time.Minute, EnrollResult{Corrected: 1, Changes: []RowChange{{"ben@contoso.com", "wave"}}}, testRows("wave-02", "ben")...)
	b.after(2*time.Hour-time.Minute, func() { b.world.Refuse = nil })
	b.list(2*time.Hour, "second", testRows("wave-02", "ben"))
	b.after(3*time.Hour, func() {
		s := b.status()
		if s.Waves[0].Totals.Mailboxes != 1 || s.Waves[1].Totals.Mailboxes != 2 || s.Totals.Mailboxes != 3 {
			t.Errorf("waves %+v", s.Waves)
		}
	})
	b.approve(6 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if got := b.world.Accounts["ben@contoso.com"]; got.State != migration.Done || got.Wave != "wave-02" {
		t.Errorf("archived %+v", got)
	}
	if n := b.world.Count("Notify announcement ben"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// What is under way for a row when it moves goes with it: a first password comes once, and so does an announcement.
func TestRowMovesWithWhatIsUnderWay(t *testing.T) {
	for _, activity := range []string{"EnsureUsers", "Notify announcement"} {
		t.Run(activity, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
			moved := make(chan struct{})
			began := false
			b.world.Refuse = func(at, what string) error {
				if at != activity || what != "ben@contoso.com" || began {
					return nil
				}
				began = true
				commit := func(any) {
					b.UpdateWorkflow(UpdateEnrollCommit, "moves", answer{t: t, name: "commit", complete: func(any) { close(moved) }},
						EnrollCommitInput{Import: "second", Rows: 1})
				}
				b.UpdateWorkflow(UpdateEnroll, "stages", answer{t: t, name: "enroll", complete: commit},
					EnrollInput{Import: "second", Chunk: 1, Of: 1, Rows: testRows("wave-02", "ben")})
				<-moved
				return nil
			}
			b.after(4*time.Hour, func() {
				if s := b.status(); s.Totals.Passwords != 3 || s.Totals.Verified != 3 || s.Waves[1].Totals.Mailboxes != 2 {
					t.Errorf("totals %+v, waves %+v", s.Totals, s.Waves)
				}
				if n := b.world.Count("Notify announcement ben"); n != 1 {
					t.Errorf("told %d times", n)
				}
				b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
			})
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A starter that died between two chunks, or at its question, leaves a list behind. Another list takes its place, whole.
func TestAnotherListTakesThePlaceOfOneThatIsStaged(t *testing.T) {
	b := newBench(t)
	many := func(prefix string) []migration.Mailbox {
		names := make([]string, waveRows)
		for i := range names {
			names[i] = fmt.Sprint(prefix, i)
		}
		return testRows("wave-01", names...)
	}
	b.after(time.Second, func() { b.update(UpdateEnroll, "", EnrollInput{Import: "first", Chunk: 1, Of: 2, Rows: many("a")}) })
	b.after(2*time.Second, func() { b.update(UpdateEnroll, "", EnrollInput{Import: "edited", Chunk: 1, Of: 2, Rows: many("b")}) })
	b.after(3*time.Second, func() {
		b.update(UpdateEnrollCommit, `nothing is staged of the import "first"; another list may have taken its place`, EnrollCommitInput{Import: "first", Rows: waveRows})
	})
	b.list(4*time.Second, "edited again", testRows("wave-01", "ada", "ben"))
	waits := func(activity, what string) error {
		if activity == "MailboxesAnswer" && what == "ben@contoso.com" {
			return fake.Problem(fake.NotYet, "")
		}
		return nil
	}
	b.world.Refuse = waits
	// A list that would move ben is staged and never committed.
	b.after(time.Hour, func() {
		b.update(UpdateEnroll, "", EnrollInput{Import: "moves", Chunk: 1, Of: 1, Rows: testRows("wave-02", "ben")})
		b.world.Refuse = nil
	})
	b.after(2*time.Hour, func() {
		if s := b.status(); s.Totals.Mailboxes != 2 || s.Totals.Verified != 1 {
			t.Errorf("ben must stay where he is: %+v", s.Totals)
		}
		if doing := b.mailbox("wave-01", "ben@contoso.com").Doing; doing != heldWords {
			t.Errorf("ben is said to be %q", doing)
		}
	})
	b.list(3*time.Hour, "late", testRows("wave-02", "cleo"))
	b.after(4*time.Hour, func() {
		if s := b.status(); s.Totals.Mailboxes != 3 || s.Totals.Verified != 3 || s.Waves[0].Totals.Mailboxes != 2 {
			t.Errorf("with the late list: %+v", s.Totals)
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}

// mailbox is how a mailbox stands in its wave.
func (b *bench) mailbox(wave, address string) MailboxStatus {
	b.t.Helper()
	value, err := b.QueryWorkflowByID(WaveID("contoso", "20261123-1", wave), QueryStatus)
	var s WaveStatus
	if err != nil || value.Get(&s) != nil {
		b.t.Fatalf("wave %s: %v", wave, err)
	}
	i := slices.IndexFunc(s.Mailboxes, func(m MailboxStatus) bool { return m.Address == address })
	if i < 0 {
		b.t.Fatalf("%s is not in wave %s", address, wave)
	}
	return s.Mailboxes[i]
}

// Two mailboxes never have the same mail, though each comes in a list of its own.
func TestSourceAccountIsTakenOnceInAllLists(t *testing.T) {
	b := newBench(t)
	rows := testRows("wave-01", "ada", "ben")
	b.enroll(rows, testRows("wave-02", "cleo"))
	b.world.Refuse = func(activity, _ string) error {
		if activity == "MailboxesAnswer" {
			return fake.Problem(fake.NotYet, "")
		}
		return nil
	}
	with := func(m migration.Mailbox, user, root string) []migration.Mailbox {
		m.User, m.UserRoot = user, root
		return []migration.Mailbox{m}
	}
	zoe := testRows("wave-02", "zoe")[0]
	refuse := func(at time.Duration, want string, rows []migration.Mailbox) {
		b.after(at, func() { b.update(UpdateEnroll, want, EnrollInput{Import: "x", Chunk: 1, Of: 1, Rows: rows}) })
	}
	const taken = "has the source account of another mailbox, in wave wave-01"
	refuse(time.Hour, "zoe@contoso.com "+taken, with(zoe, "ADA", ""))
	refuse(time.Hour, "zoe@contoso.com "+taken, with(zoe, "ada", "/users/zoe"))
	refuse(time.Hour, "ada@contoso.com "+taken, with(rows[0], "ben", ""))
	refuse(time.Hour, "must have its address in lower case", with(migration.Mailbox{Address: "Tim@contoso.com", Endpoint: "old", Wave: "wave-01"}, "tim", ""))
	refuse(time.Hour, "and a name to sign in with", with(zoe, "", ""))
	b.staged(time.Hour+time.Minute, EnrollResult{Unchanged: 2}, rows...)
	crossed := append(with(rows[0], "ben", ""), with(rows[1], "ada", "")...)
	b.staged(time.Hour+2*time.Minute, EnrollResult{Corrected: 2}, crossed...)
	b.list(time.Hour+3*time.Minute, "crossed", crossed)
	b.staged(time.Hour+4*time.Minute, EnrollResult{Unchanged: 2}, crossed...)
	// One that is left out has no account.
	b.after(2*time.Hour, func() { b.SignalWorkflow(SignalExclude, RowOrder{Mailbox: "ben@contoso.com", By: "Grace"}) })
	b.staged(3*time.Hour, EnrollResult{New: 1}, with(zoe, "ada", "")...)
	refuse(3*time.Hour+time.Minute, "zoe@contoso.com "+taken, with(zoe, "ben", ""))
	b.after(4*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}

// A chunk that can't be taken is refused before any wave is asked.
func TestChunksThatAreRefused(t *testing.T) {
	ada := testRows("wave-01", "ada")
	wide := testRows("wave-01", "ada")
	wide[0].DisplayName = strings.Repeat("x", rowLimit)
	many := make([]string, chunkRows+1)
	for i := range many {
		many[i] = fmt.Sprint("user", i)
	}
	chunk := func(rows []migration.Mailbox) EnrollInput {
		return EnrollInput{Import: "list", Chunk: 1, Of: 1, Rows: rows}
	}
	for _, test := range []struct {
		in    EnrollInput
		state func(*TenantState)
		want  string
	}{
		{EnrollInput{Chunk: 1, Of: 1, Rows: ada}, nil, "the import needs a name"},
		{EnrollInput{Import: "list", Chunk: 0, Of: 1, Rows: ada}, nil, "chunks are numbered from 1"},
		{EnrollInput{Import: "list", Chunk: 3, Of: 2, Rows: ada}, nil, "chunk 3 of 2"},
		{chunk(nil), nil, "a chunk has 1 to 500 rows, not 0"},
		{chunk(testRows("wave-01", many...)), nil, "a chunk has 1 to 500 rows, not 501"},
		{chunk(wide), nil, "ada@contoso.com is a row of 2"},
		{chunk(wide), nil, "at most 2048 can be taken"},
		{chunk(testRows("wave-01", "ada", "ada")), nil, "1 rows are refused: ada@contoso.com is in the list twice"},
		{chunk(testRows("wave-09", "ada")), nil, `the plan has no wave "wave-09"`},
		{chunk(testRows("wave-01", many[:60]...)), func(s *TenantState) { s.Finish = true }, "60 rows are refused: user0@contoso.com comes too late"},
		{chunk(testRows("wave-01", many[:60]...)), func(s *TenantState) { s.Finish = true }, "; and more"},
		{chunk(ada), func(s *TenantState) { s.Waves[0].Rows = waveRows }, `wave "wave-01" would have more than 500 mailboxes`},
		{chunk(ada), func(s *TenantState) { s.Aborted = &Order{By: "Grace"} }, "the migration was aborted by Grace"},
		{chunk(ada), func(s *TenantState) { s.Rollback = &Order{By: "Grace"} }, "the MX is being set back, as Grace ordered"},
		{chunk(ada), func(s *TenantState) { s.Closing = true }, "launch the mailboxes again when it has ended"},
	} {
		tenant := &tenant{in: TenantInput{Plan: testPlan()}, s: newTenantState(testPlan(), time.Unix(0, 0))}
		if test.state != nil {
			test.state(&tenant.s)
		}
		if err := tenant.mayEnroll(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want a refusal with %q", err, test.want)
		}
	}
}

// What a list may correct depends on how far a row has come.
func TestWhatAListMayCorrect(t *testing.T) {
	states := map[string]row{
		"waits":     {Stage: stageCredentials, State: migration.Waiting, Problem: &migration.Problem{Kind: "sign-in-refused"}},
		"connects":  {Stage: stageConnect, State: migration.Running},
		"left out":  {Stage: stageConnect, State: migration.Excluded},
		"its turn":  {Stage: stageStarted, State: migration.Running},
		"copies":    {Stage: stageStarted, State: migration.Running, Granted: true},
		"refused":   {Stage: stageStarted, State: migration.Running, Report: mailboxReport{Problem: &migration.Problem{Kind: "sign-in-refused"}}},
		"copied":    {Stage: stageStarted, State: migration.Running, Granted: true, Report: mailboxReport{Copied: true}},
		"paused":    {Stage: stageStarted, State: migration.Running, Granted: true, Report: mailboxReport{Copied: true, State: migration.Paused}},
		"restarted": {Stage: stageStarted, State: migration.Running, Granted: true, Report: mailboxReport{State: migration.Paused}},
		"failed":    {Stage: stageStarted, State: migration.Failed, Lost: true},
		"finished":  {Stage: stageStarted, State: migration.Running, Granted: true, Report: mailboxReport{Copied: true, Finished: true}},
		"ended":     {Stage: stageStarted, State: migration.Running, Granted: true, Report: mailboxReport{Copied: true, Final: true}},
	}
	const begun, made, over = "first copy has begun: pause", "its user is made", "any more"
	for _, test := range []struct{ state, nothing, account, licence, name string }{
		{"waits", "password", "source account", "password; licence, country or type", "password; names, language or use"},
		{"connects", "", "source account", "licence, country or type", "names, language or use"},
		{"left out", "", "source account", "licence, country or type", "names, language or use"},
		{"its turn", "", "source account", made, "names, language or use"},
		{"copies", "", begun, made, "names, language or use"},
		{"refused", "password", "source account", made, "password; names, language or use"},
		{"copied", "", begun, made, "names, language or use"},
		{"paused", "", begun, made, "names, language or use"},
		{"restarted", "", "source account", made, "names, language or use"},
		{"failed", "", over, over, over},
		{"finished", "", over, over, over},
		{"ended", "", over, over, over},
	} {
		r := states[test.state]
		m := testRows("wave-01", "ada")[0]
		r.Address, r.Prints = m.Address, printsOf(m)
		w := &wave{in: WaveInput{Name: "wave-01"}, s: WaveMemory{Rows: []*row{&r}}}
		other, licensed, named := m, m, m
		other.User, licensed.Licence, named.DisplayName = "lovelace", "E5", "Countess"
		for what, c := range map[string]struct {
			row  migration.Mailbox
			want string
		}{"nothing": {m, test.nothing}, "account": {other, test.account}, "licence": {licensed, test.licence}, "name": {named, test.name}} {
			if j := w.judge(c.row); j.What != c.want && (j.Fault == "" || !strings.Contains(j.Fault, c.want)) || (j.What+j.Fault == "") != (c.want == "") {
				t.Errorf("%s, another %s: %+v, want %q", test.state, what, j, c.want)
			}
		}
	}
}

// In a backlog a wave may see the word that drops one list after the rows of the next, and both may move the same row.
func TestRowStaysHeldForTheNextList(t *testing.T) {
	w := wide(1, 200)
	row := w.s.Rows[0]
	w.s.Staged = []stageMessage{{Import: "first", Leaving: []string{row.Address}}, {Import: "second", Leaving: []string{row.Address}}}
	row.Held = true
	w.unstage("first", 0)
	if !row.Held {
		t.Error("the row may start though the second list moves it")
	}
	w.unstage("second", 0)
	if row.Held {
		t.Error("the row is held for no list")
	}
}

func TestSourceIsLookedIntoAgainAfterACorrection(t *testing.T) {
	b := newBench(t)
	rows := testRows("wave-01", "ada")
	b.enroll(rows)
	refuses := true
	b.world.Refuse = func(activity, _ string) error {
		if refuses && (activity == "InspectSource" || activity == "OpenSources") {
			return fake.Problem("sign-in-refused", "the source says no")
		}
		return nil
	}
	b.after(time.Hour, func() {
		if s := b.status(); s.Steps[1].State != migration.Waiting {
			t.Errorf("step 2 is %+v", s.Steps[1])
		}
		refuses = false
	})
	b.list(time.Hour+time.Minute, "second", rows)
	b.approve(3 * time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done {
		t.Errorf("ended %s: %+v", s.State, s.Waiting)
	}
}

// wide is a wave of its own with rows that haven't started.
func wide(rows int, size int) *wave {
	w := &wave{in: WaveInput{Name: "wave-01", Plan: testPlan()}}
	for i := range rows {
		m := migration.Mailbox{Address: fmt.Sprintf("user%03d@contoso.com", i), Endpoint: "old", Wave: "wave-01"}
		m.DisplayName = strings.Repeat("x", size-len(encode(m))-len(`,"displayName":""`))
		w.s.Rows = append(w.s.Rows, &row{Address: m.Address, Endpoint: "old", Mailbox: &m, State: migration.Running, Prints: printsOf(m)})
	}
	return w
}

func TestWaveRefusesMoreRowsThanItCanCarry(t *testing.T) {
	p := newPier(t)
	w := wide(waveRows, rowLimit)
	rows := mailboxesOf(w.s.Rows)
	p.after(time.Second, func() {
		p.SignalWorkflow(signalStage, stageMessage{Import: "list", Chunk: 1, Rows: rows})
		p.SignalWorkflow(signalImport, importMessage{Import: "list", Commit: true})
		for i := range rows {
			rows[i].Language = "de"
		}
		p.SignalWorkflow(signalStage, stageMessage{Import: "second", Chunk: 1, Rows: rows})
		p.SignalWorkflow(signalStage, stageMessage{Import: "third", Chunk: 1, Rows: rows[:20]})
		p.SignalWorkflow(SignalAbort, Order{By: "Grace"})
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	of := func(list string) verdict {
		i := slices.IndexFunc(p.verdicts, func(v verdict) bool { return v.Import == list })
		if i < 0 {
			t.Fatalf("no verdict on the list %q", list)
		}
		return p.verdicts[i]
	}
	if v := of("second"); v.FaultCount != 1 || !strings.Contains(v.Faults[0], "enrol fewer at once") {
		t.Errorf("all again: %+v", v.Faults)
	}
	if v := of("third"); v.FaultCount != 0 || v.Corrected != 20 {
		t.Errorf("some again: %+v", v)
	}
}

// starts counts the children of a workflow whose start isn't confirmed yet.
type starts struct {
	interceptor.WorkflowOutboundInterceptorBase
	pending   []workflow.Future
	most, all int
}

func (s *starts) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	future := s.Next.ExecuteChildWorkflow(ctx, name, args...)
	s.pending = append(slices.DeleteFunc(s.pending, workflow.Future.IsReady), future.GetChildWorkflowExecution())
	s.all++
	s.most = max(s.most, len(s.pending))
	return future
}

func TestWaveStarts25AtATime(t *testing.T) {
	p := newPier(t)
	var wave starts
	p.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&outbound{
		wrap: func(next interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor {
			own := &starts{} // of a mailbox, which starts none
			if wave.Next == nil {
				own = &wave
			}
			own.Next = next
			return own
		},
	}}})
	names := make([]string, 60)
	for i := range names {
		names[i] = fmt.Sprintf("user%02d", i)
	}
	p.life(testRows("wave-01", names...))
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if wave.most != 25 || wave.all != 60 {
		t.Errorf("%d mailboxes were started, %d at once", wave.all, wave.most)
	}
}

func TestSharesNeverGoOverTheLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  int
		claims []claim
		want   []int
	}{
		{"the pilot alone has all", 10, []claim{{left: 50}, {}, {}}, []int{10, 0, 0}},
		{"equal parts, and what is over", 10, []claim{{left: 50}, {left: 50}, {left: 50}}, []int{4, 3, 3}},
		{"more waves than places", 2, []claim{{left: 5}, {left: 5}, {left: 5}}, []int{1, 1, 0}},
		{"what one has no use for goes to the others", 10, []claim{{left: 1}, {left: 50}, {}}, []int{1, 9, 0}},
		{"a new wave waits until the old one lets go", 10, []claim{{left: 50, held: 10}, {left: 50}}, []int{5, 0}},
		{"and gets what is let go", 10, []claim{{left: 50, held: 7}, {left: 50}}, []int{5, 3}},
		{"a limit that was lowered", 4, []claim{{left: 50, held: 6}, {left: 50, held: 4}}, []int{2, 2}},
		{"nothing to copy", 10, []claim{{}, {held: 2}}, []int{0, 0}},
	} {
		if got := deal(c.limit, c.claims); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSharesOverTime deals again and again while waves obey late, copy and end, and counts what could be under way.
func TestSharesOverTime(t *testing.T) {
	const limit = 7
	tenant := &tenant{in: TenantInput{Plan: testPlan()}}
	tenant.in.Plan.Endpoints[0].MailboxesAtOnce = limit
	tenant.s.Waves = nil
	left := []int{40, 3, 25, 60}
	using := make([]int, len(left))
	obeyed := make([]waveOrders, len(left))
	for i := range left {
		w := &tenantWave{Name: fmt.Sprint(i), Begun: true}
		w.Report.Needs = []need{{Endpoint: "old", Left: left[i]}}
		tenant.s.Waves = append(tenant.s.Waves, w)
	}
	random := uint32(1)
	dice := func(n int) int {
		random = random*1664525 + 1013904223
		return int(random>>16) % n
	}
	for step := range 5000 {
		i := dice(len(left))
		w := tenant.s.Waves[i]
		switch dice(4) {
		case 0: // the tenant sends orders
			o := waveOrders{Number: w.Told.Number + 1, Shares: tenant.shares(w)}
			w.hold(o)
			w.Told = o
		case 1: // the wave obeys, and copies as much as it may
			obeyed[i] = w.Told
			using[i] = max(using[i], min(left[i], sharedOf(obeyed[i].Shares, "old")))
		case 2: // a copy ends, another begins where it may
			if using[i] > 0 {
				using[i]--
				left[i]--
				using[i] = max(using[i], min(left[i], sharedOf(obeyed[i].Shares, "old")))
			}
		case 3: // it reports
			w.Report = waveReport{Number: w.Report.Number + 1, Obeyed: obeyed[i].Number, Needs: []need{{Endpoint: "old", Left: left[i], Using: using[i]}}}
			w.released()
		}
		sum := 0
		for _, n := range using {
			sum += n
		}
		if sum > limit {
			t.Fatalf("step %d: %v are copied at once", step, using)
		}
	}
	for i, n := range left {
		if n != 0 {
			t.Errorf("wave %d has %d mailboxes left: its share didn't move on", i, n)
		}
	}
}

func TestDeltasAreSpread(t *testing.T) {
	const interval = migration.Duration(24 * time.Hour)
	for _, n := range []int{2, 10, 500} {
		var all []time.Duration
		for slot := range n {
			all = append(all, offset(interval, slot).D())
		}
		slices.Sort(all)
		for i := range all {
			next := interval.D()
			if i+1 < n {
				next = all[i+1]
			}
			if gap := next - all[i]; gap > 3*interval.D()/time.Duration(n) || gap < interval.D()/time.Duration(4*n) {
				t.Errorf("%d mailboxes: %s between two deltas", n, gap)
			}
		}
	}
}

func TestSteeringThatChangesNothingIsRefusedWithItsReason(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	wave, mailbox := WaveID("contoso", "20261123-1", "wave-01"), MailboxID("contoso", "20261123-1", "ada@contoso.com")
	give := func(at time.Duration, id, name string) {
		b.after(at, func() {
			if err := b.SignalWorkflowByID(id, name, Order{By: "Grace"}); err != nil {
				t.Error(err)
			}
		})
	}
	at := 3 * time.Hour
	for _, s := range []struct{ id, name string }{
		{"contoso", SignalResume},
		{wave, SignalResume},
		{mailbox, SignalResume}, // not paused
		{"contoso", SignalPause},
		{"contoso", SignalPause},
		{"contoso", SignalSyncNow},
		{wave, SignalResume},
		{mailbox, SignalResume},
		{"contoso", SignalResume},
		{wave, SignalPause},
		{wave, SignalPause},
		{wave, SignalSyncNow},
		{mailbox, SignalResume},
		{wave, SignalResume},
		{mailbox, SignalPause},
		{mailbox, SignalPause},
		{mailbox, SignalSyncNow},
		{mailbox, SignalResume},
		{mailbox, SignalSyncNow},
		{wave, SignalSyncNow},
	} {
		at += 10 * time.Minute
		give(at, s.id, s.name)
	}
	said := func(audit []migration.AuditEntry) string {
		var all []string
		for _, a := range audit {
			if a.By == "Grace" {
				all = append(all, a.What)
			}
		}
		return strings.Join(all, "\n")
	}
	b.after(at+time.Hour, func() {
		var w WaveStatus
		var m MailboxStatus
		for id, into := range map[string]any{wave: &w, mailbox: &m} {
			value, err := b.QueryWorkflowByID(id, QueryStatus)
			if err != nil {
				t.Fatal(err)
			}
			if err := value.Get(into); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct{ got, want string }{
			{said(b.status().Audit), "resume was ignored: the migration is not paused; a wave or a mailbox that was paused by itself is resumed by itself\n" +
				"paused\npause was ignored: the migration is paused already\nsync-now was ignored: the migration is paused; resume it first\nresumed"},
			{said(w.Audit), "resume was ignored: the wave is not paused\nresume was ignored: the whole tenant is paused; resume that\npaused\n" +
				"pause was ignored: the wave is paused already\nsync-now was ignored: the wave is paused; resume it first\nresumed\n" +
				"asked for a delta of every mailbox at once"},
			{said(m.Audit), "resume was ignored: the mailbox is not paused\nresume was ignored: its wave or the whole tenant is paused; resume that\n" +
				"resume was ignored: its wave or the whole tenant is paused; resume that\npaused\npause was ignored: the mailbox is paused already\n" +
				"sync-now was ignored: the mailbox is paused; resume it first\nresumed\nasked for a delta at once"},
		} {
			if c.got != c.want {
				t.Errorf("said\n%s\nwant\n%s", c.got, c.want)
			}
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Boss"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}
