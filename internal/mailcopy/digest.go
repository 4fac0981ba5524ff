package mailcopy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// digests reads every message whole and notes its SHA-256.
func (s *session) digests(ctx context.Context, by map[uint32]identity) error {
	command := fetchCommand("1:*", "(UID BODY.PEEK[])", nil)
	command.Data = func(d *imapwire.Response) error {
		digest := sha256.New()
		f, err := readFetch(d, func(_ *fetched, l *imapwire.Literal, text string, _ bool) error {
			var body io.Reader = strings.NewReader(text)
			if l != nil {
				body = l
			}
			_, err := io.Copy(digest, body)
			return err
		})
		if m, known := by[f.uid]; err == nil && known {
			m.digest = [sha256.Size]byte(digest.Sum(nil))
			by[f.uid] = m
		}
		return err
	}
	if _, err := s.Send(command).Wait(ctx); err != nil && !partial(err) {
		return fmt.Errorf("reading the %s's messages: %w", s.side, err)
	}
	return nil
}
