// Package zone reads, changes and watches the DNS of the domains that move.
//
// What stands is read from the zone's authoritative servers themselves, all of them, never from a cache; so the TTL is
// the full one, and a change that has reached only some of them shows. What the world sees is asked of resolvers.
//
// A change is compare-and-set: it names the set as it is and as it will be, and is made only where the first still
// stands, so that nobody's change is ever overwritten. It is made by dynamic update (RFC 2136), signed (RFC 8945), or,
// in the mode "manual", by a person, whom the error tells exactly what to set.
//
// Names are in lower case without the final dot, in what comes out; what goes in may be written in any way.
//
// A [Client] is safe for concurrent use.
package zone

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The modes in which zones are changed.
const (
	// ModeUpdate changes zones by dynamic update.
	ModeUpdate = "rfc2136"
	// ModeManual has a person change them.
	ModeManual = "manual"
)

// Config says whom to ask and how to change.
type Config struct {
	Mode string
	// Server is the primary that takes updates, host:port.
	Server string
	// Authoritative are servers to ask directly, host:port; empty means those that the zone's NS records name.
	Authoritative []string
	// Resolvers are the resolvers that the world uses, host:port.
	Resolvers []string
	// TSIGName, TSIGAlgorithm (default hmac-sha256.) and TSIGSecret (base64, in the clear) sign the updates. Without a
	// name they are not signed.
	TSIGName, TSIGAlgorithm, TSIGSecret string
}

// Client reads and changes zones as its configuration says.
type Client struct {
	config Config
	// at makes a server's host:port of an address that was found by NS records.
	at func(ip string) string
	// patience is how long one question may take.
	patience time.Duration
}

// New makes a client. It asks nothing yet.
func New(c Config) *Client {
	c.Authoritative, c.Resolvers = slices.Clone(c.Authoritative), slices.Clone(c.Resolvers)
	if c.TSIGName != "" {
		c.TSIGName = dns.CanonicalName(c.TSIGName)
		if c.TSIGAlgorithm == "" {
			c.TSIGAlgorithm = dns.HmacSHA256
		}
		c.TSIGAlgorithm = dns.CanonicalName(c.TSIGAlgorithm)
		c.TSIGSecret = strings.TrimSpace(c.TSIGSecret)
	}
	return &Client{config: c, at: func(ip string) string { return net.JoinHostPort(ip, "53") }, patience: 5 * time.Second}
}
