package plan

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

var (
	securities = []migration.Security{migration.TLS, migration.StartTLS, migration.Plain}
	auths      = []migration.Auth{migration.AuthPassword, migration.AuthMaster, migration.AuthProxy}
	dnsModes   = []string{"rfc2136", "manual"}
	// algorithms are those of RFC 8945, section 6, that still count as safe.
	algorithms = []string{"hmac-sha224.", "hmac-sha256.", "hmac-sha384.", "hmac-sha512."}
)

func (c *checker) endpoints() {
	if len(c.plan.Endpoints) == 0 {
		c.fault("endpoints", "is missing", "name at least one IMAP server that mail is copied from")
	}
	for i := range c.plan.Endpoints {
		c.endpoint(i)
	}
}

func (c *checker) endpoint(i int) {
	e, path := &c.plan.Endpoints[i], fmt.Sprintf("endpoints[%d]", i)
	if c.required(path+".name", e.Name) {
		if !plainName.MatchString(e.Name) {
			c.fault(path+".name", fmt.Sprintf("%q is not a name for an endpoint", e.Name), "at most 40 letters, digits, and - . _ between them")
		}
		if slices.ContainsFunc(c.plan.Endpoints[:i], func(other migration.Endpoint) bool { return strings.EqualFold(other.Name, e.Name) }) {
			c.fault(path+".name", fmt.Sprintf("%q comes twice", e.Name), "give each endpoint its own name")
		}
	}
	c.door(path, &e.Host, &e.Port, &e.Security, migration.TLS, map[migration.Security]int{migration.TLS: 993, migration.StartTLS: 143, migration.Plain: 143})
	if e.Auth == "" {
		e.Auth = migration.AuthPassword
	}
	switch e.Auth {
	case migration.AuthPassword:
		for _, key := range []string{"masterUser", "masterPassword", "loginFormat"} {
			if c.given(path + "." + key) {
				c.fault(path+"."+key, "is not used with auth: password", "take it away, or set auth to master or proxy")
			}
		}
	case migration.AuthMaster, migration.AuthProxy:
		for key, remedy := range map[string]string{"masterUser": "the name of the source's master user", "masterPassword": secretRemedy} {
			if !c.given(path + "." + key) {
				c.fault(path+"."+key, fmt.Sprintf("is missing, and auth: %s needs it", e.Auth), remedy)
			}
		}
	default:
		c.fault(path+".auth", fmt.Sprintf("%q is not a way to sign in", e.Auth), oneOf(auths))
	}
	if e.Auth == migration.AuthMaster {
		if e.LoginFormat == "" {
			e.LoginFormat = "{user}*{master}"
		}
		if !strings.Contains(e.LoginFormat, "{user}") {
			c.fault(path+".loginFormat", "has no {user}", "write it like {user}*{master}")
		}
	}
	c.between(path+".mailboxesAtOnce", &e.MailboxesAtOnce, 20, 1, 1000)
}

func (c *checker) target() {
	t := &c.plan.Target
	if t.Host == "" {
		t.Host = "outlook.office365.com"
	}
	security := migration.TLS
	c.door("target", &t.Host, &t.Port, &security, migration.TLS, map[migration.Security]int{migration.TLS: 993})
	if t.MaxMessage < 0 {
		c.fault("target.maxMessage", "is below 0", "write bytes, or leave it out")
	}
}

func (c *checker) notices() {
	n := &c.plan.Notices
	for path, address := range map[string]string{"notices.from": n.From, "notices.replyTo": n.ReplyTo} {
		if address == "" && path == "notices.replyTo" {
			continue
		}
		if c.required(path, address) && !isAddress(address) {
			c.fault(path, fmt.Sprintf("%q is not an address", address), "write it like mail-team@contoso.com")
		}
	}
	c.smtp("notices.before", &n.Before)
	c.smtp("notices.after", &n.After)
	c.printable("notices.support", n.Support, 300)
	c.between("notices.perMinute", &n.PerMinute, 25, 1, 10_000)
}

func (c *checker) smtp(path string, s *migration.SMTP) {
	c.door(path, &s.Host, &s.Port, &s.Security, migration.StartTLS, map[migration.Security]int{migration.TLS: 465, migration.StartTLS: 587, migration.Plain: 25})
	user, password := c.given(path+".user"), c.given(path+".password")
	switch {
	case user && !password:
		c.fault(path+".password", "is missing, and user needs it", secretRemedy)
	case password && !user:
		c.fault(path+".user", "is missing, and password needs it", "the name to sign in with at that server")
	}
}

// door checks a host with its port and security, and fills the defaults in.
func (c *checker) door(path string, host *string, port *int, security *migration.Security, usual migration.Security, ports map[migration.Security]int) {
	if *security == "" {
		*security = usual
	}
	if !slices.Contains(securities, *security) {
		c.fault(path+".security", fmt.Sprintf("%q is not a way to protect a connection", *security), oneOf(securities))
	}
	standard, ok := ports[*security]
	if !ok {
		standard = ports[usual]
	}
	c.between(path+".port", port, standard, 1, 65535)
	if !c.required(path+".host", *host) {
		return
	}
	if !isHost(*host) {
		c.fault(path+".host", fmt.Sprintf("%q is not a host's name", *host), "write the name alone; the port has a key of its own")
	} else if *security == migration.Plain && !isLoopback(*host) {
		c.fault(path+".security", "would send passwords and mail in the clear over the network", `write "tls" or "starttls"; "plain" is for this very machine alone`)
	}
}

func (c *checker) dns() {
	d := &c.plan.DNS
	if c.required("dns.mode", d.Mode) && !slices.Contains(dnsModes, d.Mode) {
		c.fault("dns.mode", fmt.Sprintf("%q is not a way to change zones", d.Mode), oneOf(dnsModes))
	}
	if d.Mode == "rfc2136" {
		if c.required("dns.server", d.Server) {
			c.hostPort("dns.server", &d.Server)
		}
		c.required("dns.tsigName", d.TSIGName)
		if !c.given("dns.tsigSecret") {
			c.required("dns.tsigSecret", "")
		}
	} else {
		for _, key := range []string{"server", "tsigName", "tsigAlgorithm", "tsigSecret"} {
			if c.given("dns."+key) && d.Mode == "manual" {
				c.fault("dns."+key, "is not used with mode: manual", `take it away, or set mode to "rfc2136"`)
			}
		}
	}
	if secret, ok := c.clear["dns.tsigSecret"]; ok && !isBase64(secret) {
		c.fault("dns.tsigSecret", "the secret is not base64", "give the key as tsig-keygen or the DNS provider shows it")
	}
	if d.TSIGName != "" {
		if d.TSIGAlgorithm == "" {
			d.TSIGAlgorithm = "hmac-sha256."
		}
		if d.TSIGAlgorithm = strings.ToLower(strings.TrimSuffix(d.TSIGAlgorithm, ".")) + "."; !slices.Contains(algorithms, d.TSIGAlgorithm) {
			c.fault("dns.tsigAlgorithm", fmt.Sprintf("%q is not an algorithm that is safe and known", d.TSIGAlgorithm), oneOf(algorithms))
		}
	}
	for i := range d.Authoritative {
		c.hostPort(fmt.Sprintf("dns.authoritative[%d]", i), &d.Authoritative[i])
	}
	if !c.given("dns.resolvers") {
		d.Resolvers = []string{"1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"}
	}
	if len(d.Resolvers) == 0 {
		c.fault("dns.resolvers", "is empty", "name at least one, or leave it out for three public ones")
	}
	for i := range d.Resolvers {
		c.hostPort(fmt.Sprintf("dns.resolvers[%d]", i), &d.Resolvers[i])
	}
	if !c.given("dns.ttl") {
		d.TTL = 300
	}
	if d.TTL < 1 || d.TTL > 3600 {
		c.fault("dns.ttl", fmt.Sprintf("%d seconds are not from 1 to 3600", d.TTL), "300 is usual; a short TTL makes going back quick")
	}
	for i := range d.DKIM {
		c.dkim(fmt.Sprintf("dns.dkim[%d]", i), &d.DKIM[i])
	}
}

func (c *checker) dkim(path string, r *migration.Record) {
	r.Name = strings.ToLower(strings.TrimSuffix(r.Name, "."))
	if r.Type == "" {
		r.Type = "CNAME"
	}
	if !c.given(path + ".ttl") {
		r.TTL = 3600
	}
	inside := slices.ContainsFunc(c.plan.Domains, func(domain string) bool { return strings.HasSuffix(r.Name, "._domainkey."+domain) })
	if r.Type != "CNAME" || !inside || len(r.Data) != 1 || !isHost(strings.TrimSuffix(r.Data[0], ".")) {
		c.fault(path, "is not a DKIM record of one of the domains", "write name: selector1._domainkey.contoso.com and data: [the Selector1CNAME that Get-DkimSigningConfig shows]")
		return
	}
	r.Data[0] = strings.ToLower(strings.TrimSuffix(r.Data[0], "."))
}

// hostPort checks a DNS server's address and adds port 53 where none is given.
func (c *checker) hostPort(path string, address *string) {
	host, port, err := net.SplitHostPort(*address)
	if err != nil {
		host, port = strings.Trim(*address, "[]"), "53"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || !isHost(host) {
		c.fault(path, fmt.Sprintf("%q is not a server's address", *address), "write it like ns1.contoso.com, 192.0.2.53:5353 or [2001:db8::53]:53")
		return
	}
	*address = net.JoinHostPort(host, port)
}

// between checks a number, and fills the default in where none is given.
func (c *checker) between(path string, n *int, usual, low, high int) {
	if !c.given(path) {
		*n = usual
	}
	if *n < low || *n > high {
		c.fault(path, fmt.Sprintf("%d is not from %d to %d", *n, low, high), fmt.Sprintf("write a number between, or leave it out for %d", usual))
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
