package mailcopy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// maxBackoff caps what a throttling server may ask for.
const maxBackoff = 5 * time.Minute

// backoffText is how Exchange Online throttles, with NO or with BAD, often before a BYE.
var backoffText = regexp.MustCompile(`(?i)Suggested Backoff Time: (\d+) milliseconds`)

// throttled returns how long a server's words ask to wait.
func throttled(words string) (time.Duration, bool) {
	m := backoffText.FindStringSubmatch(words)
	if m == nil {
		if strings.Contains(strings.ToLower(words), "request is throttled") {
			return 30 * time.Second, true
		}
		return 0, false
	}
	ms, err := strconv.Atoi(m[1])
	if err != nil || ms < 0 || time.Duration(ms)*time.Millisecond > maxBackoff {
		return maxBackoff, true
	}
	return time.Duration(ms) * time.Millisecond, true
}

// words returns what the server said in err's chain, with NO, BAD or BYE.
func words(err error) string {
	var status *imapwire.StatusError
	if errors.As(err, &status) {
		return status.Words
	}
	var bye *imapwire.ByeError
	if errors.As(err, &bye) {
		return bye.Words
	}
	return ""
}

// classify turns what a server said into the shared vocabulary: a LaterError where it throttles, ErrNoAccess where the
// sign-in opened no mailbox. Everything else is returned as it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var later *migration.LaterError
	if errors.As(err, &later) {
		return err
	}
	said := words(err)
	if after, ok := throttled(said); ok {
		return &migration.LaterError{After: after, Cause: err}
	}
	if strings.Contains(said, "authenticated but not connected") && !errors.Is(err, ErrNoAccess) {
		return fmt.Errorf("%w: %w", ErrNoAccess, err)
	}
	return err
}

// answered reports whether the server answered NO or BAD: the connection stands.
func answered(err error) bool {
	var status *imapwire.StatusError
	return errors.As(err, &status)
}

// verdict is what a target's refusal of an APPEND means.
type verdict int

const (
	// refusesMessage: this message will never be taken.
	refusesMessage verdict = iota
	// refusesSize: it is too large.
	refusesSize
	// refusesAll: nothing would be taken now; to be tried again.
	refusesAll
	// refusesFull: the mailbox is full; a person is needed.
	refusesFull
)

// judge reads a refusal of an APPEND. What it doesn't know is the message's fault: one message never stops a mailbox, and
// when it is more than a few the engine sees that ([engine.doubt]).
func judge(s *imapwire.Status) verdict {
	has := func(parts ...string) bool { return mentions(s.Words, parts...) }
	if _, ok := throttled(s.Words); ok {
		return refusesAll
	}
	if s.Code == "TOOBIG" || has("maximum size of appendable message", "maximum message size", "too large", "message size exceeds") {
		return refusesSize
	}
	switch s.Code {
	case "OVERQUOTA":
		return refusesFull
	case "UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "CONTACTADMIN", "TRYCREATE", "NONEXISTENT", "CLOSED":
		return refusesAll
	}
	switch {
	case has("quota"):
		return refusesFull
	case transient(s):
		return refusesAll
	}
	return refusesMessage
}

// transient reports whether a NO speaks of the server's state by its code (RFC 5530) or its words, not of what was asked for.
func transient(s *imapwire.Status) bool {
	switch s.Code {
	case "UNAVAILABLE", "INUSE", "LIMIT":
		return true
	}
	return mentions(s.Words, "unavailable", "not connected", "session invalidated", "temporar", "try again")
}

func mentions(words string, parts ...string) bool {
	text := strings.ToLower(words)
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
