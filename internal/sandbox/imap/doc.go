// Package imap is the simulated world's IMAP server, for both roles: a source of any make and a target like Exchange
// Online. What a make of server says and refuses is a value, [Dialect]; [Source] and [ExchangeOnline] give the two
// that the world uses, and every field may be changed before or while the server runs ([Server.Change]).
//
// Mailboxes live in a store.Store: a change is in the file before its answer is sent. Servers share a store freely.
//
// Faults ([Fault], [Server.Inject]) make single commands or messages go wrong: a connection cut at a byte, an answer
// that is lost though the command was carried out, a refusal, a delay, a false size.
//
// Words and habits of Exchange Online were collected from Microsoft's documentation and from public protocol logs;
// where sources disagree or are silent, the behaviour is a switch of the dialect.
//
// It is made for tests and demonstrations on one machine: it knows no quota, no shared folders, and no idle time-out
// but the one that keeps a forgotten connection from living for ever.
package imap
