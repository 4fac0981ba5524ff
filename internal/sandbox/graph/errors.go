package graph

import (
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// apiError is an error as Graph words it: clients branch on status, code and the details' codes.
type apiError struct {
	status  int
	code    string
	message string
	details []detail
	// retryAfter is sent as a header where it isn't 0.
	retryAfter time.Duration
}

type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func badRequest(message string, details ...detail) *apiError {
	return &apiError{http.StatusBadRequest, "Request_BadRequest", message, details, 0}
}

func notFound(id string) *apiError {
	return &apiError{
		http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '" + id + "' does not exist or one of its queried reference-property objects are not present.", nil, 0,
	}
}

func (e *apiError) header(h http.Header) {
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	if e.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm=""`)
	}
}

func (e *apiError) envelope(now time.Time, id, client string) any {
	type inner struct {
		Date   string `json:"date"`
		ID     string `json:"request-id"`
		Client string `json:"client-request-id"`
	}
	type body struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details,omitempty"`
		Inner   inner    `json:"innerError"`
	}
	return struct {
		Error body `json:"error"`
	}{body{e.code, e.message, e.details, inner{now.UTC().Format("2006-01-02T15:04:05"), id, client}}}
}

// Fault is a refusal that is switched on.
type Fault struct {
	// Method is empty for any; Path is a pattern of path.Match for the path below /v1.0, such as "/users/*".
	Method, Path string
	// Status, Code and Message are the answer; Status 429 has Graph's own code and message where these are empty.
	Status        int
	Code, Message string
	RetryAfter    time.Duration
	// Times is how often; 0 means until [Server.ClearFaults].
	Times int
}

// Inject switches a fault on.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns the error that is due for this call, or nil.
func (s *Server) fault(r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		matches, err := path.Match(f.Path, strings.TrimPrefix(r.URL.Path, "/v1.0"))
		if f.Times == 0 || err != nil || !matches || f.Method != "" && f.Method != r.Method {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		code, message := f.Code, f.Message
		if f.Status == http.StatusTooManyRequests && code == "" {
			code, message = "TooManyRequests", "Too many requests."
		}
		return &apiError{f.Status, code, message, nil, f.RetryAfter}
	}
	return nil
}

// The directory takes 3,000 writes of an app in 150 s.
const (
	writeBudget = 3000
	writeWindow = 150 * time.Second
)

// budget counts writes and refuses those over the directory's limit.
func (s *Server) budget(r *http.Request) error {
	if r.Method == http.MethodGet {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	wait := window(&s.writes, now, writeWindow, writeBudget)
	if wait == 0 {
		return nil
	}
	return &apiError{http.StatusTooManyRequests, "TooManyRequests", "Too many requests.", nil, wait}
}

// window counts an event at now if fewer than limit lie within the span before it, and otherwise says how long to wait.
func window(events *[]time.Time, now time.Time, span time.Duration, limit int) time.Duration {
	first := 0
	for first < len(*events) && now.Sub((*events)[first]) >= span {
		first++
	}
	*events = (*events)[first:]
	if len(*events) >= limit {
		return span - now.Sub((*events)[0])
	}
	*events = append(*events, now)
	return 0
}
