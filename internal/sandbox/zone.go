package sandbox

import (
	"fmt"
	"strings"

	mdns "github.com/miekg/dns"
)

// The names of hosts. All end in .example, so that none can be anybody's; in this world they stand for ports of the
// loopback.
const (
	tenantZone  = "outlook.example"
	protection  = ".mail.protection." + tenantZone
	newZone     = "mx.microsoft.example"
	outsideHost = "mail.outside.example"
	initialName = "harbour.onmicrosoft.example"
	// mailResource is what tokens for IMAP are made for.
	mailResource = "https://outlook.office365.example"
	tsigName     = "mailferry."
)

// sourceHost is what the old system's mail server calls itself.
func (w *World) sourceHost() string { return "mx." + w.options.Domains[0] }

// exchanger is the tenant's host for mail of the domain.
func (w *World) exchanger(domain string) string {
	dashes := strings.ReplaceAll(domain, ".", "-")
	if w.options.NewForm {
		return dashes + ".k-v1." + newZone
	}
	return dashes + protection
}

// isTenants reports whether a host is one of the tenant's mail exchangers.
func isTenants(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, protection) || strings.HasSuffix(host, "."+newZone)
}

// zones are the zone files at the beginning.
func (w *World) zones() []string {
	o := w.options
	head := func(zone string) []string {
		return []string{
			fmt.Sprintf("%s. 3600 IN SOA ns1.%s. hostmaster.%s. 2026010101 3600 600 1209600 %d", zone, zone, zone, o.Negative),
			fmt.Sprintf("%s. 3600 IN NS ns1.%s.", zone, zone),
			fmt.Sprintf("ns1.%s. 3600 IN A 127.0.0.1", zone),
		}
	}
	var zones []string
	tenant := head(tenantZone)
	if o.NewForm {
		tenant = head(newZone)
	}
	for i, domain := range o.Domains {
		lines := head(domain)
		lines = append(lines,
			fmt.Sprintf("%s. %d IN MX 10 %s.", domain, o.TTL, w.sourceHost()),
			fmt.Sprintf("%s. %d IN TXT \"v=spf1 mx -all\"", domain, o.TTL),
			fmt.Sprintf("_dmarc.%s. 60 IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@%s\"", domain, domain),
			fmt.Sprintf("mail.%s. 60 IN A 127.0.0.1", domain),
		)
		if i == 0 {
			lines = append(lines, fmt.Sprintf("%s. 60 IN A 127.0.0.1", w.sourceHost()))
		}
		zones = append(zones, strings.Join(lines, "\n"))
		tenant = append(tenant, fmt.Sprintf("%s. 60 IN A 127.0.0.1", w.exchanger(domain)))
	}
	outside := append(head("outside.example"), outsideHost+". 60 IN A 127.0.0.1")
	return append(zones, strings.Join(tenant, "\n"), strings.Join(outside, "\n"))
}

// movedMX reports whether all domains' MX records point at the tenant.
func (w *World) movedMX() bool {
	for _, domain := range w.options.Domains {
		set := w.dns.Lookup(domain, mdns.TypeMX)
		for _, rr := range set {
			if !isTenants(rr.(*mdns.MX).Mx) {
				return false
			}
		}
		if len(set) == 0 {
			return false
		}
	}
	return true
}

// hosts are all names that servers answer to, for their certificates.
func (w *World) hosts() []string {
	list := []string{outsideHost, w.sourceHost(), strings.TrimPrefix(mailResource, "https://")}
	for _, domain := range w.options.Domains {
		list = append(list, "mail."+domain, w.exchanger(domain))
	}
	return list
}
