package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/dns"
)

// The world's servers.
const (
	portDNS              = "dns"
	portResolverA        = "resolver-a"
	portResolverB        = "resolver-b"
	portMicrosoft        = "microsoft"
	portSourceIMAP       = "source-imap"
	portTargetIMAP       = "target-imap"
	portSourceMX         = "source-mx"
	portSourceSubmission = "source-submission"
	portTenantMX         = "tenant-mx"
	portTenantSubmission = "tenant-submission"
	portRelay            = "outside-relay"
)

// services are all ports in the order in which they are shown, with what answers there.
var services = []struct{ name, note string }{
	{portSourceIMAP, "IMAP of the old system, TLS"},
	{portTargetIMAP, "IMAP of the tenant, TLS, XOAUTH2"},
	{portMicrosoft, "sign-in, Graph, and the sandbox's own desk, https"},
	{portDNS, "authoritative name server, takes signed updates"},
	{portResolverA, "a resolver that remembers"},
	{portResolverB, "another one"},
	{portSourceMX, "SMTP: mail for the old system, STARTTLS"},
	{portSourceSubmission, "SMTP: the old system's users send, TLS"},
	{portTenantMX, "SMTP: mail for the tenant, STARTTLS"},
	{portTenantSubmission, "SMTP: the tenant's users send, STARTTLS"},
	{portRelay, "SMTP: an account elsewhere, TLS"},
}

// Ports are picked below the range from which systems take ports for outgoing connections (32768 and up on Linux),
// so that a world that is started again finds its own ones free.
const firstPort, lastPort = 20000, 32000

// sockets are the listeners of all services.
type sockets struct {
	ports map[string]int
	tcp   map[string]net.Listener
	dns   map[string]dns.Sockets
}

func isDNS(name string) bool {
	return name == portDNS || name == portResolverA || name == portResolverB
}

// listen opens all ports: those given, then those of the last time, else free ones, which are kept in the database.
func listen(db *bbolt.DB, given map[string]int) (*sockets, error) {
	s := &sockets{map[string]int{}, map[string]net.Listener{}, map[string]dns.Sockets{}}
	stored := map[string]int{}
	if err := get(db, "ports", &stored); err != nil {
		return nil, err
	}
	for name := range given {
		if !isService(name) {
			return nil, fmt.Errorf("there is no server %q in this world to give a port to", name)
		}
	}
	for _, service := range services {
		name := service.name
		port := stored[name]
		if given[name] != 0 {
			port = given[name]
		}
		if err := s.open(name, port); err != nil {
			return nil, errors.Join(fmt.Errorf("the world's port of %s: %w", name, err), s.Close())
		}
	}
	return s, errors.Join(put(db, "ports", s.ports))
}

func isService(name string) bool {
	for _, service := range services {
		if service.name == name {
			return true
		}
	}
	return false
}

// open listens on the port, or on a free one if it is 0.
func (s *sockets) open(name string, port int) error {
	if port != 0 {
		err := s.bind(name, port)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d is in use by another program; stop that, or give %s another port: %w", port, name, err)
		}
		return err
	}
	var err error
	for range 200 {
		if err = s.bind(name, firstPort+rand.IntN(lastPort-firstPort)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no free port was found: %w", err)
}

func (s *sockets) bind(name string, port int) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if isDNS(name) {
		both, err := dns.Listen(address)
		if err != nil {
			return err
		}
		s.dns[name], s.ports[name] = both, port
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	s.tcp[name], s.ports[name] = listener, port
	return nil
}

// address is host:port of a service.
func (s *sockets) address(name string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports[name]))
}

// Close gives all ports back.
func (s *sockets) Close() error {
	var all error
	for _, listener := range s.tcp {
		all = errors.Join(all, listener.Close())
	}
	for _, both := range s.dns {
		all = errors.Join(all, both.Close())
	}
	return all
}

var worldBucket = []byte("world")

// get reads what is kept under a name; what was never kept leaves into as it is.
func get(db *bbolt.DB, name string, into any) error {
	return db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(worldBucket)
		if b == nil || b.Get([]byte(name)) == nil {
			return nil
		}
		return json.Unmarshal(b.Get([]byte(name)), into)
	})
}

// put keeps a value under a name.
func put(db *bbolt.DB, name string, value any) error {
	return db.Update(func(tx *bbolt.Tx) error { return putIn(tx, name, value) })
}

func putIn(tx *bbolt.Tx, name string, value any) error {
	b, err := tx.CreateBucketIfNotExists(worldBucket)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put([]byte(name), text)
}
