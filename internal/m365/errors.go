package m365

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/mailferry/mailferry/internal/migration"
)

// All failures are told apart in this file. Graph's are told by status, code and details, and by their words only
// where Graph gives nothing else; the sign-in endpoint's by their AADSTS numbers.

// cause is one reason for which Graph refuses, with what a person reads of it.
type cause struct {
	status int
	// code is the error's, detail and target are those of one of its details; "" fits all.
	code, detail, target string
	// words is a part of the message.
	words string

	kind, sentence, remedy string
}

// The kinds of problem that callers branch on.
const (
	kindAddressTaken     = "address-taken"
	kindDomainUnverified = "domain-unverified"
	kindUsageLocation    = "usage-location-refused"
	kindExhausted        = "licences-exhausted"
	kindRefused          = "graph-refused"
)

// causes are gone through in order; the first that fits counts.
var causes = []cause{
	{
		status: 400, detail: "ObjectConflict", target: "userPrincipalName", kind: kindAddressTaken,
		sentence: "something else in the tenant has this address as its user principal name",
		remedy:   "look for it among users, deleted users and guests; rename or remove it, or leave the mailbox out",
	},
	{
		status: 400, words: "same value for property userPrincipalName", kind: kindAddressTaken,
		sentence: "something else in the tenant has this address as its user principal name",
		remedy:   "look for it among users, deleted users and guests; rename or remove it, or leave the mailbox out",
	},
	{
		status: 400, detail: "ObjectConflict", target: "proxyAddresses", kind: "alias-taken",
		sentence: "another user, group or contact of the tenant has this address as an alias",
		remedy:   "find it with Get-Recipient ADDRESS in Exchange Online PowerShell and take the alias off, or leave the mailbox out",
	},
	{
		status: 400, words: "same value for property proxyAddresses", kind: "alias-taken",
		sentence: "another user, group or contact of the tenant has this address as an alias",
		remedy:   "find it with Get-Recipient ADDRESS in Exchange Online PowerShell and take the alias off, or leave the mailbox out",
	},
	{
		status: 400, detail: "ObjectConflict", kind: "object-conflict",
		sentence: "something else in the tenant has one of this user's values",
		remedy:   "see in Graph's words which, and change it there, or leave the mailbox out",
	},
	{
		status: 400, words: "domain portion of the userPrincipalName", kind: kindDomainUnverified,
		sentence: "the address's domain is not verified in the tenant",
		remedy:   "have the domain verified first (step 2), then retry",
	},
	{
		status: 400, words: "password complexity", kind: "password-refused",
		sentence: "the tenant's rules refuse the first password",
		remedy:   "retry: another password is made; if that fails too, look at the tenant's banned-password list",
	},
	{
		status: 400, words: "invalid usage location", kind: kindUsageLocation,
		sentence: "the tenant assigns no licence to a user with this usage location",
		remedy:   "give the user a usage location (two letters, ISO 3166) in which the licence is sold, then retry",
	},
	{
		status: 400, words: "does not have any available licenses", kind: kindExhausted,
		sentence: "all licences of this kind are taken",
		remedy:   "buy more or free some, then retry",
	},
	{
		status: 400, words: "does not correspond to a valid company License", kind: "licence-unknown",
		sentence: "the tenant has no such licence",
		remedy:   "name one that the tenant has, by its SKU part number, in the plan or the row",
	},
	{
		status: 400, words: "Conflicting Service Plans", kind: "licence-conflict",
		sentence: "a licence that the user has already excludes this one",
		remedy:   "take the other licence off the user, or switch the plans off that Graph names, then retry",
	},
	{
		status: 400, words: "MutuallyExclusiveViolation", kind: "licence-conflict",
		sentence: "a licence that the user has already excludes this one",
		remedy:   "take the other licence off the user, or switch the plans off that Graph names, then retry",
	},
	{
		status: 400, words: "on-premises", kind: "synchronised-user",
		sentence: "the user is synchronised from a directory on premises and can only be changed there",
		remedy:   "make the change in the directory on premises, wait for the synchronisation, then retry",
	},
	{
		status: 401, kind: "token-refused",
		sentence: "Graph does not accept the app's token, though it was made anew",
		remedy:   "check that the plan's Graph and sign-in hosts are of the same cloud, and this machine's clock",
	},
	{
		status: 403, code: "Directory_QuotaExceeded", kind: "directory-full",
		sentence: "the tenant's directory has as many objects as it may have",
		remedy:   "remove deleted users for good, or have Microsoft raise the quota, then retry",
	},
	{
		status: 403, code: "ErrorAccessDenied", kind: "mailbox-access-denied",
		sentence: "Exchange Online does not let the app look at this mailbox",
		remedy:   "grant Mail.ReadBasic.All (Microsoft Graph) with admin consent; where it is granted by management scope, see that the scope holds the mailbox (changes take up to 2 hours)",
	},
	{
		status: 403, kind: "permission-missing",
		sentence: "the app is not allowed to do this",
		remedy:   "grant the permission with admin consent under App registrations > API permissions (docs/operators/microsoft365.md lists them), then retry",
	},
}

// classify tells what err means: nothing to be done but trying again, trying again at a time that was named, or a
// person.
func (o operation) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("cannot %s: %w", o.doing, ctx.Err())
	}
	var problem *migration.ProblemError
	var later *migration.LaterError
	if errors.As(err, &problem) || errors.As(err, &later) {
		return fmt.Errorf("cannot %s: %w", o.doing, err)
	}
	f := faultOf(err)
	if f == nil {
		return o.unanswered(err)
	}
	if o.secret != "" {
		f.message = strings.ReplaceAll(f.message, o.secret, "…")
	}
	switch {
	case f.after > 0 && (f.status == http.StatusTooManyRequests || f.status >= 500):
		return &migration.LaterError{After: f.after, Cause: fmt.Errorf("cannot %s now: %w", o.doing, f)}
	case f.passing():
		return fmt.Errorf("cannot %s now: %w", o.doing, f)
	}
	for _, c := range causes {
		if c.fits(f) {
			return migration.NeedsPerson(c.kind, fmt.Sprintf("cannot %s: %s (%v)", o.doing, c.sentence, f), c.remedy, f)
		}
	}
	return migration.NeedsPerson(kindRefused, fmt.Sprintf("cannot %s: Graph refuses it (%v)", o.doing, f),
		"see what Graph says; with the request-id Microsoft's support can say more; retry when it is mended", f)
}

// passing reports whether trying again can help: throttling and trouble on Graph's side, a replica that lags (404), a
// write that met another.
func (f *fault) passing() bool {
	switch f.status {
	case http.StatusRequestTimeout, http.StatusNotFound, http.StatusPreconditionFailed, http.StatusLocked,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return f.status >= 500 || strings.Contains(f.code, "Concurrency")
}

func (c cause) fits(f *fault) bool {
	return c.status == f.status &&
		(c.code == "" || c.code == f.code) &&
		(c.detail == "" || f.has(c.detail, c.target)) &&
		(c.words == "" || strings.Contains(strings.ToLower(f.message), strings.ToLower(c.words)))
}

// unanswered is for a request that got no answer of Graph's.
func (o operation) unanswered(err error) error {
	var untrusted *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &untrusted) || errors.As(err, &unknown) {
		return certificateProblem("cannot "+o.doing, err)
	}
	return fmt.Errorf("cannot %s now: no answer of Graph: %w", o.doing, err)
}

func certificateProblem(what string, err error) error {
	return migration.NeedsPerson("certificate-untrusted",
		fmt.Sprintf("%s: the server's certificate cannot be trusted: %s", what, words(err.Error())),
		"check the host; if a private authority signed its certificate, name that in the plan's microsoft.ca", nil)
}

// isNotFound reports Graph's 404, which right after a creation only means that a replica lags.
func isNotFound(err error) bool {
	f := faultOf(err)
	return f != nil && f.status == http.StatusNotFound
}

// hasKind reports whether err is a problem of the kind.
func hasKind(err error, kind string) bool {
	p, ok := migration.AsProblem(err)
	return ok && p.Kind == kind
}

// signInCause is what AADSTS numbers mean.
type signInCause struct {
	numbers                []int
	kind, sentence, remedy string
}

var signInCauses = []signInCause{
	{
		[]int{7000215},
		"app-secret-wrong", "the app's client secret is wrong",
		"put the secret's value into the plan, not its ID; if the value is lost, make a new secret under App registrations > Certificates & secrets",
	},
	{
		[]int{7000222},
		"app-secret-expired", "the app's client secret has expired",
		"make a new one under App registrations > Certificates & secrets and put its value into the plan",
	},
	{
		[]int{90002, 900021, 900023},
		"tenant-unknown", "there is no such tenant in this cloud",
		"correct the plan's tenantId: the tenant's GUID or a verified domain",
	},
	{
		[]int{700016},
		"app-unknown", "the tenant does not know the app",
		"correct the plan's clientId (the Application ID), or register the app in this tenant",
	},
	{
		[]int{7000112},
		"app-disabled", "the app is disabled in the tenant",
		"enable it under Enterprise applications > Properties",
	},
	{
		[]int{700027, 50012, 700030, 700024},
		"app-certificate-refused", "the app's certificate is not accepted",
		"upload the certificate (without its key) under App registrations > Certificates & secrets, and check its dates and this machine's clock",
	},
	{
		[]int{7000218},
		"app-credential-missing", "no secret and no certificate reached the sign-in endpoint",
		"give the plan a secret or a certificate; see that no proxy changes the request",
	},
	{
		[]int{900144},
		"sign-in-broken", "the sign-in endpoint misses a field of the request",
		"see that no proxy changes the request",
	},
	{
		[]int{70011, 500011, 700022, 1002012},
		"scope-refused", "the tenant does not know the resource that a token is asked for",
		"check the plan's Graph host and scope against the tenant's cloud; for IMAP the tenant needs a subscription with Exchange Online",
	},
	{
		[]int{90038, 900382},
		"wrong-cloud", "the tenant is in another of Microsoft's clouds",
		"set the plan's login, graph and scope, and the target's host, to that cloud's",
	},
	{
		[]int{53003},
		"conditional-access", "a conditional access policy of the tenant blocks the app",
		"leave the app out of the policy, or let it in from this machine's address",
	},
}

// passingNumbers are AADSTS numbers that stand for throttling or a passing fault.
var passingNumbers = []int{90055, 90033, 90090, 90006, 50196}

// classifySignIn does for the sign-in endpoint what classify does for Graph. azidentity's own text is never used where
// the endpoint answered: it quotes the whole answer.
func classifySignIn(ctx context.Context, err error, secret string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("signing in to the tenant was cut short: %w", ctx.Err())
	}
	f := signInFaultOf(err)
	if f == nil {
		return unansweredSignIn(err, secret)
	}
	f.description = hide(f.description, secret)
	passing := slices.ContainsFunc(f.numbers, func(n int) bool { return slices.Contains(passingNumbers, n) })
	if passing || f.code == "temporarily_unavailable" || f.status == http.StatusTooManyRequests || f.status >= 500 {
		if f.after > 0 {
			return &migration.LaterError{After: f.after, Cause: fmt.Errorf("cannot sign in to the tenant now: %w", f)}
		}
		return fmt.Errorf("cannot sign in to the tenant now: %w", f)
	}
	for _, c := range signInCauses {
		if slices.ContainsFunc(f.numbers, func(n int) bool { return slices.Contains(c.numbers, n) }) {
			return migration.NeedsPerson(c.kind, fmt.Sprintf("cannot sign in to the tenant: %s (%v)", c.sentence, f), c.remedy, f)
		}
	}
	remedy := "check the plan's microsoft section and the app registration"
	if len(f.numbers) > 0 {
		remedy += "; https://login.microsoftonline.com/error?code=" + strconv.Itoa(f.numbers[0]) + " explains the number"
	}
	return migration.NeedsPerson("sign-in-refused",
		fmt.Sprintf("cannot sign in to the tenant: the sign-in endpoint refuses (%v)", f), remedy, f)
}

func unansweredSignIn(err error, secret string) error {
	var failed *azidentity.AuthenticationFailedError
	message := hide(err.Error(), secret)
	if errors.As(err, &failed) {
		message, _, _ = strings.Cut(message, "To troubleshoot")
	}
	if strings.Contains(message, "x509: ") {
		return certificateProblem("cannot sign in to the tenant", errors.New(message))
	}
	return fmt.Errorf("cannot sign in to the tenant now: %s", words(strings.TrimSpace(message)))
}

func hide(s, secret string) string {
	if secret == "" {
		return s
	}
	return strings.ReplaceAll(s, secret, "…")
}
