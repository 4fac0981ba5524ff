package graph

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// traceApp is Microsoft's own app, whose service principal message trace needs.
const traceApp = "8bd644d1-64a1-4d4b-ae52-2e0cbf64e373"

// trace is a message that the tenant took in, for one recipient.
type trace struct {
	ID        string    `json:"id"`
	Sender    string    `json:"sender"`
	Recipient string    `json:"recipient"`
	MessageID string    `json:"messageId"`
	Subject   string    `json:"subject"`
	FromIP    string    `json:"fromIP"`
	Size      int       `json:"size"`
	At        time.Time `json:"at"`
}

// Received records a message that was delivered to a recipient. The same id and recipient are one row.
func (s *Server) Received(id, sender, recipient, messageID, subject, fromIP string, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putTrace(trace{id, sender, recipient, messageID, subject, fromIP, size, s.Now().UTC()})
}

func (s *Server) listPrincipals(r *request) (reply, error) {
	matches, err := parseFilter(r.URL.Query().Get("$filter"))
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	value := []any{}
	for _, p := range s.state.principals {
		if body := principalBody(p); matches(body) {
			value = append(value, body)
		}
	}
	return reply{http.StatusOK, collection{s.context("servicePrincipals"), "", value}}, nil
}

func principalBody(p *principal) map[string]any {
	return map[string]any{"id": p.ID, "appId": p.App, "accountEnabled": true, "servicePrincipalType": "Application", "displayName": "Exchange message trace"}
}

// principalByApp finds a principal by OData's alternate key.
func (s *Server) principalByApp(r *request) (reply, error) {
	segment := r.PathValue("segment")
	app, found := strings.CutPrefix(segment, "servicePrincipals(appId='")
	app, closed := strings.CutSuffix(app, "')")
	if !found || !closed {
		return reply{}, &apiError{http.StatusNotFound, "BadRequest", "Resource not found for the segment '" + segment + "'.", nil, 0}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.state.principals[app]
	if p == nil {
		return reply{}, notFound(app)
	}
	return reply{http.StatusOK, principalBody(p)}, nil
}

func (s *Server) addPrincipal(r *request) (reply, error) {
	var body struct {
		App string `json:"appId"`
	}
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.principals[body.App] != nil {
		return reply{}, &apiError{
			http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue",
			"The service principal cannot be created, updated, or restored because the service principal name " + body.App + " is already in use.",
			[]detail{{"ObjectConflict", "The appId is in use.", "appId"}},
			0,
		}
	}
	if _, err := uuid.Parse(body.App); err != nil {
		return reply{}, badRequest("Invalid value specified for property 'appId' of resource 'ServicePrincipal'.")
	}
	p := &principal{uuid.NewString(), body.App, r.now}
	if err := s.putPrincipal(p); err != nil {
		return reply{}, err
	}
	return reply{http.StatusCreated, principalBody(p)}, nil
}

// Message trace takes 100 requests of a tenant in 5 minutes.
const (
	traceBudget = 100
	traceWindow = 5 * time.Minute
)

// listTraces lists the newest first. Without a span it is the last 48 hours.
func (s *Server) listTraces(r *request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.state.principals[traceApp]; p == nil || r.now.Before(p.Created.Add(s.Delays.TraceReady)) {
		return reply{}, &apiError{
			http.StatusUnauthorized, "UnknownError",
			"Service principal-less authentication failed: The service principal for App ID " + traceApp + " was not found.", nil, 0,
		}
	}
	if wait := window(&s.traced, r.now, traceWindow, traceBudget); wait > 0 {
		return reply{}, &apiError{http.StatusTooManyRequests, "TooManyRequests", "Too many requests.", nil, wait}
	}
	query := r.URL.Query()
	want, err := parseTraceFilter(query.Get("$filter"), r.now)
	if err != nil {
		return reply{}, err
	}
	top := 1000
	if text := query.Get("$top"); text != "" {
		if top, err = strconv.Atoi(text); err != nil || top < 1 || top > 5000 {
			return reply{}, badRequest("The value of $top must lie between 1 and 5000.")
		}
	}
	skip := 0
	if token, err := base64.RawURLEncoding.DecodeString(query.Get("$skiptoken")); err == nil {
		skip, _ = strconv.Atoi(string(token))
	}
	value := []any{}
	for i := len(s.state.traces) - 1; i >= 0; i-- {
		t := s.state.traces[i]
		row := s.traceRow(t, r.now)
		if r.now.Before(t.At.Add(s.Delays.TraceRow)) || !want.matches(t, row) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(value) == top {
			return reply{http.StatusOK, collection{s.context("admin/exchange/tracing/messageTraces"), s.nextTraces(r.URL, query, top), value}}, nil
		}
		value = append(value, row)
	}
	return reply{http.StatusOK, collection{s.context("admin/exchange/tracing/messageTraces"), "", value}}, nil
}

func (s *Server) nextTraces(from *url.URL, query url.Values, top int) string {
	done := 0
	if token, err := base64.RawURLEncoding.DecodeString(query.Get("$skiptoken")); err == nil {
		done, _ = strconv.Atoi(string(token))
	}
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(done+top))))
	return s.Base + from.Path + "?" + query.Encode()
}

// traceRow is a trace as it shows at a time: rows change in place from pending to delivered.
func (s *Server) traceRow(t trace, now time.Time) map[string]any {
	status := "delivered"
	if now.Before(t.At.Add(s.Delays.TraceRow + s.Delays.Pending)) {
		status = "pending"
	}
	return map[string]any{
		"id": t.ID, "senderAddress": t.Sender, "recipientAddress": t.Recipient, "messageId": t.MessageID,
		"receivedDateTime": t.At.Format("2006-01-02T15:04:05.000Z"), "subject": t.Subject, "size": t.Size,
		"fromIP": t.FromIP, "toIP": nil, "status": status,
	}
}

// traceFilter is what a message trace is asked for.
type traceFilter struct {
	from, to time.Time
	equal    map[string]string
	contains string
}

var (
	traceTime    = regexp.MustCompile(`^receivedDateTime (ge|gt|le|lt) '?([0-9TZ:.+-]+)'?$`)
	traceEqual   = regexp.MustCompile(`^(senderAddress|recipientAddress|messageId|status|id|fromIP|toIP) eq '((?:[^']|'')*)'$`)
	traceSubject = regexp.MustCompile(`^contains\(subject, ?'((?:[^']|'')*)'\)$`)
)

func parseTraceFilter(text string, now time.Time) (*traceFilter, error) {
	f := &traceFilter{equal: map[string]string{}}
	for _, term := range strings.Split(text, " and ") {
		term = strings.TrimPrefix(strings.TrimSpace(term), "(")
		if strings.Count(term, ")") > strings.Count(term, "(") {
			term = strings.TrimSuffix(term, ")")
		}
		if m := traceTime.FindStringSubmatch(term); m != nil {
			at, err := time.Parse(time.RFC3339, m[2])
			if err != nil {
				return nil, badRequest("The time '" + m[2] + "' is not valid.")
			}
			if m[1][0] == 'g' {
				f.from = at
			} else {
				f.to = at
			}
		} else if m := traceEqual.FindStringSubmatch(term); m != nil {
			f.equal[m[1]] = strings.ReplaceAll(m[2], "''", "'")
		} else if m := traceSubject.FindStringSubmatch(term); m != nil {
			f.contains = m[1]
		} else if term != "" {
			return nil, badRequest("Invalid filter clause: " + term)
		}
	}
	switch {
	case f.from.IsZero() && f.to.IsZero():
		f.from, f.to = now.Add(-48*time.Hour), now
	case f.from.IsZero() || f.to.IsZero():
		return nil, badRequest("Both a start and an end of receivedDateTime must be given.")
	case f.to.Sub(f.from) > 10*24*time.Hour:
		return nil, badRequest("The span of receivedDateTime must not be longer than 10 days.")
	case f.from.Before(now.Add(-90 * 24 * time.Hour)), f.from.After(now), f.to.Before(f.from), f.to.After(now.Add(time.Minute)):
		return nil, badRequest("The span of receivedDateTime must lie within the last 90 days and not in the future.")
	}
	return f, nil
}

func (f *traceFilter) matches(t trace, row map[string]any) bool {
	if t.At.Before(f.from) || t.At.After(f.to) || !strings.Contains(t.Subject, f.contains) {
		return false
	}
	names := make([]string, 0, len(f.equal))
	for name := range f.equal {
		names = append(names, name)
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		have, _ := row[name].(string)
		return !strings.EqualFold(have, f.equal[name])
	})
}
