package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/workflows/internal/fake"
)

const oneTimeKey = "mfpub1:one-time"

// ask asks for first passwords and has the answer looked at.
func (b *bench) ask(at time.Duration, in PasswordsInput, look func(PasswordsResult)) {
	b.after(at, func() {
		b.UpdateWorkflow(UpdatePasswords, fmt.Sprint(at), answer{t: b.t, name: "passwords", complete: func(result any) {
			look(result.(PasswordsResult))
		}}, in)
	})
}

func TestFirstPasswordsAreHandedOutOnce(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada", "ben"), testRows("wave-02", "cleo"))
	who := PasswordsInput{To: "Grace Hopper", By: "ada", Key: oneTimeKey}
	answers := 0
	b.ask(30*time.Minute, who, func(r PasswordsResult) {
		answers++
		if len(r.Passwords) != 2 || len(r.Before) != 0 || r.Wave != "wave-01" || r.Next != "wave-02" {
			t.Errorf("the first wave: %+v", r)
		}
		for _, p := range r.Passwords {
			if string(p.Password) != "sealed "+p.Address+" for "+oneTimeKey {
				t.Errorf("the password of %s is %q", p.Address, p.Password)
			}
		}
	})
	next := who
	next.Wave = "wave-02"
	b.ask(31*time.Minute, next, func(r PasswordsResult) {
		answers++
		if len(r.Passwords) != 1 || r.Wave != "wave-02" || r.Next != "" {
			t.Errorf("the second wave: %+v", r)
		}
	})
	b.ask(32*time.Minute, who, func(r PasswordsResult) {
		answers++
		if len(r.Passwords) != 0 || len(r.Before) != 2 || r.Before[0].To != "Grace Hopper" || r.Before[0].By != "ada" || r.Before[0].Times != 1 {
			t.Errorf("asked once more: %+v", r)
		}
	})
	again := PasswordsInput{To: "Bob", By: "ada", Key: oneTimeKey, Mailboxes: []string{"cleo@contoso.com"}, Again: true, Reason: "lost"}
	b.ask(33*time.Minute, again, func(r PasswordsResult) {
		answers++
		if len(r.Passwords) != 1 || r.Passwords[0].Address != "cleo@contoso.com" || r.Wave != "wave-02" || r.Next != "" {
			t.Errorf("again for one: %+v", r)
		}
	})
	b.after(34*time.Minute, func() {
		s := b.status()
		if s.Totals.Passwords != 0 {
			t.Errorf("%d first passwords wait to be handed out", s.Totals.Passwords)
		}
		var said []string
		for _, entry := range s.Audit {
			if strings.Contains(entry.What, "first passwords") {
				said = append(said, entry.By+": "+entry.What)
			}
		}
		want := []string{
			"ada: handed first passwords to Grace Hopper, 2 of wave wave-01: ada@contoso.com, ben@contoso.com",
			"ada: handed first passwords to Grace Hopper, 1 of wave wave-02: cleo@contoso.com",
			"ada: handed first passwords to Bob, 1 of wave wave-02: cleo@contoso.com: lost",
		}
		if strings.Join(said, "\n") != strings.Join(want, "\n") {
			t.Errorf("the trail says\n%s", strings.Join(said, "\n"))
		}
		b.SignalWorkflow(SignalAbort, Order{By: "ada"})
	})
	_ = b.run()
	if answers != 4 || b.world.Count("HandOut") != 3 {
		t.Errorf("%d answers, %d handings out", answers, b.world.Count("HandOut"))
	}
}

func TestPasswordsRefused(t *testing.T) {
	b := newBench(t)
	b.enroll(testRows("wave-01", "ada"))
	good := PasswordsInput{To: "Grace", By: "ada", Key: oneTimeKey}
	for i, test := range []struct {
		change func(*PasswordsInput)
		want   string
	}{
		{func(in *PasswordsInput) { in.To = "" }, "who gets them and who asks"},
		{func(in *PasswordsInput) { in.By = "" }, "who gets them and who asks"},
		{func(in *PasswordsInput) { in.To = strings.Repeat("x", 500) }, "too long"},
		{func(in *PasswordsInput) { in.Key = "mfkey1:private" }, "public half of a one-time key"},
		{func(in *PasswordsInput) { in.Again = true }, "needs a reason"},
		{func(in *PasswordsInput) { in.Mailboxes = []string{"zoe@contoso.com"} }, `"zoe@contoso.com" is not in this migration`},
		{func(in *PasswordsInput) { in.Wave = "wave-09" }, `no wave "wave-09"`},
		{func(in *PasswordsInput) { in.Mailboxes = make([]string, 501) }, "at most 500"},
	} {
		in := good
		test.change(&in)
		b.after(30*time.Minute+time.Duration(i)*time.Second, func() { b.update(UpdatePasswords, test.want, in) })
	}
	b.world.Refuse = func(activity, _ string) error {
		if activity == "HandOut" {
			return fake.Problem("secret-closed", "no worker holds the key")
		}
		return nil
	}
	b.after(40*time.Minute, func() { b.update(UpdatePasswords, "no worker holds the key", good) })
	b.after(50*time.Minute, func() { b.SignalWorkflow(SignalAbort, Order{By: "ada"}) })
	b.after(50*time.Minute+time.Second, func() {
		if b.IsWorkflowCompleted() {
			return
		}
		b.update(UpdatePasswords, "the first passwords are gone", good)
	})
	_ = b.run()
}

// A wave that is to close forgets the passwords, and one that can't be opened is still there to be asked for again.
func TestFirstPasswordsAreForgotten(t *testing.T) {
	p := newPier(t)
	p.life(testRows("wave-01", "ada"))
	p.after(2*time.Hour, func() {
		if n := p.status().Totals.Passwords; n != 1 {
			t.Errorf("%d first passwords are kept, want 1", n)
		}
	})
	p.after(4*time.Hour+time.Nanosecond, func() {
		if n := p.status().Totals.Passwords; n != 0 {
			t.Errorf("%d first passwords are kept by a wave that closes", n)
		}
	})
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}
