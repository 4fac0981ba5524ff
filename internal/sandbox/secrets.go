package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secrets are all derived from one random file, so that a world has few files and none of them can be half there.
type secrets struct {
	dir  string
	root []byte
}

// openSecrets reads the root or makes it.
func openSecrets(dir string) (*secrets, error) {
	folder := filepath.Join(dir, "secrets")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "root")
	root, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		root = make([]byte, 32)
		if _, err = rand.Read(root); err == nil {
			err = writeFile(path, root, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(root) != 32 {
		return nil, fmt.Errorf("%q is damaged", path)
	}
	return &secrets{folder, root}, nil
}

// bytes returns 32 bytes that belong to the name alone.
func (s *secrets) bytes(name string) []byte {
	mac := hmac.New(sha256.New, s.root)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// password is one that any system takes: upper and lower case, a digit, a sign.
func (s *secrets) password(name string) string {
	return "Aa1-" + base64.RawURLEncoding.EncodeToString(s.bytes(name))[:20]
}

// file writes a secret into a file of its own, for a plan to point at, and returns the file's path.
func (s *secrets) file(name, secret string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, writeFile(path, []byte(secret+"\n"), 0o600)
}

// writeFile puts the file there whole or not at all.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Chmod(mode), temporary.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return os.Rename(temporary.Name(), path)
}
