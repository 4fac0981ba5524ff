package m365

import (
	"context"
	"fmt"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// MailboxAnswers reports whether Graph finds the user's mailbox: first Exchange stamps the user's mail property, then
// the inbox can be read. It does not prove that IMAP lets anyone in. A 404 means "not yet", whatever its code:
// MailboxNotEnabledForRESTAPI, ResourceNotFound, or the user's own replica lagging.
func (c *Client) MailboxAnswers(ctx context.Context, address string) (bool, error) {
	user, err := c.findUser(ctx, address)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil || text(user.GetMail()) == "" {
		return false, err
	}
	_, there, err := c.folder(ctx, address, text(user.GetId()), "inbox")
	return there, err
}

// holdsMail reports whether an adopted user works in the mailbox already: mail in the inbox or among the sent items.
func (c *Client) holdsMail(ctx context.Context, address, id string) (bool, error) {
	for _, name := range []string{"inbox", "sentitems"} {
		folder, there, err := c.folder(ctx, address, id, name)
		if err != nil {
			return false, err
		}
		if there && deref(folder.GetTotalItemCount()) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// folder reads a well-known folder; there is false where Graph has no mailbox or folder.
func (c *Client) folder(ctx context.Context, address, id, name string) (folder models.MailFolderable, there bool, err error) {
	o := operation{doing: fmt.Sprintf("look at the folder %s of the mailbox %q", name, address)}
	folder, err = ask(ctx, c, o, func() (models.MailFolderable, error) {
		return c.users().ByUserId(id).MailFolders().ByMailFolderId(name).Get(ctx,
			&users.ItemMailFoldersMailFolderItemRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemMailFoldersMailFolderItemRequestBuilderGetQueryParameters{
					Select: []string{"id", "totalItemCount"},
				},
			})
	})
	if isNotFound(err) {
		return nil, false, nil
	}
	return folder, err == nil && folder != nil, err
}
