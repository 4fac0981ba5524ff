package migration

import (
	"crypto/sha256"
	"encoding/hex"
)

// NoticeKind is why users are written to.
type NoticeKind string

// The notices.
const (
	NoticeAnnouncement NoticeKind = "announcement"
	NoticeReminder     NoticeKind = "reminder"
	NoticeWelcome      NoticeKind = "welcome"
)

// Notice is one message to one user.
type Notice struct {
	Kind         NoticeKind
	To           string
	DisplayName  string
	Language     string
	Organisation string
	Support      string
	// MessageID is made by [NoticeID], with the angle brackets.
	MessageID string
	// Account is, for the reminder and the welcome, what there is and what was moved.
	Account  Account
	Refusals []Refusal
	// RefusalCount is the true number.
	RefusalCount int
}

// NoticeID is the Message-ID of a notice: the same for the same tenant, launch, user and kind, and nothing a
// reader could learn anything from.
func NoticeID(tenant, launch, address string, kind NoticeKind, domain string) string {
	sum := sha256.Sum256([]byte(tenant + "\x00" + launch + "\x00" + address + "\x00" + string(kind)))
	return "<" + hex.EncodeToString(sum[:16]) + ".mailferry@" + domain + ">"
}
