// Package scripts writes the PowerShell script for what no Graph call can do in a tenant: let the app into exactly the
// mailboxes of a migration over IMAP, switch IMAP on where a plan has it off, raise the size of a message for the time
// of the copy, and hold retention rules back so that they don't file old mail away while it arrives.
//
// The script is for an Exchange administrator to read and run. It has -Grant, -Check and -Revoke; what it changes it
// first writes down, so that -Revoke puts back what was there. It depends on nothing but this package's template: no
// value becomes code, because every one is quoted by [Quote].
package scripts

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"
)

// Access is what the script is written for.
type Access struct {
	// Tenant is the migration's name; the file with what was changed is called after it.
	Tenant string
	// ClientID is the application (client) ID of the app registration.
	ClientID string
	// ObjectID is the object ID of its enterprise application (the service principal; not that of the app
	// registration). Empty means that whoever runs the script gives it, as -ObjectId.
	ObjectID string
	// Mailboxes are the addresses that the app is let into: these and no others.
	Mailboxes []string
	// Domains are those whose DKIM records the script prepares and shows.
	Domains []string
	// MaxMessageMB is the size of a message to allow while mail is copied; 0 means 150, Exchange Online's ceiling.
	MaxMessageMB int
}

// MaxMailboxes bounds one script.
const MaxMailboxes = 5000

//go:embed access.ps1.tmpl
var accessText string

var accessTemplate = template.Must(template.New("access.ps1").Funcs(template.FuncMap{"quote": Quote}).Parse(accessText))

// Write writes the script. It refuses what can't be an address, and values with control characters.
func (a Access) Write(w io.Writer) error {
	if a.MaxMessageMB == 0 {
		a.MaxMessageMB = 150
	}
	if a.MaxMessageMB < 1 || a.MaxMessageMB > 150 {
		return fmt.Errorf("a message size of %d MB is not within Exchange Online's 1 to 150", a.MaxMessageMB)
	}
	if len(a.Mailboxes) == 0 || len(a.Mailboxes) > MaxMailboxes {
		return fmt.Errorf("%d mailboxes: a script is for 1 to %d", len(a.Mailboxes), MaxMailboxes)
	}
	if a.ClientID == "" {
		return errors.New("the script needs the app's client ID")
	}
	for _, address := range a.Mailboxes {
		local, domain, ok := strings.Cut(address, "@")
		if !ok || local == "" || domain == "" || strings.ContainsAny(domain, "@*?") || strings.Contains(address, "*") {
			return fmt.Errorf("%q is not the address of one mailbox", address)
		}
	}
	values := append([]string{a.Tenant, a.ClientID, a.ObjectID}, slices.Concat(a.Mailboxes, a.Domains)...)
	for _, value := range values {
		if !utf8.ValidString(value) || strings.ContainsFunc(value, unprintable) {
			return fmt.Errorf("%q holds characters that have no place in a script", value)
		}
	}
	return accessTemplate.Execute(w, a)
}

// unprintable are control characters, line and paragraph separators, and those that change the direction of text,
// which would make a script read otherwise than it runs.
func unprintable(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff ||
		r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Quote writes s as a PowerShell expression in ASCII alone. A plain value becomes a string in single quotes, with its
// own single quotes doubled (about_Quoting_Rules). Everything that isn't ASCII becomes a number: PowerShell takes
// typographic quotes for quotes, and Windows PowerShell reads a file without a byte order mark in the machine's own
// code page, where bytes of other letters are such quotes.
func Quote(s string) string {
	var parts []string
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, "'"+plain.String()+"'")
			plain.Reset()
		}
	}
	for _, r := range s {
		switch {
		case r == '\'':
			plain.WriteString("''")
		case r >= ' ' && r < 0x7f:
			plain.WriteRune(r)
		default:
			flush()
			parts = append(parts, fmt.Sprintf("[char]::ConvertFromUtf32(0x%X)", r))
		}
	}
	flush()
	switch len(parts) {
	case 0:
		return "''"
	case 1:
		if parts[0][0] == '\'' {
			return parts[0]
		}
	}
	return "(" + strings.Join(parts, " + ") + ")"
}
