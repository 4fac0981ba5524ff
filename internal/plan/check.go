package plan

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mailferry/mailferry/internal/migration"
)

// checker fills the defaults in and checks what the decoder has read. Each section of the plan has its method.
type checker struct {
	*decoder
	plan *migration.Plan
}

// fault reports something about a path, unless it, or what holds it, has been reported already: one mistake gives one
// message.
func (c *checker) fault(path, text, remedy string) {
	if !c.reported(path) {
		c.decoder.fault(path, text, remedy)
	}
}

func (c *checker) reported(path string) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		rest, inside := strings.CutPrefix(path, f.Field)
		return inside && (rest == "" || rest[0] == '.' || rest[0] == '[' || f.Field == "")
	})
}

// maxWirePlan bounds the plan with its certificates as it travels in the tenant's input, beside all that a tenant of 50,000
// mailboxes carries into a new run.
const maxWirePlan = 256 << 10

// maxMailboxPart bounds the part of the plan that each mailbox is given: its endpoint, the way into the tenant, how its
// user is told, and what the copy does. A wave starts 500 of them.
const maxMailboxPart = 96 << 10

// mailboxParts checks what each endpoint's mailboxes would be given.
func (c *checker) mailboxParts() {
	p := c.plan
	for i, e := range p.Endpoints {
		part := []any{e, p.Microsoft, p.Target, p.Notices, p.Copy, p.Routing.SourceHosts}
		if wire, err := json.Marshal(part); err != nil || len(wire) > maxMailboxPart {
			c.fault(fmt.Sprintf("endpoints[%d]", i),
				fmt.Sprintf("gives each of its mailboxes %d bytes, with what microsoft, target, notices and copy add; at most %d are allowed", len(wire), maxMailboxPart),
				"name only the authorities that are needed in the ca files, and fewer folders in copy.exclude")
		}
	}
}

func (c *checker) all() {
	c.identity()
	c.microsoft()
	c.endpoints()
	c.target()
	c.dns()
	c.notices()
	c.users()
	c.waves()
	c.copying()
	c.routing()
	c.timing()
	c.mailboxParts()
	if wire, err := json.Marshal(c.plan); err != nil || len(wire) > maxWirePlan {
		c.fault("", fmt.Sprintf("has %d bytes with its certificates; at most %d are allowed", len(wire), maxWirePlan), "name only the authorities that are needed")
	}
}

var (
	tenantName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	plainName  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,38}[A-Za-z0-9])?$`)
	guid       = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

func (c *checker) identity() {
	p := c.plan
	if c.required("tenant", p.Tenant) && !tenantName.MatchString(p.Tenant) {
		c.fault("tenant", fmt.Sprintf("%q is not a name for a migration", p.Tenant), "at most 40 of a-z, 0-9 and -, neither first nor last a -")
	}
	if c.required("organisation", p.Organisation) {
		c.printable("organisation", p.Organisation, 100)
	}
	if len(p.Domains) == 0 {
		c.fault("domains", "is missing", "list the mail domains that move")
	}
	for i, name := range p.Domains {
		path := fmt.Sprintf("domains[%d]", i)
		p.Domains[i] = strings.ToLower(strings.TrimSuffix(name, "."))
		if !isDomain(p.Domains[i]) {
			c.fault(path, fmt.Sprintf("%q is not a domain name", name), "write it like contoso.com; one with other letters than a-z in its xn-- form")
		} else if strings.HasSuffix(p.Domains[i], ".onmicrosoft.com") {
			c.fault(path, fmt.Sprintf("%q is Microsoft's own, and its MX can't be changed", name), "list the domains that people's mail comes to")
		} else if slices.Contains(p.Domains[:i], p.Domains[i]) {
			c.fault(path, fmt.Sprintf("%q comes twice", name), "keep one")
		}
	}
	if c.required("archive", p.Archive) {
		at, err := url.Parse(p.Archive)
		if err != nil || at.Scheme != "file" || at.Host != "" || !filepath.IsAbs(at.Path) || at.RawQuery != "" || at.Fragment != "" {
			c.fault("archive", fmt.Sprintf("%q is not a file: URL", p.Archive), "write it like file:///srv/mailferry, on storage that all workers share")
		}
	}
}

func (c *checker) microsoft() {
	m := &c.plan.Microsoft
	if c.required("microsoft.tenantId", m.TenantID) && !guid.MatchString(m.TenantID) && !isDomain(strings.ToLower(m.TenantID)) {
		c.fault("microsoft.tenantId", fmt.Sprintf("%q is neither a tenant's ID nor one of its domains", m.TenantID), "Microsoft Entra admin centre, Overview, Tenant ID")
	}
	if c.required("microsoft.clientId", m.ClientID) && !guid.MatchString(m.ClientID) {
		c.fault("microsoft.clientId", fmt.Sprintf("%q is not an application's ID", m.ClientID), "Microsoft Entra admin centre, App registrations, Application (client) ID")
	}
	switch secret, certificate := c.given("microsoft.secret"), c.given("microsoft.certificate"); {
	case secret && certificate:
		c.fault("microsoft.certificate", "stands beside microsoft.secret", "keep one of the two; a certificate is the better one")
	case !secret && !certificate:
		c.fault("microsoft.secret", "is missing, and so is microsoft.certificate", secretRemedy)
	}
	if pem, ok := c.clear["microsoft.certificate"]; ok {
		if _, err := tls.X509KeyPair(pem, pem); err != nil {
			c.fault("microsoft.certificate", "is not a certificate with its private key in PEM form", "put both blocks into one file, the key unencrypted")
		}
	}
	for path, base := range map[string]*string{"microsoft.login": &m.Login, "microsoft.graph": &m.Graph, "microsoft.scope": &m.Scope} {
		if *base == "" {
			continue
		}
		if at, err := url.Parse(*base); err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
			c.fault(path, fmt.Sprintf("%q is not an https:// address", *base), "leave it out for Microsoft's worldwide cloud")
		}
		*base = strings.TrimSuffix(*base, "/")
	}
}

func (c *checker) users() {
	u := &c.plan.Users
	if c.required("users.licence", u.Licence) {
		c.printable("users.licence", u.Licence, 100)
	}
	for i, licence := range u.Licences {
		path := fmt.Sprintf("users.licences[%d]", i)
		if c.required(path, licence) {
			c.printable(path, licence, 100)
		}
	}
	if c.required("users.usageLocation", u.UsageLocation) && !isCountry(u.UsageLocation) {
		c.fault("users.usageLocation", fmt.Sprintf("%q is not a country", u.UsageLocation), "write the two capital letters of ISO 3166, like DE or US")
	}
}

// maxWaves bounds what a tenant carries of its waves; 50,000 mailboxes need half as many.
const maxWaves = 200

func (c *checker) waves() {
	p := c.plan
	if len(p.Waves) == 0 {
		p.Waves = []migration.Wave{{Name: "all"}}
	}
	if len(p.Waves) > maxWaves {
		c.fault("waves", fmt.Sprintf("has %d waves; at most %d are allowed", len(p.Waves), maxWaves), fmt.Sprintf("put more mailboxes into each; one holds %d", maxWave))
	}
	for i, wave := range p.Waves {
		path := fmt.Sprintf("waves[%d].name", i)
		if !c.required(path, wave.Name) {
			continue
		}
		if !plainName.MatchString(wave.Name) {
			c.fault(path, fmt.Sprintf("%q is not a name for a wave", wave.Name), "at most 40 letters, digits, and - . _ between them")
		}
		if first := slices.IndexFunc(p.Waves, func(w migration.Wave) bool { return strings.EqualFold(w.Name, wave.Name) }); first < i {
			c.fault(path, fmt.Sprintf("%q comes twice", wave.Name), "give each wave its own name")
		}
	}
}

// proofKinds are the proofs that a plan may require; outside are those of mail that came from outside.
var (
	proofKinds = []migration.ProofKind{
		migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofTrace, migration.ProofQuiet,
	}
	outside = []migration.ProofKind{migration.ProofProbe, migration.ProofTrace}
)

func (c *checker) routing() {
	r := &c.plan.Routing
	if !c.given("routing.required") {
		r.Required = []migration.ProofKind{migration.ProofRecords, migration.ProofOldTTL, migration.ProofProbe, migration.ProofQuiet}
	}
	fromOutside := false
	for i, kind := range r.Required {
		path := fmt.Sprintf("routing.required[%d]", i)
		if !slices.Contains(proofKinds, kind) {
			c.fault(path, fmt.Sprintf("%q is not a proof", kind), oneOf(proofKinds))
		} else if slices.Contains(r.Required[:i], kind) {
			c.fault(path, fmt.Sprintf("%q comes twice", kind), "keep one")
		}
		fromOutside = fromOutside || slices.Contains(outside, kind)
	}
	if !fromOutside {
		c.fault("routing.required", "has no proof by mail from outside", "add \"probe\" or \"trace\"")
	}
	if r.Relay != nil {
		c.smtp("routing.relay", r.Relay)
		c.required("routing.probeFrom", r.ProbeFrom)
	}
	if r.ProbeFrom != "" && !isAddress(r.ProbeFrom) {
		c.fault("routing.probeFrom", fmt.Sprintf("%q is not an address", r.ProbeFrom), "write it like probe@example.net")
	}
	for i, host := range r.SourceHosts {
		r.SourceHosts[i] = strings.ToLower(strings.TrimSuffix(host, "."))
		if !isHost(r.SourceHosts[i]) {
			c.fault(fmt.Sprintf("routing.sourceHosts[%d]", i), fmt.Sprintf("%q is not a host's name", host), "write it as it stands after \"by\" in a Received line of the source")
		}
	}
}

// required reports a field that is missing or empty, and whether it is there.
func (c *checker) required(path, value string) bool {
	if strings.TrimSpace(value) != "" {
		return true
	}
	text := "is missing"
	if c.given(path) {
		text = "is empty"
	}
	c.fault(path, text, remedies[pathPattern(path)])
	return false
}

// printable reports text that is too long or would break the line it is shown in.
func (c *checker) printable(path, text string, limit int) {
	if len(text) > limit {
		c.fault(path, fmt.Sprintf("has %d bytes", len(text)), fmt.Sprintf("at most %d are allowed", limit))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) }) {
		c.fault(path, "holds control characters", "write it in plain characters on one line")
	}
}

// oneOf is the remedy for a word that is not among those that are known.
func oneOf[S ~string](words []S) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	if len(quoted) == 1 {
		return "write " + quoted[0]
	}
	return "write " + strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

func isBase64(text []byte) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	return err == nil && len(raw) > 0
}

var listNumber = regexp.MustCompile(`\[\d+\]`)

// pathPattern is a path without the numbers of its lists: "endpoints[].host".
func pathPattern(path string) string { return listNumber.ReplaceAllString(path, "[]") }

// remedies say what to write where a required key is missing.
var remedies = map[string]string{
	"sealTo":              `the workers' public key, as "starter keygen" prints it: mfpub1:...`,
	"tenant":              "a short name for this migration, like contoso",
	"organisation":        "the name that notices to users bear",
	"archive":             "where the report is kept, like file:///srv/mailferry, on storage that all workers share",
	"microsoft.tenantId":  "Microsoft Entra admin centre, Overview, Tenant ID",
	"microsoft.clientId":  "Microsoft Entra admin centre, App registrations, Application (client) ID",
	"users.licence":       "the SKU part number for users without one of their own, like O365_BUSINESS_ESSENTIALS",
	"users.usageLocation": "the two capital letters of ISO 3166, like DE or US",
	"endpoints[].name":    "a short name, by which the CSV's Endpoint column finds it",
	"endpoints[].host":    "the IMAP server's host name",
	"notices.from":        "the sender of notices to users",
	"notices.before.host": "the source's SMTP server, used until the MX change",
	"notices.after.host":  "the SMTP server used from the MX change on, like smtp.office365.com",
	"routing.relay.host":  "the SMTP server that sends the probe from outside",
	"routing.probeFrom":   "the probe's sender, an address outside the tenant",
	"dns.mode":            oneOf(dnsModes),
	"dns.server":          "the primary server that takes updates, like ns1.contoso.com",
	"dns.tsigName":        "updates are signed: the TSIG key's name",
	"dns.tsigSecret":      secretRemedy,
	"waves[].name":        "a short name, by which the CSV's Wave column finds it",
}
