package m365

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// errorMappings has kiota read every refusal as a Graph error: XXX is its key for all statuses from 400 to 599.
var errorMappings = abstractions.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue}

// fault is a refusal of Graph's (microsoft-graph-docs, concepts/errors.md).
type fault struct {
	status  int
	code    string
	message string
	details []detail
	// requestID is what Microsoft's support asks for.
	requestID string
	// after is the Retry-After; 0 where there was none.
	after time.Duration
}

type detail struct{ code, message, target string }

// maxWords bounds how much of another's words goes into an error.
const maxWords = 400

// Error gives Graph's own words.
func (f *fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Graph answered %d", f.status)
	if f.code != "" {
		fmt.Fprintf(&b, " %s", f.code)
	}
	if f.message != "" {
		fmt.Fprintf(&b, ": %q", words(f.message))
	}
	if f.requestID != "" {
		fmt.Fprintf(&b, ", request-id %s", words(f.requestID))
	}
	return b.String()
}

// tokenRefused says that Graph didn't accept the token. (Message trace says 401 for a reason of its own.)
func (f *fault) tokenRefused() bool {
	return f.status == http.StatusUnauthorized && !strings.Contains(f.message, principalMissing)
}

// has reports whether one of the details has the code, and the target where that isn't "".
func (f *fault) has(code, target string) bool {
	for _, d := range f.details {
		if d.code == code && (target == "" || strings.EqualFold(d.target, target)) {
			return true
		}
	}
	return false
}

// faultOf finds Graph's refusal in err's chain, nil if there is none.
func faultOf(err error) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	var refused *odataerrors.ODataError
	if errors.As(err, &refused) {
		return readFault(refused)
	}
	var bare *abstractions.ApiError
	if errors.As(err, &bare) {
		f := &fault{status: bare.ResponseStatusCode}
		f.readHeaders(bare.ResponseHeaders)
		return f
	}
	return nil
}

func readFault(refused *odataerrors.ODataError) *fault {
	f := &fault{status: refused.ResponseStatusCode}
	f.readHeaders(refused.ResponseHeaders)
	body := refused.GetErrorEscaped()
	if body == nil {
		return f
	}
	f.code, f.message = text(body.GetCode()), text(body.GetMessage())
	for _, d := range body.GetDetails() {
		f.details = append(f.details, detail{text(d.GetCode()), text(d.GetMessage()), text(d.GetTarget())})
	}
	if inner := body.GetInnerError(); inner != nil && text(inner.GetRequestId()) != "" {
		f.requestID = text(inner.GetRequestId())
	}
	return f
}

func (f *fault) readHeaders(headers *abstractions.ResponseHeaders) {
	if headers == nil {
		return
	}
	if ids := headers.Get("request-id"); len(ids) > 0 {
		f.requestID = ids[0]
	}
	if pauses := headers.Get("Retry-After"); len(pauses) > 0 {
		f.after = retryAfter(pauses[0], time.Now())
	}
}

// maxRetryAfter bounds what a server may ask us to wait.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header's seconds or date (RFC 9110, 10.2.3); 0 means that it says nothing of use.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if !(seconds > 0) {
			return 0
		}
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

// signInFault is a refusal of the sign-in endpoint (entra-docs, identity-platform/reference-error-codes.md).
type signInFault struct {
	status int
	// code is the OAuth error, numbers are the AADSTS numbers.
	code        string
	numbers     []int
	description string
	after       time.Duration
}

// Error gives the numbers and the first line of the description.
func (f *signInFault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the sign-in endpoint answered %d", f.status)
	if f.code != "" {
		fmt.Fprintf(&b, " %s", words(f.code))
	}
	if f.description != "" {
		fmt.Fprintf(&b, ": %q", words(f.description))
	}
	return b.String()
}

// signInFaultOf finds the endpoint's refusal in err's chain, nil if it didn't answer at all.
func signInFaultOf(err error) *signInFault {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return nil
	}
	f := &signInFault{
		status: failed.RawResponse.StatusCode,
		after:  retryAfter(failed.RawResponse.Header.Get("Retry-After"), time.Now()),
	}
	body, err := io.ReadAll(io.LimitReader(failed.RawResponse.Body, maxRefusal))
	if err != nil {
		return f
	}
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return f
	}
	f.code, f.numbers = answer.Error, answer.Codes
	// Trace ID, correlation ID and time follow the sentence, after CR LF or a blank.
	f.description, _, _ = strings.Cut(answer.Description, "Trace ID:")
	f.description = strings.TrimSpace(f.description)
	return f
}

// words cuts another's words to what an error can hold.
func words(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + " …"
}
