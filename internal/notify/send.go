// Package notify writes to users: the announcement, the reminder and the welcome of a migration, and the probe that
// proves where mail goes.
//
// A notice never holds a secret, asks for none, and has no link to click: so that users can be told that a message
// which does is not ours. It is a text and the same as HTML, in the user's language where there is one of ours.
//
// # Errors
//
// What a person must mend (a recipient or sender that the server refuses, a sign-in that it refuses, a certificate that
// isn't trusted) is a [migration.ProblemError]. A connection that is lost after the message was handed over leaves open
// whether it was sent: that error wraps [migration.ErrOutcomeUnknown]. After any other error nothing was sent, and it
// may be tried again.
package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/mailferry/mailferry/internal/migration"
)

// patience is how long a server may take for one answer. RFC 5321, section 4.5.3.2, allows a server more, but a notice
// that is tried again later costs less than a worker that waits.
const patience = time.Minute

// Server is an SMTP server that takes mail for others.
type Server struct {
	Host     string
	Port     int
	Security migration.Security
	// Roots are the authorities that are trusted; nil means the system's.
	Roots *x509.CertPool
	// User and Password sign in, in the clear; without a user nobody signs in.
	User, Password string
}

// The kinds of problem that sending reports.
const (
	// KindRefused: the server refuses the recipient, the sender or the message.
	KindRefused = "notice-refused"
	// KindSignIn: the server refuses the user or password.
	KindSignIn = "notice-sign-in-refused"
	// KindUntrusted: the connection can't be made safe.
	KindUntrusted = "notice-server-untrusted"
)

// Notify sends a notice. The sender bears the organisation's name.
func Notify(ctx context.Context, from, replyTo string, s Server, n migration.Notice) error {
	written, err := compose(n)
	if err != nil {
		return err
	}
	message, err := envelope(n.Organisation, from, n.DisplayName, n.To, n.MessageID)
	if err != nil {
		return err
	}
	if replyTo != "" {
		answers, err := address("", replyTo)
		if err != nil {
			return migration.NeedsPerson(KindRefused, fmt.Sprintf("%q is not an address that answers can go to", replyTo), "mend replyTo in the plan's notices", nil)
		}
		message.ReplyToMailAddress(answers)
	}
	message.Subject(written.Subject)
	message.SetGenHeader("Content-Language", written.Language)
	message.SetBodyString(mail.TypeTextPlain, written.text())
	page, err := written.html()
	if err != nil {
		return err
	}
	message.AddAlternativeString(mail.TypeTextHTML, page)
	return send(ctx, s, message)
}

// Probe sends a mail that is looked for at its destination, where its Received lines tell which way it took.
func Probe(ctx context.Context, s Server, from, to, messageID string) error {
	message, err := envelope("", from, "", to, messageID)
	if err != nil {
		return err
	}
	message.Subject("Mail routing test")
	message.SetBodyString(mail.TypeTextPlain, "This message was sent by Mailferry, which moves this organisation's mail to Microsoft 365, to prove\n"+
		"that mail from outside arrives in the new mailbox. Nothing has to be done about it, and it may be deleted.\n")
	return send(ctx, s, message)
}

// envelope is a message with everything but its subject and body.
func envelope(fromName, from, toName, to, messageID string) (*mail.Msg, error) {
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	sender, err := address(fromName, from)
	if err != nil {
		return nil, migration.NeedsPerson(KindRefused, fmt.Sprintf("%q is not an address that can send", from), "mend the sender in the plan", nil)
	}
	recipient, err := address(toName, to)
	if err != nil {
		return nil, migration.NeedsPerson(KindRefused, fmt.Sprintf("%q is not an address that can be written to", to), "mend the mailbox's row", nil)
	}
	message.FromMailAddress(sender)
	message.ToMailAddress(recipient)
	message.SetMessageIDWithValue(strings.Trim(messageID, "<>"))
	message.SetDate()
	// RFC 3834, section 5, and Exchange's own: nobody's out-of-office reply shall answer.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	return message, nil
}

// address checks a bare address and puts a name before it, whatever the name is made of.
func address(name, bare string) (*netmail.Address, error) {
	parsed, err := netmail.ParseAddress("<" + bare + ">")
	if err != nil || parsed.Address != bare {
		return nil, fmt.Errorf("%q is not an address", bare)
	}
	parsed.Name = plain(name, maxName)
	return parsed, nil
}

// send hands one message over, on a connection of its own that ends with ctx.
func send(ctx context.Context, s Server, message *mail.Msg) error {
	if s.Security == migration.Plain && !isLoopback(s.Host) {
		return migration.NeedsPerson(KindUntrusted, fmt.Sprintf("mail would go to %s in the clear over the network", s.Host), `set its security to "tls" or "starttls" in the plan`, nil)
	}
	var connection net.Conn
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		connection, err = s.dial(ctx, network, address)
		return connection, err
	}
	client, err := mail.NewClient(s.Host, s.options(dial)...)
	if err != nil {
		return fmt.Errorf("preparing to send by %s: %w", s.Host, err)
	}
	defer func() {
		if connection != nil {
			connection.Close()
		}
	}()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.unreachable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { connection.Close() })
	defer stop()
	err = client.SendWithSMTPClient(session, message)
	if message.IsDelivered() {
		// What fails after the server took the message is of no interest.
		_ = session.Quit()
		return nil
	}
	// The connection is closed without a word: to end the session politely would also end a message that was cut.
	return s.refused(ctx, err)
}

func (s Server) options(dial mail.DialContextFunc) []mail.Option {
	options := []mail.Option{
		// Addresses here are ASCII: asking for SMTPUTF8 would only narrow the way that a message can take.
		mail.WithoutSMTPUTF8(),
		mail.WithPort(s.Port), mail.WithTimeout(patience), mail.WithTLSConfig(s.tls()), mail.WithDialContextFunc(dial), mail.WithoutNoop(),
	}
	switch s.Security {
	case migration.TLS:
		options = append(options, mail.WithSSL())
	case migration.Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User == "" {
		return options
	}
	password, login := mail.SMTPAuthPlain, mail.SMTPAuthLogin
	if s.Security == migration.Plain {
		password, login = mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc
	}
	return append(options, mail.WithUsername(s.User), mail.WithPassword(s.Password),
		mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, password, login))
}

func (s Server) tls() *tls.Config {
	return &tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

func (s Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Security == migration.TLS {
		return (&tls.Dialer{Config: s.tls()}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// unreachable explains why there is no session to send in. Nothing was sent.
func (s Server) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	server := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	var untrusted *tls.CertificateVerificationError
	var answer *textproto.Error
	switch {
	case errors.As(err, &untrusted):
		return migration.NeedsPerson(KindUntrusted, fmt.Sprintf("the certificate of %s is not trusted: %v", server, untrusted.Err), "give the plan the right host name, or the authority's certificate as ca", err)
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return migration.NeedsPerson(KindUntrusted, fmt.Sprintf("%s offers no STARTTLS", server), `set its security to "tls" and its port to 465 in the plan, or have STARTTLS switched on`, nil)
	case errors.Is(err, mail.ErrNoSupportedAuthDiscovered), strings.Contains(err.Error(), "does not support SMTP AUTH"):
		return migration.NeedsPerson(KindSignIn, fmt.Sprintf("%s offers no way to sign in with a password", server), "take user and password out of the plan, or name the port for signed-in users (587 or 465)", nil)
	case errors.As(err, &answer) && answer.Code >= 500 && s.User != "" && strings.Contains(err.Error(), "SMTP AUTH failed"):
		return migration.NeedsPerson(KindSignIn, fmt.Sprintf("%s refuses to sign %s in: %s", server, s.User, words(answer.Error())), "compare user and password in the plan; at Microsoft 365, SMTP AUTH must be allowed for this mailbox", nil)
	case errors.As(err, &answer) && answer.Code >= 500:
		return migration.NeedsPerson(KindRefused, fmt.Sprintf("%s does not talk to us: %s", server, words(answer.Error())), "have this machine's address allowed there, or name another server in the plan", nil)
	}
	return fmt.Errorf("connecting to %s: %w", server, err)
}

// refused explains why a message was not taken.
func (s Server) refused(ctx context.Context, err error) error {
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return fmt.Errorf("sending by %s: %w", s.Host, err)
	}
	code := failed.ErrorCode()
	answer := strings.TrimPrefix(failed.Error(), failed.Reason.String()+": ")
	answer, _, _ = strings.Cut(answer, ", affected ")
	answer = words(answer)
	what := "the message"
	switch failed.Reason {
	case mail.ErrSMTPMailFrom:
		what = "the sender"
	case mail.ErrSMTPRcptTo:
		what = "the recipient"
	}
	switch {
	case failed.Reason == mail.ErrSMTPDataClose && code == 0:
		return fmt.Errorf("%s was lost after it was handed the message: %w", s.Host, migration.ErrOutcomeUnknown)
	case code >= 500:
		return migration.NeedsPerson(KindRefused, fmt.Sprintf("%s refuses %s: %s", s.Host, what, answer), "look whether the address exists there and the sender may send there; then retry the step", nil)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("sending by %s: it does not take %s: %s", s.Host, what, answer)
}

// words are a server's own words, kept to one line of bearable length.
func words(text string) string { return plain(text, 300) }

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
