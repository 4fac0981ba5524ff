package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind says what sort of failure an [Error] is, for programs that branch on it.
type Kind string

// The kinds of failure.
const (
	Unreachable   Kind = "unreachable"    // the Temporal server does not answer
	NoNamespace   Kind = "no-namespace"   // the server has no such namespace
	NoAttributes  Kind = "no-attributes"  // the namespace lacks Mailferry's search attributes
	ShortMemory   Kind = "short-memory"   // the namespace forgets closed runs too early
	Denied        Kind = "denied"         // the server knows us, or not, and says no
	UnknownTenant Kind = "unknown-tenant" // no such migration
	NotRunning    Kind = "not-running"    // the migration, wave or mailbox has ended
	Running       Kind = "running"        // a migration of that name runs with another plan or list
	NoWorker      Kind = "no-worker"      // nobody answered who could carry the order out
	Refused       Kind = "refused"        // the workflow refused, and said why
	Invalid       Kind = "invalid"        // what was asked for makes no sense
	NoReport      Kind = "no-report"      // there is no closing report yet
)

// Error is a failure in plain words.
type Error struct {
	Kind Kind
	// Text says what was attempted and what came of it.
	Text string
	// Hints say what can be done, each a sentence without a full stop.
	Hints []string
	// Cause is the error below, nil where there is none.
	Cause error
}

func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// IsKind reports whether err is, or wraps, an [Error] of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// Hints are what an operator can do about an error, none where nobody knows.
func Hints(err error) []string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hints
	}
	return nil
}

// Translate puts what Temporal says of a connection, a namespace or a permission into an operator's words. An error
// that it doesn't know, an [Error] among them, it returns as it is.
func Translate(err error) error {
	var (
		already    *Error
		noName     *serviceerror.NamespaceNotFound
		noPerm     *serviceerror.PermissionDenied
		notThere   *serviceerror.Unavailable
		bad        *serviceerror.InvalidArgument
		notAllowed = status.Code(err) == codes.Unauthenticated
	)
	switch {
	case err == nil || errors.As(err, &already):
		return err
	case errors.As(err, &noName):
		return &Error{
			Kind: NoNamespace, Text: fmt.Sprintf("the Temporal server has no namespace %q", noName.Namespace), Cause: err,
			Hints: []string{
				"name another one with --namespace or TEMPORAL_NAMESPACE",
				fmt.Sprintf("or make it: temporal operator namespace create --namespace %s --retention 90d", noName.Namespace),
			},
		}
	case errors.As(err, &noPerm) || notAllowed:
		return &Error{
			Kind: Denied, Text: "the Temporal server refuses access: " + err.Error(), Cause: err,
			Hints: []string{"check --api-key or the client certificate (--tls-cert-path, --tls-key-path), and the namespace"},
		}
	case errors.As(err, &bad) && strings.Contains(bad.Message, "search attribute"):
		return noAttributes(bad.Message, err)
	case errors.As(err, &notThere) || strings.HasPrefix(err.Error(), "failed reaching server"):
		return unreachable(err)
	}
	return err
}

func unreachable(err error) *Error {
	return &Error{
		Kind: Unreachable, Text: "cannot reach the Temporal server: " + reason(err), Cause: err,
		Hints: []string{
			"check --address or TEMPORAL_ADDRESS (host:port, by default localhost:7233), and that the server runs",
			"a server that wants TLS needs --tls, and one that doesn't must not be given it",
		},
	}
}

// reason is what a failed connection failed of, without the layers' names for themselves.
func reason(err error) string {
	text := err.Error()
	for _, prefix := range []string{`connection error: desc = "`, "transport: ", "Error while dialing: "} {
		if _, after, ok := strings.Cut(text, prefix); ok {
			text = strings.TrimRight(after, `"`)
		}
	}
	return strings.TrimPrefix(text, "failed reaching server: ")
}

func noAttributes(text string, cause error) *Error {
	return &Error{
		Kind: NoAttributes, Text: "the namespace lacks Mailferry's search attributes: " + text, Cause: cause,
		Hints: []string{"make them: temporal operator search-attribute create " +
			"--name MailferryTenant --type Keyword --name MailferryLaunch --type Keyword " +
			"--name MailferryState --type Keyword --name MailferryStep --type Int"},
	}
}

// noAnswer reports whether err means that nobody answered in time, though the server is there.
func noAnswer(err error) bool {
	var (
		late         *serviceerror.DeadlineExceeded
		precondition *serviceerror.FailedPrecondition
		notReady     *serviceerror.WorkflowNotReady
	)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) || errors.As(err, &notReady) ||
		(errors.As(err, &precondition) && strings.Contains(precondition.Message, "no poller"))
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
