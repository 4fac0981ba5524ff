// Package graph is the simulated tenant: Microsoft's sign-in endpoint and those Graph calls by which users, licences,
// domains and message traces are handled, over HTTP for a TLS listener, with a state that outlives the process.
//
// It follows the published behaviour closely enough to be stumbled over: a user that was just created is not found for
// a moment, a licence is refused until the usage location has spread, a mailbox takes its time to appear, IMAP needs a
// permission for each mailbox, a domain is verified by a look into the DNS. Every wait is a delay that [Delays] gives,
// counted from a stored instant: a process that is killed meanwhile makes none of them longer.
//
// Whatever is answered with success was stored before. All methods are safe for concurrent use.
package graph

import (
	"compress/gzip"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
)

// Tenant is what was agreed with the tenant's administrator before anything begins.
type Tenant struct {
	// ID is the tenant's GUID; Initial its first domain, which nobody needs to verify.
	ID, Initial string
	// ClientID and Secret are the registered app's. Certificate (DER) is accepted beside the secret where set.
	ClientID, Secret string
	Certificate      []byte
	// Roles are the app's consented permissions for Graph, MailRoles those for Exchange Online.
	Roles, MailRoles []string
	// Licences are the subscriptions: SKU part number and how many.
	Licences map[string]int
	// HeldElsewhere are domains that another tenant has, so that they can be added here but never verified.
	HeldElsewhere []string
}

// Delays are how long things take to have their effect.
type Delays struct {
	// Replication is how long a new user may not be found; UsageLocation how long a licence is refused after the
	// usage location was set.
	Replication, UsageLocation time.Duration
	// Mailbox runs from the licence until Graph finds the mailbox, IMAP from then until IMAP does.
	Mailbox, IMAP time.Duration
	// Grant runs from there until the administrator has given the app access to the mailbox; negative: never by itself.
	Grant time.Duration
	// ServiceRecords runs from Email becoming a service of a domain until its records are known.
	ServiceRecords time.Duration
	// TraceReady runs from the service principal's creation until message trace works; TraceRow from a delivery until
	// it is listed, and Pending from then until it is listed as delivered.
	TraceReady, TraceRow, Pending time.Duration
	// Token is the life of a token; 3599 s if zero.
	Token time.Duration
}

// Config says what the tenant is like and what it stands on.
type Config struct {
	DB *bbolt.DB
	// Base is the server's own address as clients write it, https://host:port; it is Graph's resource too.
	Base string
	// Mail is the resource of tokens for IMAP.
	Mail   string
	Tenant Tenant
	Delays Delays
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// LookupTXT asks the DNS for a domain's texts.
	LookupTXT func(ctx context.Context, domain string) ([]string, error)
	// MakeMailbox makes the mailbox at the IMAP side; it may be called again for one that is there.
	MakeMailbox func(address string) error
	// CountInbox tells how many messages the mailbox's INBOX holds, and how many of them are unread; none if nil.
	CountInbox func(address string) (total, unread int)
	// Exchanger names the host that takes a domain's mail.
	Exchanger func(domain string) string
	Log       *slog.Logger
}

// Server is the tenant.
type Server struct {
	Config
	key *rsa.PrivateKey
	// graph has the calls below /v1.0, login the sign-in endpoint.
	graph, login *http.ServeMux

	mu     sync.Mutex
	state  state
	faults []*Fault
	writes []time.Time
	traced []time.Time
}

// Open reads the tenant from the database, or begins it.
func Open(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Delays.Token == 0 {
		c.Delays.Token = 3599 * time.Second
	}
	s := &Server{Config: c}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// request is a call that has passed sign-in.
type request struct {
	*http.Request
	body []byte
	now  time.Time
}

// decode reads the JSON body.
func (r *request) decode(into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return badRequest("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return nil
}

// reply is what a call answers: a status and, unless nil, a JSON body.
type reply struct {
	status int
	body   any
}

type handler func(*request) (reply, error)

func (s *Server) routes() {
	s.graph, s.login = http.NewServeMux(), http.NewServeMux()
	s.login.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery)
	s.login.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.publicKeys)
	s.login.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	s.graph.HandleFunc("POST /v1.0/$batch", s.batch)
	read, write := []string{"User.Read.All", "User.ReadWrite.All"}, []string{"User.ReadWrite.All"}
	s.route("GET /v1.0/users", read, s.listUsers)
	s.route("POST /v1.0/users", write, s.createUser)
	s.route("GET /v1.0/users/{user}", read, s.getUser)
	s.route("PATCH /v1.0/users/{user}", write, s.patchUser)
	s.route("POST /v1.0/users/{user}/assignLicense", []string{"LicenseAssignment.ReadWrite.All", "User.ReadWrite.All"}, s.assignLicense)
	s.route("GET /v1.0/users/{user}/licenseDetails", read, s.licenseDetails)
	s.route("GET /v1.0/users/{user}/mailboxSettings", []string{"MailboxSettings.Read", "MailboxSettings.ReadWrite"}, s.mailboxSettings)
	s.route("GET /v1.0/users/{user}/mailFolders/inbox", []string{"Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"}, s.inbox)
	s.route("GET /v1.0/subscribedSkus", []string{"Organization.Read.All", "LicenseAssignment.Read.All"}, s.subscribedSKUs)
	readDomain, writeDomain := []string{"Domain.Read.All", "Domain.ReadWrite.All"}, []string{"Domain.ReadWrite.All"}
	s.route("GET /v1.0/domains", readDomain, s.listDomains)
	s.route("POST /v1.0/domains", writeDomain, s.addDomain)
	s.route("GET /v1.0/domains/{domain}", readDomain, s.getDomain)
	s.route("PATCH /v1.0/domains/{domain}", writeDomain, s.patchDomain)
	s.route("POST /v1.0/domains/{domain}/verify", writeDomain, s.verifyDomain)
	s.route("GET /v1.0/domains/{domain}/verificationDnsRecords", readDomain, s.verificationRecords)
	s.route("GET /v1.0/domains/{domain}/serviceConfigurationRecords", readDomain, s.serviceRecords)
	s.route("GET /v1.0/servicePrincipals", []string{"Application.Read.All", "Application.ReadWrite.All"}, s.listPrincipals)
	// A segment like servicePrincipals(appId='...') is one that patterns can't take apart.
	s.route("GET /v1.0/{segment}", []string{"Application.Read.All", "Application.ReadWrite.All"}, s.principalByApp)
	s.route("POST /v1.0/servicePrincipals", []string{"Application.ReadWrite.All"}, s.addPrincipal)
	s.route("GET /v1.0/admin/exchange/tracing/messageTraces", []string{"ExchangeMessageTrace.Read.All"}, s.listTraces)
	s.graph.HandleFunc("/v1.0/", func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, reply{}, &apiError{http.StatusNotFound, "BadRequest", "Resource not found for the segment '" + r.URL.Path + "'.", nil, 0})
	})
}

// route registers a call that any of the roles permits.
func (s *Server) route(pattern string, roles []string, h handler) {
	s.graph.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.call(r, roles, h)
		s.write(w, r, answer, err)
	})
}

func (s *Server) call(r *http.Request, roles []string, h handler) (reply, error) {
	if fault := s.fault(r); fault != nil {
		return reply{}, fault
	}
	if err := s.authorise(r, roles); err != nil {
		return reply{}, err
	}
	body, err := readBody(r)
	if err != nil {
		return reply{}, badRequest("The request body cannot be read.")
	}
	if err := s.budget(r); err != nil {
		return reply{}, err
	}
	return h(&request{r, body, s.Now().UTC()})
}

// maxBody is the most that a call may carry: Graph takes 4 MB.
const maxBody = 4 << 20

// readBody reads a body that may be compressed, as Microsoft's clients send theirs.
func readBody(r *http.Request) ([]byte, error) {
	var from io.Reader = io.LimitReader(r.Body, maxBody)
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = io.LimitReader(unpacked, maxBody)
	}
	return io.ReadAll(from)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	// Some versions of the SDK write the namespace of an action into the path; both forms are the same call.
	if strings.Contains(r.URL.Path, "/microsoft.graph.") {
		r.URL.Path = strings.ReplaceAll(r.URL.Path, "/microsoft.graph.", "/")
		r.URL.RawPath = ""
	}
	if strings.HasPrefix(r.URL.Path, "/v1.0/") {
		s.graph.ServeHTTP(w, r)
		return
	}
	s.login.ServeHTTP(w, r)
}

// write answers as Graph does: with the ids by which Microsoft's support finds a request.
func (s *Server) write(w http.ResponseWriter, r *http.Request, answer reply, err error) {
	id := uuid.NewString()
	header := w.Header()
	header.Set("request-id", id)
	client := r.Header.Get("client-request-id")
	if client == "" {
		client = id
	}
	header.Set("client-request-id", client)
	if err != nil {
		var fault *apiError
		if !errors.As(err, &fault) {
			s.Log.Error("a Graph call failed", "method", r.Method, "path", r.URL.Path, "error", err)
			fault = &apiError{http.StatusInternalServerError, "generalException", "An unexpected error occurred.", nil, 0}
		}
		s.Log.Debug("a Graph call was refused", "method", r.Method, "path", r.URL.Path, "status", fault.status, "code", fault.code)
		answer = reply{fault.status, fault.envelope(s.Now(), id, client)}
		fault.header(header)
	} else if r.Method != http.MethodGet {
		s.Log.Info("Graph", "method", r.Method, "path", r.URL.Path, "status", answer.status)
	}
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}
	header.Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	w.WriteHeader(answer.status)
	// A client that went away is no fault of ours.
	_ = json.NewEncoder(w).Encode(answer.body)
}
