package migration

import "time"

// SourceFacts is what an IMAP source tells of itself once a mailbox of it is open.
type SourceFacts struct {
	Greeting     string   `json:"greeting"`
	Capabilities []string `json:"capabilities"`
	// Separator and Prefix are those of the personal namespace (RFC 2342).
	Separator string        `json:"separator"`
	Prefix    string        `json:"prefix,omitempty"`
	Folders   []FolderFacts `json:"folders,omitempty"`
}

// FolderFacts is one folder as LIST and STATUS show it, and where its mail will go.
type FolderFacts struct {
	Name       string `json:"name"`
	SpecialUse string `json:"specialUse,omitempty"`
	Messages   int    `json:"messages"`
	// Bytes is the sum of RFC822.SIZE where the server gives it cheaply (STATUS=SIZE), else 0.
	Bytes  int64  `json:"bytes,omitempty"`
	Target string `json:"target,omitempty"`
}

// FolderCursor is the part of a FolderState by which a probe tells whether anything changed, and a verification what is new.
type FolderCursor struct {
	Source      string `json:"source"`
	UIDValidity uint32 `json:"uidValidity"`
	Cursor      uint32 `json:"cursor"`
	ModSeq      uint64 `json:"modSeq,omitempty"`
	// Messages is how many the folder held at the end of the last pass.
	Messages int `json:"messages"`
	// Exceptions says that the folder needs a look whatever its figures say.
	Exceptions bool `json:"exceptions,omitempty"`
	// TargetUIDValidity and TargetHigh tell what of the target folder is new since then.
	TargetUIDValidity uint32 `json:"targetUIDValidity,omitempty"`
	TargetHigh        uint32 `json:"targetHigh,omitempty"`
}

// Cursors returns the part by which a probe sees whether the folder changed. Without CONDSTORE the figures don't tell that
// a message which was left out as \Deleted is to be copied after all.
func (f *FolderState) Cursors() FolderCursor {
	look := len(f.Exceptions) > 0 || f.LeftOut != "" && f.ModSeq == 0
	return FolderCursor{f.Source, f.UIDValidity, f.Cursor, f.ModSeq, f.Account.Source, look, f.TargetUIDValidity, f.TargetHigh}
}

// FolderBound is where a pass ends in a source folder: what has the UID Next or a higher one came while the pass was under
// way, and is left to the next one.
type FolderBound struct {
	Source      string `json:"source"`
	UIDValidity uint32 `json:"uidValidity"`
	Next        uint32 `json:"next"`
}

// Arrivals tells of mail that the source's own MTA took in since the last pass; notices, probes, and what clients
// saved do not count.
type Arrivals struct {
	Count int `json:"count,omitempty"`
	// Last is the latest one's INTERNALDATE.
	Last time.Time `json:"last,omitzero"`
	// From are the hosts that delivered, as the Received lines name them: the straggler map; at most 20.
	From []string `json:"from,omitempty"`
}

// Add takes b's arrivals in.
func (a *Arrivals) Add(b Arrivals) {
	a.Count += b.Count
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
	for _, host := range b.From {
		known := false
		for _, have := range a.From {
			known = known || have == host
		}
		if !known && len(a.From) < 20 {
			a.From = append(a.From, host)
		}
	}
}
