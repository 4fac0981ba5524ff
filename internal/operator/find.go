package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Find is the workflow ID of the tenant, of one of its waves by name, or of one of its mailboxes by address, in the
// tenant's latest launch. At most one of wave and mailbox may be given.
func (o *Operator) Find(ctx context.Context, tenant, wave, mailbox string) (string, error) {
	e, err := o.find(ctx, tenant)
	switch {
	case err != nil:
		return "", err
	case wave != "":
		return waveID(tenant, e.record.Launch, wave), nil
	case mailbox != "":
		return mailboxID(tenant, e.record.Launch, strings.ToLower(mailbox)), nil
	}
	return tenant, nil
}

func waveID(tenant, launch, wave string) string { return tenant + "/" + launch + "/" + wave }

// mailboxID is as the workflows make it: an address that is too long for a workflow ID is hashed.
func mailboxID(tenant, launch, address string) string {
	const limit = 190
	if len(address) > limit {
		sum := sha256.Sum256([]byte(address))
		address = hex.EncodeToString(sum[:])
	}
	return tenant + "/" + launch + "/mailbox/" + address
}
