package migration

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// MaxState is how many bytes of JSON a mailbox's state may have: a workflow carries it whole, and a server ends workflows
// over payloads of 2 MB.
const MaxState = 900 << 10

// MailboxState is everything a mailbox's copy remembers between passes.
type MailboxState struct {
	Folders  []FolderState `json:"folders,omitempty"`
	Refusals []Refusal     `json:"refusals,omitempty"`
	// RefusalCount is the true number where Refusals is cut at MaxRefusals.
	RefusalCount int `json:"refusalCount,omitempty"`
	// MaxMessage is the size limit learnt from the target's refusals, 0 while unknown.
	MaxMessage int64 `json:"maxMessage,omitempty"`
	// InUse says in words by what the target mailbox was found to be in use; from then on a copy only adds.
	InUse string `json:"inUse,omitempty"`
	// Buried are the copies in the target's Deleted Items that were moved there to follow the source.
	Buried Buried `json:"buried,omitzero"`
	// Observations are counted things that are not failures: line ends mended, keywords left out, structure rewritten.
	Observations []Observation `json:"observations,omitempty"`
}

// Buried is a set of target UIDs in Deleted Items, as IMAP writes them, under that folder's UIDVALIDITY.
type Buried struct {
	UIDValidity uint32 `json:"uidValidity"`
	UIDs        string `json:"uids"`
}

// Observation is something that happened to messages which the report tells but which fails nothing.
type Observation struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// Part is the state as far as a copy of the named source folders needs it: theirs, and that of every folder which shares
// a target folder with one of them, so that what was copied from there isn't taken for theirs.
func (s *MailboxState) Part(folders []string) MailboxState {
	targets := map[string]bool{}
	for _, f := range s.Folders {
		if f.Target != "" && slices.Contains(folders, f.Source) {
			targets[f.Target] = true
		}
	}
	some := MailboxState{MaxMessage: s.MaxMessage, InUse: s.InUse, Buried: s.Buried}
	for _, f := range s.Folders {
		if targets[f.Target] || slices.Contains(folders, f.Source) {
			some.Folders = append(some.Folders, f)
		}
	}
	for _, r := range s.Refusals {
		if slices.Contains(folders, r.Folder) {
			some.Refusals = append(some.Refusals, r)
		}
	}
	return some
}

// Left names the folders that messages have left whose copies are known, or may be. Such a message may yet turn up in
// another folder, and its copy then follows it there.
func (s *MailboxState) Left() []string {
	var names []string
	for _, f := range s.Folders {
		if f.Account.Gone > f.Deleted && len(f.Pairs) > 0 || f.Strays != "" || len(f.Lent) > 0 {
			names = append(names, f.Source)
		}
	}
	return names
}

// Account sums the folders' accounts.
func (s *MailboxState) Account() Account {
	var sum Account
	for _, f := range s.Folders {
		sum.Add(f.Account)
	}
	return sum
}

// Observe counts n more of a kind.
func (s *MailboxState) Observe(kind string, n int) {
	if n == 0 {
		return
	}
	for i := range s.Observations {
		if s.Observations[i].Kind == kind {
			s.Observations[i].Count += n
			return
		}
	}
	s.Observations = append(s.Observations, Observation{kind, n})
}

// maxWords bounds each text of a refusal that a server or a message made up.
const maxWords = 300

// Refuse records a refusal, by name while there is room.
func (s *MailboxState) Refuse(r Refusal) {
	r.MessageID, r.Words = cut(r.MessageID), cut(r.Words)
	s.RefusalCount++
	if len(s.Refusals) < MaxRefusals {
		s.Refusals = append(s.Refusals, r)
	}
}

// cut shortens a text to maxWords bytes.
func cut(text string) string {
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	}
	return text
}

// DropPairs gives up what takes the most room in a folder: its pairs, since they can be found again by matching, or what
// it remembers of strays and loans, without which a message may be copied once more. It reports false where no folder has any.
func (s *MailboxState) DropPairs() bool {
	largest, most := -1, 0
	for i := range s.Folders {
		if n := max(len(s.Folders[i].Pairs), s.Folders[i].astray()); n > most {
			largest, most = i, n
		}
	}
	if largest < 0 {
		return false
	}
	if f := &s.Folders[largest]; f.astray() == most {
		f.Strays, f.Lent = "", nil
	} else {
		f.Pairs, f.PairsDropped = nil, true
	}
	return true
}

// astray is at least how many bytes of JSON the folder's strays and loans have.
func (f *FolderState) astray() int {
	n := len(f.Strays)
	for _, loan := range f.Lent {
		n += len(`{"source":"","uid":4294967295,"target":4294967295},`) + textSize(loan.Source)
	}
	return n
}

// StateTooLarge says that a mailbox has more folders than its workflow can remember: so many bytes, though no pairs are left.
func StateTooLarge(address string, size int) error {
	return NeedsPerson("state-too-large",
		fmt.Sprintf("what the copy of %q remembers is %d bytes, more than a workflow can hold", address, size),
		"join or delete folders at the source and restart the mailbox, leave some out with copy.exclude in another launch, or skip the step for "+
			"this mailbox, which leaves it out", nil)
}

// fit drops pairs until the state is below MaxState. What is left then is small, but for folders by the thousand.
func (s *MailboxState) fit() {
	for s.size() > MaxState && s.DropPairs() {
	}
}

// size is at least how many bytes of JSON the state has. It is reckoned, because encoding isn't for workflow code.
func (s *MailboxState) size() int {
	const plain = 700 // names and numbers of all fields of a folder, a refusal or the whole
	n := plain + textSize(s.InUse) + len(s.Buried.UIDs)
	for i := range s.Folders {
		f := &s.Folders[i]
		n += plain + textSize(f.Source) + textSize(f.Target) + len("4294967295,")*len(f.Exceptions) +
			base64.StdEncoding.EncodedLen(len(f.Pairs)) +
			len(f.LeftOut) + len(f.Refused) + len(f.Moved) + len(f.Unflagged) + len(f.Unpaired) + f.astray()
	}
	for _, r := range s.Refusals {
		n += plain + textSize(r.Folder) + textSize(r.MessageID) + textSize(r.Words)
	}
	return n + plain*len(s.Observations)
}

// textSize is at least how many bytes of JSON a text has: what isn't plain may become \u00e4.
func textSize(text string) int {
	n := 0
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' || c == '"' || c == '\\' {
			n += 6
			continue
		}
		n++
	}
	return n
}

// Merge takes over what a slice returned: the folders it names replace those of the same source name, new ones are
// added in order, and the counts, which a slice gives as what it added, are added. Over MaxState pairs are dropped, the
// largest first.
func (s *MailboxState) Merge(slice MailboxState) {
	for _, f := range slice.Folders {
		replaced := false
		for i := range s.Folders {
			if s.Folders[i].Source == f.Source {
				s.Folders[i], replaced = f, true
				break
			}
		}
		if !replaced {
			s.Folders = append(s.Folders, f)
		}
	}
	for _, r := range slice.Refusals {
		if len(s.Refusals) < MaxRefusals {
			s.Refusals = append(s.Refusals, r)
		}
	}
	s.RefusalCount += slice.RefusalCount
	if slice.MaxMessage != 0 {
		s.MaxMessage = slice.MaxMessage
	}
	if s.InUse == "" {
		s.InUse = slice.InUse
	}
	if slice.Buried != (Buried{}) {
		s.Buried = slice.Buried
	}
	for _, o := range slice.Observations {
		s.Observe(o.Kind, o.Count)
	}
	s.fit()
}

// Exit is why a slice of a copy ended without an error.
type Exit string

// The ways in which a slice ends and keeps what it learnt.
const (
	// ExitDone: the pass is complete.
	ExitDone Exit = "done"
	// ExitSlice: time, bytes, messages or the size of the heartbeat are used up; call again.
	ExitSlice Exit = "slice"
	// ExitStopped: cancelled, paused, or the worker is going down; call again when allowed.
	ExitStopped Exit = "stopped"
	// ExitLater: it fails in attempt after attempt, of something that may pass; call again after a while.
	ExitLater Exit = "later"
	// ExitProblem: a person is needed.
	ExitProblem Exit = "problem"
	// ExitPoison: one message ends the copy again and again; it is named in the result.
	ExitPoison Exit = "poison"
)

// Verification is the verdict on a mailbox after a pass.
type Verification struct {
	// Verified means that every folder closes and every copy compared equal.
	Verified bool `json:"verified"`
	// Folders are the accounts as recounted from both servers, in the state's order.
	Folders []FolderAccount `json:"folders,omitempty"`
	// Faults are, in plain words, what keeps it from closing; at most 20.
	Faults []string `json:"faults,omitempty"`
	// Late counts messages that arrived at the source after the pass and wait for the next; they are no fault.
	Late int `json:"late,omitempty"`
}

// FolderAccount is one folder's part of a closing equation.
type FolderAccount struct {
	Source  string  `json:"source"`
	Target  string  `json:"target"`
	Account Account `json:"account"`
}

// MailboxAccount is what a mailbox leaves behind in the archive and what the tenant's report is made of.
type MailboxAccount struct {
	Address      string          `json:"address"`
	User         string          `json:"user"`
	Wave         string          `json:"wave"`
	State        State           `json:"state"`
	Account      Account         `json:"account"`
	Folders      []FolderAccount `json:"folders,omitempty"`
	Refusals     []Refusal       `json:"refusals,omitempty"`
	RefusalCount int             `json:"refusalCount,omitempty"`
	Observations []Observation   `json:"observations,omitempty"`
	Verification Verification    `json:"verification"`
	Passes       int             `json:"passes"`
	Problem      *Problem        `json:"problem,omitempty"`
	Note         string          `json:"note,omitempty"`
	// Audit is the mailbox's own trail: what people ordered for it alone.
	Audit []AuditEntry `json:"audit,omitempty"`
}
