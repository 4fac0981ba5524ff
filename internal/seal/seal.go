// Package seal keeps secrets closed on their way to the workers.
//
// A sealed secret is a NaCl anonymous box (golang.org/x/crypto/nacl/box): anyone who has the workers' public key can
// make one, and only a worker that holds the private key can open it. Whoever launches a migration therefore needs no
// secret of the workers, and a history, a log or a file that holds a sealed secret gives nothing away.
//
// # Text forms
//
//	mfkey1:...       a private key, base64url without padding
//	mfpub1:...       a public key, base64url without padding
//	mfbox1:ID:...    a sealed secret: the key's ID, then the box in base64url without padding
//
// # Changing keys
//
// A [Keyring] holds several private keys. To change keys, give the workers the new one besides the old, seal to the
// new one from then on, and drop the old one when no migration that was launched with it runs any more.
//
// No error of this package holds a secret or a part of one.
package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	privatePrefix = "mfkey1:"
	publicPrefix  = "mfpub1:"
	boxPrefix     = "mfbox1:"

	keySize = 32
)

var encoding = base64.RawURLEncoding.Strict()

// Public is the workers' public key. It may be shown to anyone.
type Public struct{ key [keySize]byte }

// Private is a private key. It is printed as its ID, never as itself.
type Private struct {
	// key is a function because that is all that fmt never looks into: also a struct that holds a Private in a field
	// of its own, where Format isn't called, doesn't show the key.
	key    func() *[keySize]byte
	public Public
}

// Generate makes a new pair of keys and returns their text forms.
func Generate() (private, public string, err error) {
	publicKey, privateKey, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("making a key: %w", err)
	}
	return privatePrefix + encoding.EncodeToString(privateKey[:]), Public{*publicKey}.String(), nil
}

// ParsePublic reads a public key's text form.
func ParsePublic(text string) (Public, error) {
	if strings.HasPrefix(strings.TrimSpace(text), privatePrefix) {
		return Public{}, errors.New("this is a private key where a public key (mfpub1:...) belongs; keep it secret, and make a new pair if others saw it")
	}
	key, err := parseKey(text, publicPrefix)
	if err != nil {
		return Public{}, fmt.Errorf("not a public key: %w", err)
	}
	return Public{key}, nil
}

// ParsePrivate reads a private key's text form.
func ParsePrivate(text string) (Private, error) {
	key, err := parseKey(text, privatePrefix)
	if err != nil {
		return Private{}, fmt.Errorf("not a private key: %w", err)
	}
	public, err := curve25519.X25519(key[:], curve25519.Basepoint)
	if err != nil {
		return Private{}, errors.New("not a private key: it has no public key")
	}
	return Private{key: func() *[keySize]byte { return &key }, public: Public{[keySize]byte(public)}}, nil
}

func parseKey(text, prefix string) (key [keySize]byte, err error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return key, fmt.Errorf("it does not begin with %q", prefix)
	}
	raw, err := encoding.DecodeString(encoded)
	if err != nil || len(raw) != keySize {
		return key, fmt.Errorf("what follows %q is not %d bytes in base64url", prefix, keySize)
	}
	return [keySize]byte(raw), nil
}

// String is the key's text form.
func (p Public) String() string { return publicPrefix + encoding.EncodeToString(p.key[:]) }

// ID names the key: 16 hexadecimal digits that every secret sealed to it carries.
func (p Public) ID() string {
	sum := sha256.Sum256(p.key[:])
	return hex.EncodeToString(sum[:8])
}

// Seal closes a secret. Two boxes of the same secret differ, so they can't be compared.
func (p Public) Seal(secret []byte) (migration.Sealed, error) {
	sealed, err := box.SealAnonymous(nil, secret, &p.key, rand.Reader)
	if err != nil {
		return "", fmt.Errorf("sealing a secret: %w", err)
	}
	return migration.Sealed(boxPrefix + p.ID() + ":" + encoding.EncodeToString(sealed)), nil
}

// Public is the public half.
func (p Private) Public() Public { return p.public }

// String names the key without showing it.
func (p Private) String() string { return "private key " + p.public.ID() }

// GoString is String, for %#v.
func (p Private) GoString() string { return p.String() }

// Format prints the key's name whatever the verb is, so that not even %x shows the key.
func (p Private) Format(state fmt.State, _ rune) { fmt.Fprint(state, p.String()) }

// Open opens a secret that was sealed to this key.
func (p Private) Open(sealed migration.Sealed) ([]byte, error) { return NewKeyring(p).Open(sealed) }

// ErrOtherKey says that a secret was sealed to a key that isn't at hand.
var ErrOtherKey = errors.New("sealed to a key that this worker does not hold")

// Keyring is a set of private keys, the newest first. The zero value holds none.
type Keyring struct {
	keys   map[string]Private
	newest *Public
}

// NewKeyring makes a keyring of the keys.
func NewKeyring(keys ...Private) Keyring {
	ring := Keyring{keys: make(map[string]Private, len(keys))}
	for _, key := range keys {
		ring.keys[key.public.ID()] = key
		if ring.newest == nil {
			ring.newest = &key.public
		}
	}
	return ring
}

// Public is the key to seal to: the public half of the first private key. It is false for a ring that holds none.
func (k Keyring) Public() (Public, bool) {
	if k.newest == nil {
		return Public{}, false
	}
	return *k.newest, true
}

// ParseKeyring reads private keys that stand in text, separated by blanks, commas or line breaks. Lines that begin
// with # are left out, so a key file may say where it came from.
func ParseKeyring(text string) (Keyring, error) {
	var keys []Private
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, field := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
			key, err := ParsePrivate(field)
			if err != nil {
				return Keyring{}, fmt.Errorf("key %d: %w", len(keys)+1, err)
			}
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return Keyring{}, errors.New("no private key (mfkey1:...) found; make a pair with \"starter keygen\"")
	}
	return NewKeyring(keys...), nil
}

// Open opens a secret with whichever key it was sealed to. The error wraps [ErrOtherKey] when there is none.
func (k Keyring) Open(sealed migration.Sealed) ([]byte, error) {
	id, encoded, err := splitBox(sealed)
	if err != nil {
		return nil, err
	}
	key, ok := k.keys[id]
	if !ok {
		return nil, fmt.Errorf("the secret is %w: it needs the private key %s", ErrOtherKey, id)
	}
	raw, err := encoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the sealed secret is damaged: its box is not base64url")
	}
	secret, ok := box.OpenAnonymous(nil, raw, &key.public.key, key.key())
	if !ok {
		return nil, fmt.Errorf("the sealed secret is damaged: key %s does not open it", id)
	}
	return secret, nil
}

func splitBox(sealed migration.Sealed) (id, encoded string, err error) {
	rest, ok := strings.CutPrefix(string(sealed), boxPrefix)
	if !ok {
		return "", "", fmt.Errorf("this is not a sealed secret: it does not begin with %q", boxPrefix)
	}
	id, encoded, ok = strings.Cut(rest, ":")
	if raw, err := hex.DecodeString(id); !ok || err != nil || len(raw) != 8 {
		return "", "", errors.New("the sealed secret is damaged: it names no key")
	}
	return id, encoded, nil
}
