package imap

import (
	"strings"
	"time"
)

// Fault makes something go wrong. Its first fields say where; empty ones match everything. Several faults may match
// one command; each has its effect.
type Fault struct {
	// Mailbox is the address of the mailbox that is open.
	Mailbox string
	// Command is the command in capitals, "UID FETCH" with its UID. A message's fault (UID or MessageID set) acts when the
	// message's turn comes, every other one before the command does anything.
	Command string
	// UID is a message that is fetched, in Folder where that is set.
	Folder string
	UID    uint32
	// Body has a UID's fault act only where the message's text is asked for.
	Body bool
	// MessageID is a message that is appended: it is found in its first 64 KiB.
	MessageID string

	// Skip lets so many matches pass first; Times is how many times it acts after that, 0 for ever.
	Skip, Times int

	// Delay waits before the command is carried out; Do is called then, so that something happens between two commands.
	Delay time.Duration
	Do    func() `json:"-"`
	// Answer is given in place of the command's own, status included: "NO Server Unavailable. 15".
	Answer string
	// Bye closes the connection with that text.
	Bye string
	// Cut closes the connection without a word; CutIn and CutOut after so many more bytes from or to the client.
	Cut           bool
	CutIn, CutOut int64
	// Lose carries the command out, and cuts the connection before the answer.
	Lose bool
	// SizeBy is added to RFC822.SIZE; Empty gives the message's body as empty.
	SizeBy int64
	Empty  bool
	// Hide leaves the message out of the answers to FETCH and SEARCH, or to Command alone, which are OK all the same.
	Hide bool
}

// armed is a fault that waits for its matches.
type armed struct {
	Fault
	skip, left int
}

// Inject adds a fault and returns the function that takes it away.
func (s *Server) Inject(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &armed{Fault: f, skip: f.Skip, left: f.Times}
	s.faults = append(s.faults, a)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, other := range s.faults {
			if other == a {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				return
			}
		}
	}
}

// forCommand lists the faults that act on a command as a whole.
func (s *Server) forCommand(mailbox, command string) []Fault {
	return s.match(func(f *Fault) bool {
		return f.UID == 0 && f.MessageID == "" && matches(f.Mailbox, mailbox) && matches(f.Command, command)
	})
}

// forUID lists the faults that act on a message that is fetched.
func (s *Server) forUID(mailbox, command, folder string, uid uint32) []Fault {
	return s.match(func(f *Fault) bool {
		return !f.Hide && f.UID == uid && matches(f.Mailbox, mailbox) && matches(f.Command, command) && matches(f.Folder, folder)
	})
}

// forMessage lists the faults that act on a message that is appended.
func (s *Server) forMessage(mailbox, folder string, body []byte) []Fault {
	head := string(body[:min(len(body), 64<<10)])
	return s.match(func(f *Fault) bool {
		return f.MessageID != "" && strings.Contains(head, f.MessageID) && matches(f.Mailbox, mailbox) &&
			matches(f.Command, "APPEND") && matches(f.Folder, folder)
	})
}

// hides reports whether a message is to be left out of an answer.
func (s *Server) hides(mailbox, command, folder string, uid uint32) bool {
	return len(s.match(func(f *Fault) bool {
		return f.Hide && f.UID == uid && matches(f.Mailbox, mailbox) && matches(f.Command, command) && matches(f.Folder, folder)
	})) > 0
}

func matches(want, have string) bool { return want == "" || want == have }

func (s *Server) match(is func(*Fault) bool) []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Fault
	kept := s.faults[:0]
	for _, a := range s.faults {
		if !is(&a.Fault) {
			kept = append(kept, a)
			continue
		}
		if a.skip > 0 {
			a.skip--
			kept = append(kept, a)
			continue
		}
		found = append(found, a.Fault)
		if a.Times == 0 {
			kept = append(kept, a)
		} else if a.left--; a.left > 0 {
			kept = append(kept, a)
		}
	}
	s.faults = kept
	return found
}
