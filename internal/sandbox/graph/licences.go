package graph

import (
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"
)

// plan is a service plan of a subscription.
type plan struct{ id, name string }

// The service plans that matter for mail, with Microsoft's GUIDs.
var (
	exchangeStandard   = plan{"9aaf7827-d63c-4b61-89c3-182f06f82e5c", "EXCHANGE_S_STANDARD"}
	exchangeEnterprise = plan{"efb87545-963c-4e0d-99df-69c6916d9eb0", "EXCHANGE_S_ENTERPRISE"}
	exchangeDeskless   = plan{"4a82b400-a79f-41a4-b4e2-e94f5787b113", "EXCHANGE_S_DESKLESS"}
	exchangeEssentials = plan{"1126bef5-da20-4f07-b45e-ad25d2581aa8", "EXCHANGE_S_ESSENTIALS"}
	exchangeFoundation = plan{"113feb6c-3fe4-4440-bddc-54d774bf0318", "EXCHANGE_S_FOUNDATION"}
)

// catalogue are the subscriptions that a tenant may have, by part number.
var catalogue = map[string]struct {
	id    string
	plans []plan
}{
	"EXCHANGESTANDARD":         {"4b9405b0-7788-4568-add1-99614e613b69", []plan{exchangeStandard}},
	"EXCHANGEENTERPRISE":       {"19ec0d23-8335-4cbd-94ac-6050e30712fa", []plan{exchangeEnterprise}},
	"EXCHANGEDESKLESS":         {"80b2d799-d2ba-4d2a-8842-fb0d0f3a4b82", []plan{exchangeDeskless}},
	"EXCHANGE_S_ESSENTIALS":    {"e8f81a67-bd96-4074-b108-cf193eb9433b", []plan{exchangeEssentials}},
	"O365_BUSINESS_ESSENTIALS": {"3b555118-da6a-4418-894f-7df1e2096870", []plan{exchangeStandard}},
	"O365_BUSINESS_PREMIUM":    {"f245ecc8-75af-4f8e-b61f-27d8114de5f3", []plan{exchangeStandard}},
	"SPB":                      {"cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", []plan{exchangeStandard}},
	"STANDARDPACK":             {"18181a46-0d4e-45cd-891e-60aabd171b4e", []plan{exchangeStandard}},
	"ENTERPRISEPACK":           {"6fd2c87f-b296-42f0-b197-1e91e994b900", []plan{exchangeEnterprise}},
	"ENTERPRISEPREMIUM":        {"c7df2760-2c81-4ef7-b578-5b5392b571df", []plan{exchangeEnterprise}},
	"DESKLESSPACK":             {"4b585984-651b-448a-9e53-3b10f069cf7f", []plan{exchangeDeskless}},
	"M365_F1":                  {"44575883-256e-4a79-9da4-ebe9acabe2b2", []plan{exchangeFoundation}},
}

// sku finds a subscription that the tenant has by its GUID.
func (s *Server) sku(id string) (part string, plans []plan, owned int) {
	for part, item := range catalogue {
		if n, ok := s.Tenant.Licences[part]; ok && strings.EqualFold(item.id, id) {
			return part, item.plans, n
		}
	}
	return "", nil, 0
}

// consumed counts the users that have the subscription.
func (s *Server) consumed(id string) int {
	n := 0
	for _, u := range s.state.users {
		if slices.ContainsFunc(u.Licences, func(l licence) bool { return strings.EqualFold(l.SKU, id) }) {
			n++
		}
	}
	return n
}

type servicePlan struct {
	ID        string `json:"servicePlanId"`
	Name      string `json:"servicePlanName"`
	Status    string `json:"provisioningStatus"`
	AppliesTo string `json:"appliesTo"`
}

func (s *Server) subscribedSKUs(*request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]string, 0, len(s.Tenant.Licences))
	for part := range s.Tenant.Licences {
		parts = append(parts, part)
	}
	sort.Strings(parts)
	value := []any{}
	for _, part := range parts {
		item := catalogue[part]
		var plans []servicePlan
		for _, p := range item.plans {
			plans = append(plans, servicePlan{p.id, p.name, "Success", "User"})
		}
		value = append(value, map[string]any{
			"id": s.Tenant.ID + "_" + item.id, "accountId": s.Tenant.ID, "accountName": strings.Split(s.Tenant.Initial, ".")[0],
			"appliesTo": "User", "capabilityStatus": "Enabled", "consumedUnits": s.consumed(item.id),
			"prepaidUnits": map[string]int{"enabled": s.Tenant.Licences[part], "warning": 0, "suspended": 0, "lockedOut": 0},
			"servicePlans": plans, "skuId": item.id, "skuPartNumber": part, "subscriptionIds": []string{},
		})
	}
	return reply{http.StatusOK, collection{s.context("subscribedSkus"), "", value}}, nil
}

// assignment is the body of assignLicense. Both lists must be there, even empty.
type assignment struct {
	Add *[]struct {
		SKU      string   `json:"skuId"`
		Disabled []string `json:"disabledPlans"`
	} `json:"addLicenses"`
	Remove *[]string `json:"removeLicenses"`
}

func (s *Server) assignLicense(r *request) (reply, error) {
	var body assignment
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	for name, missing := range map[string]bool{"addLicenses": body.Add == nil, "removeLicenses": body.Remove == nil} {
		if missing {
			return reply{}, badRequest("One or more parameters of the operation 'assignLicense' are missing from the request payload. The missing parameters are: " + name + ".")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.seen(r)
	if err != nil {
		return reply{}, err
	}
	if len(*body.Add) > 0 && (u.Location == "" || r.now.Before(u.LocationSince.Add(s.Delays.UsageLocation))) {
		return reply{}, badRequest("License assignment cannot be done for user with invalid usage location.")
	}
	changed := *u
	changed.Licences = slices.Clone(u.Licences)
	for _, id := range *body.Remove {
		changed.Licences = slices.DeleteFunc(changed.Licences, func(l licence) bool { return l.Group == "" && strings.EqualFold(l.SKU, id) })
	}
	for _, add := range *body.Add {
		if _, err := uuid.Parse(add.SKU); err != nil {
			return reply{}, badRequest("Cannot convert the literal '" + add.SKU + "' to the expected type 'Edm.Guid'.")
		}
		part, _, owned := s.sku(add.SKU)
		same := func(l licence) bool { return strings.EqualFold(l.SKU, add.SKU) }
		switch {
		case part == "":
			return reply{}, badRequest("License " + add.SKU + " does not correspond to a valid company License.")
		case slices.ContainsFunc(changed.Licences, same):
			continue
		case s.consumed(add.SKU) >= owned:
			return reply{}, badRequest("Subscription with SKU " + add.SKU + " does not have any available licenses.")
		}
		changed.Licences = append(changed.Licences, licence{SKU: fold(add.SKU), Disabled: add.Disabled, At: r.now})
	}
	if names := s.mailboxPlans(&changed); len(names) > 1 {
		return reply{}, badRequest("Unable to assign the licenses. Conflicting Service Plans: " + strings.Join(names, ", ") + ".")
	}
	s.startMailbox(&changed, r.now)
	if err := s.putUser(&changed); err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, s.entity(&changed, nil, "users/$entity")}, nil
}

// mailboxPlans names the plans of a user that give a mailbox.
func (s *Server) mailboxPlans(u *user) []string {
	var names []string
	for _, l := range u.Licences {
		_, plans, _ := s.sku(l.SKU)
		for _, p := range plans {
			if p != exchangeFoundation && !slices.Contains(l.Disabled, p.id) && !slices.Contains(names, p.name) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// startMailbox sets the mailbox's clock going when the first plan that gives one is assigned.
func (s *Server) startMailbox(u *user, now time.Time) {
	names := s.mailboxPlans(u)
	if len(names) == 0 || !u.MailboxDue.IsZero() || u.OnPremisesSync {
		return
	}
	u.MailboxDue = now.Add(s.Delays.Mailbox)
	u.IMAPOff = names[0] == exchangeDeskless.name
}

// planStatus is how far a plan of the user has come.
func (u *user) planStatus(l licence, p plan) string {
	switch {
	case slices.Contains(l.Disabled, p.id):
		return "Disabled"
	case p != exchangeFoundation && !u.MailboxMade:
		return "PendingProvisioning"
	}
	return "Success"
}

func (s *Server) licenseDetails(r *request) (reply, error) {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.seen(r)
	if err != nil {
		return reply{}, err
	}
	value := []any{}
	for _, l := range u.Licences {
		part, plans, _ := s.sku(l.SKU)
		var list []servicePlan
		for _, p := range plans {
			list = append(list, servicePlan{p.id, p.name, u.planStatus(l, p), "User"})
		}
		value = append(value, map[string]any{"id": l.SKU, "skuId": l.SKU, "skuPartNumber": part, "servicePlans": list})
	}
	return reply{http.StatusOK, collection{s.context("users('" + u.ID + "')/licenseDetails"), "", value}}, nil
}

type assignedLicence struct {
	SKU      string   `json:"skuId"`
	Disabled []string `json:"disabledPlans"`
}

// licenceProperties adds what a user shows of its licences.
func (s *Server) licenceProperties(u *user, all map[string]any) {
	assigned := []assignedLicence{}
	states, plans, provisioned := []any{}, []any{}, []any{}
	for _, l := range u.Licences {
		disabled := append([]string{}, l.Disabled...)
		assigned = append(assigned, assignedLicence{l.SKU, disabled})
		states = append(states, map[string]any{
			"skuId": l.SKU, "disabledPlans": disabled, "assignedByGroup": orNull(l.Group), "state": "Active",
			"error": "None", "lastUpdatedDateTime": l.At.Format(time.RFC3339),
		})
		_, all, _ := s.sku(l.SKU)
		for _, p := range all {
			capability := "Enabled"
			if slices.Contains(l.Disabled, p.id) {
				capability = "Deleted"
			}
			plans = append(plans, map[string]any{
				"assignedDateTime": l.At.Format(time.RFC3339), "capabilityStatus": capability, "service": "exchange", "servicePlanId": p.id,
			})
			if u.MailboxMade {
				provisioned = append(provisioned, map[string]any{"capabilityStatus": capability, "provisioningStatus": "Success", "service": "exchange"})
			}
		}
	}
	all["assignedLicenses"], all["licenseAssignmentStates"] = assigned, states
	all["assignedPlans"], all["provisionedPlans"] = plans, provisioned
}
