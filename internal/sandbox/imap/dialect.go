package imap

import (
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Dialect is how a make of server speaks and what it can do.
type Dialect struct {
	// Greeting is the text after "* OK ".
	Greeting string
	// Before and After are the capabilities before and after sign-in. What isn't named isn't understood, for CONDSTORE,
	// SPECIAL-USE, LIST-EXTENDED, LIST-STATUS, STATUS=SIZE, ESEARCH, UIDPLUS, MOVE, ENABLE, AUTH= and LOGINDISABLED.
	Before, After []string
	// CapabilityCode puts the capabilities into the greeting and the answer to a sign-in as well.
	CapabilityCode bool
	// Separator is the hierarchy separator; Prefix is that of the personal namespace.
	Separator, Prefix string
	// ID is the answer to the ID command, in pairs.
	ID    []string
	Words Words

	// Keywords: clients may make their own. Known are the keywords that can be set besides.
	Keywords bool
	Known    []string
	// ListUse shows special-use attributes in LIST though the client didn't ask.
	ListUse bool
	// FoldCase: names that differ in case only are the same folder.
	FoldCase bool
	// Reserved are names at the top that can't be created.
	Reserved []string
	// MakesParents: CREATE makes the missing parents as real folders. Otherwise they are listed as \Noselect.
	MakesParents bool
	// TrimsNames: blanks at the end of a name, and of each of its parents' names, go.
	TrimsNames bool

	// MaxMessage is the largest message that APPEND takes, in bytes; 0 is any.
	MaxMessage int64
	// MaxLine is the longest line, without its end, that APPEND takes in a message; 0 is any.
	MaxLine int
	// MaxCommand is the longest command line, without its literals; 0 is 64 KiB.
	MaxCommand int
	// RefusesEmpty: APPEND takes no message of 0 bytes.
	RefusesEmpty bool
	// RefusesReadReports: APPEND takes no message whose subject begins with "Read:".
	RefusesReadReports bool
	// NoUIDNext leaves UIDNEXT out of the answers to SELECT, EXAMINE and STATUS.
	NoUIDNext bool
	// NoAppendUID leaves APPENDUID out of APPEND's answer.
	NoAppendUID bool
	// EmptyCopyUID: COPY and MOVE of nothing answer with a COPYUID of empty sets, which the grammar doesn't allow.
	EmptyCopyUID bool
	// UnsureFlagged: \Flagged given to APPEND shows in IMAP but isn't really set before a STORE sets it; see [Unsure].
	UnsureFlagged bool
	// RenumbersFlagged: a message whose \Flagged is really set or taken away gets a new UID.
	RenumbersFlagged bool
	// Rewrites: messages are taken apart and put together again when stored.
	Rewrites Rewriting
	// SizeError makes RFC822.SIZE an estimate that is off by up to so many per cent.
	SizeError int

	// MaxErrors is how many BAD answers a connection gets before it is closed; 0 is any number.
	MaxErrors int
	// MaxConnections is how many connections a mailbox may have at once; 0 is any number.
	MaxConnections int
	Budget         Budget
}

// Rewriting says how messages are changed when they are stored. Its zero value keeps every byte.
type Rewriting struct {
	// On refolds the header, gives multiparts new boundaries, and ends all lines in CRLF.
	On bool
	// BareLFHeader: where the header's lines end in a bare LF, all of the message becomes its body.
	BareLFHeader bool
	// EncodesHeader writes 8-bit header text as encoded words (RFC 2047).
	EncodesHeader bool
	// InventsMessageID gives a message without Message-ID one.
	InventsMessageID bool
}

// Budget throttles APPENDs, by mailbox: Burst at once, and one more every Recharge. A zero Burst throttles nothing.
type Budget struct {
	Burst    int
	Recharge time.Duration
	// Backoff is the suggested time to wait; Patience is how many refused APPENDs are answered before the connection is closed.
	Backoff  time.Duration
	Patience int
}

// Words are the texts of a make of server.
type Words struct {
	// Completed is for every OK; %s is the command as the client wrote it, in capitals.
	Completed string
	// SignInFailed and SignInDone are the answers to AUTHENTICATE and LOGIN; %s is the command.
	SignInFailed, SignInDone string
	// NotConnected is BAD's text after a sign-in without access to the mailbox.
	NotConnected string
	// Unknown, Syntax, Invalid and TooLong are BAD's texts: an unknown command; arguments; a command in the wrong
	// state; a line that is too long.
	Unknown, Syntax, Invalid, TooLong string
	// NoFolder, Exists, Reserved and TooLarge are NO's texts.
	NoFolder, Exists, Reserved, TooLarge string
	// Refused is the whole answer, status included, to a message that the server can't take.
	Refused string
	// Throttled is the whole answer, status included, to an APPEND over budget; %d is the milliseconds to wait.
	Throttled string
	// Closed is BYE's text when the server has had enough; Expired when the token ran out; Bye after LOGOUT.
	Closed, Expired, Bye string
	// Idle is the text after "+ " that accepts IDLE.
	Idle string
}

// Unsure is the flag that the store keeps with a message whose \Flagged came with APPEND on a server with
// UnsureFlagged: other protocols (Outlook) don't show the flag. IMAP never shows it.
const Unsure = `\Unsure`

var systemFlags = []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

// permitted drops the flags that can't be set.
func (d *Dialect) permitted(flags []string) []string {
	var kept []string
	for _, flag := range flags {
		system := strings.HasPrefix(flag, `\`)
		if contains(systemFlags, flag) || contains(d.Known, flag) || d.Keywords && !system {
			kept = append(kept, flag)
		}
	}
	return kept
}

func (d *Dialect) can(capability string) bool {
	return contains(d.Before, capability) || contains(d.After, capability)
}

func contains(list []string, word string) bool {
	return store.Entry{Flags: list}.Has(word)
}

// Source is a full IMAP4rev1 server of today, with "/" between folders and every extension that a careful copy uses.
func Source() Dialect {
	base := []string{"IMAP4rev1", "SASL-IR", "LOGIN-REFERRALS", "ID", "ENABLE", "IDLE", "LITERAL+"}
	return Dialect{
		Greeting: "Harbour mail ready.",
		Before:   append(base[:len(base):len(base)], "AUTH=PLAIN", "AUTH=XOAUTH2"),
		After: append(base[:len(base):len(base)], "NAMESPACE", "UIDPLUS", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS",
			"CONDSTORE", "MOVE", "UNSELECT", "CHILDREN", "STATUS=SIZE", "ESEARCH"),
		CapabilityCode: true,
		Separator:      "/",
		ID:             []string{"name", "Harbour", "version", "3.1"},
		Keywords:       true,
		Words: Words{
			Completed:    "%s completed.",
			SignInFailed: "[AUTHENTICATIONFAILED] Authentication failed.",
			SignInDone:   "Logged in",
			NotConnected: "Mailbox is not available.",
			Unknown:      "Unknown command.",
			Syntax:       "Error in IMAP command: invalid arguments.",
			Invalid:      "Command is not allowed in this state.",
			TooLong:      "Too long command line.",
			NoFolder:     "[NONEXISTENT] Mailbox doesn't exist.",
			Exists:       "[ALREADYEXISTS] Mailbox already exists.",
			Reserved:     "[CANNOT] Name is reserved.",
			TooLarge:     "[LIMIT] Message is too large.",
			Refused:      "NO [CANNOT] Message can't be saved.",
			Throttled:    "NO [LIMIT] Try again in %d milliseconds.",
			Closed:       "Too many invalid IMAP commands.",
			Expired:      "Session expired.",
			Bye:          "Logging out",
			Idle:         "idling",
		},
		RefusesEmpty: true,
		MaxErrors:    50,
	}
}

// DottedSource is [Source] with "." between folders and all of them below INBOX, as Courier and Cyrus have it.
func DottedSource() Dialect {
	d := Source()
	d.Separator, d.Prefix = ".", "INBOX."
	return d
}

// OldSource is a source without extensions: no LITERAL+, UIDPLUS, CONDSTORE, SPECIAL-USE, NAMESPACE or IDLE.
func OldSource() Dialect {
	d := Source()
	d.Greeting = "IMAP4rev1 server ready"
	d.Before, d.After = []string{"IMAP4rev1"}, []string{"IMAP4rev1"}
	d.CapabilityCode = false
	d.ListUse, d.Keywords = false, false
	return d
}
