package activities

import (
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// ProbeMailInput is a routing probe to send from outside.
type ProbeMailInput struct {
	Scope   Scope             `json:"scope"`
	Routing migration.Routing `json:"routing"`
	To      string            `json:"to"`
	// Try counts the probes to this domain from 1; each has a Message-ID of its own.
	Try int `json:"try"`
}

// ProbeMailOutput is the probe's Message-ID.
type ProbeMailOutput struct {
	MessageID string `json:"messageId"`
}

// FindProbeInput is a probe to look for in the new mailbox.
type FindProbeInput struct {
	Door      Door   `json:"door"`
	Address   string `json:"address"`
	MessageID string `json:"messageId"`
}

// FindProbeOutput says whether it came, and its Received lines, newest first.
type FindProbeOutput struct {
	Found    bool     `json:"found"`
	Received []string `json:"received,omitempty"`
}

// TraceInput asks the tenant's message trace about a domain.
type TraceInput struct {
	Microsoft migration.Microsoft `json:"microsoft"`
	Domain    string              `json:"domain"`
	Since     time.Time           `json:"since"`
}

// TraceOutput has what came in from outside.
type TraceOutput struct {
	Rows []migration.TraceRow `json:"rows,omitempty"`
}
