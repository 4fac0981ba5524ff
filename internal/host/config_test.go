package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/seal"
)

func TestConfigFromEnv(t *testing.T) {
	private, _, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "worker.key")
	if err := os.WriteFile(file, []byte("# made today\n"+private+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  map[string]string
		want string // what the error says; none if empty
	}{
		"a key is enough": {map[string]string{envKeyFile: file}, ""},
		"all": {map[string]string{
			envKeyFile: file, envMigrateSlots: "10", envCopySlots: "4", envLogLevel: "debug", envDeployment: "d", envBuildID: "b",
		}, ""},
		"no key":         {nil, "MAILFERRY_KEY_FILE is not set"},
		"no such file":   {map[string]string{envKeyFile: file + "x"}, "no such file"},
		"not a key":      {map[string]string{envKeyFile: os.Args[0]}, "private key"},
		"slots too few":  {map[string]string{envKeyFile: file, envCopySlots: "1"}, "MAILFERRY_COPY_SLOTS"},
		"slots in words": {map[string]string{envKeyFile: file, envMigrateSlots: "ten"}, "MAILFERRY_MIGRATE_SLOTS"},
		"a level":        {map[string]string{envKeyFile: file, envLogLevel: "loud"}, "MAILFERRY_LOG_LEVEL"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{envKeyFile, envMigrateSlots, envCopySlots, envLogLevel, envDeployment, envBuildID} {
				t.Setenv(key, test.env[key])
			}
			c, err := ConfigFromEnv()
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), private) {
					t.Errorf("error %v, want one about %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Keys.Public(); !ok || c.Log == nil {
				t.Errorf("config %+v", c)
			}
		})
	}
}

func TestFirstPasswordsAreSealed(t *testing.T) {
	keys, public := newKeys(t)
	s, err := passwords{public: public}.NewPassword()
	if err != nil {
		t.Fatal(err)
	}
	clear, err := keys.Open(s)
	if err != nil || len(clear) < 12 || strings.Contains(string(s), string(clear)) {
		t.Errorf("a first password of %d characters, sealed as %q, %v", len(clear), s, err)
	}
}

func TestPasswordsAreSealedAnewToWhoGetsThem(t *testing.T) {
	keys, public := newKeys(t)
	theirs, their := newKeys(t)
	p := passwords{public, newSecrets(keys)}
	first, err := p.NewPassword()
	if err != nil {
		t.Fatal(err)
	}
	want, err := keys.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := p.Reseal(first, their.String(), "the first password of a@x")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := theirs.Open(sealed); err != nil || string(got) != string(want) {
		t.Errorf("they open %q, %v; want %q", got, err, want)
	}
	if _, err := keys.Open(sealed); err == nil {
		t.Error("the worker opens what is theirs")
	}
	stranger := passwords{their, newSecrets(theirs)}
	if _, err := stranger.Reseal(first, their.String(), "the first password of a@x"); err == nil || !strings.Contains(err.Error(), "the first password of a@x") {
		t.Errorf("another worker's password: %v", err)
	}
	if _, err := p.Reseal(first, "mfpub1:nonsense", "x"); err == nil || strings.Contains(err.Error(), string(want)) {
		t.Errorf("a key that is none: %v", err)
	}
}
