// Package smtp is the mail transport of the simulated world: servers that take mail for one side and hand it to a
// function, and a sender from outside that keeps its queue in the database and follows the MX record.
//
// A message is delivered exactly once even when everything is killed at the worst moment. The sender gives every
// message an envelope identifier (RFC 3461, 4.4) that it repeats with every try, servers hand it on as the delivery's
// key, and whoever stores mail keeps the key with it.
package smtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// maxMessage is the largest message that is taken, in bytes.
const maxMessage = 50 << 20

// Delivery is a message for one recipient.
type Delivery struct {
	// Key is the same for every try to deliver this message.
	Key      string
	From, To string
	// Body is the message with CRLF and the trace lines of the server that took it.
	Body []byte
	// IP is the sender's address; Host the name it gave itself.
	IP, Host string
	// User is who signed in, empty for mail that came without.
	User string
	At   time.Time
}

// Config says what a server takes and what becomes of it.
type Config struct {
	// Name is the server's own, in its greeting and behind "by" in Received lines.
	Name string
	// TLS is offered as STARTTLS; with Implicit it is there from the first byte (RFC 8314).
	TLS      *tls.Config
	Implicit bool
	// SignIn checks a user's password. Where it is set nobody else may send (a submission server, RFC 6409).
	SignIn func(user, password string) bool
	// Check refuses a recipient with the error that it returns, best a [smtp.SMTPError] of [Refuse].
	Check func(to string) error
	// Deliver stores the message before it returns; any error but one of [Refuse] makes the sender try again.
	Deliver func(Delivery) error
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// Refuse is an answer that says no, such as Refuse(550, 5, 1, 1, "no such user").
func Refuse(code, class, subject, number int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, number}, Message: text}
}

// Serve takes mail on the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	server := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		return &session{config: &c, conn: conn}, nil
	}))
	server.Domain = c.Name
	server.TLSConfig = c.TLS
	server.MaxMessageBytes = maxMessage
	server.MaxRecipients = 100
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.EnableSMTPUTF8, server.EnableDSN = true, true
	server.ErrorLog = quiet{c.Log.With("server", c.Name)}
	if c.Implicit {
		listener = tls.NewListener(listener, c.TLS)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close()
		_ = listener.Close() // a server that was closed before it began to serve doesn't know of it
	})
	defer stop()
	err := server.Serve(listener)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// quiet takes the library's log lines, which tell of connections that broke and of nothing else.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, v ...any) { q.log.Debug(fmt.Sprintf(format, v...)) }
func (q quiet) Println(v ...any)               { q.log.Debug(fmt.Sprint(v...)) }

type session struct {
	config *Config
	conn   *smtp.Conn
	user   string
	from   string
	key    string
	to     []string
}

func (s *session) AuthMechanisms() []string {
	if s.config.SignIn == nil {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if s.config.SignIn == nil {
		return nil, smtp.ErrAuthUnsupported
	}
	check := func(user, password string) error {
		if !s.config.SignIn(user, password) {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if s.config.SignIn != nil && s.user == "" {
		return Refuse(530, 5, 7, 57, "Client not authenticated to send mail.")
	}
	s.from, s.to, s.key = from, nil, options.EnvelopeID
	if s.key == "" {
		random := make([]byte, 12)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		s.key = hex.EncodeToString(random)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.config.Check(to); err != nil {
		s.config.Log.Info("a recipient was refused", "server", s.config.Name, "from", s.from, "to", to, "reason", err)
		return err
	}
	s.to = append(s.to, strings.ToLower(to))
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.conn.Conn().RemoteAddr().String())
	if err != nil {
		return err
	}
	for _, to := range s.to {
		d := Delivery{Key: s.key, From: s.from, To: to, IP: host, Host: s.conn.Hostname(), User: s.user, At: s.config.Now()}
		d.Body = append(s.traceLines(d), body...)
		if err := s.config.Deliver(d); err != nil {
			var answer *smtp.SMTPError
			if !errors.As(err, &answer) {
				s.config.Log.Error("a message could not be stored", "server", s.config.Name, "to", to, "error", err)
				answer = Refuse(451, 4, 3, 0, "Temporary failure, try again later").(*smtp.SMTPError)
			}
			return answer
		}
	}
	return nil
}

// traceLines are what a server writes on top of the mail it takes (RFC 5321, 4.4).
func (s *session) traceLines(d Delivery) []byte {
	with := "ESMTP"
	if _, secure := s.conn.TLSConnectionState(); secure {
		with += "S"
	}
	if s.user != "" {
		with += "A"
	}
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nReceived: from %s (%s [%s])\r\n\tby %s with %s id %s\r\n\tfor <%s>; %s\r\n",
		d.From, d.Host, d.Host, d.IP, s.config.Name, with, d.Key, d.To, d.At.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

func (s *session) Reset() { s.from, s.to, s.key = "", nil, "" }

func (s *session) Logout() error { return nil }

// loginServer is the LOGIN mechanism, which some mail programs still prefer; the SASL library has the client alone.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	if l.step < 2 {
		l.step, l.user = 2, string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
