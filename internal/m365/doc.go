// Package m365 is a Microsoft 365 tenant as a migration sees it: its users and licences, its domains, its message
// trace, and the token that opens its mailboxes over IMAP. It speaks Microsoft Graph through msgraph-sdk-go and signs in
// through azidentity as an application, with a client secret or a certificate.
//
// # Contract
//
// A [Client] is safe for concurrent use. Every method that changes something is idempotent: what is so already
// succeeds and changes nothing. No method leaves a goroutine behind.
//
// # Errors
//
// An error wraps a *migration.ProblemError where a person must act, with what went wrong and the remedy; a
// *migration.LaterError where Microsoft said when to come back (Retry-After); and is a passing fault otherwise, to be tried
// again with growing pauses. Nothing is retried inside but what directory replication mends within a minute and a token
// that was refused, once. Errors name Graph's request-id, which Microsoft's support asks for; they never hold a
// secret, a password or a token. All causes are told apart in errors.go.
//
// # What it is not for
//
// It moves no mail. What no Graph call can do (access to a mailbox over IMAP, the IMAP switch, sizes, DKIM) is in the
// PowerShell script of the package scripts below it.
package m365
