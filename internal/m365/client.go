package m365

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	graphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/domains"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mailferry/mailferry/internal/migration"
)

// The worldwide cloud. National clouds have other hosts; the plan names them.
const (
	worldwideLogin = "https://login.microsoftonline.com"
	worldwideGraph = "https://graph.microsoft.com"
	worldwideScope = "https://outlook.office365.com"
)

const (
	// requestTimeout bounds one request to Graph, signInTimeout one to the sign-in endpoint.
	requestTimeout = 60 * time.Second
	signInTimeout  = 30 * time.Second
)

// lagPauses are the pauses between attempts at what replication mends: a user that was just made isn't known to every
// replica for "seconds up to a minute or two" (msgraph-sdk-dotnet#2772), and a usage location that was just set is
// refused for as long (KelvinTegelaar/CIPP#4408). After that minute the caller's own retries take over.
var lagPauses = []time.Duration{
	1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, // 15 s: the usual lag
	15 * time.Second, 15 * time.Second, 15 * time.Second, // 60 s
}

// Config says which tenant, and as which application. Its secrets are in the clear: it is never stored or printed.
type Config struct {
	// TenantID is the tenant's GUID or one of its verified domains.
	TenantID string
	// ClientID is the application (client) ID of the app registration.
	ClientID string
	// Secret is the client secret's value; Certificate, PEM with certificate and private key, stands in its place.
	Secret      string
	Certificate []byte
	// Login, Graph and Scope are https:// bases: the sign-in host, the Graph host, and the resource of the IMAP token
	// without /.default. Empty means the worldwide cloud's.
	Login, Graph, Scope string
	// Roots are the authorities to trust; nil means the system's.
	Roots *x509.CertPool
}

// Client works on one tenant.
type Client struct {
	tokens    *tokens
	adapter   *khttp.NetHttpRequestAdapter
	graph     *url.URL
	clientID  string
	mailScope string
	pauses    []time.Duration
}

// New makes a client. It asks nothing of the network; a configuration that can't work is a problem of kind
// "microsoft-configuration".
func New(c Config) (*Client, error) {
	graph, err := base(c.Graph, worldwideGraph)
	if err != nil {
		return nil, badConfiguration("the Graph host", err)
	}
	login, err := base(c.Login, worldwideLogin)
	if err != nil {
		return nil, badConfiguration("the sign-in host", err)
	}
	resource, err := base(c.Scope, worldwideScope)
	if err != nil {
		return nil, badConfiguration("the scope of the IMAP token", err)
	}
	transport := newTransport(c.Roots)
	held, err := newTokens(c, login, transport)
	if err != nil {
		return nil, err
	}
	client := &Client{
		tokens: held, graph: graph, clientID: c.ClientID, mailScope: defaultScope(resource), pauses: lagPauses,
	}
	if client.adapter, err = client.newAdapter(transport); err != nil {
		return nil, fmt.Errorf("cannot set up the Graph client: %w", err)
	}
	return client, nil
}

// newAdapter builds kiota's pipeline without its retry handler, which would sleep on 429 while an activity's time runs
// out; the pauses that Graph asks for become [migration.LaterError] instead. Its redirect and compression handlers
// are left out too: nothing here redirects, and every body is small.
func (c *Client) newAdapter(transport http.RoundTripper) (*khttp.NetHttpRequestAdapter, error) {
	pipeline := khttp.NewCustomTransportWithParentTransport(&answers{next: transport},
		graphcore.NewGraphTelemetryHandler(&graphcore.GraphClientOptions{}), // sets client-request-id
		khttp.NewParametersNameDecodingHandler(),
		khttp.NewUserAgentHandler(),
	)
	adapter, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		authentication.NewBaseBearerTokenAuthenticationProvider(&graphTokens{client: c}),
		kjson.NewJsonParseNodeFactory(), kjson.NewJsonSerializationWriterFactory(),
		&http.Client{Transport: pipeline, Timeout: requestTimeout})
	if err != nil {
		return nil, err
	}
	adapter.SetBaseUrl(c.graph.String() + "/v1.0")
	return adapter, nil
}

// users starts a request about users. Builders share their parameters with the requests made from them, so each call
// has its own.
func (c *Client) users() *users.UsersRequestBuilder {
	return users.NewUsersRequestBuilderInternal(map[string]string{}, c.adapter)
}

func (c *Client) domains() *domains.DomainsRequestBuilder {
	return domains.NewDomainsRequestBuilderInternal(map[string]string{}, c.adapter)
}

// graphScope is the scope of the Graph token.
func (c *Client) graphScope() string { return defaultScope(c.graph) }

// operation is one thing asked of Graph.
type operation struct {
	// doing completes "cannot": `create the user "ada@contoso.com"`.
	doing string
	// needs are the permissions without which it isn't tried.
	needs []permission
	// secret is what the request holds and no error may show.
	secret string
}

// ask makes the request. A token that Graph refuses is replaced once; every other failure is told apart in errors.go.
func ask[T any](ctx context.Context, c *Client, o operation, request func() (T, error)) (T, error) {
	var none T
	if err := c.tokens.require(ctx, c.graphScope(), o.needs...); err != nil {
		return none, fmt.Errorf("cannot %s: %w", o.doing, err)
	}
	answer, err := request()
	if f := faultOf(err); f != nil && f.tokenRefused() {
		c.tokens.forget()
		answer, err = request()
	}
	if f := faultOf(err); f != nil && f.status == http.StatusForbidden {
		c.tokens.forget() // the next attempt sees a consent that is given meanwhile
	}
	if err != nil {
		return none, o.classify(ctx, err)
	}
	return answer, nil
}

// patiently repeats do while its failure is one that passes, for as long as lagPauses says.
func (c *Client) patiently(ctx context.Context, passing func(error) bool, do func() error) error {
	for _, pause := range c.pauses {
		err := do()
		if err == nil || !passing(err) {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
	return do()
}

// base reads an https base; a path is kept, a final slash is not.
func base(given, otherwise string) (*url.URL, error) {
	if given == "" {
		given = otherwise
	}
	u, err := url.Parse(strings.TrimRight(given, "/"))
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL", given)
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not of the form https://host", given)
	}
	return u, nil
}

// defaultScope names everything that was consented to for a resource.
func defaultScope(resource *url.URL) string {
	return resource.Scheme + "://" + resource.Host + "/.default"
}

func badConfiguration(what string, err error) error {
	return migration.NeedsPerson("microsoft-configuration",
		fmt.Sprintf("the plan's microsoft section cannot be used: %s: %v", what, err),
		"correct the plan and launch it again", err)
}

func newTransport(roots *x509.CertPool) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	transport.MaxResponseHeaderBytes = 64 << 10
	return transport
}

// graphTokens gives kiota the Graph token, for the Graph host alone: a next link that points elsewhere is refused.
type graphTokens struct{ client *Client }

// GetAuthorizationToken implements authentication.AccessTokenProvider.
func (g *graphTokens) GetAuthorizationToken(ctx context.Context, u *url.URL, extra map[string]any) (string, error) {
	if u.Scheme != "https" || u.Host != g.client.graph.Host {
		return "", fmt.Errorf("refused to send a token to %q, which is not the Graph host %q", u.Host, g.client.graph.Host)
	}
	if extra["claims"] != nil { // Graph wants a token made anew: Microsoft identity platform, claims challenge
		g.client.tokens.forget()
	}
	held, err := g.client.tokens.get(ctx, g.client.graphScope())
	return held.text, err
}

// GetAllowedHostsValidator implements authentication.AccessTokenProvider.
func (g *graphTokens) GetAllowedHostsValidator() *authentication.AllowedHostsValidator {
	validator, err := authentication.NewAllowedHostsValidatorErrorCheck([]string{g.client.graph.Hostname()})
	if err != nil {
		return nil
	}
	return validator
}

var errNoAnswer = errors.New("the answer of Graph is empty where something was asked for")

// read gets a path of Graph that the SDK has no builder for, and returns its body.
func (c *Client) read(ctx context.Context, u *url.URL) ([]byte, error) {
	request := abstractions.NewRequestInformation()
	request.Method = abstractions.GET
	request.SetUri(*u)
	request.Headers.Add("Accept", "application/json")
	answer, err := c.adapter.SendPrimitive(ctx, request, "[]byte", errorMappings)
	if err != nil {
		return nil, err
	}
	body, _ := answer.([]byte)
	if len(body) == 0 {
		return nil, errNoAnswer
	}
	return body, nil
}

// text is the string behind a pointer of the SDK's, "" for none.
func text(s *string) string { return deref(s) }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
