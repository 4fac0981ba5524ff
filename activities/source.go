package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/mailferry/mailferry/internal/migration"
)

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

// VisibleInput is a set that shall be seen everywhere. The values of a TXT record may stand among others there.
type VisibleInput struct {
	DNS    migration.DNS    `json:"dns"`
	Record migration.Record `json:"record"`
}

// VisibleOutput names the servers that don't give it yet.
type VisibleOutput struct {
	Missing []string `json:"missing,omitempty"`
}

// InspectSource opens a mailbox at the source and lists what the server tells of itself.
func (a *Activities) InspectSource(ctx context.Context, in InspectSourceInput) (migration.SourceFacts, error) {
	return single(ctx, a, func(ctx context.Context) (migration.SourceFacts, error) {
		return a.Mailboxes.Inspect(ctx, in.Endpoint, in.Mailbox, in.Rules)
	})
}

// EnsureDomain has the tenant know the domain and returns the record by which it will verify it.
func (a *Activities) EnsureDomain(ctx context.Context, in DomainInput) (DomainOutput, error) {
	return single(ctx, a, func(ctx context.Context) (DomainOutput, error) {
		domain, err := a.Directory.EnsureDomain(ctx, in.Microsoft, in.Domain)
		return DomainOutput{Domain: domain}, err
	})
}

// VerifyDomain has the tenant look for the record; the domain is returned as not verified while it doesn't see it.
func (a *Activities) VerifyDomain(ctx context.Context, in DomainInput) (DomainOutput, error) {
	return single(ctx, a, func(ctx context.Context) (DomainOutput, error) {
		verified, err := a.Directory.VerifyDomain(ctx, in.Microsoft, in.Domain)
		return DomainOutput{Domain: migration.Domain{Name: in.Domain, Verified: verified}}, err
	})
}

// ServiceRecords makes mail one of the domain's services and returns the records that the tenant wants for it.
func (a *Activities) ServiceRecords(ctx context.Context, in DomainInput) (ServiceRecordsOutput, error) {
	return single(ctx, a, func(ctx context.Context) (ServiceRecordsOutput, error) {
		records, err := a.Directory.ServiceRecords(ctx, in.Microsoft, in.Domain)
		return ServiceRecordsOutput{Records: records}, err
	})
}

// EnsureTrace has the tenant know the service principal of message trace. The domain is not used.
func (a *Activities) EnsureTrace(ctx context.Context, in DomainInput) error {
	return alone(ctx, a, func(ctx context.Context) error { return a.Directory.EnsureTrace(ctx, in.Microsoft) })
}

// Publish adds a value to what stands in the DNS. The change is on record before it is made, so that a retry makes
// and returns the very same, with the before-image that a rollback needs.
func (a *Activities) Publish(ctx context.Context, in PublishInput) (PublishOutput, error) {
	var change migration.Change
	recorded := activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &change) == nil && change.After.Name != ""
	if !recorded {
		before, err := a.Zone.Read(ctx, in.DNS, in.Record.Name, in.Record.Type)
		if err != nil {
			return PublishOutput{}, failure(err)
		}
		if change, err = addition(before, in.Record); err != nil {
			return PublishOutput{}, failure(err)
		}
	}
	if change.Before.Same(change.After) {
		return PublishOutput{Change: change}, nil
	}
	ctx, p, err := a.begin(ctx, activity.GetInfo(ctx).HeartbeatTimeout, change)
	if err != nil {
		return PublishOutput{}, err
	}
	defer p.end()
	if err := a.Zone.Apply(ctx, in.DNS, change); err != nil {
		return PublishOutput{}, p.ended(err)
	}
	return PublishOutput{Change: change}, nil
}

// addition is the change that adds the record's values to the set that stands.
func addition(before, record migration.Record) (migration.Change, error) {
	after := migration.Record{Name: record.Name, Type: record.Type, TTL: record.TTL, Data: slices.Clone(before.Data)}
	if len(before.Data) > 0 {
		after.TTL = before.TTL
	}
	for _, value := range record.Data {
		if slices.Contains(after.Data, value) {
			continue
		}
		if policy := slices.IndexFunc(after.Data, isSPF); isSPF(value) && record.Type == "TXT" && policy >= 0 {
			merged, err := migration.MergeSPF(after.Data[policy], value)
			if err != nil {
				return migration.Change{}, err
			}
			after.Data[policy] = merged
			continue
		}
		after.Data = append(after.Data, value)
	}
	if record.Type == "CNAME" && len(after.Data) > 1 { // RFC 1034, 3.6.2: an owner has one canonical name
		return migration.Change{}, migration.NeedsPerson("name-taken",
			fmt.Sprintf("%s is to be a CNAME for %s, but it is one for %s already", record.Name, record.Data[0], before.Data[0]),
			"take the old record away, or take this one out of the plan, and retry the step", nil)
	}
	slices.Sort(after.Data)
	return migration.Change{Before: before, After: after}, nil
}

// isSPF recognises a sender policy (RFC 7208, 4.5).
func isSPF(text string) bool {
	version, _, _ := strings.Cut(strings.ToLower(text), " ")
	return version == "v=spf1"
}

// Visible names the servers and resolvers that don't give the set yet.
func (a *Activities) Visible(ctx context.Context, in VisibleInput) (VisibleOutput, error) {
	return single(ctx, a, func(ctx context.Context) (VisibleOutput, error) {
		want := in.Record
		if want.Type == "TXT" {
			stands, err := a.Zone.Read(ctx, in.DNS, want.Name, want.Type)
			if err != nil {
				return VisibleOutput{}, err
			}
			if !slices.ContainsFunc(want.Data, func(value string) bool { return !slices.Contains(stands.Data, value) }) {
				want = stands
			}
		}
		missing, err := a.Zone.Missing(ctx, in.DNS, want)
		return VisibleOutput{Missing: missing}, err
	})
}
