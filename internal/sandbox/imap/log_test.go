package imap_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// TestLogTellsConnectionsApart: whoever compares what two clients did reads it from the log.
func TestLogTellsConnectionsApart(t *testing.T) {
	log := make(lines, 8)
	handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	w := serve(t, imap.Source(), func(c *imap.Config) { c.Log = slog.New(handler) })
	for range 2 {
		c := w.signedIn(t)
		c.send("a1 LOGOUT")
		for c.line() != "" {
		}
	}
	for _, n := range []string{"1", "2"} {
		for _, want := range []string{
			`msg="imap connection" connection=` + n,
			`msg="imap command" connection=` + n + ` mailbox="" command=AUTHENTICATE`,
			`msg="imap command" connection=` + n + ` mailbox=ada@contoso.example command=LOGOUT`,
			`msg="imap connection ended" connection=` + n + ` mailbox=ada@contoso.example`,
		} {
			if got := strings.TrimSpace(<-log); got != want {
				t.Errorf("the log says %s, want %s", got, want)
			}
		}
	}
}

// lines takes a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
