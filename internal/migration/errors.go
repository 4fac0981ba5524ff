package migration

import (
	"errors"
	"fmt"
	"time"
)

// ProblemError is an error that retrying cannot mend: a person must act. Libraries return it, wrapped or not;
// activities turn it into a state that waits for an operator.
type ProblemError struct {
	Problem
	// Cause is the underlying error, nil where there is none.
	Cause error
}

// NeedsPerson makes a ProblemError. The remedy says what the operator can do.
func NeedsPerson(kind, text, remedy string, cause error) error {
	return &ProblemError{Problem: Problem{Kind: kind, Text: text, Remedy: remedy}, Cause: cause}
}

func (e *ProblemError) Error() string { return e.Problem.String() }

// Unwrap returns the cause.
func (e *ProblemError) Unwrap() error { return e.Cause }

// LaterError is a passing fault whose server said when to come back.
type LaterError struct {
	// After is how long to wait, as the server asked.
	After time.Duration
	Cause error
}

func (e *LaterError) Error() string { return fmt.Sprintf("%v (try again in %s)", e.Cause, e.After) }

// Unwrap returns the cause.
func (e *LaterError) Unwrap() error { return e.Cause }

// MessageError is a fault that befell while one message was copied. It is retried like its cause, but a message that
// ends the copy again and again is set aside.
type MessageError struct {
	// Message says which it was: Folder and UID at the source, and MessageID and Size where they are known.
	Message Refusal
	Cause   error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("at UID %d in folder %q: %v", e.Message.UID, e.Message.Folder, e.Cause)
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Cause }

// ShortListingError is a server that counts more messages in a folder than it lists. Nothing may be concluded from such a
// listing. It may pass; where it doesn't, the server's index of the folder is broken.
type ShortListingError struct {
	// Side is "source" or "target".
	Side            string
	Counted, Listed int
}

func (e *ShortListingError) Error() string {
	return fmt.Sprintf("the %s counts %d messages in the folder and lists %d", e.Side, e.Counted, e.Listed)
}

// Lasting is what the error becomes, as it was wrapped, when it has not passed in many attempts: a person must act.
func (e *ShortListingError) Lasting(wrapped error) error {
	if e.Side == "target" {
		return NeedsPerson("target-listing-short", wrapped.Error(),
			"retry the step later; if it stays so have Microsoft look into the mailbox, or skip the step for it, which leaves it out", wrapped)
	}
	return NeedsPerson("source-listing-short", wrapped.Error(),
		"have the index of the folder rebuilt at the source (Dovecot: doveadm force-resync, Cyrus: reconstruct) and retry the step; "+
			"or skip it for this mailbox, which leaves it out", wrapped)
}

// ErrOutcomeUnknown marks a notice whose server stopped answering after it was handed the message: it may have been
// sent, so it must not be sent again before it was looked for.
var ErrOutcomeUnknown = errors.New("the message may have been sent")

// AsProblem finds a ProblemError in err's chain.
func AsProblem(err error) (*Problem, bool) {
	var p *ProblemError
	if errors.As(err, &p) {
		return &p.Problem, true
	}
	return nil, false
}
