package m365

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/domains"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mailferry/mailferry/internal/migration"
)

// EnsureDomain adds the domain if the tenant doesn't have it, and says whether it is verified and, if it isn't, by which
// TXT record it will be.
func (c *Client) EnsureDomain(ctx context.Context, name string) (migration.Domain, error) {
	name = ownerName(name)
	domain, err := c.findDomain(ctx, name)
	if isNotFound(err) {
		domain, err = c.addDomain(ctx, name)
	}
	if err != nil {
		return migration.Domain{}, err
	}
	result := migration.Domain{Name: name, Verified: deref(domain.GetIsVerified())}
	if result.Verified {
		return result, nil
	}
	result.Proof, err = c.proof(ctx, name)
	return result, err
}

func (c *Client) findDomain(ctx context.Context, name string) (models.Domainable, error) {
	o := operation{doing: fmt.Sprintf("read the domain %q", name), needs: []permission{domainPermission}}
	domain, err := ask(ctx, c, o, func() (models.Domainable, error) {
		return c.domains().ByDomainId(name).Get(ctx, nil)
	})
	if err == nil && domain == nil {
		return nil, fmt.Errorf("cannot %s: %w", o.doing, errNoAnswer)
	}
	return domain, err
}

// addDomain adds the domain; one that is there after all is read instead.
func (c *Client) addDomain(ctx context.Context, name string) (models.Domainable, error) {
	wanted := models.NewDomain()
	wanted.SetId(&name)
	o := operation{doing: fmt.Sprintf("add the domain %q", name), needs: []permission{domainPermission}}
	domain, err := ask(ctx, c, o, func() (models.Domainable, error) {
		return c.domains().Post(ctx, wanted, nil)
	})
	if err == nil && domain != nil {
		return domain, nil
	}
	if f := faultOf(err); err == nil || f != nil && (f.status == http.StatusConflict || f.has("ObjectConflict", "") ||
		strings.Contains(f.message, "already exist")) {
		if found, foundErr := c.findDomain(ctx, name); foundErr == nil {
			return found, nil
		}
	}
	return domain, err
}

// proof reads the TXT record that the tenant wants to see. A domain that was just added may have none for a moment.
func (c *Client) proof(ctx context.Context, name string) (migration.Record, error) {
	o := operation{
		doing: fmt.Sprintf("read by which record the domain %q is verified", name), needs: []permission{domainPermission},
	}
	var records []migration.Record
	err := c.patiently(ctx, isNotFound, func() error {
		answer, err := ask(ctx, c, o, func() (models.DomainDnsRecordCollectionResponseable, error) {
			return c.domains().ByDomainId(name).VerificationDnsRecords().Get(ctx, nil)
		})
		if err == nil && answer != nil {
			records = readRecords(answer.GetValue())
		}
		return err
	})
	if err != nil {
		return migration.Record{}, err
	}
	for _, record := range records {
		if record.Type == "TXT" {
			return record, nil
		}
	}
	return migration.Record{}, fmt.Errorf("cannot %s now: the tenant does not say yet", o.doing)
}

// VerifyDomain asks the tenant to look for the record. It reports false while the tenant doesn't see it; a domain that
// another tenant holds, which Microsoft says only now and not when it is added, is a problem of kind
// "domain-held-elsewhere".
func (c *Client) VerifyDomain(ctx context.Context, name string) (bool, error) {
	name = ownerName(name)
	o := operation{doing: fmt.Sprintf("verify the domain %q", name), needs: []permission{domainPermission}}
	answer, err := ask(ctx, c, o, func() (models.Domainable, error) {
		return c.domains().ByDomainId(name).Verify().Post(ctx, nil)
	})
	f := faultOf(err)
	switch {
	case err == nil && answer != nil:
		return deref(answer.GetIsVerified()), nil
	case err != nil && (f == nil || f.status != http.StatusBadRequest):
		return false, err
	}
	// Graph's codes for the reasons of a 400 aren't documented; one of them is that the domain is verified already.
	domain, findErr := c.findDomain(ctx, name)
	if findErr != nil {
		return false, findErr
	}
	if deref(domain.GetIsVerified()) {
		return true, nil
	}
	if f != nil && heldElsewhere(f.message) {
		return false, migration.NeedsPerson("domain-held-elsewhere",
			fmt.Sprintf("cannot %s: another Microsoft 365 tenant holds it (%v)", o.doing, f),
			"have that tenant remove the domain; one that nobody manages can be taken over in the admin centre; then retry", err)
	}
	return false, nil
}

// heldElsewhere recognises the words by which a domain of another tenant is refused.
func heldElsewhere(message string) bool {
	message = strings.ToLower(message)
	return slices.ContainsFunc([]string{
		"another tenant", "different tenant", "other tenant", "another directory", "another organization",
		"different organization", "already registered", "already in use",
	}, func(words string) bool { return strings.Contains(message, words) })
}

// settableServices are those of supportedServices that a client may set; the rest is Microsoft's own account
// (microsoft-graph-docs, resources/domain.md).
var settableServices = []string{"Email", "OfficeCommunicationsOnline", "Yammer"}

// ServiceRecords makes Email one of the domain's services and returns the MX, SPF (TXT) and autodiscover (CNAME)
// records that the tenant wants for it, sorted by type. It returns none while the MX isn't among them: the tenant may
// say at first that it can't tell.
func (c *Client) ServiceRecords(ctx context.Context, name string) ([]migration.Record, error) {
	name = ownerName(name)
	domain, err := c.findDomain(ctx, name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(domain.GetSupportedServices(), "Email") {
		if err := c.addEmail(ctx, name, domain.GetSupportedServices()); err != nil {
			return nil, err
		}
	}
	o := operation{doing: fmt.Sprintf("read the records of the domain %q", name), needs: []permission{domainPermission}}
	answer, err := ask(ctx, c, o, func() (models.DomainDnsRecordCollectionResponseable, error) {
		return c.domains().ByDomainId(name).ServiceConfigurationRecords().Get(ctx, nil)
	})
	if err != nil || answer == nil {
		return nil, err
	}
	email := slices.DeleteFunc(slices.Clone(answer.GetValue()), func(r models.DomainDnsRecordable) bool {
		return !strings.EqualFold(text(r.GetSupportedService()), "Email")
	})
	records := readRecords(email)
	if !slices.ContainsFunc(records, func(r migration.Record) bool { return r.Type == "MX" }) {
		return nil, nil
	}
	return records, nil
}

func (c *Client) addEmail(ctx context.Context, name string, have []string) error {
	services := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return !slices.Contains(settableServices, s) })
	change := models.NewDomain()
	change.SetSupportedServices(append(services, "Email"))
	o := operation{doing: fmt.Sprintf("make Email a service of the domain %q", name), needs: []permission{domainPermission}}
	_, err := ask(ctx, c, o, func() (models.Domainable, error) {
		return c.domains().ByDomainId(name).Patch(ctx, change, &domains.DomainItemRequestBuilderPatchRequestConfiguration{})
	})
	return err
}

// readRecords turns Graph's records into sets. What it can't tell yet (domainDnsUnavailableRecord), and SRV records,
// are left out.
func readRecords(list []models.DomainDnsRecordable) []migration.Record {
	var sets []migration.Record
	for _, r := range list {
		set := migration.Record{Name: ownerName(text(r.GetLabel())), TTL: uint32(max(0, deref(r.GetTtl())))}
		var data string
		switch r := r.(type) {
		case models.DomainDnsMxRecordable:
			set.Type = "MX"
			if host := ownerName(text(r.GetMailExchange())); host != "" {
				data = strconv.Itoa(int(deref(r.GetPreference()))) + " " + host
			}
		case models.DomainDnsTxtRecordable:
			set.Type, data = "TXT", strings.Join(strings.Fields(text(r.GetText())), " ")
		case models.DomainDnsCnameRecordable:
			set.Type, data = "CNAME", ownerName(text(r.GetCanonicalName()))
		}
		if data == "" || set.Name == "" {
			continue
		}
		at := slices.IndexFunc(sets, func(s migration.Record) bool { return s.Name == set.Name && s.Type == set.Type })
		if at < 0 {
			sets, at = append(sets, set), len(sets)
		}
		if !slices.Contains(sets[at].Data, data) {
			sets[at].Data = append(sets[at].Data, data)
			slices.Sort(sets[at].Data)
		}
	}
	slices.SortStableFunc(sets, func(a, b migration.Record) int { return strings.Compare(a.Type, b.Type) })
	return sets
}

// ownerName is a DNS name as [migration.Record] has it.
func ownerName(name string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
}
