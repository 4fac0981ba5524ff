// Package bindtest runs BIND for tests, on loopback and out of a folder of its own, so that what changes DNS is proved
// against a server that no one here wrote.
package bindtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The key that every server here knows, and which may change every zone.
const (
	KeyName   = "mailferry.test"
	KeySecret = "bm90IGEgc2VjcmV0LCBqdXN0IGEgdGVzdA=="
	// OtherKeyName is known too but may change nothing.
	OtherKeyName = "other.test"
)

const named = "/usr/sbin/named"

// Options say what a server does.
type Options struct {
	// Zones are the zones it is primary of: their text by their name.
	Zones map[string]string
	// Forward makes it a caching resolver that asks the server at this host:port for the names of each zone.
	Forward map[string]string
}

// Server is a running BIND.
type Server struct {
	// Address is its host:port, on 127.0.0.1.
	Address string
	port    int
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if _, err := os.Stat(named); err != nil {
		t.Fatalf("this test runs BIND: install it (Debian: apt-get install bind9) and run the test again: %v", err)
	}
	var failed error
	for range 3 { // Another process may take the port before BIND does.
		port := freePort(t)
		server := &Server{Address: fmt.Sprintf("127.0.0.1:%d", port), port: port}
		if failed = server.run(t, o); failed == nil {
			return server
		}
	}
	t.Fatal(failed)
	return nil
}

// freePort is a port that was free just now, for UDP and TCP. (BIND cannot be asked to choose one.)
func freePort(t testing.TB) int {
	t.Helper()
	for range 20 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		listener.Close()
		if err == nil {
			packets.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (s *Server) run(t testing.TB, o Options) error {
	folder, err := os.MkdirTemp("", "bindtest")
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	config := s.config(folder, o)
	for name, text := range o.Zones {
		if err := os.WriteFile(filepath.Join(folder, name+".zone"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, "named.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	var log safeBuffer
	command := exec.Command(named, "-g", "-n", "1", "-c", path)
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { command.Wait(); close(ended) }()
	t.Cleanup(func() {
		command.Process.Kill()
		<-ended
		if t.Failed() {
			_, running, _ := strings.Cut(log.String(), " running\n")
			t.Logf("BIND at %s:\n%s", s.Address, running)
		}
	})
	return s.wait(ended, &log)
}

// wait waits until the server answers.
func (s *Server) wait(ended <-chan struct{}, log *safeBuffer) error {
	question := new(dns.Msg)
	question.SetQuestion("version.bind.", dns.TypeTXT)
	question.Question[0].Qclass = dns.ClassCHAOS
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	for start := time.Now(); time.Since(start) < 20*time.Second; {
		select {
		case <-ended:
			return fmt.Errorf("BIND ended at once:\n%s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if _, _, err := client.Exchange(question, s.Address); err == nil {
			return nil
		}
	}
	return fmt.Errorf("BIND does not answer:\n%s", log.String())
}

func (s *Server) config(folder string, o Options) string {
	var c strings.Builder
	recursion := "no"
	if len(o.Forward) > 0 {
		recursion = "yes"
	}
	fmt.Fprintf(&c, `options {
	directory %q;
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion %s;
	dnssec-validation no;
	empty-zones-enable no;
	querylog no;
};
controls { };
key %q { algorithm hmac-sha256; secret %q; };
key %q { algorithm hmac-sha256; secret %q; };
`, folder, s.port, recursion, KeyName, KeySecret, OtherKeyName, KeySecret)
	for name := range o.Zones {
		fmt.Fprintf(&c, "zone %q { type primary; file %q; allow-update { key %q; }; };\n", name, filepath.Join(folder, name+".zone"), KeyName)
	}
	for name, server := range o.Forward {
		host, port, _ := net.SplitHostPort(server)
		fmt.Fprintf(&c, "zone %q { type forward; forward only; forwarders port %s { %s; }; };\n", name, port, host)
	}
	return c.String()
}

// safeBuffer takes a process's output while a test may read it.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
