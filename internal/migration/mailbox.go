package migration

import "strings"

// Mailbox is one row of the CSV after it was accepted: whose mail moves from where to where. Its secret is sealed.
type Mailbox struct {
	// Address is the mailbox at the target, case-folded: the row's EmailAddress. It names the mailbox everywhere.
	Address string `json:"address"`
	// User is the sign-in name at the source: the row's UserName.
	User string `json:"user"`
	// Password is the row's Password; empty where the endpoint signs in by a master user.
	Password Sealed `json:"password,omitempty"`
	// UserRoot is the folder below which the source keeps this user's mail, where the server needs it told.
	UserRoot string `json:"userRoot,omitempty"`

	DisplayName   string      `json:"displayName,omitempty"`
	Endpoint      string      `json:"endpoint"`
	SourceAddress string      `json:"sourceAddress,omitempty"`
	Type          MailboxType `json:"type,omitempty"`
	// Licence is the SKU part number to assign, or empty for the plan's default.
	Licence       string `json:"licence,omitempty"`
	UsageLocation string `json:"usageLocation,omitempty"`
	Language      string `json:"language,omitempty"`
	Wave          string `json:"wave"`
	// Live marks a mailbox that is in use at the target already: every delta is add-only.
	Live bool `json:"live,omitempty"`
}

// MailboxType is what kind of mailbox a row describes; the zero value is a person's.
type MailboxType string

// The types of mailbox that Exchange Online has.
const (
	UserMailbox      MailboxType = "user"
	SharedMailbox    MailboxType = "shared"
	RoomMailbox      MailboxType = "room"
	EquipmentMailbox MailboxType = "equipment"
)

// Domain is the part of the address after the last @.
func (m Mailbox) Domain() string { return m.Address[strings.LastIndexByte(m.Address, '@')+1:] }

// At is the address that mail for this mailbox carries at the source: SourceAddress, or else Address.
func (m Mailbox) At() string {
	if m.SourceAddress != "" {
		return m.SourceAddress
	}
	return m.Address
}
