package mailcopy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// digests reads the messages of the sets whole and notes their SHA-256.
func (s *session) digests(ctx context.Context, sets []string, by map[uint32]identity) error {
	for _, set := range sets {
		if err := s.digest(ctx, set, by); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) digest(ctx context.Context, set string, by map[uint32]identity) error {
	command := fetchCommand(set, "(UID BODY.PEEK[])", nil)
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
