package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/migration"
)

func TestSourceAccount(t *testing.T) {
	keys, public := newKeys(t)
	row := migration.Mailbox{Address: "ada@new.example", User: "ada", Password: sealed(t, public, "hers")}
	endpoint := func(auth migration.Auth, format string) migration.Endpoint {
		return migration.Endpoint{
			Name: "old", Host: "imap.old.example", Port: 993, Security: migration.TLS, Auth: auth,
			MasterUser: "admin", MasterPassword: sealed(t, public, "master"), LoginFormat: format,
		}
	}
	for name, test := range map[string]struct {
		endpoint migration.Endpoint
		want     mailcopy.Auth
		problem  string
	}{
		"password":               {endpoint(migration.AuthPassword, ""), mailcopy.Auth{User: "ada", Password: "hers"}, ""},
		"master":                 {endpoint(migration.AuthMaster, ""), mailcopy.Auth{User: "ada*admin", Password: "master"}, ""},
		"master, another format": {endpoint(migration.AuthMaster, "{master}/{user}"), mailcopy.Auth{User: "admin/ada", Password: "master"}, ""},
		"proxy":                  {endpoint(migration.AuthProxy, ""), mailcopy.Auth{Mechanism: "PLAIN", User: "admin", Identity: "ada", Password: "master"}, ""},
		"unknown":                {endpoint("oauth9", ""), mailcopy.Auth{}, "auth-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSecrets(keys).hold()
			defer h.release()
			got, err := source(test.endpoint, row, h)
			if test.problem != "" {
				if p, ok := migration.AsProblem(err); !ok || p.Kind != test.problem {
					t.Errorf("error %v, want a problem of kind %q", err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Auth); diff != "" {
				t.Errorf("auth (-want +got):\n%s", diff)
			}
			if got.Address != "imap.old.example:993" || got.ServerName != "imap.old.example" || got.Security != migration.TLS {
				t.Errorf("account %+v", got)
			}
		})
	}
}

func TestCAThatIsNoneIsAProblem(t *testing.T) {
	if pool, err := roots("", "x"); pool != nil || err != nil {
		t.Errorf("no CA: %v, %v; want the system's", pool, err)
	}
	if _, ok := migration.AsProblem(func() error { _, err := roots("nonsense", "x"); return err }()); !ok {
		t.Error("a CA that is no certificate is no problem for a person")
	}
}
