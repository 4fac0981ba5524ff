// Package corpus fills the simulated source's mailboxes with mail that is nasty on purpose: everything that a
// mailbox of twenty years holds and that makes copying go wrong.
//
// The corpus is a function of its seed and [Spec]: the same ones give the same bytes, dates, flags, folders and order.
// [Each] tells what that is without a store, so whoever compares afterwards needs no list. [Fill] may be killed at any
// moment and called again.
//
// A mailbox of at least [Kinds] messages holds every kind; see the table in kinds.go. Beyond that most are ordinary.
package corpus
