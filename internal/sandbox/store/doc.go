// Package store keeps the mailboxes of the simulated world: folders with their UIDs and mod-sequences, and messages
// byte for byte, in a bbolt file that other parts of the world may share.
//
// # Guarantees
//
// A method that changes something has it in the file when it returns. The file is consistent after the process was
// killed at any moment (kill -9): what was acknowledged is there, what was not is wholly there or not at all. It is
// not made for power loss: see [Open].
//
// Every method is safe for concurrent use. No read transaction outlives a call, so a slow reader of a large body
// never holds up a writer; see [Body].
//
// UIDs, UIDVALIDITY and UIDNEXT follow RFC 9051, 2.3.1.1; mod-sequences follow RFC 7162, 3.1, one counter a folder.
// Folder names are UTF-8 and full, with whatever hierarchy separator the server in front uses: the store knows
// nothing of hierarchy but in [Store.RenameFolder]. "INBOX" is the same in any case, every other name is exact.
//
// A body is never deleted, even when its last message is expunged, and copies share one: the world stays auditable,
// and a reader never loses what it reads.
package store
