package imap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/imap"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

const (
	ada      = "ada@contoso.example"
	password = "sesame"
	token    = "token-of-the-test"
)

// world is a server and what stands behind it.
type world struct {
	*imap.Server
	store  *store.Store
	addr   string
	port   string
	roots  *x509.CertPool
	denied error
}

// serve starts a server for one mailbox, ada's, which opens with the password or the token.
func serve(t testing.TB, d imap.Dialect, change ...func(*imap.Config)) *world {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "world.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{}
	if w.store, err = store.New(db, "side"); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Create(ada, nil); err != nil {
		t.Fatal(err)
	}
	config := imap.Config{Store: w.store, Dialect: d, Authenticate: func(mechanism, user, identity, secret string) (string, error) {
		switch {
		case w.denied != nil:
			return "", w.denied
		case user == ada && secret == password && mechanism != "XOAUTH2", user == ada && secret == token && mechanism == "XOAUTH2":
			return user, nil
		}
		return "", errors.New("wrong")
	}}
	for _, c := range change {
		c(&config)
	}
	if config.TLS != nil {
		w.roots = config.TLS.ClientCAs
	}
	w.Server = imap.NewServer(config)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		w.Close()
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.addr = l.Addr().String()
	_, w.port, _ = net.SplitHostPort(w.addr)
	return w
}

// withTLS gives the server a certificate for 127.0.0.1, whose root is in world.roots.
func withTLS(t testing.TB) func(*imap.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sandbox test"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return func(c *imap.Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, ClientCAs: roots}
	}
}

// program finds a program that the tests need and fails where it is missing.
func program(t testing.TB, name, pack string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pack)
	}
	return path
}

func (w *world) append(t testing.TB, folder string, m store.Message) uint32 {
	t.Helper()
	_, uid, err := w.store.Append(ada, folder, m)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func (w *world) entries(t testing.TB, folder string) []store.Entry {
	t.Helper()
	f, err := w.store.Folder(ada, folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []store.Entry
	if err := w.store.Scan(f.ID, 1, 0, func(e store.Entry) error { list = append(list, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func (w *world) body(t testing.TB, e store.Entry) string {
	t.Helper()
	body, err := w.store.Body(e).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
