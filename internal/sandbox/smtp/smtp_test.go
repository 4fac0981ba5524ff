package smtp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/smtp"
)

// certificate is for all names that the tests use.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"old.example", "new.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// inbox keeps what was delivered, once for each key.
type inbox struct {
	mu   sync.Mutex
	mail map[string]smtp.Delivery
	all  int
	fail error
	// cut closes all connections before the answer.
	cut   bool
	lines []net.Conn
}

// listener remembers connections for the inbox to cut.
type listener struct {
	net.Listener
	box *inbox
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.box.mu.Lock()
		defer l.box.mu.Unlock()
		l.box.lines = append(l.box.lines, c)
	}
	return c, err
}

func (i *inbox) deliver(d smtp.Delivery) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all++
	i.mail[d.Key+" "+d.To] = d
	for _, line := range i.lines {
		if i.cut {
			_ = line.Close()
		}
	}
	return i.fail
}

func (i *inbox) set(fail error, cut bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail, i.cut = fail, cut
}

func (i *inbox) get(key string) (smtp.Delivery, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	d, ok := i.mail[key]
	return d, ok
}

func (i *inbox) count() (tries, mails int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.all, len(i.mail)
}

func serve(t *testing.T, c smtp.Config) (*inbox, string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &inbox{mail: map[string]smtp.Delivery{}}
	c.Deliver, c.Log = box.deliver, slog.New(slog.DiscardHandler)
	if c.Check == nil {
		c.Check = func(to string) error {
			if strings.HasPrefix(to, "nobody@") {
				return smtp.Refuse(550, 5, 1, 1, "no such user")
			}
			return nil
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- smtp.Serve(ctx, listener{tcp, box}, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return box, tcp.Addr().String()
}

func TestSubmission(t *testing.T) {
	server, client := certificate(t)
	box, address := serve(t, smtp.Config{
		Name: "mx.harbour.example", TLS: server, Implicit: true,
		SignIn: func(user, password string) bool { return user == "ada" && password == "right" },
	})
	dial := func() *gosmtp.Client {
		c, err := gosmtp.DialTLS(address, client)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	body := "Subject: hi\r\n\r\nHello\r\n.\r\nthere\r\n"
	if err := dial().SendMail("ada@harbour.example", []string{"bo@harbour.example"}, strings.NewReader(body)); err == nil {
		t.Error("mail was taken without a sign-in")
	}
	c := dial()
	if err := c.Auth(sasl.NewPlainClient("", "ada", "wrong")); err == nil {
		t.Error("a wrong password was taken")
	}
	c = dial()
	if err := c.Auth(sasl.NewLoginClient("ada", "right")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("ada@harbour.example", &gosmtp.MailOptions{EnvelopeID: "key-1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("nobody@harbour.example", nil); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("an unknown recipient: %v", err)
	}
	if err := c.Rcpt("Bo@harbour.example", nil); err != nil {
		t.Fatal(err)
	}
	data, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = data.Write([]byte(body))
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	got, ok := box.get("key-1 bo@harbour.example")
	if !ok || got.User != "ada" || !strings.HasSuffix(string(got.Body), body) {
		t.Fatalf("delivered %+v", got)
	}
	head := string(got.Body[:len(got.Body)-len(body)])
	for _, want := range []string{"Return-Path: <ada@harbour.example>\r\n", "Received: from localhost ", "\r\n\tby mx.harbour.example with ESMTPSA id key-1\r\n", "for <bo@harbour.example>"} {
		if !strings.Contains(head, want) {
			t.Errorf("the trace lines lack %q:\n%s", want, head)
		}
	}
}

// outsider is a sender whose MX record and roads a test changes.
type outsider struct {
	*smtp.Outside
	db    *bbolt.DB
	mu    sync.Mutex
	mx    string
	roads map[string]string
	stop  func()
}

func (o *outsider) set(mx, host, address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mx, o.roads[host] = mx, address
}

func (o *outsider) open(t *testing.T, client *tls.Config) {
	t.Helper()
	var err error
	o.Outside, err = smtp.OpenOutside(smtp.OutsideConfig{
		DB: o.db, Name: "mail.outside.example", TLS: client, Retry: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Exchangers: func(context.Context, string) ([]string, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			return []string{o.mx}, nil
		},
		Route: func(host string) (string, bool) {
			o.mu.Lock()
			defer o.mu.Unlock()
			address, known := o.roads[host]
			return address, known
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the sender ended with %v", err)
		}
	})
	t.Cleanup(o.stop)
}

// letter waits until the letter is as wanted.
func (o *outsider) letter(t *testing.T, id string, want func(smtp.Letter) bool) smtp.Letter {
	t.Helper()
	var last smtp.Letter
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		letters, err := o.Letters()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range letters {
			if l.ID == id {
				if last = l; want(l) {
					return l
				}
			}
		}
	}
	t.Fatalf("letter %q stays at %+v", id, last)
	return last
}

func newOutsider(t *testing.T, client *tls.Config) *outsider {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "world.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	o := &outsider{db: db, roads: map[string]string{}}
	o.open(t, client)
	return o
}

func done(l smtp.Letter) bool { return l.Done() }

func letter(id, to string) smtp.Letter {
	return smtp.Letter{ID: id, From: "kai@outside.example", To: to, Body: []byte("Subject: x\r\n\r\nbody\r\n")}
}

func TestOutsideFollowsTheMX(t *testing.T) {
	server, client := certificate(t)
	oldBox, oldAddress := serve(t, smtp.Config{Name: "old.example", TLS: server})
	newBox, newAddress := serve(t, smtp.Config{Name: "new.example", TLS: server})
	o := newOutsider(t, client)
	o.set("old.example", "old.example", oldAddress)
	for range 2 {
		if err := o.Submit(letter("1", "ada@harbour.example")); err != nil {
			t.Fatal(err)
		}
	}
	if l := o.letter(t, "1", done); l.Host != "old.example" || l.Bounced {
		t.Errorf("got %+v", l)
	}
	o.set("new.example", "new.example", newAddress)
	for _, l := range []smtp.Letter{letter("2", "ada@harbour.example"), letter("3", "nobody@harbour.example")} {
		if err := o.Submit(l); err != nil {
			t.Fatal(err)
		}
	}
	o.letter(t, "2", done)
	if l := o.letter(t, "3", done); !l.Bounced || !strings.Contains(l.Answer, "no such user") {
		t.Errorf("got %+v", l)
	}
	if tries, mails := oldBox.count(); tries != 1 || mails != 1 {
		t.Errorf("the old server was given %d mails in %d tries", mails, tries)
	}
	if d, ok := newBox.get("2 ada@harbour.example"); !ok || !strings.Contains(string(d.Body), "with ESMTPS id 2") {
		t.Errorf("the new server has %+v", d)
	}
}

// A server that was given a message but whose answer never came is asked again, and no other.
func TestOutsideStaysWithTheServerItIsUnsureOf(t *testing.T) {
	server, client := certificate(t)
	box, address := serve(t, smtp.Config{Name: "old.example", TLS: server})
	other, otherAddress := serve(t, smtp.Config{Name: "new.example", TLS: server})
	o := newOutsider(t, client)
	// The first server takes the message, but the line breaks before its answer.
	box.set(nil, true)
	o.set("old.example", "old.example", address)
	if err := o.Submit(letter("1", "ada@harbour.example")); err != nil {
		t.Fatal(err)
	}
	o.letter(t, "1", func(l smtp.Letter) bool { return l.Trying && l.Tries > 1 })
	o.stop()
	o.set("new.example", "new.example", otherAddress)
	box.set(nil, false)
	o.open(t, client)
	if l := o.letter(t, "1", done); l.Host != "old.example" {
		t.Errorf("got %+v", l)
	}
	if _, mails := box.count(); mails != 1 {
		t.Errorf("the old server has %d mails, want 1", mails)
	}
	if tries, _ := other.count(); tries != 0 {
		t.Error("the new server was given the message too")
	}
}

func TestOutsideTriesAgainElsewhereAfterARefusal(t *testing.T) {
	server, client := certificate(t)
	box, address := serve(t, smtp.Config{Name: "old.example", TLS: server})
	other, otherAddress := serve(t, smtp.Config{Name: "new.example", TLS: server})
	box.set(errors.New("disk full"), false)
	o := newOutsider(t, client)
	o.set("old.example", "old.example", address)
	if err := o.Submit(letter("1", "ada@harbour.example")); err != nil {
		t.Fatal(err)
	}
	l := o.letter(t, "1", func(l smtp.Letter) bool { return l.Tries > 1 && !l.Trying })
	if !strings.Contains(l.Answer, "try again later") {
		t.Errorf("got %+v", l)
	}
	o.set("new.example", "new.example", otherAddress)
	o.letter(t, "1", done)
	if _, mails := other.count(); mails != 1 {
		t.Errorf("the new server has %d mails, want 1", mails)
	}
}

func TestOutsideIsHeldBack(t *testing.T) {
	server, client := certificate(t)
	box, address := serve(t, smtp.Config{Name: "old.example", TLS: server})
	o := newOutsider(t, client)
	o.set("old.example", "old.example", address)
	resume := o.Hold()
	if err := o.Submit(letter("1", "ada@harbour.example")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if tries, _ := box.count(); tries != 0 {
		t.Error("a mail was sent though all is held back")
	}
	resume()
	resume()
	o.letter(t, "1", done)
	// A sender that is held back can be stopped all the same.
	defer o.Hold()()
	if err := o.Submit(letter("2", "ada@harbour.example")); err != nil {
		t.Fatal(err)
	}
	o.stop()
}

func TestServeEndsWhenItWasStoppedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			ended <- smtp.Serve(ctx, listener, smtp.Config{Name: "old.example", Log: slog.New(slog.DiscardHandler)})
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the server goes on though it was told to stop")
		}
	}
}
