package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message"
	gomail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mailferry/mailferry/internal/migration"
)

// server is an SMTP server whose behaviour a test chooses.
type server struct {
	Server
	mu       sync.Mutex
	taken    []taken
	mailErr  error
	rcptErr  error
	dataErr  error
	cutAfter bool // end the connection after the message was read, without an answer
	cutIn    bool // end the connection in the middle of the message
	stall    chan struct{}
}

type taken struct {
	user, from, to string
	data           []byte
}

func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *server
	conn   *smtp.Conn
	taken
}

func (s *session) AuthMechanisms() []string { return []string{"PLAIN"} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "s3cret" {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.server.mailErr
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.server.rcptErr
}

func (s *session) Data(r io.Reader) error {
	if s.server.cutIn {
		s.conn.Conn().Close()
		return errors.New("cut")
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.stall != nil {
		<-s.server.stall
	}
	s.data = data
	s.server.mu.Lock()
	s.server.taken = append(s.server.taken, s.taken)
	s.server.mu.Unlock()
	if s.server.cutAfter {
		s.conn.Conn().Close()
	}
	return s.server.dataErr
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// certificate is one for 127.0.0.1, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func start(t *testing.T, security migration.Security, set func(*server)) *server {
	t.Helper()
	s := &server{Server: Server{Host: "127.0.0.1", Security: security}}
	if set != nil {
		set(s)
	}
	smtpServer := smtp.NewServer(s)
	smtpServer.Domain, smtpServer.AllowInsecureAuth = "test", true
	smtpServer.ErrorLog = quiet{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	if security != migration.Plain {
		pair, pool := certificate(t)
		s.Roots = pool
		smtpServer.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		if security == migration.TLS {
			listener = tls.NewListener(listener, smtpServer.TLSConfig)
		}
	}
	go smtpServer.Serve(listener)
	t.Cleanup(func() { smtpServer.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *server) messages() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

var notice = migration.Notice{
	Kind: migration.NoticeWelcome, To: "ada@contoso.com", DisplayName: "Ada Lovelace", Language: "en-GB", Organisation: "Contoso Ltd",
	Support: "the help desk, extension 4444", MessageID: "<0123.mailferry@contoso.com>",
	Account:  migration.Account{Source: 12345, Copied: 12000, Already: 300, Moved: 20, Merged: 3, LeftOut: 20, Refused: 2, Bytes: 4_200_000_000},
	Refusals: []migration.Refusal{{Folder: "Photos", Size: 157_000_000, Kind: "too-large"}, {Folder: "Old", Size: 12, Kind: "refused", Words: "NO [CANNOT] Message is malformed"}}, RefusalCount: 2,
}

func TestNotify(t *testing.T) {
	for _, security := range []migration.Security{migration.TLS, migration.StartTLS, migration.Plain} {
		t.Run(string(security), func(t *testing.T) {
			s := start(t, security, nil)
			s.User, s.Password = "mail-team", "s3cret"
			if err := Notify(context.Background(), "mail-team@contoso.com", "helpdesk@contoso.com", s.Server, notice); err != nil {
				t.Fatal(err)
			}
			got := s.messages()
			if len(got) != 1 || got[0].user != "mail-team" || got[0].from != "mail-team@contoso.com" || got[0].to != "ada@contoso.com" {
				t.Fatalf("the server took %+v", got)
			}
			header, text, page := parse(t, got[0].data)
			for name, want := range map[string]string{
				"From": `"Contoso Ltd" <mail-team@contoso.com>`, "To": `"Ada Lovelace" <ada@contoso.com>`, "Reply-To": "<helpdesk@contoso.com>",
				"Message-Id": "<0123.mailferry@contoso.com>", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
				"X-Mailer": "", "User-Agent": "", "Content-Language": "en", "Subject": "Welcome to your new mailbox",
			} {
				if values := header.Values(name); strings.Join(values, "|") != want {
					t.Errorf("%s is %q, want %q", name, values, want)
				}
			}
			if date, err := header.Date(); err != nil || time.Since(date) > time.Minute {
				t.Errorf("Date is %v, %v", date, err)
			}
			for _, part := range []string{text, page} {
				for _, want := range []string{
					"12,323 of 12,345 messages were moved, 4.2 GB together", "20 messages were left out", "2 messages could not be moved",
					"larger than Microsoft 365 takes", "157.0 MB", "NO [CANNOT] Message is malformed", "extension 4444",
				} {
					if !strings.Contains(strings.Join(strings.Fields(part), " "), want) {
						t.Errorf("%q is not in\n%s", want, part)
					}
				}
			}
		})
	}
}

// parse takes a message apart, with a parser that isn't the one that made it.
func parse(t *testing.T, data []byte) (header gomail.Header, text, page string) {
	t.Helper()
	entity, err := message.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	header.Header = entity.Header
	reader := entity.MultipartReader()
	if reader == nil {
		body, err := io.ReadAll(entity.Body)
		if err != nil {
			t.Fatal(err)
		}
		return header, string(body), ""
	}
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return header, text, page
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch kind, _, _ := part.Header.ContentType(); kind {
		case "text/plain":
			text = string(body)
		case "text/html":
			page = string(body)
		}
	}
}

func TestProbe(t *testing.T) {
	s := start(t, migration.StartTLS, nil)
	if err := Probe(context.Background(), s.Server, "probe@example.net", "ada@contoso.com", "<probe-1@example.net>"); err != nil {
		t.Fatal(err)
	}
	header, text, _ := parse(t, s.messages()[0].data)
	if header.Get("Message-Id") != "<probe-1@example.net>" || header.Get("Auto-Submitted") != "auto-generated" || !strings.Contains(text, "nothing has to be done") && !strings.Contains(text, "Nothing has to be done") {
		t.Errorf("the probe is\n%s", s.messages()[0].data)
	}
}

func TestErrors(t *testing.T) {
	reply := func(code int, text string) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
	}
	tests := []struct {
		name     string
		security migration.Security
		set      func(*server)
		// kind is a ProblemError's; "" a passing error, "unknown" one whose outcome isn't known.
		kind, text string
		sent       int
	}{
		{"recipient refused", migration.TLS, func(s *server) { s.rcptErr = reply(550, "5.1.1 no such user") }, KindRefused, `refuses the recipient: 550 "5.1.1 no such user"`, 0},
		{"recipient refused for now", migration.TLS, func(s *server) { s.rcptErr = reply(450, "4.2.1 come back later") }, "", `does not take the recipient: 450 "4.2.1 come back later"`, 0},
		{"sender refused", migration.TLS, func(s *server) { s.mailErr = reply(553, "5.7.1 not yours") }, KindRefused, `refuses the sender: 553 "5.7.1 not yours"`, 0},
		{"message refused", migration.TLS, func(s *server) { s.dataErr = reply(554, "5.7.1 spam") }, KindRefused, `refuses the message: 554 "5.7.1 spam"`, 1},
		{"message refused for now", migration.TLS, func(s *server) { s.dataErr = reply(451, "4.3.0 disk full") }, "", `does not take the message: 451 "4.3.0 disk full"`, 1},
		{"connection lost after the message", migration.TLS, func(s *server) { s.cutAfter = true }, "unknown", "127.0.0.1 was lost after it was handed the message", 1},
		{"connection lost after the message, STARTTLS", migration.StartTLS, func(s *server) { s.cutAfter = true }, "unknown", "127.0.0.1 was lost after it was handed the message", 1},
		{"password refused", migration.StartTLS, func(s *server) { s.User, s.Password = "u", "wrong" }, KindSignIn, "refuses to sign u in: 535", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.security, test.set)
			err := Notify(context.Background(), "it@contoso.com", "", s.Server, notice)
			wantError(t, err, test.kind, test.text)
			if len(s.messages()) != test.sent {
				t.Errorf("the server read %d messages, want %d", len(s.messages()), test.sent)
			}
		})
	}
}

func wantError(t *testing.T, err error, kind, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("error is %v; want %q", err, text)
	}
	problem, ok := migration.AsProblem(err)
	unknown := errors.Is(err, migration.ErrOutcomeUnknown)
	switch {
	case kind == "unknown":
		if !unknown || ok {
			t.Errorf("%v does not say that the outcome is unknown", err)
		}
	case kind == "":
		if unknown || ok {
			t.Errorf("%v is not a passing error", err)
		}
	case !ok || problem.Kind != kind || problem.Remedy == "" || unknown:
		t.Errorf("%v is not a problem %q with a remedy", err, kind)
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v shows the password", err)
	}
}

// A connection that ends while the message is on its way has sent nothing.
func TestCutInTheMessage(t *testing.T) {
	s := start(t, migration.Plain, func(s *server) { s.cutIn = true })
	long := notice
	for range maxListed {
		long.Refusals = append(long.Refusals, migration.Refusal{Folder: strings.Repeat("folder ", 14), Kind: "refused", Words: strings.Repeat("words ", 40)})
	}
	if err := Notify(context.Background(), "it@contoso.com", "", s.Server, long); err == nil {
		t.Error("no error")
	}
	if len(s.messages()) != 0 {
		t.Error("the server took a message that was cut")
	}
}

func TestConnections(t *testing.T) {
	trusted := start(t, migration.TLS, nil)
	untrusted, otherName := trusted.Server, trusted.Server
	_, untrusted.Roots = certificate(t)
	otherName.Host = "localhost"
	plainOnly := start(t, migration.Plain, nil).Server
	noTLS := plainOnly
	noTLS.Security = migration.StartTLS
	away := plainOnly
	away.Host = "192.0.2.1"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := plainOnly
	closed.Port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	for name, test := range map[string]struct {
		server     Server
		kind, text string
	}{
		"other authority": {untrusted, KindUntrusted, "is not trusted"},
		"other name":      {otherName, KindUntrusted, "is not trusted"},
		"no STARTTLS":     {noTLS, KindUntrusted, "offers no STARTTLS"},
		"plain elsewhere": {away, KindUntrusted, "in the clear"},
		"nobody listens":  {closed, "", "connecting to"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, Notify(context.Background(), "it@contoso.com", "", test.server, notice), test.kind, test.text)
		})
	}
}

// Whoever stops waiting after the message was handed over doesn't know either.
func TestCancelled(t *testing.T) {
	stall := make(chan struct{})
	s := start(t, migration.TLS, func(s *server) { s.stall = stall })
	defer close(stall)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := Notify(ctx, "it@contoso.com", "", s.Server, notice)
	if !errors.Is(err, migration.ErrOutcomeUnknown) || time.Since(begun) > 5*time.Second {
		t.Errorf("error is %v after %s", err, time.Since(begun))
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	s := start(t, migration.Plain, nil)
	hostile := notice
	hostile.To = "ada@contoso.com>\r\nRCPT TO:<eve@example.com"
	wantError(t, Notify(context.Background(), "it@contoso.com", "", s.Server, hostile), KindRefused, "is not an address")
	wantError(t, Notify(context.Background(), "it", "", s.Server, notice), KindRefused, "is not an address that can send")
	wantError(t, Notify(context.Background(), "it@contoso.com", "x", s.Server, notice), KindRefused, "is not an address that answers")
}

// Names, folders and a server's words may hold anything; nothing of it becomes a header, a tag or a link.
func TestHostileNames(t *testing.T) {
	s := start(t, migration.Plain, nil)
	hostile := notice
	hostile.DisplayName = "Ada\" <eve@example.com>, \"x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>"
	hostile.Organisation = "Con\u202etoso <b>\r\nX-Evil: 1"
	hostile.Refusals = []migration.Refusal{{Folder: "</li><a href=\"http://evil.example/\">sign in</a>", Kind: "refused", Words: "{{.Secret}}\n\n- <img src=x onerror=alert(1)>"}}
	if err := Notify(context.Background(), "it@contoso.com", "", s.Server, hostile); err != nil {
		t.Fatal(err)
	}
	header, text, page := parse(t, s.messages()[0].data)
	if header.Get("Bcc") != "" || header.Get("X-Evil") != "" {
		t.Errorf("a name became a header:\n%s", s.messages()[0].data)
	}
	if to, err := header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "ada@contoso.com" {
		t.Errorf("To is %v, %v", to, err)
	}
	if from, err := header.AddressList("From"); err != nil || len(from) != 1 || from[0].Address != "it@contoso.com" || strings.ContainsRune(from[0].Name, '\u202e') {
		t.Errorf("From is %v, %v", from, err)
	}
	for _, tag := range []string{"<script", "<a ", "<img", "<b>", "href"} {
		if strings.Contains(page, tag) && tag != "href" || tag == "href" && strings.Contains(page, "<a href") {
			t.Errorf("the page has %q:\n%s", tag, page)
		}
	}
	if strings.Contains(text, "\n- <img") || !strings.Contains(text, "{{.Secret}}") {
		t.Errorf("the server's words are not one line as they are:\n%s", text)
	}
}

// Every language has every notice, says the same things, and has no link.
func TestLanguages(t *testing.T) {
	decoder := mime.WordDecoder{}
	subjects := map[string]bool{}
	for _, test := range []struct{ asked, got string }{
		{"", "en"}, {"en-US", "en"}, {"de", "de"}, {"de-AT", "de"}, {"fr-CA", "fr"}, {"ja", "en"}, {"not a language", "en"}, {"gsw", "de"},
	} {
		for _, kind := range []migration.NoticeKind{migration.NoticeAnnouncement, migration.NoticeReminder, migration.NoticeWelcome} {
			n := notice
			n.Language, n.Kind = test.asked, kind
			got, err := compose(n)
			if err != nil {
				t.Fatal(err)
			}
			if got.Language != test.got {
				t.Errorf("%q gives %q, want %q", test.asked, got.Language, test.got)
			}
			page, err := got.html()
			if err != nil {
				t.Fatal(err)
			}
			subject, err := decoder.DecodeHeader(got.Subject)
			if err != nil || subject == "" {
				t.Errorf("subject %q, %v", got.Subject, err)
			}
			subjects[subject] = true
			for _, part := range []string{got.text(), page} {
				for _, want := range []string{notice.DisplayName, notice.To, notice.Organisation, "extension 4444"} {
					if !strings.Contains(strings.Join(strings.Fields(part), " "), want) {
						t.Errorf("the %s in %q does not have %q:\n%s", kind, got.Language, want, part)
					}
				}
				if strings.Contains(part, "http") || strings.Contains(part, "<a") || strings.Contains(part, "{{") || strings.Contains(part, "no value") {
					t.Errorf("the %s in %q has a link or a hole:\n%s", kind, got.Language, part)
				}
			}
			for line := range strings.Lines(got.text()) {
				if len([]rune(line)) > width+1 {
					t.Errorf("a line of the %s in %q is too long: %q", kind, got.Language, line)
				}
			}
		}
	}
	if len(subjects) != 9 {
		t.Errorf("%d subjects, want one for each language and kind: %v", len(subjects), subjects)
	}
	if _, err := compose(migration.Notice{Kind: "farewell"}); err == nil {
		t.Error("a notice of a kind that there isn't")
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Ada", "Contoso", "INBOX", "NO", "en")
	f.Add("\r\n- x", "\u202e", "<a>", "\xff\x00", "zh-Hant-x-y")
	f.Fuzz(func(t *testing.T, name, organisation, folder, words, language string) {
		n := migration.Notice{Kind: migration.NoticeWelcome, To: "a@b.example", DisplayName: name, Organisation: organisation, Language: language, RefusalCount: 1, Refusals: []migration.Refusal{{Folder: folder, Words: words, Kind: "refused"}}}
		got, err := compose(n)
		if err != nil {
			t.Fatal(err)
		}
		page, err := got.html()
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(got.Subject, "\r\n") || strings.Contains(page, "<a") || strings.Contains(page, "<script") {
			t.Errorf("subject %q, page\n%s", got.Subject, page)
		}
	})
}
