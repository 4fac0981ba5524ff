package mailcopy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// dialTimeout is for a connection and its TLS handshake.
	dialTimeout = 30 * time.Second
	// silence is how long a server may say nothing while it owes an answer: storing a large message takes Exchange
	// minutes at times.
	silence = 3 * time.Minute
)

// limits bounds what servers send: header fields of a message are read as one string.
var limits = imapwire.Limits{Line: 1 << 20, String: 1 << 20}

// dial connects to the account's server and returns the client, behind TLS.
func dial(ctx context.Context, a Account) (*imapwire.Client, error) {
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return nil, migration.NeedsPerson("address", fmt.Sprintf("%q is not an address of a server", a.Address), "write it as host:port", err)
	}
	if a.Security == migration.Plain && !loopback(host) {
		return nil, migration.NeedsPerson("insecure", fmt.Sprintf("the endpoint %q would send passwords in the clear", a.Address),
			"set its security to tls or starttls", nil)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.Address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", a.Address, err)
	}
	o := imapwire.ClientOptions{Limits: limits, Timeout: silence}
	if a.Security == migration.StartTLS {
		if o.Greeting, err = startTLS(ctx, conn); err != nil {
			conn.Close()
			return nil, fmt.Errorf("starting TLS with %s: %w", a.Address, err)
		}
	}
	if a.Security != migration.Plain {
		secured := tls.Client(conn, &tls.Config{ServerName: serverName(a, host), RootCAs: a.Roots, MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, handshakeError(a, err)
		}
		conn = secured
	}
	return imapwire.NewClient(conn, o), nil
}

func serverName(a Account, host string) string {
	if a.ServerName != "" {
		return a.ServerName
	}
	return host
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// handshakeError tells a certificate that is not trusted, which a person must see to, from a passing fault.
func handshakeError(a Account, err error) error {
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	if errors.As(err, &invalid) || errors.As(err, &unknown) || errors.As(err, &name) {
		return migration.NeedsPerson("certificate", fmt.Sprintf("the certificate of %s is not trusted: %v", a.Address, err),
			"have the server present a valid certificate for this name, or name its authority in the plan (ca)", err)
	}
	return fmt.Errorf("TLS with %s: %w", a.Address, err)
}

// startTLS speaks the few lines before TLS (RFC 9051, 6.2.1) and returns the greeting. What the server sent in the clear
// behind its answer would be taken for secured words, so it is an error.
func startTLS(ctx context.Context, conn net.Conn) (*imapwire.Status, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
		defer conn.SetDeadline(time.Time{})
	}
	r, w := imapwire.NewReader(conn, limits), imapwire.NewWriter(conn)
	greeting, err := readStatus(r, "*")
	if err != nil {
		return nil, err
	}
	if greeting.Kind != "OK" {
		return nil, fmt.Errorf("the server greets with %s", greeting)
	}
	w.Raw("s1 STARTTLS\r\n")
	if err := w.Flush(); err != nil {
		return nil, err
	}
	s, err := readStatus(r, "s1")
	switch {
	case err != nil:
		return nil, err
	case s.Kind != "OK":
		return nil, &imapwire.StatusError{Command: "STARTTLS", Status: *s}
	case r.Buffered() > 0:
		return nil, errors.New("the server sent more than its answer before TLS began")
	}
	return greeting, nil
}

// readStatus reads lines up to the status response with the tag.
func readStatus(r *imapwire.Reader, tag string) (*imapwire.Status, error) {
	for range 100 {
		if err := r.Next(); err != nil {
			return nil, err
		}
		t, err := r.Atom()
		if err != nil {
			return nil, err
		}
		if t != tag {
			continue
		}
		return r.Status()
	}
	return nil, errors.New("the server doesn't answer")
}
