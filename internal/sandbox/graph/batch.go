package graph

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// maxBatch is how many calls one batch may hold.
const maxBatch = 20

type part struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

type partReply struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batch runs the parts one after another and answers with the last first: the order of the answers means nothing, and
// a client that thinks otherwise shall find out here.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	if fault := s.fault(r); fault != nil {
		s.write(w, r, reply{}, fault)
		return
	}
	body, err := readBody(r)
	var parts struct {
		Requests []part `json:"requests"`
	}
	if err != nil || json.Unmarshal(body, &parts) != nil {
		s.write(w, r, reply{}, badRequest("Invalid batch payload format."))
		return
	}
	if fault := checkBatch(parts.Requests); fault != nil {
		s.write(w, r, reply{}, fault)
		return
	}
	status := map[string]int{}
	replies := make([]partReply, 0, len(parts.Requests))
	for _, p := range parts.Requests {
		answer := s.runPart(r, p, status)
		status[p.ID] = answer.Status
		replies = append([]partReply{answer}, replies...)
	}
	s.write(w, r, reply{http.StatusOK, map[string]any{"responses": replies}}, nil)
}

// checkBatch refuses the whole batch where it is malformed.
func checkBatch(parts []part) error {
	if len(parts) == 0 || len(parts) > maxBatch {
		return badRequest("Number of batch request steps must lie between 1 and 20.")
	}
	seen := map[string]bool{}
	for _, p := range parts {
		content := ""
		for name, value := range p.Headers {
			if strings.EqualFold(name, "Content-Type") {
				content = value
			}
		}
		switch {
		case p.ID == "" || seen[p.ID]:
			return badRequest("Request Id must be unique within the batch: " + p.ID)
		case p.Method == "" || !strings.HasPrefix(p.URL, "/"):
			return badRequest("Every batch request needs a method and a relative url.")
		case len(p.Body) > 0 && content == "":
			return badRequest("Write request id : " + p.ID + " does not contain Content-Type header or body.")
		}
		seen[p.ID] = true
	}
	return nil
}

func (s *Server) runPart(r *http.Request, p part, status map[string]int) partReply {
	for _, id := range p.DependsOn {
		if got, done := status[id]; !done || got >= 400 {
			text, _ := json.Marshal((&apiError{http.StatusFailedDependency, "FailedDependency", "A request that this one depends on has failed.", nil, 0}).envelope(s.Now(), "", ""))
			return partReply{ID: p.ID, Status: http.StatusFailedDependency, Body: text}
		}
	}
	inner, err := http.NewRequestWithContext(r.Context(), p.Method, s.Base+"/v1.0"+p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return partReply{ID: p.ID, Status: http.StatusBadRequest}
	}
	for name, value := range p.Headers {
		inner.Header.Set(name, value)
	}
	inner.Header.Set("Authorization", r.Header.Get("Authorization"))
	into := &recorder{header: http.Header{}}
	s.ServeHTTP(into, inner)
	headers := map[string]string{}
	for _, name := range []string{"Content-Type", "Retry-After", "request-id"} {
		if value := into.header.Get(name); value != "" {
			headers[name] = value
		}
	}
	answer := partReply{ID: p.ID, Status: into.status, Headers: headers}
	if text := bytes.TrimSpace(into.body.Bytes()); json.Valid(text) {
		answer.Body = text
	}
	return answer
}

// recorder keeps the answer to one part.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(text []byte) (int, error) { return r.body.Write(text) }
