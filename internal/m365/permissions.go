package m365

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// permission is an application permission that something needs.
type permission struct {
	// names are the forms of it, the least first; any of them will do.
	names []string
	// api is the resource that it is consented for, as Entra's page names it.
	api string
	// purpose is what can't be done without it.
	purpose string
}

const (
	graphAPI    = "Microsoft Graph"
	exchangeAPI = "Office 365 Exchange Online"
)

// The permissions that the steps need, with the higher ones that include them: the permissions tables of
// microsoft-graph-docs, api-reference/v1.0/includes/permissions.
var (
	userPermission = permission{
		[]string{"User.ReadWrite.All", "Directory.ReadWrite.All"},
		graphAPI, "create users and set their usage location",
	}
	licencePermission = permission{
		[]string{"LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"},
		graphAPI, "assign licences",
	}
	subscriptionPermission = permission{
		[]string{
			"Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All",
			"LicenseAssignment.Read.All", "LicenseAssignment.ReadWrite.All",
		},
		graphAPI, "see which licences the tenant has and how many are free",
	}
	domainPermission = permission{
		[]string{"Domain.ReadWrite.All"},
		graphAPI, "add and verify domains and read their records",
	}
	tracePermission = permission{
		[]string{"ExchangeMessageTrace.Read.All"},
		graphAPI, "read the message trace",
	}
	principalPermission = permission{
		[]string{"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.ReadWrite.All"},
		graphAPI, "make the service principal that message trace needs",
	}
	imapPermission = permission{
		[]string{"IMAP.AccessAsApp"},
		exchangeAPI, "open mailboxes over IMAP",
	}
)

// CheckRoles signs in to Graph and for IMAP, and returns one problem of kind "permission-missing" that names every
// permission a migration can't do without and the app wasn't given. What only message trace needs isn't among them, and
// Mail.ReadBasic.All isn't either: it may have been granted for some mailboxes alone (RBAC for Applications), of which
// the token says nothing.
func (c *Client) CheckRoles(ctx context.Context) error {
	missing, err := c.tokens.missing(ctx, c.graphScope(),
		userPermission, licencePermission, subscriptionPermission, domainPermission)
	if err != nil {
		return fmt.Errorf("cannot sign in to Graph: %w", err)
	}
	mail, err := c.tokens.missing(ctx, c.mailScope, imapPermission)
	if err != nil {
		return fmt.Errorf("cannot sign in for IMAP: %w", err)
	}
	return missingPermissions(append(missing, mail...))
}

func missingPermissions(missing []permission) error {
	if len(missing) == 0 {
		return nil
	}
	names, purposes := make([]string, len(missing)), make([]string, len(missing))
	for i, p := range missing {
		names[i] = fmt.Sprintf("%s (%s)", p.names[0], p.api)
		purposes[i] = p.purpose
	}
	return migration.NeedsPerson("permission-missing",
		fmt.Sprintf("the app is not allowed to %s: its token carries no %s",
			strings.Join(purposes, ", "), strings.Join(names, ", no ")),
		"add as application permissions under App registrations > API permissions and grant admin consent: "+
			strings.Join(names, ", "), errPermission)
}

// errPermission marks the problem of a permission that the token lacks.
var errPermission = errors.New("permission missing")
