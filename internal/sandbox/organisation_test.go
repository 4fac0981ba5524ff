package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/sandbox"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// organisation is a small one: a pilot wave of one, and one mailbox for each mishap.
func organisation(dir string, domains ...string) sandbox.Options {
	o := small(dir)
	o.Organisation, o.Domains, o.Mailboxes, o.Messages = true, domains, 6, 6*80
	return o
}

func TestAnOrganisation(t *testing.T) {
	w := open(t, organisation(t.TempDir()))
	if domains := w.Domains(); len(domains) != 3 {
		t.Errorf("the domains are %v, want three", domains)
	}
	m := w.Mishaps()
	whom := []string{m.WrongPassword, m.Leaver, m.Latecomer, m.Poison.Address}
	slices.Sort(whom)
	if len(slices.Compact(whom)) != 4 || whom[0] == "" || m.Poison.MessageID == "" {
		t.Errorf("the mishaps are %+v, want one each for four mailboxes", m)
	}
	passwords := map[string]string{}
	for _, a := range w.Accounts() {
		passwords[a.Address] = a.Password
	}
	lists := map[sandbox.Edition]map[string][]string{}
	for _, edition := range w.Editions() {
		lists[edition] = rowsOf(t, w, edition)
	}
	first, corrected, late := lists[sandbox.FirstList], lists[sandbox.CorrectedList], lists[sandbox.LateList]
	if len(first) != 5 || len(corrected) != 5 || len(late) != 6 || late[m.Latecomer] == nil {
		t.Errorf("the lists have %d, %d and %d mailboxes; the latecomer is in the last: %t", len(first), len(corrected), len(late), late[m.Latecomer] != nil)
	}
	for address, row := range late {
		if row[2] != passwords[address] {
			t.Errorf("the last list has another password of %s", address)
		}
		if was := first[address]; was != nil && (was[2] == row[2]) != (address != m.WrongPassword) {
			t.Errorf("whether the first list has another password of %s: %t", address, was[2] != row[2])
		}
		if now := corrected[address]; now != nil && !slices.Equal(now, row) {
			t.Errorf("the corrected list has %s otherwise than the last", address)
		}
	}
	waves := map[string]int{}
	for _, row := range late {
		waves[row[5]]++
	}
	if diff := cmp.Diff(map[string]int{"pilot": 1, "wave-2": 3, "wave-3": 2}, waves); diff != "" {
		t.Errorf("the waves: %s", diff)
	}
}

// rowsOf reads a list by address.
func rowsOf(t *testing.T, w *sandbox.World, edition sandbox.Edition) map[string][]string {
	t.Helper()
	text, err := w.CSV(edition)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, row := range rows[1:] {
		all[row[0]] = row
	}
	return all
}

func TestTooSmallForAnOrganisation(t *testing.T) {
	o := organisation(t.TempDir())
	o.Mailboxes = 5
	_, err := sandbox.Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "at least 6") {
		t.Errorf("an organisation of 5: %v", err)
	}
}

// TestPeopleGoOnWorking copies a mailbox to the tenant as a migration does, moves the MX record, and kills the world again
// and again meanwhile: every deed is done once, and is where it was done alone.
func TestPeopleGoOnWorking(t *testing.T) {
	dir := t.TempDir()
	w := open(t, organisation(dir, harbour))
	planned, err := w.Deeds()
	if err != nil {
		t.Fatal(err)
	}
	if len(planned) != 8 {
		t.Fatalf("%d deeds are planned, want every verb on each side for the only pilot user", len(planned))
	}
	time.Sleep(time.Second)
	if done := doneOf(t, w); len(done) > 0 {
		t.Fatalf("%d deeds were done before anything was copied", len(done))
	}
	copyAll(t, w, planned[0].Address)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		killWorld(t, dir, organisationChild, true, time.Second, nil)
	}
	w = open(t, organisation(dir, harbour))
	for began := time.Now(); len(doneOf(t, w)) < 4; time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("at the source only these were done: %v", doneOf(t, w))
		}
	}
	checkDeeds(t, w, sandbox.Source)
	newCaller(t, w).update(rr(t, harbour+". 1 IN MX 0 harbour-example.mail.protection.outlook.example."))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		killWorld(t, dir, organisationChild, true, 700*time.Millisecond, nil)
	}
	w = open(t, organisation(dir, harbour))
	waitFor(t, "the deeds at the target", func() bool { return len(doneOf(t, w)) == 8 })
	checkDeeds(t, w, sandbox.Target)
}

// copyAll puts into the tenant's mailbox what a migration puts there.
func copyAll(t *testing.T, w *sandbox.World, address string) {
	t.Helper()
	source, target := w.Store(sandbox.Source), w.Store(sandbox.Target)
	if err := target.Create(address, []store.FolderSpec{{Name: "Deleted Items", SpecialUse: `\Trash`}}); err != nil {
		t.Fatal(err)
	}
	for _, m := range everything(t, w, sandbox.Source, address) {
		body, err := source.Body(m.entry).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := target.Append(address, store.Inbox, store.Message{Body: body, Internal: m.entry.Internal}); err != nil {
			t.Fatal(err)
		}
	}
}

type lying struct {
	folder string
	entry  store.Entry
}

func everything(t *testing.T, w *sandbox.World, side sandbox.Side, address string) []lying {
	t.Helper()
	var all []lying
	folders, err := w.Store(side).Folders(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		err := w.Store(side).Scan(f.ID, 1, 0, func(e store.Entry) error {
			all = append(all, lying{f.Name, e})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func doneOf(t *testing.T, w *sandbox.World) []sandbox.Deed {
	t.Helper()
	all, err := w.Deeds()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(d sandbox.Deed) bool { return d.Done.IsZero() })
}

// checkDeeds looks whether what was done on a side is what stands there, and nothing else has changed.
func checkDeeds(t *testing.T, w *sandbox.World, side sandbox.Side) {
	t.Helper()
	deeds := slices.DeleteFunc(doneOf(t, w), func(d sandbox.Deed) bool { return d.Side != side })
	address := deeds[0].Address
	ledger, err := w.Expected()
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for _, m := range ledger {
		if m.Address == address && strings.HasPrefix(m.Origin, "corpus") {
			before++
		}
	}
	have := everything(t, w, side, address)
	corpus := slices.DeleteFunc(slices.Clone(have), func(m lying) bool { return m.entry.Internal.Year() == time.Now().Year() })
	if len(corpus) != before-1 { // one was purged
		t.Errorf("%s has %d messages at the %s, want %d less the one that was purged", address, len(corpus), side, before)
	}
	for _, d := range deeds {
		var found []lying
		for _, m := range have {
			if !m.entry.Internal.Equal(d.Internal) {
				continue
			}
			body, err := w.Store(side).Body(m.entry).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(body, []byte(d.MessageID)) {
				found = append(found, m)
			}
		}
		switch {
		case d.Verb == sandbox.PurgeIt && len(found) == 0:
		case d.Verb == sandbox.MarkIt && len(found) == 1 && found[0].entry.Has(`\Flagged`):
		case d.To != "" && len(found) == 1 && found[0].folder == d.To:
		default:
			t.Errorf("%s %s %s at the %s: found %v", d.Address, d.Verb, d.MessageID, side, found)
		}
	}
}

const (
	// organisationChild has the child process run an organisation.
	organisationChild = "organisation"

	harbour = "harbour.example"
)

func childOptions(dir string) sandbox.Options {
	if os.Getenv(childKind) == organisationChild {
		return organisation(dir, harbour)
	}
	return long(dir)
}
