package activities

import "github.com/mailferry/mailferry/internal/migration"

// InspectSourceInput names the endpoint and one mailbox of it to look through.
type InspectSourceInput struct {
	Endpoint migration.Endpoint  `json:"endpoint"`
	Mailbox  migration.Mailbox   `json:"mailbox"`
	Rules    migration.CopyRules `json:"rules"`
}

// DomainInput names a domain of the tenant.
type DomainInput struct {
	Microsoft migration.Microsoft `json:"microsoft"`
	Domain    string              `json:"domain"`
}

// DomainOutput is the domain as the tenant has it.
type DomainOutput struct {
	Domain migration.Domain `json:"domain"`
}

// ServiceRecordsOutput has the records that the tenant wants for mail; empty while the tenant doesn't know yet.
type ServiceRecordsOutput struct {
	Records []migration.Record `json:"records"`
}

// PublishInput is a value to add to what stands in the DNS: the set keeps its other values. An SPF policy
// ("v=spf1 ...") is not added beside another but its includes are merged into the one that stands (RFC 7208, 3.2).
type PublishInput struct {
	DNS    migration.DNS    `json:"dns"`
	Record migration.Record `json:"record"`
}

// PublishOutput is the change that was made; Before and After are the same where nothing had to be.
type PublishOutput struct {
	Change migration.Change `json:"change"`
}

// VisibleInput is a set that shall be seen everywhere.
type VisibleInput struct {
	DNS    migration.DNS    `json:"dns"`
	Record migration.Record `json:"record"`
}

// VisibleOutput names the servers that don't give it yet.
type VisibleOutput struct {
	Missing []string `json:"missing,omitempty"`
}
