package mailcopy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

func status(line string) imapwire.Status {
	kind, words, _ := strings.Cut(line, " ")
	s := imapwire.Status{Kind: kind, Words: words}
	if code, _, ok := strings.Cut(strings.TrimPrefix(words, "["), "]"); ok && strings.HasPrefix(words, "[") {
		s.Code, s.Arg, _ = strings.Cut(code, " ")
	}
	return s
}

func TestJudge(t *testing.T) {
	for line, want := range map[string]verdict{
		"NO Maximum size of appendable message has been exceeded": refusesSize,
		"NO [TOOBIG] no":                                                        refusesSize,
		"BAD Command Argument Error. 11":                                        refusesMessage,
		"NO [CANNOT] Message can't be saved.":                                   refusesMessage,
		"NO Server Unavailable. 15":                                             refusesAll,
		"BAD User is authenticated but not connected.":                          refusesAll,
		"NO Request is throttled. Suggested Backoff Time: 1000 milliseconds":    refusesAll,
		"BAD Request is throttled. Suggested Backoff Time: 299999 milliseconds": refusesAll,
		"NO [LIMIT] Message is too large.":                                      refusesSize,
		"NO [OVERQUOTA] Quota exceeded":                                         refusesFull,
		"NO [TRYCREATE] no such mailbox":                                        refusesAll,
		"NO [UNAVAILABLE] backend":                                              refusesAll,
	} {
		s := status(line)
		if got := judge(&s); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

func TestThrottled(t *testing.T) {
	for words, want := range map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 1500 milliseconds":        1500 * time.Millisecond,
		"Request is throttled. Suggested Backoff Time: 99999999999 milliseconds": maxBackoff,
		"Request is throttled.": 30 * time.Second,
	} {
		err := classify(&imapwire.StatusError{Command: "APPEND", Status: imapwire.Status{Kind: "NO", Words: words}})
		var later *migration.LaterError
		if !errors.As(err, &later) || later.After != want {
			t.Errorf("%s: %v, want %v", words, err, want)
		}
	}
}
