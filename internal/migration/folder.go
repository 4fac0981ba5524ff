package migration

// FolderState is what a copy remembers of one folder. It is all that a later pass needs to go on, and small: a
// folder of 100,000 messages copied in order takes some hundred bytes.
type FolderState struct {
	// Source and Target are the folder's full names in UTF-8 with each server's own hierarchy separator.
	Source string `json:"source"`
	Target string `json:"target"`
	// UIDValidity is the source folder's, TargetUIDValidity the target's (RFC 9051, 2.3.1.1); 0 is unknown.
	UIDValidity       uint32 `json:"uidValidity"`
	TargetUIDValidity uint32 `json:"targetUIDValidity,omitempty"`
	// Cursor: every source UID up to and including it is accounted for, but those in Exceptions.
	Cursor uint32 `json:"cursor"`
	// Exceptions are source UIDs up to Cursor that are still to be copied, ascending.
	Exceptions []uint32 `json:"exceptions,omitempty"`
	// ModSeq is the source's HIGHESTMODSEQ at the last complete pass (RFC 7162), 0 without CONDSTORE.
	ModSeq uint64 `json:"modSeq,omitempty"`
	// Baseline is the target's UIDNEXT when the first pass began: what lies below was there before.
	Baseline uint32 `json:"baseline,omitempty"`
	// TargetHigh is the highest target UID known to be ours or looked at; after a crash only what lies above is in doubt.
	TargetHigh uint32 `json:"targetHigh,omitempty"`
	// Pairs are the source UIDs and the target UIDs of their copies, packed in runs; see [Pairs].
	Pairs Pairs `json:"pairs,omitempty"`
	// LeftOut, Refused, Moved, Unflagged and Unpaired are sets of source UIDs as IMAP writes them ("3,7:12"; RFC 9051,
	// 4.1.1): left out by rule, refused for good, come from another folder together with their copies, copied but without
	// a flag that has to be set afterwards, and copied once without it being known where the copy is.
	LeftOut   string `json:"leftOut,omitempty"`
	Refused   string `json:"refused,omitempty"`
	Moved     string `json:"moved,omitempty"`
	Unflagged string `json:"unflagged,omitempty"`
	Unpaired  string `json:"unpaired,omitempty"`
	// Strays is such a set of target UIDs: messages that nothing explains. A worker may have made them and died before it
	// told, of messages that were filed in another folder since.
	Strays string `json:"strays,omitempty"`
	// Lent are copies in the target folder that belong to messages which are in other source folders by now; the newest 200.
	Lent []Loan `json:"lent,omitempty"`
	// TargetMessages is how many messages the target folder held when a pass was last complete.
	TargetMessages int `json:"targetMessages,omitempty"`
	// Deleted is how many copies were moved to Deleted Items to follow the source.
	Deleted int `json:"deleted,omitempty"`
	// PairsDropped says that the pairs grew over their limit and must be rebuilt by matching before they are used.
	PairsDropped bool    `json:"pairsDropped,omitempty"`
	Account      Account `json:"account"`
}

// Loan is a copy, by its UID in the target folder, that belongs to the message with this UID in another source folder: in
// a mailbox in use it stayed where it was when the message was filed there.
type Loan struct {
	Source string `json:"source"`
	UID    uint32 `json:"uid"`
	Target uint32 `json:"target"`
}

// Account accounts for the messages of a source folder. What stands at the source now must equal the sum of the
// other counts but Gone and Unknown; see [Account.Closes].
type Account struct {
	// Source is how many messages the source folder holds.
	Source int `json:"source"`
	// Copied were appended by us; Already were found at the target; Moved were moved at the target to follow the
	// source; Merged share one target message on purpose.
	Copied  int `json:"copied"`
	Already int `json:"already,omitempty"`
	Moved   int `json:"moved,omitempty"`
	Merged  int `json:"merged,omitempty"`
	// LeftOut were left out by rule: flagged \Deleted, or in an excluded folder.
	LeftOut int `json:"leftOut,omitempty"`
	// Refused were refused by the target, or never sent because it would refuse them.
	Refused int `json:"refused,omitempty"`
	// Gone were accounted for once and have left the source since: of every other count they are already taken off.
	Gone int `json:"gone,omitempty"`
	// Unknown are messages above the baseline of the target folder that nothing explains. It must be 0.
	Unknown int   `json:"unknown,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`
}

// Closes reports whether every source message and every target message above the baseline is accounted for.
func (a Account) Closes() bool {
	return a.Source == a.Copied+a.Already+a.Moved+a.Merged+a.LeftOut+a.Refused && a.Unknown == 0
}

// Add adds the counts of b.
func (a *Account) Add(b Account) {
	a.Source += b.Source
	a.Copied += b.Copied
	a.Already += b.Already
	a.Moved += b.Moved
	a.Merged += b.Merged
	a.LeftOut += b.LeftOut
	a.Refused += b.Refused
	a.Gone += b.Gone
	a.Unknown += b.Unknown
	a.Bytes += b.Bytes
}

// Refusal is one message that is not at the target, and why.
type Refusal struct {
	Folder    string `json:"folder"`
	UID       uint32 `json:"uid"`
	MessageID string `json:"messageId,omitempty"`
	Size      int64  `json:"size,omitempty"`
	// Kind is "refused" (the target's NO or BAD), "too-large" (never sent), "poison" (it ended the connection or the
	// worker again and again) or "source-broken" (the source cannot give it out).
	Kind string `json:"kind"`
	// Words are the server's own.
	Words string `json:"words,omitempty"`
}

// MaxRefusals is how many refusals a mailbox carries by name; the true number stands beside them.
const MaxRefusals = 200

// Progress is what a copy has done in this slice.
type Progress struct {
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Folder   string `json:"folder,omitempty"`
	// Total is how many messages this pass found to do; 0 is not known yet.
	Total int `json:"total,omitempty"`
	// Arrivals are those among Messages, so that an attempt that is cut off doesn't lose them.
	Arrivals Arrivals `json:"arrivals,omitzero"`
}
