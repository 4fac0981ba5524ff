// Package migration is the vocabulary that every layer of Mailferry shares: the plan, the mailboxes, the eleven
// steps and their states, what a copy remembers of a folder, what stands in the DNS, and what is reported at the end.
//
// It holds values and the pure functions on them. It does no I/O, starts nothing, and depends on the standard
// library alone, so that workflows (which must be deterministic) and libraries can both build on it. Every type
// travels as JSON through Temporal: a field may be added, never renamed, retyped or given another meaning.
package migration
