package mailcopy

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// Open signs in, lists the folders and opens INBOX, as a copy would. A refused sign-in is a ProblemError of kind
// "sign-in-refused"; a sign-in that opens no mailbox is ErrNoAccess.
func Open(ctx context.Context, a Account) error {
	s, err := connect(ctx, "mailbox", a)
	if err != nil {
		return err
	}
	defer s.leave()
	if _, err := s.list(ctx); err != nil {
		return classify(err)
	}
	_, command := s.selectFolder("EXAMINE", "INBOX")
	if _, err := command.Wait(ctx); err != nil {
		return classify(fmt.Errorf("opening INBOX: %w", err))
	}
	return nil
}

// Find looks for a message by its Message-ID in INBOX and in the junk folder, and returns its Received lines, the newest
// first, unfolded. Deleted messages count: they did arrive.
func Find(ctx context.Context, a Account, messageID string) (found bool, received []string, err error) {
	s, err := connect(ctx, "mailbox", a)
	if err != nil {
		return false, nil, err
	}
	defer s.leave()
	folders, err := s.list(ctx)
	if err != nil {
		return false, nil, classify(err)
	}
	look := []string{"INBOX"}
	for name, u := range findUses(folders, func(f folder) ([]string, bool) {
		if f.separator == "" {
			return []string{f.name}, true
		}
		return strings.Split(strings.TrimPrefix(f.name, s.prefix), f.separator), true
	}) {
		if u == useJunk {
			look = append(look, name)
		}
	}
	for _, name := range look {
		found, received, err := s.find(ctx, name, messageID)
		if err != nil || found {
			return found, received, classify(err)
		}
	}
	return false, nil, nil
}

func (s *session) find(ctx context.Context, name, messageID string) (bool, []string, error) {
	_, examine := s.selectFolder("EXAMINE", imapwire.EncodeUTF7(name))
	if _, err := examine.Wait(ctx); err != nil {
		if answered(err) && name != "INBOX" {
			return false, nil, nil
		}
		return false, nil, fmt.Errorf("opening %s: %w", name, err)
	}
	uids, err := s.search(ctx, func(w *imapwire.Writer) {
		w.Raw(" HEADER MESSAGE-ID ")
		w.Quoted(messageID)
	})
	if err != nil {
		return false, nil, err
	}
	// SEARCH finds substrings: the field itself decides.
	found := false
	var received []string
	err = s.fetchAll(ctx, uids, "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID RECEIVED)])", func(f fetched) error {
		if !found && strings.Join(strings.Fields(headerFields(f.header)["message-id"]), "") == messageID {
			found, received = true, receivedLines(f.header)
		}
		return nil
	})
	return found, received, err
}

// receivedLines unfolds the Received fields of a header block.
func receivedLines(block string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		switch {
		case line != "" && (line[0] == ' ' || line[0] == '\t'):
			if inside {
				lines[len(lines)-1] += " " + strings.TrimSpace(line)
			}
		case ok && strings.EqualFold(strings.TrimSpace(name), "Received"):
			inside = true
			lines = append(lines, strings.TrimSpace(value))
		default:
			inside = false
		}
	}
	return lines
}
