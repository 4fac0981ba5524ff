package host

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/seal"
)

// newKeys makes a keyring of one key.
func newKeys(t *testing.T) (seal.Keyring, seal.Public) {
	t.Helper()
	text, _, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	private, err := seal.ParsePrivate(text)
	if err != nil {
		t.Fatal(err)
	}
	return seal.NewKeyring(private), private.Public()
}

// sealed seals a secret to the key.
func sealed(t *testing.T, p seal.Public, secret string) migration.Sealed {
	t.Helper()
	s, err := p.Seal([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestErrorsLoseTheirSecretsAndKeepTheirMeaning(t *testing.T) {
	const secret = "correct horse"
	keys, public := newKeys(t)
	h := newSecrets(keys).hold()
	defer h.release()
	if got, err := h.open(sealed(t, public, secret), "x"); err != nil || got != secret {
		t.Fatalf("open = %q, %v", got, err)
	}
	words := errors.New("LOGIN ada " + secret + " failed")
	for name, test := range map[string]struct {
		err  error
		kept func(error) bool
	}{
		"plain":      {words, func(error) bool { return true }},
		"in a cause": {fmt.Errorf("signing in: %w", errors.Join(errors.New("x"), words)), func(error) bool { return true }},
		"problem": {
			migration.NeedsPerson("sign-in-refused", "the server said: "+secret, "not "+secret, words),
			func(err error) bool {
				p, ok := migration.AsProblem(err)
				return ok && p.Kind == "sign-in-refused" && p.Text == "the server said: "+hidden
			},
		},
		"problem's cause alone": {
			migration.NeedsPerson("sign-in-refused", "no", "", words),
			func(err error) bool { p, ok := migration.AsProblem(err); return ok && p.Text == "no" },
		},
		"later": {
			&migration.LaterError{After: 7, Cause: words},
			func(err error) bool { var l *migration.LaterError; return errors.As(err, &l) && l.After == 7 },
		},
		"one message": {
			fmt.Errorf("copying: %w", &migration.MessageError{Message: migration.Refusal{UID: 9, Words: secret}, Cause: words}),
			func(err error) bool { var m *migration.MessageError; return errors.As(err, &m) && m.Message.UID == 9 },
		},
		"unknown outcome": {
			fmt.Errorf("%w: %w", migration.ErrOutcomeUnknown, words),
			func(err error) bool { return errors.Is(err, migration.ErrOutcomeUnknown) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.clean(test.err)
			if h.within(got) || !test.kept(got) {
				t.Errorf("clean = %#v (%v)", got, got)
			}
			var m *migration.MessageError
			if errors.As(got, &m) && strings.Contains(m.Message.Words, secret) {
				t.Error("the message's words hold the secret")
			}
		})
	}
	harmless := fmt.Errorf("dialling: %w", errors.New("no route"))
	if got := h.clean(harmless); got != harmless {
		t.Errorf("an error without a secret was changed to %v", got)
	}
	if h.clean(nil) != nil {
		t.Error("clean(nil) is not nil")
	}
}

func TestSecretThatCannotBeOpenedIsAProblem(t *testing.T) {
	keys, _ := newKeys(t)
	_, other := newKeys(t)
	for _, s := range []migration.Sealed{sealed(t, other, "secret"), "not sealed"} {
		h := newSecrets(keys).hold()
		_, err := h.open(s, "the password")
		if p, ok := migration.AsProblem(err); !ok || p.Kind != "secret-closed" || p.Remedy == "" {
			t.Errorf("open(%q): %v; want a problem", s, err)
		}
	}
}

func TestLogHidesWhatIsInUse(t *testing.T) {
	keys, public := newKeys(t)
	all := newSecrets(keys)
	first, second := all.hold(), all.hold()
	for _, h := range []*held{first, second} {
		if _, err := h.open(sealed(t, public, "hunter22"), "x"); err != nil {
			t.Fatal(err)
		}
	}
	first.release() // the other still uses it
	var out bytes.Buffer
	log := slog.New(quiet{slog.NewTextHandler(&out, nil), all})
	log = log.With("with", "hunter22").WithGroup("group")
	log.Info("said hunter22", "text", "hunter22", "error", errors.New("hunter22"), slog.Group("g", "deep", "hunter22"), "list", []string{"hunter22"}, "number", 7)
	if text := out.String(); strings.Contains(text, "hunter22") || strings.Count(text, hidden) != 6 || !strings.Contains(text, "group.number=7") {
		t.Errorf("the log says %s", text)
	}
	second.release()
	if len(all.open) != 0 {
		t.Errorf("%d secrets are still held", len(all.open))
	}
}
