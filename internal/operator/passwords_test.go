package operator

import (
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/seal"
	"github.com/mailferry/mailferry/workflows"
)

// vault answers as a tenant of two waves does, whose passwords are "secret of ADDRESS".
func vault(t *testing.T, f *fake) {
	f.update = func(options client.UpdateWorkflowOptions) (any, error) {
		in := options.Args[0].(workflows.PasswordsInput)
		if options.UpdateName != workflows.UpdatePasswords {
			t.Errorf("update %q", options.UpdateName)
		}
		key, err := seal.ParsePublic(in.Key)
		if err != nil {
			t.Fatal(err)
		}
		give := func(address string) activities.FirstPassword {
			sealed, err := key.Seal([]byte("secret of " + address))
			if err != nil {
				t.Fatal(err)
			}
			return activities.FirstPassword{Address: address, Password: sealed}
		}
		switch in.Wave {
		case "":
			return workflows.PasswordsResult{Passwords: []activities.FirstPassword{give("ada@x"), give("bob@x")}, Next: "main"}, nil
		case "main":
			before := []workflows.HandedBefore{{Address: "eve@x", Handed: workflows.Handed{To: "Grace", By: "ada", At: began, Times: 1}}}
			return workflows.PasswordsResult{Before: before, None: []string{"fay@x"}}, nil
		}
		return nil, fmt.Errorf("no wave %q", in.Wave)
	}
}

func TestPasswords(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	vault(t, f)
	got, err := operatorOf(f).Passwords(t.Context(), "contoso", PasswordOrder{To: "Grace", By: "ada", Mailboxes: []string{"ada@x", "fay@x"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Passwords) != 2 || got.Passwords[1].Password != "secret of bob@x" || len(got.Before) != 1 || len(got.None) != 1 {
		t.Errorf("handed out %+v", got)
	}
	if printed := fmt.Sprintf("%v %+v %s", got, got.Passwords, got.Passwords[0]); strings.Contains(printed, "secret of") {
		t.Errorf("printed: %s", printed)
	}
	first := f.updates[0].Args[0].(workflows.PasswordsInput)
	if len(f.updates) != 2 || first.To != "Grace" || first.By != "ada" || !strings.HasPrefix(first.Key, "mfpub1:") || len(first.Mailboxes) != 2 {
		t.Errorf("asked %+v", f.updates)
	}
	if _, err := operatorOf(f).Passwords(t.Context(), "contoso", PasswordOrder{To: "Grace"}); !IsKind(err, Invalid) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := operatorOf(f).Passwords(t.Context(), "contoso", PasswordOrder{To: "Grace", By: "ada"}); err != nil {
		t.Fatal(err)
	}
	if again := f.updates[2].Args[0].(workflows.PasswordsInput); again.Key == first.Key {
		t.Error("the one-time key was used twice")
	}
}

func TestPasswordsThatCannotBeHad(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	o := operatorOf(f)
	order := PasswordOrder{To: "Grace", By: "ada"}
	vault(t, f)
	whole := f.update
	f.update = func(options client.UpdateWorkflowOptions) (any, error) {
		if options.Args[0].(workflows.PasswordsInput).Wave == "main" {
			return nil, temporal.NewApplicationError("wave main does not answer", "")
		}
		return whole(options)
	}
	if got, err := o.Passwords(t.Context(), "contoso", order); !IsKind(err, Refused) || err.Error() != "no first passwords: wave main does not answer" || len(got.Passwords) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	foreign, _ := seal.ParsePublic("mfpub1:" + strings.Repeat("A", 43))
	f.update = func(client.UpdateWorkflowOptions) (any, error) {
		sealed, err := foreign.Seal([]byte("x"))
		return workflows.PasswordsResult{Passwords: []activities.FirstPassword{{Address: "ada@x", Password: sealed}, {Password: migration.Sealed("")}}}, err
	}
	if _, err := o.Passwords(t.Context(), "contoso", order); err == nil || !strings.Contains(err.Error(), "the first password of ada@x came back damaged") {
		t.Errorf("sealed to another key: %v", err)
	}
	f.workers = false
	if _, err := o.Passwords(t.Context(), "contoso", order); !IsKind(err, NoWorker) {
		t.Errorf("without a worker: %v", err)
	}
}
