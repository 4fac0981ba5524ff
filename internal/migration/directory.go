package migration

// User is a user as the tenant's directory shall have it.
type User struct {
	// Address is the user principal name and the primary address.
	Address       string
	DisplayName   string
	UsageLocation string
	// Licence is the SKU part number to assign where the user has no mailbox plan yet.
	Licence string
	// Password is the first password, used only when the user has to be created.
	Password Sealed
}

// UserResult is what came of making a user so.
type UserResult struct {
	ID string `json:"id"`
	// Created is false for a user that was there and has been adopted.
	Created bool `json:"created,omitempty"`
	// Licensed is true when this call assigned the licence.
	Licensed bool `json:"licensed,omitempty"`
	// Live is true for an adopted user whose mailbox already holds mail.
	Live bool `json:"live,omitempty"`
	// Note is what a person should know of the user, in plain words: adopted with another usage location, say, or
	// synchronised from a directory on premises. It is no problem.
	Note string `json:"note,omitempty"`
}

// Domain is an SMTP domain as the tenant knows it.
type Domain struct {
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
	// Proof is the TXT record that the tenant wants to see before it verifies the domain.
	Proof Record `json:"proof"`
}

// TraceRow is one line of the tenant's message trace.
type TraceRow struct {
	MessageID string `json:"messageId"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
	FromIP    string `json:"fromIP,omitempty"`
	Status    string `json:"status"`
}
