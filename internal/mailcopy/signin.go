package mailcopy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// session is one open mailbox.
type session struct {
	*imapwire.Client
	side     string // "source" or "target", for errors
	greeting string
	caps     map[string]bool
	capList  []string
	// separator and prefix are those of the personal namespace; the separator is empty where names are flat.
	separator, prefix string
	// foreign are the prefixes of other users' and shared folders.
	foreign []string
	// exchange: Exchange's dialect, with its surprises.
	exchange bool
}

// connect opens an account's mailbox: connection, greeting, capabilities, sign-in, capabilities again, namespace.
func connect(ctx context.Context, side string, a Account) (*session, error) {
	client, err := dial(ctx, a)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	s := &session{Client: client, side: side}
	if err := s.enter(ctx, a); err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, classify(err)
	}
	return s, nil
}

func (s *session) enter(ctx context.Context, a Account) error {
	greeting, err := s.Greeting(ctx)
	if err != nil {
		return fmt.Errorf("waiting for the %s's greeting: %w", s.side, err)
	}
	s.greeting = greeting.Words
	s.exchange = strings.Contains(greeting.Words, "Microsoft Exchange")
	switch greeting.Kind {
	case "OK":
		if err := s.capability(ctx); err != nil {
			return err
		}
		if err := s.signIn(ctx, a); err != nil {
			return err
		}
	case "PREAUTH": // whose mailbox this is nobody knows
		return migration.NeedsPerson("sign-in-refused", fmt.Sprintf("%s opens a mailbox without a sign-in (PREAUTH)", a.Address),
			"give the address of a server that asks for one", nil)
	default:
		return &imapwire.ByeError{Words: greeting.Words}
	}
	if err := s.capability(ctx); err != nil {
		return err
	}
	s.SetNonSync(s.nonSync)
	return s.namespace(ctx)
}

// nonSync says which literals may go out unasked (RFC 7888).
func (s *session) nonSync(size int64) bool {
	return s.caps["LITERAL+"] || s.caps["LITERAL-"] && size <= 4096
}

func (s *session) capability(ctx context.Context) error {
	caps := map[string]bool{}
	var list []string
	_, err := s.Send(&imapwire.Command{Name: "CAPABILITY", Names: []string{"CAPABILITY"}, Data: func(d *imapwire.Response) error {
		text, err := d.Text()
		for _, name := range strings.Fields(text) {
			if name = strings.ToUpper(name); !caps[name] {
				caps[name] = true
				list = append(list, name)
			}
		}
		return err
	}}).Wait(ctx)
	if err != nil {
		return fmt.Errorf("asking the %s for its capabilities: %w", s.side, err)
	}
	s.caps, s.capList = caps, list
	return nil
}

func (s *session) signIn(ctx context.Context, a Account) error {
	var err error
	switch mechanism := strings.ToUpper(a.Auth.Mechanism); {
	case mechanism == "XOAUTH2":
		err = s.oauth(ctx, a.Auth)
	case mechanism == "PLAIN", mechanism == "" || mechanism == "LOGIN":
		if mechanism == "PLAIN" || s.caps["AUTH=PLAIN"] {
			err = s.authenticate(ctx, "PLAIN", a.Auth.Identity+"\x00"+a.Auth.User+"\x00"+a.Auth.Password)
		} else {
			err = s.login(ctx, a)
		}
	default:
		return migration.NeedsPerson("sign-in-refused", fmt.Sprintf("the sign-in mechanism %q is not known", mechanism),
			"use LOGIN, PLAIN or XOAUTH2", nil)
	}
	var refused *imapwire.StatusError
	if !errors.As(err, &refused) || passing(&refused.Status) {
		return err
	}
	return migration.NeedsPerson("sign-in-refused", fmt.Sprintf("%s refused the sign-in of %q: %s %s", a.Address, a.Auth.User, refused.Kind, refused.Words),
		"correct the user name or the password in the list and launch that, or mend them at the server and retry; see too whether IMAP is switched on for this mailbox", err)
}

// passing reports whether a refused sign-in will be accepted later as it is.
func passing(s *imapwire.Status) bool {
	switch s.Code {
	case "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG":
		return true
	case "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED":
		return false
	}
	if _, ok := throttled(s.Words); ok {
		return true
	}
	text := strings.ToLower(s.Words)
	for _, part := range []string{"temporar", "try again", "too many", "unavailable", "maximum number of connections", "not connected"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (s *session) login(ctx context.Context, a Account) error {
	if s.caps["LOGINDISABLED"] {
		return migration.NeedsPerson("sign-in-refused", fmt.Sprintf("%s takes no passwords on this connection (LOGINDISABLED)", a.Address),
			"use tls or starttls, or another way to sign in", nil)
	}
	_, err := s.Send(&imapwire.Command{Name: "LOGIN", Args: func(w *imapwire.Writer) error {
		w.SP()
		w.Quoted(a.Auth.User)
		w.SP()
		w.Quoted(a.Auth.Password)
		return nil
	}}).Wait(ctx)
	return err
}

// oauth signs in with a token, in the form that Google and Microsoft document.
func (s *session) oauth(ctx context.Context, a Auth) error {
	if a.Token == nil {
		return errors.New("XOAUTH2 needs a token")
	}
	token, err := a.Token(ctx)
	if err != nil {
		return fmt.Errorf("getting a token for %q: %w", a.User, err)
	}
	return s.authenticate(ctx, "XOAUTH2", "user="+a.User+"\x01auth=Bearer "+token+"\x01\x01")
}

// authenticate sends a SASL mechanism's one response, with the command where the server takes that (SASL-IR, RFC 4959).
// Any further challenge is a refusal with its reason, and answered by an empty line.
func (s *session) authenticate(ctx context.Context, mechanism, response string) error {
	encoded := base64.StdEncoding.EncodeToString([]byte(response))
	sent := s.caps["SASL-IR"]
	command := &imapwire.Command{Name: "AUTHENTICATE", Args: func(w *imapwire.Writer) error {
		w.Raw(" " + mechanism)
		if sent {
			w.Raw(" " + encoded)
		}
		return nil
	}}
	answeredOnce := sent
	command.Answer = func(string) string {
		if answeredOnce {
			return ""
		}
		answeredOnce = true
		return encoded
	}
	_, err := s.Send(command).Wait(ctx)
	return err
}

// namespace learns separator and prefix of the personal namespace (RFC 2342), or where the server doesn't tell, the
// separator from LIST.
func (s *session) namespace(ctx context.Context) error {
	if s.caps["NAMESPACE"] {
		_, err := s.Send(&imapwire.Command{Name: "NAMESPACE", Names: []string{"NAMESPACE"}, Data: s.readNamespace}).Wait(ctx)
		if err != nil && (!answered(err) || classify(err) != err) {
			return fmt.Errorf("asking the %s for its namespace: %w", s.side, err)
		}
		if err == nil && s.separator != "" {
			return nil
		}
	}
	_, err := s.Send(&imapwire.Command{Name: "LIST", Names: []string{"LIST"}, Args: func(w *imapwire.Writer) error {
		w.Raw(` "" ""`)
		return nil
	}, Data: func(d *imapwire.Response) error {
		f, err := readList(d)
		s.separator = f.separator
		return err
	}}).Wait(ctx)
	if err != nil {
		return fmt.Errorf("asking the %s for its separator: %w", s.side, err)
	}
	return nil
}

// readNamespace takes the first personal namespace, and the prefixes of others' and shared ones.
func (s *session) readNamespace(d *imapwire.Response) error {
	s.separator, s.prefix, s.foreign = "", "", nil
	for group := range 3 {
		if err := d.SP(); err != nil {
			return err
		}
		if c, err := d.Peek(); err != nil {
			return err
		} else if c != '(' {
			if err := d.Skip(); err != nil { // NIL
				return err
			}
			continue
		}
		first := true
		err := d.List(func() error {
			prefix, separator, err := readPrefix(d)
			switch {
			case group == 0 && first:
				s.prefix, s.separator = prefix, separator
			case group > 0 && prefix != "":
				s.foreign = append(s.foreign, prefix)
			}
			first = false
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readPrefix reads one namespace: ("INBOX." "." and perhaps extensions).
func readPrefix(d *imapwire.Response) (prefix, separator string, err error) {
	part := 0
	err = d.List(func() error {
		part++
		var err error
		switch part {
		case 1:
			prefix, err = d.String()
			prefix = decodeName(prefix)
		case 2:
			separator, _, err = d.NString()
		default:
			err = d.Skip()
		}
		return err
	})
	return prefix, separator, err
}

// leave signs out without waiting for long and closes the connection.
func (s *session) leave() {
	done := make(chan struct{})
	s.Send(&imapwire.Command{Name: "LOGOUT", Timeout: logoutTimeout, Done: func(*imapwire.Status, error) { close(done) }})
	select {
	case <-done:
	case <-s.Over():
	}
	s.Close()
}
