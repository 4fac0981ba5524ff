package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestLedger(t *testing.T) {
	of := func(user, account string) migration.Mailbox {
		return migration.Mailbox{Address: user + "@contoso.com", Endpoint: "old", User: account}
	}
	var l, more ledger
	for i := range 2000 {
		user := fmt.Sprint("user", i)
		l.add(of(user, user), i%300)
	}
	more.add(of("user7", "other"), 9)
	more.add(of("new", "new"), 299)
	l.take(more)
	l.add(of("user1", "user1"), 5) // known already: its wave stays
	if n := l.len(); n != 2001 {
		t.Errorf("%d entries", n)
	}
	for i := range 2000 {
		want, account := i%300, fmt.Sprint("USER", i) // which is the same account
		if i == 7 {                                   // the other ledger moves it, and gives it another
			want, account = 9, "other"
		}
		m := of(fmt.Sprint("user", i), account)
		if wave, known := l.wave(m.Address); !known || wave != want || !l.has(hash(m.Address), accountOf(m)) {
			t.Fatalf("user%d: wave %d, %v", i, wave, known)
		}
	}
	if wave, known := l.wave("new@contoso.com"); !known || wave != 299 {
		t.Errorf("new: wave %d, %v", wave, known)
	}
	if _, known := l.wave("nobody@contoso.com"); known {
		t.Error("nobody is known")
	}
}

func TestDigestIsOfWhatIsApproved(t *testing.T) {
	gate := func() *Gate {
		return &Gate{
			Domains:  []string{"a.example", "b.example"},
			Changes:  []migration.Change{{Before: migration.Record{Name: "a.example", Type: "MX", TTL: 300, Data: []string{"10 old"}}}},
			Accepted: []string{"x@a.example"},
		}
	}
	base := gate().digest()
	if len(base) != 2*digestSize || gate().digest() != base {
		t.Errorf("digest %q is not stable", base)
	}
	for name, change := range map[string]func(*Gate){
		"order of domains": func(g *Gate) { g.Domains[0], g.Domains[1] = g.Domains[1], g.Domains[0] },
		"before-value":     func(g *Gate) { g.Changes[0].Before.Data[0] = "20 old" },
		"TTL":              func(g *Gate) { g.Changes[0].Before.TTL = 60 },
		"accepted":         func(g *Gate) { g.Accepted = nil },
	} {
		g := gate()
		if change(g); g.digest() == base {
			t.Errorf("another %s gives the same digest", name)
		}
	}
	g := gate()
	if g.Since = time.Now(); g.digest() != base {
		t.Error("the time changes the digest")
	}
	if g.Refusals = 7; g.digest() != base {
		t.Error("the refusals change the digest")
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{`{"by":"Grace","reason":"because"}`, ""},
		{``, ""},
		{`null`, ""},
		{`{"by":"Grace","force":true}`, "unknown field"},
		{`"Grace"`, "not as documented"},
		{`{"by":"Grace"} {}`, "after the object"},
		{`{`, "not as documented"},
	} {
		var o Order
		err := decode(converter.NewRawValue(&commonpb.Payload{Data: []byte(c.payload)}), &o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.payload, err, c.want)
		}
	}
}

func TestMailboxIDFits(t *testing.T) {
	tenant := strings.Repeat("t", 40)
	for _, address := range []string{"ada@contoso.com", strings.Repeat("a", 190) + "@contoso.com", strings.Repeat("ä", 300)} {
		if id := MailboxID(tenant, "20261123-99", address); len(id) > 255 || !strings.HasPrefix(id, tenant+"/20261123-99/mailbox/") {
			t.Errorf("%d bytes: %s", len(id), id)
		}
	}
}

func TestWaveGrantsItsShare(t *testing.T) {
	w := &wave{}
	w.s.Orders = waveOrders{Begin: true, Shares: []share{{"old", 2}, {"older", 1}}}
	for i, endpoint := range []string{"old", "old", "old", "older", "older"} {
		w.s.Rows = append(w.s.Rows, &row{Address: fmt.Sprint(i), Endpoint: endpoint, Stage: stageStarted, State: migration.Running})
	}
	granted := func() string {
		w.grant()
		var all strings.Builder
		for _, r := range w.s.Rows {
			if r.Granted {
				all.WriteString(r.Address)
			}
		}
		return all.String()
	}
	if got := granted(); got != "013" {
		t.Errorf("granted %s", got)
	}
	w.s.Rows[0].Report.Copied = true
	w.s.Rows[3].Report.Problem = &migration.Problem{Text: "it waits, and holds no place"}
	if got := granted(); got != "0124" {
		t.Errorf("then granted %s", got)
	}
	w.s.Rows[3].Report.Problem = nil // it was mended, and another has its place
	if got := granted(); got != "0124" {
		t.Errorf("after it was mended granted %s", got)
	}
	w.s.Rows[4].Report.Copied = true
	if got := granted(); got != "01234" {
		t.Errorf("at last granted %s", got)
	}
}

func TestDetailsAreBoundedAndHarmless(t *testing.T) {
	s := Status{Organisation: "Con[toso](http://evil) <script>", State: migration.Waiting, Gate: &Gate{
		Digest: "abc", Refusals: 7, Domains: []string{"contoso.com"},
		Changes: []migration.Change{{
			Before: migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"10 old|er"}},
			After:  migration.Record{Name: "contoso.com", Type: "MX", TTL: 300, Data: []string{"0 new"}},
		}},
	}}
	for _, step := range migration.Steps() {
		s.Steps = append(s.Steps, StepStatus{Step: step, Title: step.Title(), State: migration.Pending})
	}
	for i := range 1000 {
		s.Gate.Accepted = append(s.Gate.Accepted, fmt.Sprintf("user%d@contoso.com", i))
		s.Waiting = append(s.Waiting, Waiting{Problem: migration.Problem{Text: strings.Repeat("x", 2000)}})
		s.Audit = append(s.Audit, migration.AuditEntry{What: strings.Repeat("y", 500)})
	}
	text := tenantDetails(s)
	if len(text) > detailsLimit {
		t.Errorf("%d bytes of details", len(text))
	}
	for _, want := range []string{"| contoso.com MX | 10 old∣er (TTL 300) | 0 new (TTL 300) |", "stay at the source alone:** 7", `{"digest": "abc", "by": "your name"}`, "11. Welcome and close"} {
		if !strings.Contains(text, want) {
			t.Errorf("the details lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "<script>") || strings.Contains(text, "](http") {
		t.Error("the details let Markdown of others through")
	}
}
