package activities_test

import (
	"slices"
	"testing"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestPublish(t *testing.T) {
	txt := func(ttl uint32, data ...string) migration.Record {
		return migration.Record{Name: "example.com", Type: "TXT", TTL: ttl, Data: data}
	}
	cname := func(target string) migration.Record {
		return migration.Record{Name: "s1._domainkey.example.com", Type: "CNAME", TTL: 60, Data: []string{target}}
	}
	const include = "v=spf1 include:spf.protection.outlook.com -all"
	for name, test := range map[string]struct {
		stands, publish migration.Record
		want            []string
		ttl             uint32
		changes         bool
		problem         string
	}{
		"nothing stands":         {txt(0), txt(3600, "MS=ms1"), []string{"MS=ms1"}, 3600, true, ""},
		"beside others":          {txt(60, "other"), txt(3600, "MS=ms1"), []string{"MS=ms1", "other"}, 60, true, ""},
		"there already":          {txt(60, "MS=ms1", "other"), txt(3600, "MS=ms1"), []string{"MS=ms1", "other"}, 60, false, ""},
		"a policy is merged":     {txt(60, "V=SPF1 mx ~all"), txt(3600, include), []string{"V=SPF1 mx include:spf.protection.outlook.com ~all"}, 60, true, ""},
		"a policy has it":        {txt(60, include), txt(3600, include), []string{include}, 60, false, ""},
		"a first policy":         {txt(60, "v=spf10 is none"), txt(3600, include), []string{include, "v=spf10 is none"}, 60, true, ""},
		"a new canonical name":   {migration.Record{Name: "s1._domainkey.example.com", Type: "CNAME"}, cname("a"), []string{"a"}, 60, true, ""},
		"another canonical name": {cname("b"), cname("a"), nil, 0, false, "name-taken"},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zone{stands: test.stands}
			a := &activities.Activities{Heartbeat: &heartbeats{}, Zone: z}
			out, err := run[activities.PublishOutput](t, a, nil, a.Publish, activities.PublishInput{Record: test.publish})
			if test.problem != "" {
				var p migration.Problem
				if failure := applicationError(t, err); failure.Details(&p) != nil || p.Kind != test.problem {
					t.Errorf("error %v, want a problem of kind %q", err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Change.After; !slices.Equal(got.Data, test.want) || got.TTL != test.ttl {
				t.Errorf("after %v with TTL %d, want %v with %d", got.Data, got.TTL, test.want, test.ttl)
			}
			if changed := len(z.applied) > 0; changed != test.changes {
				t.Errorf("changed the zone: %v, want %v", changed, test.changes)
			}
		})
	}
}

func TestPublishKeepsItsBeforeImage(t *testing.T) {
	beats := &heartbeats{}
	z := &zone{stands: migration.Record{Name: "example.com", Type: "TXT", TTL: 60, Data: []string{"other"}}, fail: errBusy}
	a := &activities.Activities{Heartbeat: beats, Zone: z}
	in := activities.PublishInput{Record: migration.Record{Name: "example.com", Type: "TXT", Data: []string{"MS=ms1"}}}
	if _, err := run[activities.PublishOutput](t, a, nil, a.Publish, in); err == nil {
		t.Fatal("an attempt whose answer was lost succeeded")
	}
	var left migration.Change
	beats.last(t, &left)
	z.stands, z.fail = z.applied[0].After, nil // the change had been made
	out, err := run[activities.PublishOutput](t, a, left, a.Publish, in)
	if err != nil || !slices.Equal(out.Change.Before.Data, []string{"other"}) || len(z.applied) != 2 {
		t.Errorf("got %+v, %v; want the change with what stood before it", out, err)
	}
}

func TestVisibleFindsTextAmongOthers(t *testing.T) {
	for name, test := range map[string]struct {
		kind          string
		stands, wants []string
		missing       bool
	}{
		"a text among others":   {"TXT", []string{"MS=ms1", "other"}, []string{"MS=ms1"}, false},
		"a text that isn't":     {"TXT", []string{"other"}, []string{"MS=ms1"}, true},
		"an MX beside another":  {"MX", []string{"10 a", "20 b"}, []string{"10 a"}, true},
		"an MX as it should be": {"MX", []string{"10 a"}, []string{"10 a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			record := migration.Record{Name: "example.com", Type: test.kind, Data: test.stands}
			a := &activities.Activities{Heartbeat: &heartbeats{}, Zone: &zone{stands: record}}
			record.Data = test.wants
			out, err := run[activities.VisibleOutput](t, a, nil, a.Visible, activities.VisibleInput{Record: record})
			if err != nil || (len(out.Missing) > 0) != test.missing {
				t.Errorf("missing %v, %v; want missing: %v", out.Missing, err, test.missing)
			}
		})
	}
}
