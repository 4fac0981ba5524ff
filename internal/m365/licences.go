package m365

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/subscribedskus"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mailferry/mailferry/internal/migration"
)

// mailboxPlans are the service plans that give a mailbox. A licence is judged by them and never by its name: names are
// many, may hold blanks and brackets, and say nothing (M365_F1 has no mailbox, SPE_F1 has).
//
// Source: learn.microsoft.com/entra/identity/users/licensing-service-plan-reference. EXCHANGE_S_FOUNDATION
// (113feb6c-3fe4-4440-bddc-54d774bf0318) and EXCHANGE_S_ARCHIVE_ADDON (176a09a6-7ec5-4039-ac02-b2791c6ba793) are not
// among them: they come with many licences and give no mailbox.
var mailboxPlans = map[uuid.UUID]string{
	uuid.MustParse("9aaf7827-d63c-4b61-89c3-182f06f82e5c"): "EXCHANGE_S_STANDARD",
	uuid.MustParse("efb87545-963c-4e0d-99df-69c6916d9eb0"): "EXCHANGE_S_ENTERPRISE",
	uuid.MustParse("1126bef5-da20-4f07-b45e-ad25d2581aa8"): "EXCHANGE_S_ESSENTIALS",
	kioskPlan: "EXCHANGE_S_DESKLESS",
}

// kioskPlan gives 2 GB, and starts with IMAP switched off (Set-CASMailboxPlan, plan ExchangeOnlineDeskless).
var kioskPlan = uuid.MustParse("4a82b400-a79f-41a4-b4e2-e94f5787b113")

// sku is a licence that the tenant has bought.
type sku struct {
	id         uuid.UUID
	partNumber string
	// status is Enabled, Warning (grace after expiry), Suspended, Deleted or LockedOut.
	status string
	// free is how many can still be assigned: enabled + warning - consumed.
	free int
	// forUsers is false for what is assigned to the whole company.
	forUsers bool
	plans    []uuid.UUID
}

// mailbox returns the service plan of the licence that gives a mailbox.
func (s sku) mailbox() (uuid.UUID, bool) {
	for _, plan := range s.plans {
		if _, ok := mailboxPlans[plan]; ok {
			return plan, true
		}
	}
	return uuid.UUID{}, false
}

// holding is what a user has of licences.
type holding struct {
	// plans are the mailbox plans in force.
	plans []uuid.UUID
	// given are the licences assigned, directly or through a group.
	given []given
}

// given is one licence assigned to a user (microsoft-graph-docs, resources/licenseassignmentstate.md).
type given struct {
	sku      uuid.UUID
	disabled []uuid.UUID
	// group is the group that gives it, "" for a direct assignment.
	group string
	// state is Active, ActiveWithError, Disabled or Error; failure says why.
	state, failure string
}

// assignment is a licence to assign.
type assignment struct {
	sku      sku
	disabled []uuid.UUID
}

// ensureLicence assigns the licence unless the user has a mailbox plan already, or is just being given one. Without
// skus it reads them itself.
func (c *Client) ensureLicence(ctx context.Context, u migration.User, user models.Userable, skus []sku) (licensed bool, note string, err error) {
	held := holdingOf(user)
	if len(held.plans) > 0 {
		return false, planNote(held.plans), nil
	}
	if skus == nil {
		if skus, err = c.skus(ctx); err != nil {
			return false, "", err
		}
	}
	wanted, err := decide(u, held, skus)
	if err != nil || wanted == nil {
		return false, "", err
	}
	if err := c.assign(ctx, u, text(user.GetId()), *wanted); err != nil {
		return false, "", err
	}
	plan, _ := wanted.sku.mailbox()
	return true, planNote([]uuid.UUID{plan}), nil
}

func planNote(plans []uuid.UUID) string {
	for _, plan := range plans {
		if plan != kioskPlan {
			return ""
		}
	}
	return "the licence's mailbox plan (EXCHANGE_S_DESKLESS) has 2 GB and starts with IMAP switched off: the access script switches it on"
}

// decide says which licence to assign; nil means none, because one that gives a mailbox is assigned already.
func decide(u migration.User, held holding, skus []sku) (*assignment, error) {
	var failed *given
	for i, g := range held.given {
		at := slices.IndexFunc(skus, func(s sku) bool { return s.id == g.sku })
		if at < 0 {
			continue
		}
		plan, ok := skus[at].mailbox()
		switch {
		case !ok:
		case slices.Contains(g.disabled, plan):
			if g.group == "" { // ours to mend: the same licence once more, with this plan switched on
				on := slices.DeleteFunc(slices.Clone(g.disabled), func(id uuid.UUID) bool { return id == plan })
				return &assignment{skus[at], on}, nil
			}
		case g.state == "Error" || g.state == "ActiveWithError":
			failed = &held.given[i]
		default:
			return nil, nil
		}
	}
	if failed != nil {
		return nil, failedAssignment(u, *failed, skus)
	}
	return choose(u, skus)
}

// choose finds the licence by its part number (or SKU ID), and sees that it gives a mailbox and is to be had.
func choose(u migration.User, skus []sku) (*assignment, error) {
	if u.Licence == "" {
		return nil, migration.NeedsPerson("licence-not-named",
			fmt.Sprintf("the user %q has no mailbox plan and no licence is named for it", u.Address),
			"name one in the plan or the row; the tenant has "+offer(skus), nil)
	}
	at := slices.IndexFunc(skus, func(s sku) bool {
		return strings.EqualFold(s.partNumber, u.Licence) || strings.EqualFold(s.id.String(), u.Licence)
	})
	if at < 0 {
		return nil, migration.NeedsPerson("licence-unknown",
			fmt.Sprintf("cannot license the user %q: the tenant has no licence %q", u.Address, u.Licence),
			"name another in the plan or the row; the tenant has "+offer(skus), nil)
	}
	s := skus[at]
	if _, ok := s.mailbox(); !ok || !s.forUsers {
		return nil, migration.NeedsPerson("licence-without-mailbox",
			fmt.Sprintf("cannot license the user %q: the licence %q gives no mailbox", u.Address, s.partNumber),
			"name another in the plan or the row; the tenant has "+offer(skus), nil)
	}
	if s.status != "Enabled" && s.status != "Warning" {
		return nil, migration.NeedsPerson("licence-suspended",
			fmt.Sprintf("cannot license the user %q: the tenant's subscription %q is %s", u.Address, s.partNumber, s.status),
			"renew it, or name another licence; the tenant has "+offer(skus), nil)
	}
	if s.free <= 0 {
		return nil, migration.NeedsPerson(kindExhausted,
			fmt.Sprintf("cannot license the user %q: all licences %q are taken", u.Address, s.partNumber),
			"buy more or free some, then retry; the tenant has "+offer(skus), nil)
	}
	return &assignment{s, []uuid.UUID{}}, nil
}

// offer lists the licences that give a mailbox, with how many are free.
func offer(skus []sku) string {
	var list []string
	for _, s := range skus {
		if _, ok := s.mailbox(); ok && s.forUsers {
			list = append(list, fmt.Sprintf("%s (%d free)", s.partNumber, max(0, s.free)))
		}
	}
	if len(list) == 0 {
		return "none that gives a mailbox"
	}
	slices.Sort(list)
	return strings.Join(list[:min(len(list), 20)], ", ")
}

// assignmentFailures explains licenseAssignmentState.error (learn.microsoft.com/entra/identity/users/licensing-groups-resolve-problems).
var assignmentFailures = map[string]string{
	"CountViolation":                     "not enough licences are free",
	"MutuallyExclusiveViolation":         "another licence of the user excludes it",
	"DependencyViolation":                "it needs a service plan that the user lacks",
	"ProhibitedInUsageLocationViolation": "it is not sold in the user's usage location",
	"UniquenessViolation":                "another user has one of this user's mail addresses",
}

func failedAssignment(u migration.User, g given, skus []sku) error {
	at := slices.IndexFunc(skus, func(s sku) bool { return s.id == g.sku })
	why := cmp.Or(assignmentFailures[g.failure], "Entra does not say why")
	through := "directly"
	if g.group != "" {
		through = "through the group " + g.group
	}
	return migration.NeedsPerson("licence-assignment-failed",
		fmt.Sprintf("the user %q was given the licence %q %s, but the assignment is in error (%s): %s",
			u.Address, skus[at].partNumber, through, cmp.Or(g.failure, g.state), why),
		"mend it in the admin centre and have the licence processed again, then retry", nil)
}

// assign gives the licence. The transient refusal of a usage location that was just set is waited out.
func (c *Client) assign(ctx context.Context, u migration.User, id string, a assignment) error {
	licence, body := models.NewAssignedLicense(), users.NewItemAssignLicensePostRequestBody()
	licence.SetSkuId(&a.sku.id)
	licence.SetDisabledPlans(a.disabled)
	body.SetAddLicenses([]models.AssignedLicenseable{licence})
	// Both arrays must be in the request; a nil one is left out (msgraph-sdk-go#163).
	body.SetRemoveLicenses([]uuid.UUID{})
	o := operation{
		doing: fmt.Sprintf("assign the licence %q to the user %q", a.sku.partNumber, u.Address),
		needs: []permission{licencePermission},
	}
	passing := func(err error) bool { return isNotFound(err) || hasKind(err, kindUsageLocation) }
	return c.patiently(ctx, passing, func() error {
		_, err := ask(ctx, c, o, func() (models.Userable, error) {
			return c.users().ByUserId(id).AssignLicense().Post(ctx, body, nil)
		})
		return err
	})
}

// skus reads the tenant's licences.
func (c *Client) skus(ctx context.Context) ([]sku, error) {
	o := operation{doing: "read the tenant's licences", needs: []permission{subscriptionPermission}}
	answer, err := ask(ctx, c, o, func() (models.SubscribedSkuCollectionResponseable, error) {
		return subscribedskus.NewSubscribedSkusRequestBuilderInternal(map[string]string{}, c.adapter).Get(ctx, nil)
	})
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, fmt.Errorf("cannot %s: %w", o.doing, errNoAnswer)
	}
	skus := make([]sku, 0, len(answer.GetValue()))
	for _, s := range answer.GetValue() {
		read := sku{
			id: deref(s.GetSkuId()), partNumber: text(s.GetSkuPartNumber()), status: text(s.GetCapabilityStatus()),
			forUsers: text(s.GetAppliesTo()) != "Company", free: -int(deref(s.GetConsumedUnits())),
		}
		if units := s.GetPrepaidUnits(); units != nil {
			read.free += int(deref(units.GetEnabled())) + int(deref(units.GetWarning()))
		}
		for _, plan := range s.GetServicePlans() {
			read.plans = append(read.plans, deref(plan.GetServicePlanId()))
		}
		skus = append(skus, read)
	}
	return skus, nil
}

// holdingOf reads what the user has. Of licences that come directly, Graph may show only assignedLicenses.
func holdingOf(user models.Userable) holding {
	var h holding
	for _, plan := range user.GetAssignedPlans() {
		id, status := deref(plan.GetServicePlanId()), text(plan.GetCapabilityStatus())
		if _, ok := mailboxPlans[id]; ok && (status == "Enabled" || status == "Warning") {
			h.plans = append(h.plans, id)
		}
	}
	for _, s := range user.GetLicenseAssignmentStates() {
		h.given = append(h.given, given{
			sku: deref(s.GetSkuId()), disabled: s.GetDisabledPlans(), group: text(s.GetAssignedByGroup()),
			state: text(s.GetState()), failure: text(s.GetError()),
		})
	}
	if len(h.given) == 0 {
		for _, l := range user.GetAssignedLicenses() {
			h.given = append(h.given, given{sku: deref(l.GetSkuId()), disabled: l.GetDisabledPlans(), state: "Active"})
		}
	}
	return h
}
