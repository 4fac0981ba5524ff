package mailcopy

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// play is a server that speaks a script from testdata: it sends the lines "S: ...", and the client must send the lines
// "C: ...", in which [x] stands for x in base64 and ^ for a control-A.
func play(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		l.Close() // another try fails at once
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(conn)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "S: "):
				io.WriteString(conn, line[3:]+"\r\n")
			case strings.HasPrefix(line, "C: "):
				want := encodeBrackets(line[3:])
				got, err := r.ReadString('\n')
				if strings.TrimRight(got, "\r\n") != want {
					t.Errorf("the client sent %q (%v), want %q", got, err, want)
					return
				}
			}
		}
	}()
	return l.Addr().String()
}

func encodeBrackets(line string) string {
	before, rest, ok := strings.Cut(line, "[")
	inner, after, closed := strings.Cut(rest, "]")
	if !ok || !closed || inner == "" {
		return line
	}
	plain := strings.NewReplacer("^", "\x01", "~", "\x00").Replace(inner)
	return before + base64.StdEncoding.EncodeToString([]byte(plain)) + after
}

func TestSignIn(t *testing.T) {
	token := func(context.Context) (string, error) { return "tok", nil }
	for name, test := range map[string]struct {
		auth  Auth
		check func(*session, error) bool
	}{
		"xoauth2": {Auth{Mechanism: "XOAUTH2", User: "ada@x", Token: token}, func(s *session, err error) bool {
			return err == nil && s.exchange && s.separator == "/" && s.nonSync(1<<20)
		}},
		"xoauth2-two-steps": {Auth{Mechanism: "XOAUTH2", User: "ada@x", Token: token}, refusedSignIn},
		"no-access":         {Auth{Mechanism: "XOAUTH2", User: "ada@x", Token: token}, func(_ *session, err error) bool { return errors.Is(err, ErrNoAccess) }},
		"plain": {Auth{Mechanism: "PLAIN", User: "admin", Identity: "ada", Password: "secret"}, func(s *session, err error) bool {
			return err == nil && s.prefix == "INBOX." && s.separator == "." && len(s.foreign) == 2
		}},
		"login":          {Auth{User: "ada", Password: `p"w`}, func(s *session, err error) bool { return err == nil && s.separator == "." && s.prefix == "" }},
		"login-disabled": {Auth{User: "ada", Password: "x"}, refusedSignIn},
		"preauth":        {Auth{User: "ada", Password: "x"}, refusedSignIn},
		"unavailable": {Auth{User: "ada", Password: "x"}, func(_ *session, err error) bool {
			_, problem := migration.AsProblem(err)
			return err != nil && !problem
		}},
		"greeting-bye": {Auth{User: "ada", Password: "x"}, func(_ *session, err error) bool {
			return err != nil && strings.Contains(err.Error(), "Too many connections")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := connect(t.Context(), "source", Account{Address: play(t, name+".txt"), Security: migration.Plain, Auth: test.auth})
			if s != nil {
				defer s.Close()
			}
			if !test.check(s, err) {
				t.Errorf("%+v, %v", s, err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "tok")) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func refusedSignIn(_ *session, err error) bool {
	problem, ok := migration.AsProblem(err)
	return ok && problem.Kind == "sign-in-refused"
}

func TestPlainOnlyOnLoopback(t *testing.T) {
	_, err := connect(t.Context(), "source", Account{Address: "192.0.2.1:143", Security: migration.Plain})
	if problem, ok := migration.AsProblem(err); !ok || problem.Kind != "insecure" {
		t.Errorf("a password in the clear: %v", err)
	}
}
