package migration

import "slices"

// Plan is everything about a tenant's migration but its mailboxes. The starter reads it from YAML (internal/plan),
// fills the defaults in, checks it, and seals its secrets; from then on it travels as JSON.
type Plan struct {
	// Tenant is the migration's name, at most 40 of [a-z0-9-]; it is the workflow's ID.
	Tenant string `json:"tenant"`
	// Organisation is the name that notices use.
	Organisation string     `json:"organisation"`
	Domains      []string   `json:"domains"`
	Microsoft    Microsoft  `json:"microsoft"`
	Endpoints    []Endpoint `json:"endpoints"`
	Target       Target     `json:"target"`
	DNS          DNS        `json:"dns"`
	Notices      Notices    `json:"notices"`
	Users        Users      `json:"users"`
	Waves        []Wave     `json:"waves"`
	Copy         CopyRules  `json:"copy"`
	Routing      Routing    `json:"routing"`
	Timing       Timing     `json:"timing"`
	// Archive is where the report and each mailbox's account go, a file: URL on storage that all workers share.
	Archive string `json:"archive"`
}

// Endpoint finds a source by name.
func (p *Plan) Endpoint(name string) (Endpoint, bool) {
	i := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return e.Name == name })
	if i < 0 {
		return Endpoint{}, false
	}
	return p.Endpoints[i], true
}

// Microsoft says how to reach the tenant: the app registration and, for national clouds and practice, the hosts.
type Microsoft struct {
	// TenantID is the tenant's GUID or a verified domain.
	TenantID string `json:"tenantId"`
	ClientID string `json:"clientId"`
	// Secret is the app's client secret; Certificate (PEM, certificate and key) stands in its place where set.
	Secret      Sealed `json:"secret,omitempty"`
	Certificate Sealed `json:"certificate,omitempty"`
	// Login, Graph and Scope are https:// bases; empty means the worldwide cloud's. Scope is the resource of the
	// IMAP token, without /.default.
	Login string `json:"login,omitempty"`
	Graph string `json:"graph,omitempty"`
	Scope string `json:"scope,omitempty"`
	// CA is a PEM bundle that is trusted besides the system's.
	CA string `json:"ca,omitempty"`
}

// Target is the IMAP door of the tenant.
type Target struct {
	// Host and Port default to outlook.office365.com:993, implicit TLS.
	Host string `json:"host"`
	Port int    `json:"port"`
	CA   string `json:"ca,omitempty"`
	// MaxMessage is the size in bytes above which a message is never sent; 0 means: learnt from the first refusal.
	MaxMessage int64 `json:"maxMessage,omitempty"`
	// KeepsBytes says that the target gives back the very bytes it was given; Exchange Online does not.
	KeepsBytes bool `json:"keepsBytes,omitempty"`
}

// Security is how a connection is protected.
type Security string

// The ways to protect a connection. Plain is refused for anything but loopback.
const (
	TLS      Security = "tls"
	StartTLS Security = "starttls"
	Plain    Security = "plain"
)

// Auth is how a source mailbox is opened.
type Auth string

// The ways to open a source mailbox.
const (
	// AuthPassword signs in with the row's own password.
	AuthPassword Auth = "password"
	// AuthMaster signs in as a master user, whose login name is made from the endpoint's LoginFormat.
	AuthMaster Auth = "master"
	// AuthProxy is SASL PLAIN with the row's user as authorisation identity (RFC 4616).
	AuthProxy Auth = "proxy"
)

// Endpoint is one IMAP system that mail is copied from.
type Endpoint struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security Security `json:"security"`
	CA       string   `json:"ca,omitempty"`
	Auth     Auth     `json:"auth"`
	// MasterUser and MasterPassword serve AuthMaster and AuthProxy.
	MasterUser     string `json:"masterUser,omitempty"`
	MasterPassword Sealed `json:"masterPassword,omitempty"`
	// LoginFormat makes the login name of AuthMaster from {user} and {master}, by default "{user}*{master}".
	LoginFormat string `json:"loginFormat,omitempty"`
	// MailboxesAtOnce bounds how many mailboxes of this source are copied at the same time.
	MailboxesAtOnce int `json:"mailboxesAtOnce"`
}

// DNS says who serves the domains' zones, and how they are changed.
type DNS struct {
	// Mode is "rfc2136" (dynamic updates) or "manual" (a person makes the change, Mailferry checks it).
	Mode string `json:"mode"`
	// Server is the primary that takes updates, host:port.
	Server string `json:"server,omitempty"`
	// Authoritative are servers to ask directly, host:port; empty means those that the zone's NS records name.
	Authoritative []string `json:"authoritative,omitempty"`
	// Resolvers are the public resolvers that must agree, host:port.
	Resolvers []string `json:"resolvers"`
	// TSIGName, TSIGAlgorithm (default hmac-sha256.) and TSIGSecret (base64) sign the updates (RFC 8945).
	TSIGName      string `json:"tsigName,omitempty"`
	TSIGAlgorithm string `json:"tsigAlgorithm,omitempty"`
	TSIGSecret    Sealed `json:"tsigSecret,omitempty"`
	// TTL is the MX record's TTL in seconds from step 8 until routing is verified.
	TTL uint32 `json:"ttl"`
	// DKIM are the CNAME records that the tenant's administrator read from Exchange Online (Get-DkimSigningConfig).
	DKIM []Record `json:"dkim,omitempty"`
}

// Notices says how users are told.
type Notices struct {
	From    string `json:"from"`
	ReplyTo string `json:"replyTo,omitempty"`
	// Before is the source's SMTP, used until the MX change; After is used from then on.
	Before SMTP `json:"before"`
	After  SMTP `json:"after"`
	// Support is what notices tell users to turn to.
	Support string `json:"support,omitempty"`
	// PerMinute bounds the rate of sending.
	PerMinute int `json:"perMinute"`
}

// SMTP is a server that takes notices.
type SMTP struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security Security `json:"security"`
	CA       string   `json:"ca,omitempty"`
	User     string   `json:"user,omitempty"`
	Password Sealed   `json:"password,omitempty"`
}

// Users says how users are made.
type Users struct {
	// Licence is the default SKU part number; UsageLocation the default ISO 3166 country.
	Licence       string `json:"licence"`
	UsageLocation string `json:"usageLocation"`
	// Licences are further SKU part numbers that rows may name.
	Licences []string `json:"licences,omitempty"`
}

// Wave is a batch of at most 500 mailboxes. The first of the plan is the pilot: the others wait until it is verified.
type Wave struct {
	Name string `json:"name"`
}

// CopyRules are what a copy does with the unusual, and how much it does at once.
type CopyRules struct {
	// Deleted copies mail flagged \Deleted too; by default it is left out and counted.
	Deleted bool `json:"deleted,omitempty"`
	// Deletions moves the copies of messages that were deleted at the source to the target's Deleted Items, as long as
	// nobody works in the mailbox; by default they stay where they are. More than 50, or 5 % of the mailbox, at once
	// wait for a person.
	Deletions bool `json:"deletions,omitempty"`
	// Exclude are source folders that are left out, by their full name.
	Exclude []string `json:"exclude,omitempty"`
	// Connections bounds the connections to the source, and to the target, that one mailbox uses.
	Connections int `json:"connections"`
	// SliceTime, SliceBytes and SliceMessages end a slice of the copy, whichever is reached first.
	SliceTime     Duration `json:"sliceTime"`
	SliceBytes    int64    `json:"sliceBytes"`
	SliceMessages int      `json:"sliceMessages"`
}

// Routing says what proves that mail arrives at the tenant.
type Routing struct {
	// Required are the proofs that must have passed, by kind.
	Required []ProofKind `json:"required"`
	// Relay sends the probe from outside; without it a person is asked to.
	Relay *SMTP `json:"relay,omitempty"`
	// ProbeFrom is the sender of the probe.
	ProbeFrom string `json:"probeFrom,omitempty"`
	// SourceHosts are the names by which the source's own MTA signs its Received lines; only mail that bears
	// one of them counts as an arrival at the source. Where it is empty all new mail that any server took in counts.
	SourceHosts []string `json:"sourceHosts,omitempty"`
}

// Timing is every wait of a migration. A demo presses two weeks into a minute by changing these, and nothing else.
type Timing struct {
	// Poll is the pause between two looks at something that takes its time: a mailbox being made, a record spreading.
	Poll Duration `json:"poll"`
	// MailboxLimit is how long a new mailbox may take before a person is asked.
	MailboxLimit Duration `json:"mailboxLimit"`
	// DNSLimit is how long a record may take to be seen everywhere before a person is asked.
	DNSLimit Duration `json:"dnsLimit"`
	// Delta is the interval of deltas before the MX change, DeltaAfterMX after it.
	Delta        Duration `json:"delta"`
	DeltaAfterMX Duration `json:"deltaAfterMX"`
	// Quiet is how long nothing may arrive at the source before routing counts as verified.
	Quiet Duration `json:"quiet"`
	// QuietLimit is how long that may take before a person is asked.
	QuietLimit Duration `json:"quietLimit"`
	// Report is the least time between two reports of a wave that need nobody.
	Report Duration `json:"report"`
	// Resend is after how long an unacknowledged report is sent again.
	Resend Duration `json:"resend"`
	// Children is the interval at which a parent looks for children that ended without a report.
	Children Duration `json:"children"`
	// Retry is the first and RetryMax the longest pause before an activity is tried again.
	Retry    Duration `json:"retry"`
	RetryMax Duration `json:"retryMax"`
	// Heartbeat is the heartbeat timeout of a copy.
	Heartbeat Duration `json:"heartbeat"`
}
