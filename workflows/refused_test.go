package workflows

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows/internal/fake"
)

// trailAt is the audit trail of a tenant, or the last entries of a wave's or a mailbox's.
func (b *bench) trailAt(id string) []migration.AuditEntry {
	b.t.Helper()
	value, err := b.QueryWorkflowByID(id, QueryStatus)
	if err != nil {
		b.t.Fatal(err)
	}
	var answer struct {
		Audit []migration.AuditEntry `json:"audit"`
	}
	if err := value.Get(&answer); err != nil {
		b.t.Fatal(err)
	}
	return answer.Audit
}

// signalAt gives an order to one of the workflows.
func (b *bench) signalAt(id, name string, order any) {
	b.t.Helper()
	if err := b.SignalWorkflowByID(id, name, order); err != nil {
		b.t.Error(err)
	}
}

// TestOrdersToWhatIsAborted: an abort stands, at each level, and every order after it is refused with its reason.
func TestOrdersToWhatIsAborted(t *testing.T) {
	wave, ended := WaveID("contoso", "20261123-1", "wave-01"), WaveID("contoso", "20261123-1", "wave-02")
	ada := MailboxID("contoso", "20261123-1", "ada@contoso.com")
	again := Order{By: "Hopper"}
	for _, c := range []struct {
		id, name string
		order    any
		want     string
	}{
		{"contoso", SignalAbort, again, "abort was ignored: the migration was aborted already, by Grace"},
		{"contoso", SignalPause, again, "pause was ignored: the migration was aborted by Grace"},
		{"contoso", SignalResume, again, "resume was ignored: the migration was aborted by Grace"},
		{"contoso", SignalSyncNow, again, "sync-now was ignored: the migration was aborted by Grace"},
		{"contoso", SignalExclude, RowOrder{Mailbox: "cleo@contoso.com", By: "Hopper"}, "exclude was ignored: the mailboxes of wave wave-02 have ended"},
		{"contoso", SignalRestart, RowOrder{Mailbox: "cleo@contoso.com", By: "Hopper"}, "restart was ignored: the mailboxes of wave wave-02 have ended"},
		{"contoso", SignalSkip, StepOrder{Step: migration.StepMigrate, By: "Hopper"}, "skip-step was ignored: step 7 can't be skipped for a whole tenant; a mailbox can be left out by name"},
		{wave, SignalAbort, again, "abort was ignored: the wave is aborted already"},
		{wave, SignalPause, again, "pause was ignored: the wave is aborted"},
		{wave, SignalResume, again, "resume was ignored: the wave is aborted"},
		{wave, SignalSyncNow, again, "sync-now was ignored: the wave is aborted"},
		{wave, SignalExclude, RowOrder{Mailbox: "ada@contoso.com", By: "Hopper"}, "exclude was ignored: ada@contoso.com has ended"},
		{ada, SignalAbort, again, "abort was ignored: the mailbox is aborted already"},
		{ada, SignalPause, again, "pause was ignored: the mailbox is aborted"},
		{ada, SignalResume, again, "resume was ignored: the mailbox is not paused"},
		{ada, SignalSyncNow, again, "sync-now was ignored: the mailbox is aborted"},
		{ada, SignalExclude, again, "exclude was ignored: the mailbox is aborted"},
		{ada, SignalRestart, again, "restart was ignored: the mailbox is aborted"},
	} {
		t.Run(c.name+" "+c.id, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada"), testRows("wave-02", "cleo"))
			b.world.Refuse = func(activity, what string) error {
				if activity == "ArchiveAccount" && what == "ada@contoso.com" {
					return fake.Problem("archive-broken", "the disk is full")
				}
				return nil
			}
			b.after(3*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
			b.after(4*time.Hour, func() { b.signalAt(c.id, c.name, c.order) })
			b.after(5*time.Hour, func() {
				said := func(e migration.AuditEntry) bool { return e.By == "Hopper" && e.What == c.want }
				if trail := b.trailAt(c.id); !slices.ContainsFunc(trail, said) {
					t.Errorf("the trail lacks %q: %+v", c.want, trail)
				}
				if s := b.status(); len(s.Waiting) != 1 || s.Waiting[0].Problem.Kind != "archive-broken" {
					t.Errorf("waiting %+v; of %s nobody need see why it ended", s.Waiting, ended)
				}
				b.world.Refuse = nil
				b.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepWelcome, Mailbox: "Ada@Contoso.com", By: "Grace"})
			})
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if s := b.status(); s.State != migration.Aborted || b.world.Accounts["ada@contoso.com"].State != migration.Aborted {
				t.Errorf("ended %s, archived %+v", s.State, b.world.Accounts)
			}
		})
	}
}

// TestAbortWhilePaused: what is paused is aborted all the same.
func TestAbortWhilePaused(t *testing.T) {
	for _, at := range []string{"contoso", WaveID("contoso", "20261123-1", "wave-01"), MailboxID("contoso", "20261123-1", "ada@contoso.com")} {
		t.Run(at, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada"))
			b.after(3*time.Hour, func() { b.signalAt(at, SignalPause, Order{By: "Grace"}) })
			b.after(4*time.Hour, func() { b.SignalWorkflow(SignalAbort, Order{By: "Grace"}) })
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
			if s := b.status(); s.State != migration.Aborted || b.world.Accounts["ada@contoso.com"].State != migration.Aborted {
				t.Errorf("ended %s, archived %+v", s.State, b.world.Accounts)
			}
		})
	}
}

// TestAbortOfWhatIsArchived: an abort that comes when a mailbox's account is archived changes nothing any more.
func TestAbortOfWhatIsArchived(t *testing.T) {
	c := newCabin(t)
	c.sync(5 * time.Hour)
	c.deaf = true
	c.after(7*time.Hour, func() {
		c.SignalWorkflow(SignalAbort, Order{By: "Grace"})
		c.SignalWorkflow(SignalPause, Order{By: "Grace"})
	})
	c.after(8*time.Hour, func() {
		s := c.status()
		if s.State != migration.Done || !strings.Contains(s.Audit[len(s.Audit)-2].What, "abort was ignored: the mailbox has ended") ||
			!strings.Contains(s.Audit[len(s.Audit)-1].What, "pause was ignored: the mailbox has ended") {
			t.Errorf("after the abort: %s, %+v", s.State, s.Audit)
		}
		c.order(func(o *mailboxOrders) { o.Acknowledged = true })
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if r := c.last(); r.State != migration.Done || c.world.Accounts["ada@contoso.com"].State != migration.Done {
		t.Errorf("the final report is %+v", r)
	}
}

// TestWaveLeavesNobodyOutUnnamed: a step that can't be skipped is passed over for one mailbox at a time, by name.
func TestWaveLeavesNobodyOutUnnamed(t *testing.T) {
	b := newBench(t)
	wave := WaveID("contoso", "20261123-1", "wave-01")
	b.enroll(testRows("wave-01", "ada", "ben", "cleo"))
	b.world.Refuse = func(activity, what string) error {
		if activity == "Connect" && what != "cleo@contoso.com" {
			return fake.Problem("mailbox-too-large", "it won't fit")
		}
		return nil
	}
	b.after(3*time.Hour, func() { b.signalAt(wave, SignalSkip, StepOrder{Step: migration.StepConnect, By: "Grace"}) })
	b.after(4*time.Hour, func() {
		s := b.status()
		if trail := b.trailAt(wave); s.Totals.Excluded != 0 ||
			trail[len(trail)-1].What != "skip-step was ignored: step 6 can't be skipped for a whole wave; a mailbox can be left out by name" {
			t.Errorf("left out %d: %+v", s.Totals.Excluded, trail)
		}
		b.signalAt(wave, SignalSkip, StepOrder{Step: migration.StepConnect, Mailbox: "ADA@contoso.com", By: "Grace"})
	})
	b.after(5*time.Hour, func() {
		if s := b.status(); s.Totals.Excluded != 1 {
			t.Errorf("left out %d", s.Totals.Excluded)
		}
		b.SignalWorkflow(SignalAbort, Order{By: "Grace"})
	})
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
}

// TestGarbageFromTheForm: the signals by which parents and children speak to one another stand in the Web UI's form too.
// What is sent there by mistake harms nothing.
func TestGarbageFromTheForm(t *testing.T) {
	b := newBench(t)
	wave, ada := WaveID("contoso", "20261123-1", "wave-01"), MailboxID("contoso", "20261123-1", "ada@contoso.com")
	b.enroll(testRows("wave-01", "ada", "ben"))
	payloads := []any{
		nil, "", "text", 7, -1.5, true,
		[]any{},
		[]any{nil, 1, "x"},
		map[string]any{},
		map[string]any{"by": "Grace"},
		map[string]any{"number": 7, "rows": []any{nil, map[string]any{}}},
		map[string]any{"rows": []any{map[string]any{"address": "ada@contoso.com"}}},
		map[string]any{"number": -7, "status": nil},
		map[string]any{"number": 99, "mailbox": map[string]any{"user": "eve"}},
		map[string]any{"step": 99, "by": "Grace"},
		map[string]any{"digest": "x", "by": []string{"a"}},
		map[string]any{"By": "Grace", "Extra": 1},
	}
	at := 3 * time.Hour
	for _, to := range []struct {
		id    string
		names []string
	}{
		{"contoso", []string{signalVerdict, signalReport, signalHanded, SignalApprove, SignalReject, SignalRetry, SignalSkip, SignalExclude, SignalRestart, "unknown"}},
		{wave, []string{signalMoved, signalReport, signalStage, SignalRetry, SignalSkip, SignalExclude, SignalRestart}},
		{ada, []string{signalCorrect, SignalRetry, SignalSkip}},
	} {
		for _, name := range to.names {
			for _, payload := range payloads {
				at += time.Second
				b.after(at, func() { b.signalAt(to.id, name, payload) })
			}
		}
	}
	b.after(at+time.Hour, func() {
		s := b.status()
		if s.Totals.Verified != 2 || s.Gate == nil || len(s.Waiting) != 0 {
			t.Errorf("totals %+v, gate %v, waiting %+v", s.Totals, s.Gate, s.Waiting)
		}
		if !strings.Contains(encodeText(b.trailAt(ada)), "correct was ignored: it is the row of another mailbox") {
			t.Errorf("the mailbox's trail: %+v", b.trailAt(ada))
		}
	})
	b.approve(at + 2*time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if s := b.status(); s.State != migration.Done || s.Totals.Finished != 2 {
		t.Errorf("ended %s with %+v", s.State, s.Totals)
	}
}

func encodeText(value any) string { return string(encode(value)) }

// TestWhatIsPausedAloneWaitsForAPerson: a wave or a mailbox that was paused by itself holds up all, until somebody resumes
// it. So it is among what waits; while the whole tenant is paused it isn't, because that is said already.
func TestWhatIsPausedAloneWaitsForAPerson(t *testing.T) {
	for _, c := range []struct {
		id   string
		want Waiting
	}{
		{wave01, Waiting{Step: migration.StepMigrate, Wave: "wave-01", Problem: migration.Problem{Kind: PausedAlone, Text: "the wave is paused, and nothing of it is copied"}}},
		{mailboxOf("ada"), Waiting{Step: migration.StepMigrate, Wave: "wave-01", Mailbox: "ada@contoso.com", Problem: migration.Problem{
			Kind: PausedAlone, Text: "ada@contoso.com is paused by itself, and nothing of it is copied",
		}}},
	} {
		t.Run(c.id, func(t *testing.T) {
			b := newBench(t)
			b.enroll(testRows("wave-01", "ada", "ben"))
			waits := func(at time.Duration, want ...Waiting) {
				b.after(at, func() {
					got := b.status().Waiting
					for i := range got {
						if got[i].Since.IsZero() || got[i].Problem.Remedy == "" {
							t.Errorf("waiting %+v", got[i])
						}
						got[i].Since, got[i].Problem.Remedy = time.Time{}, ""
					}
					if !slices.Equal(got, want) {
						t.Errorf("at %s waiting are %+v, want %+v", at, got, want)
					}
				})
			}
			give := func(at time.Duration, id, name string) {
				b.after(at, func() { b.signalAt(id, name, Order{By: "Grace"}) })
			}
			give(3*time.Hour, c.id, SignalPause)
			waits(3*time.Hour+10*time.Minute, c.want)
			give(4*time.Hour, "contoso", SignalPause)
			waits(4*time.Hour + 10*time.Minute)
			give(5*time.Hour, "contoso", SignalResume)
			waits(5*time.Hour+10*time.Minute, c.want)
			give(6*time.Hour, c.id, SignalResume)
			waits(6*time.Hour + 10*time.Minute)
			give(7*time.Hour, "contoso", SignalAbort)
			if err := b.run(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
