package workflows

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

// inbox is a state of one folder with n messages, all copied.
func inbox(n int) migration.MailboxState {
	return migration.MailboxState{Folders: []migration.FolderState{{
		Source: "INBOX", Target: "INBOX", UIDValidity: 7, Cursor: uint32(n), TargetHigh: uint32(n), Account: migration.Account{Source: n, Copied: n},
	}}}
}

func TestMailboxFoundInUseIsOnlyAddedTo(t *testing.T) {
	c := newCabin(t)
	used := inbox(11)
	used.InUse = `in folder "INBOX" of the target there are 2 messages that are not the source's`
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitDone, State: inbox(10)},
		{Exit: migration.ExitDone, State: used, Progress: migration.Progress{Messages: 1}},
	}
	c.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{Count: 1}, {Count: 1}}
	c.sync(4 * 24 * time.Hour)
	c.after(30*time.Hour, func() {
		s := c.status()
		if !s.AddOnly || s.State != migration.Running || !strings.Contains(s.Audit[len(s.Audit)-1].What, "2 messages that are not the source's") {
			t.Errorf("after it was found in use: %+v", s)
		}
		if r := c.last(); !r.AddOnly {
			t.Errorf("its wave was told %+v", r)
		}
		c.SignalWorkflow(SignalRestart, Order{By: "Grace", Reason: "to see"})
		if s := c.status(); !s.AddOnly {
			t.Error("a restart forgets that it is in use")
		}
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	for i, in := range c.world.Copies {
		if in.AddOnly != (i > 1) {
			t.Errorf("slice %d: add only %v", i, in.AddOnly)
		}
	}
	for i, in := range c.world.Verifications {
		if in.AddOnly != (i > 0) {
			t.Errorf("verification %d: add only %v", i, in.AddOnly)
		}
	}
	if note := c.world.Accounts["ada@contoso.com"].Note; !strings.Contains(note, "found in use") {
		t.Errorf("the account's note is %q", note)
	}
}

// To a mailbox that its row says is live, or that held mail when its user was found, a copy only adds, from the first on.
func TestLiveMailboxesAreOnlyAddedTo(t *testing.T) {
	b := newBench(t)
	rows := testRows("wave-01", "ada", "ben", "cleo")
	rows[0].Live = true
	b.world.InUse = []string{"ben@contoso.com"}
	b.enroll(rows)
	b.approve(time.Hour)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	first := map[string]bool{}
	for _, in := range b.world.Copies {
		if _, known := first[in.Mailbox.Address]; !known {
			first[in.Mailbox.Address] = in.AddOnly
		} else if first[in.Mailbox.Address] && !in.AddOnly {
			t.Errorf("a delta of %s does more than add", in.Mailbox.Address)
		}
	}
	if want := map[string]bool{"ada@contoso.com": true, "ben@contoso.com": true, "cleo@contoso.com": false}; !maps.Equal(first, want) {
		t.Errorf("first copies that only add: %v, want %v", first, want)
	}
}

func TestMailboxAsksAboutManyDeletions(t *testing.T) {
	c := newCabin(t)
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitDone, State: inbox(100)},
		{
			Exit: migration.ExitProblem, State: inbox(100), Remaining: []string{"INBOX"}, Deletions: 60,
			Problem: &migration.Problem{Kind: "many-deletions", Text: "60 messages left the source"},
		},
		{Exit: migration.ExitDone, State: inbox(40)},
	}
	c.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{Count: 1}, {Count: 1}}
	c.sync(4 * 24 * time.Hour)
	c.after(30*time.Hour, func() {
		if s := c.status(); s.State != migration.Waiting || s.Problem.Kind != "many-deletions" {
			t.Errorf("it doesn't ask: %+v", s)
		}
		c.SignalWorkflow(SignalRetry, StepOrder{Step: migration.StepMigrate, By: "Grace"})
	})
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if len(c.world.Copies) < 4 {
		t.Fatalf("%d slices", len(c.world.Copies))
	}
	for i, in := range c.world.Copies {
		if want := map[bool]int{true: 60}[i == 2]; in.DeletionsAllowed != want {
			t.Errorf("slice %d: %d deletions allowed, want %d", i, in.DeletionsAllowed, want)
		}
	}
}

// Of a delta only what is new is compared, of everything else all is: what was there before the first copy, at the end,
// and after a pass that didn't close.
func TestMailboxVerifiesWhatIsNew(t *testing.T) {
	c := newCabin(t)
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitDone, State: inbox(10)},
		{Exit: migration.ExitDone, State: inbox(11)},
		{Exit: migration.ExitDone, State: inbox(11)},
	}
	c.world.Verdicts["ada@contoso.com"] = []bool{true, false, true}
	c.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{Count: 1}}
	c.sync(3 * 24 * time.Hour)
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if len(c.world.Verifications) < 4 {
		t.Fatalf("%d verifications", len(c.world.Verifications))
	}
	for _, i := range []int{0, 2, len(c.world.Verifications) - 1} {
		if known := c.world.Verifications[i].Known; len(known) > 0 {
			t.Errorf("verification %d isn't whole: it knows %+v", i, known)
		}
	}
	if in := c.world.Verifications[1].Known; len(in) != 1 || in[0].Cursor != 10 || in[0].TargetHigh != 10 {
		t.Errorf("the delta's verification begins at %+v", in)
	}
	if last := c.world.Copies[2]; len(last.Changed) != 1 {
		t.Errorf("after a pass that didn't close %q were looked at", last.Changed)
	}
}

// All slices of a pass end where its probe said, and know the folders from which a message may have come.
func TestMailboxKeepsToABound(t *testing.T) {
	c := newCabin(t)
	first := inbox(10)
	first.Folders = append(first.Folders,
		migration.FolderState{Source: "Left", Target: "Left", Pairs: migration.Pairs{1, 2, 1}, Account: migration.Account{Gone: 1}},
		migration.FolderState{Source: "Quiet", Target: "Quiet", Pairs: migration.Pairs{1, 2, 1}},
	)
	c.world.Exits["ada@contoso.com"] = []activities.CopyOutput{
		{Exit: migration.ExitDone, State: first},
		{Exit: migration.ExitSlice, State: inbox(11), Remaining: []string{"INBOX"}},
		{Exit: migration.ExitDone, State: inbox(12)},
	}
	c.world.Arrivals["ada@contoso.com"] = []migration.Arrivals{{Count: 1}}
	c.sync(2 * 24 * time.Hour)
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if len(c.world.Copies) < 3 {
		t.Fatalf("%d slices", len(c.world.Copies))
	}
	for i, in := range c.world.Copies[:3] {
		if want := []uint32{1, 2, 2}[i]; len(in.Bounds) != 1 || in.Bounds[0].Next != want {
			t.Errorf("slice %d ends at %+v, want %d", i, in.Bounds, want)
		}
		if i > 0 && (len(in.State.Folders) != 2 || in.State.Folders[1].Source != "Left") {
			t.Errorf("slice %d is given %+v", i, in.State.Folders)
		}
	}
}
