package sandbox_test

import (
	"net"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/notify"
	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/zone"
)

// TestMailferrysZoneClient changes the MX record as a migration does: compare-and-set, then wait for the resolvers.
func TestMailferrysZoneClient(t *testing.T) {
	w := open(t, small(t.TempDir()))
	c := newCaller(t, w)
	d := c.plan.DNS
	client := zone.New(zone.Config{
		Mode: d.Mode, Server: d.Server, Authoritative: d.Authoritative, Resolvers: d.Resolvers,
		TSIGName: d.TSIGName, TSIGAlgorithm: d.TSIGAlgorithm, TSIGSecret: c.clear[d.TSIGSecret],
	})
	ctx := t.Context()
	before, err := client.Read(ctx, "harbour.example", "MX")
	if err != nil || len(before.Data) != 1 || before.Data[0] != "10 mx.harbour.example" {
		t.Fatalf("the MX record is %+v, %v", before, err)
	}
	if missing, err := client.Missing(ctx, before); err != nil || len(missing) > 0 {
		t.Fatalf("not given by %v, %v", missing, err)
	}
	after := migration.Record{Name: "harbour.example", Type: "MX", TTL: d.TTL, Data: []string{"0 harbour-example.mail.protection.outlook.example"}}
	for range 2 {
		if err := client.Apply(ctx, migration.Change{Before: before, After: after}); err != nil {
			t.Fatal(err)
		}
	}
	if missing, err := client.Missing(ctx, after); err != nil || len(missing) == 0 {
		t.Errorf("the resolvers have heard of the change at once: %v, %v", missing, err)
	}
	waitFor(t, "the resolvers", func() bool {
		missing, err := client.Missing(ctx, after)
		return err == nil && len(missing) == 0
	})
	stale := migration.Change{Before: before, After: migration.Record{Name: "harbour.example", Type: "MX", TTL: 2, Data: []string{"0 other.example"}}}
	problem, found := migration.AsProblem(client.Apply(ctx, stale))
	if !found || problem.Kind != "zone-changed" {
		t.Errorf("a change of what stands no more: %v", problem)
	}
	if err := client.Apply(ctx, migration.Change{Before: after, After: before}); err != nil {
		t.Errorf("going back: %v", err)
	}
}

// TestMailferrysNotices sends a notice by each server of the plan, and a probe by its relay.
func TestMailferrysNotices(t *testing.T) {
	w := open(t, small(t.TempDir()))
	c := newCaller(t, w)
	ada := w.Accounts()[0]
	server := func(s migration.SMTP) notify.Server {
		return notify.Server{Host: s.Host, Port: s.Port, Security: s.Security, Roots: w.Roots(), User: s.User, Password: c.clear[s.Password]}
	}
	notice := migration.Notice{
		Kind: migration.NoticeAnnouncement, To: ada.Address, DisplayName: ada.DisplayName, Language: ada.Language, Organisation: "Harbour",
		Support: "it@harbour.example", MessageID: "<notice.mailferry@harbour.example>",
	}
	if err := notify.Notify(t.Context(), c.plan.Notices.From, "", server(c.plan.Notices.Before), notice); err != nil {
		t.Error(err)
	}
	// The tenant doesn't know the domain yet, so for it the address is somebody's outside.
	if err := notify.Notify(t.Context(), c.plan.Notices.From, "", server(c.plan.Notices.After), notice); err != nil {
		t.Error(err)
	}
	if err := notify.Probe(t.Context(), server(*c.plan.Routing.Relay), c.plan.Routing.ProbeFrom, ada.Address, "<probe.mailferry@outside.example>"); err != nil {
		t.Error(err)
	}
	wrong := server(c.plan.Notices.Before)
	wrong.Password = "wrong"
	if _, found := migration.AsProblem(notify.Notify(t.Context(), c.plan.Notices.From, "", wrong, notice)); !found {
		t.Error("a wrong password is no problem for a person")
	}
	waitFor(t, "the probe", func() bool {
		ledger, err := w.Expected()
		if err != nil {
			t.Fatal(err)
		}
		sides := map[string][]string{}
		for _, m := range ledger {
			if strings.Contains(m.MessageID, ".mailferry@") {
				sides[m.MessageID] = append(sides[m.MessageID], string(m.Side))
			}
		}
		return strings.Join(sides[notice.MessageID], " ") == "outside source" && strings.Join(sides["<probe.mailferry@outside.example>"], " ") == "source"
	})
}

// TestPortsCanBeGiven gives one server its port and lets the others be picked.
func TestPortsCanBeGiven(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	o := small(t.TempDir())
	o.Ports = map[string]int{"source-imap": port}
	w := open(t, o)
	if _, got, _ := net.SplitHostPort(w.Address("source-imap")); got != strings.TrimPrefix(free.Addr().String(), "127.0.0.1:") {
		t.Errorf("the port is %s, want %d", got, port)
	}
	o = small(t.TempDir())
	o.Ports = map[string]int{"imap": 1}
	if _, err := sandbox.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"imap"`) {
		t.Errorf("a port for a server that isn't there: %v", err)
	}
}
