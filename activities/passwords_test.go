package activities_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestHandOut(t *testing.T) {
	kept := archive{}
	a := &activities.Activities{Heartbeat: &heartbeats{}, Archive: kept, Passwords: passwords(nil)}
	in := activities.HandOutInput{
		Scope: activities.Scope{Tenant: "contoso", Launch: "20261123-1"}, Wave: "pilot", Number: 3, To: "Grace", By: "ada", Reason: "day one", Key: "key",
		Passwords: []activities.FirstPassword{{Address: "a@x", Password: "box-a"}, {Address: "b@x", Password: "box-b"}},
	}
	out, err := run[activities.HandOutOutput](t, a, nil, a.HandOut, in)
	if err != nil || len(out.Passwords) != 2 || out.Passwords[1] != (activities.FirstPassword{Address: "b@x", Password: "box-b for key"}) {
		t.Errorf("handed out %+v, %v", out, err)
	}
	content := kept["contoso/20261123-1/passwords/pilot-3.json"]
	var record activities.HandedOut
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatalf("the archive has %v: %v", kept, err)
	}
	if record.To != "Grace" || record.By != "ada" || record.Reason != "day one" || strings.Join(record.Addresses, " ") != "a@x b@x" || record.At.IsZero() {
		t.Errorf("record %+v", record)
	}
	if strings.Contains(string(content), "box") {
		t.Errorf("the record has a secret: %s", content)
	}
}

// What can't be opened is handed out to nobody, and nothing is on record.
func TestHandOutThatFails(t *testing.T) {
	kept := archive{}
	a := &activities.Activities{Heartbeat: &heartbeats{}, Archive: kept, Passwords: closed{}}
	in := activities.HandOutInput{Passwords: []activities.FirstPassword{{Address: "a@x", Password: "box"}}}
	if _, err := run[activities.HandOutOutput](t, a, nil, a.HandOut, in); err == nil || !strings.Contains(err.Error(), "the first password of a@x") {
		t.Errorf("error %v", err)
	}
	if len(kept) != 0 {
		t.Errorf("the archive has %v", kept)
	}
}

// closed opens nothing.
type closed struct{ passwords }

func (closed) Reseal(_ migration.Sealed, _, what string) (migration.Sealed, error) {
	return "", migration.NeedsPerson("secret-closed", what+" can't be opened", "add the key", nil)
}
