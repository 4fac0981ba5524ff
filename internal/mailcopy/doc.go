// Package mailcopy copies a mailbox from one IMAP server to another, proves the copy, and brings it up to date. It knows
// nothing of workflows: what it learns it hands back as values, and what it is given it goes on from.
//
// # Never twice, never lost
//
// [Copy] appends the messages of a source folder in the order of their UIDs on one connection to the target. What it has
// appended and knows the target UID of is in the folder's state ([migration.FolderState]). Whatever ends a copy, and
// whenever, only target messages above the state's TargetHigh can be unrecorded copies; the next call matches them with
// the source's messages in doubt, in order, two equal messages needing two (match.go), before it appends anything. So a
// state that is older than the truth is enough, and no rule needs the target to tell the UIDs of what it took.
//
// One writer is the caller's duty: while a copy that was given up may still be writing, the next must wait
// (Options.Settle).
//
// # Errors
//
// An error that wraps *migration.ProblemError needs a person; *migration.LaterError says when the server wants to be
// asked again; *migration.MessageError names the message that was under way; any other is a passing fault. Copy returns
// what it learnt beside the error.
//
// # What is not here
//
// Nothing is ever deleted, at the source or at the target, and nothing is written at the source: its folders are opened
// by EXAMINE and its messages read with PEEK.
package mailcopy
