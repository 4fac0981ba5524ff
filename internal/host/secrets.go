package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/seal"
)

// hidden is what stands in the place of a secret that an error or a log line held.
const hidden = "[secret]"

// shortest is the length below which a text is no secret worth hiding: replacing each "abc" would make every message
// unreadable and tell the reader what it hides.
const shortest = 4

// secrets opens what is sealed and remembers it for as long as it is in use, so that logs can be kept free of it.
type secrets struct {
	keys seal.Keyring
	mu   sync.RWMutex
	open map[string]int // how often each clear text is in use
}

func newSecrets(keys seal.Keyring) *secrets { return &secrets{keys: keys, open: map[string]int{}} }

// hold begins the use of some secrets. Its release must be called when nothing uses them any more.
func (s *secrets) hold() *held { return &held{all: s} }

// hide takes all secrets that are in use out of the text.
func (s *secrets) hide(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for secret := range s.open {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

// held are the secrets of one use. It is safe for concurrent use.
type held struct {
	all   *secrets
	mu    sync.Mutex
	clear []string
}

// open gives the clear text of a sealed secret, "" for none. A secret that can't be opened is a problem that names
// what it is for.
func (h *held) open(sealed migration.Sealed, what string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	secret, err := h.all.keys.Open(sealed)
	if err != nil {
		remedy := "seal it anew to this worker's public key and launch again"
		if errors.Is(err, seal.ErrOtherKey) {
			remedy = "add that private key to the worker's key file and restart it, or seal the secret anew to the worker's public key"
		}
		return "", migration.NeedsPerson("secret-closed", fmt.Sprintf("%s can't be opened: %v", what, err), remedy, nil)
	}
	h.use(string(secret))
	return string(secret), nil
}

// use has a clear text be hidden until release.
func (h *held) use(secret string) {
	if len(secret) < shortest {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.clear, secret) {
		return
	}
	h.clear = append(h.clear, secret)
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.all.open[secret]++
}

// release ends the use.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, secret := range h.clear {
		if h.all.open[secret]--; h.all.open[secret] <= 0 {
			delete(h.all.open, secret)
		}
	}
	h.clear = nil
}

func (h *held) hide(text string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, secret := range h.clear {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

// clean returns the error without the secrets in use. An error whose chain holds one is made anew with the same meaning
// for those who branch on it, because a failure in a history has the messages of the whole chain.
func (h *held) clean(err error) error {
	if err == nil || !h.within(err) {
		return err
	}
	var (
		problem *migration.ProblemError
		later   *migration.LaterError
		message *migration.MessageError
	)
	text := errors.New(h.hide(err.Error()))
	switch {
	case errors.As(err, &problem):
		return migration.NeedsPerson(problem.Kind, h.hide(problem.Text), h.hide(problem.Remedy), nil)
	case errors.As(err, &later):
		return &migration.LaterError{After: later.After, Cause: text}
	case errors.As(err, &message):
		named := message.Message
		named.Words = h.hide(named.Words)
		return &migration.MessageError{Message: named, Cause: text}
	case errors.Is(err, migration.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", migration.ErrOutcomeUnknown, text)
	}
	return text
}

// within reports whether any message of the error's tree holds a secret in use.
func (h *held) within(err error) bool {
	if text := err.Error(); h.hide(text) != text {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		next := e.Unwrap()
		return next != nil && h.within(next)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), h.within)
	}
	return false
}

// passwords makes first passwords, sealed to the worker's newest key, and hands them on.
type passwords struct {
	public  seal.Public
	secrets *secrets
}

// NewPassword implements activities.Passwords.
func (p passwords) NewPassword() (migration.Sealed, error) {
	password, err := seal.FirstPassword()
	if err != nil {
		return "", err
	}
	return p.public.Seal([]byte(password))
}

// Reseal implements activities.Passwords.
func (p passwords) Reseal(secret migration.Sealed, key, what string) (migration.Sealed, error) {
	public, err := seal.ParsePublic(key)
	if err != nil {
		return "", migration.NeedsPerson("key-unreadable", "the one-time key can't be used: "+err.Error(), "ask again with the starter, which makes the key", nil)
	}
	h := p.secrets.hold()
	defer h.release()
	clear, err := h.open(secret, what)
	if err != nil {
		return "", err
	}
	return public.Seal([]byte(clear))
}
