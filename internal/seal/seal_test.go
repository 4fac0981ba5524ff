package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/seal"
)

func newKey(t *testing.T) (seal.Private, string) {
	t.Helper()
	private, public, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParsePrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	if key.Public().String() != public {
		t.Fatalf("public half is %s, want %s", key.Public(), public)
	}
	return key, private
}

func sealTo(t *testing.T, p seal.Public, secret string) migration.Sealed {
	t.Helper()
	sealed, err := p.Seal([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	key, _ := newKey(t)
	public, err := seal.ParsePublic(" " + key.Public().String() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"", "s3cret", strings.Repeat("long ", 1000), "\x00\xff"} {
		sealed := sealTo(t, public, secret)
		if secret != "" && strings.Contains(string(sealed), secret) {
			t.Errorf("the box shows the secret")
		}
		if again := sealTo(t, public, secret); again == sealed {
			t.Errorf("two boxes of one secret are equal")
		}
		opened, err := key.Open(sealed)
		if err != nil || string(opened) != secret {
			t.Errorf("opened %q, %v; want %q", opened, err, secret)
		}
		if !strings.Contains(string(sealed), public.ID()) {
			t.Errorf("the box doesn't name its key %s", public.ID())
		}
	}
}

func TestKeyring(t *testing.T) {
	first, firstText := newKey(t)
	second, secondText := newKey(t)
	third, _ := newKey(t)
	ring, err := seal.ParseKeyring("# made on a Monday\r\n" + firstText + "\r\n\n" + secondText + ",\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []seal.Private{first, second} {
		if opened, err := ring.Open(sealTo(t, key.Public(), "x")); err != nil || string(opened) != "x" {
			t.Errorf("opened %q, %v", opened, err)
		}
	}
	if _, err := ring.Open(sealTo(t, third.Public(), "x")); !errors.Is(err, seal.ErrOtherKey) || !strings.Contains(err.Error(), third.Public().ID()) {
		t.Errorf("a third key's secret: %v; want ErrOtherKey with the key's ID", err)
	}
}

// Whatever goes wrong, neither the key nor the secret is in the message.
func TestErrorsShowNoSecret(t *testing.T) {
	key, text := newKey(t)
	body := strings.TrimPrefix(text, "mfkey1:")
	sealed := string(sealTo(t, key.Public(), "s3cret"))
	tests := []struct {
		name string
		err  error
	}{
		{"private as public", second(seal.ParsePublic(text))},
		{"cut key", second(seal.ParsePrivate(text[:len(text)-1]))},
		{"long key", second(seal.ParsePrivate(text + "A"))},
		{"key without prefix", second(seal.ParsePrivate(body))},
		{"keyring with a bad key", second(seal.ParseKeyring(text + "\n" + body))},
		{"empty keyring", second(seal.ParseKeyring("# nothing\n"))},
		{"clear secret in place of a box", second(key.Open("s3cret"))},
		{"box without key", second(key.Open("mfbox1:s3cret"))},
		{"box cut", second(key.Open(migration.Sealed(sealed[:len(sealed)-4])))},
		{"box not base64", second(key.Open(migration.Sealed(sealed + "!")))},
		{"empty box", second(key.Open(migration.Sealed("mfbox1:" + key.Public().ID() + ":")))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.err == nil {
				t.Fatal("no error")
			}
			for _, secret := range []string{"s3cret", body, body[:8]} {
				if strings.Contains(test.err.Error(), secret) {
					t.Errorf("%q shows a secret", test.err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestPrivateIsNeverPrinted(t *testing.T) {
	key, text := newKey(t)
	encoded := strings.TrimPrefix(text, "mfkey1:")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ key seal.Private }{key}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, value := range []any{key, &key, []seal.Private{key}, seal.NewKeyring(key), hidden, &hidden} {
			printed := fmt.Sprintf(format, value)
			for _, secret := range []string{encoded, string(raw), hex.EncodeToString(raw), fmt.Sprint(raw), fmt.Sprintf("%#v", raw[:4])} {
				if strings.Contains(printed, secret) {
					t.Errorf("%s prints the key of %T", format, value)
				}
			}
		}
		if printed := fmt.Sprintf(format, key); printed != "private key "+key.Public().ID() {
			t.Errorf("%s prints %s", format, printed)
		}
	}
}

func TestFirstPassword(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		password, err := seal.FirstPassword()
		if err != nil {
			t.Fatal(err)
		}
		if len(password) != 20 || seen[password] {
			t.Errorf("%q has %d characters or came twice", password, len(password))
		}
		seen[password] = true
		if !strings.ContainsAny(password, "abcdefghijkmnopqrstuvwxyz") || !strings.ContainsAny(password, "ABCDEFGHJKLMNPQRSTUVWXYZ") ||
			!strings.ContainsAny(password, "23456789") || !strings.Contains(password, "-") {
			t.Errorf("%q lacks one of the four classes", password)
		}
		if strings.ContainsAny(password, "0O1lI") {
			t.Errorf("%q has characters that are taken for one another", password)
		}
	}
}

func FuzzOpen(f *testing.F) {
	private, public, err := seal.Generate()
	if err != nil {
		f.Fatal(err)
	}
	key, err := seal.ParsePrivate(private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("mfbox1:" + key.Public().ID() + ":AAAA")
	f.Add(public)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := key.Open(migration.Sealed(text)); err == nil {
			t.Errorf("%q opened", text)
		}
	})
}

func TestKeyringSealsToItsFirstKey(t *testing.T) {
	if _, ok := (seal.Keyring{}).Public(); ok {
		t.Error("an empty keyring has a public key")
	}
	newest, _ := newKey(t)
	oldest, _ := newKey(t)
	public, ok := seal.NewKeyring(newest, oldest).Public()
	if !ok || public != newest.Public() {
		t.Errorf("the ring seals to %v, want the first key's public half %v", public, newest.Public())
	}
}
