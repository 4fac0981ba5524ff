package m365

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
)

const (
	// maxAnswer bounds an answer of Graph's: a page of 1,000 trace rows is some 400 kB.
	maxAnswer = 16 << 20
	// maxRefusal bounds the body of an error.
	maxRefusal = 64 << 10
)

// answers makes every answer one that kiota can read. Kiota gives up on an error whose body isn't JSON (a gateway's
// 503 page, say) and loses its status and Retry-After; here such a body becomes an empty Graph error instead.
type answers struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := a.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode >= 400:
		return refusal(response)
	case response.StatusCode >= 300:
		response.Body.Close()
		return nil, fmt.Errorf("%s redirects to %q: it is no Graph host, or a proxy stands before it",
			request.URL.Host, response.Header.Get("Location"))
	case response.StatusCode != http.StatusNoContent && response.ContentLength != 0 && !isJSON(response):
		response.Body.Close()
		return nil, fmt.Errorf("%s answered %q in place of JSON: it is no Graph host, or a proxy stands before it",
			request.URL.Host, response.Header.Get("Content-Type"))
	}
	response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	return response, nil
}

func refusal(response *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	response.Body.Close()
	var shape struct {
		Error *struct{} `json:"error"`
	}
	if err != nil || !isJSON(response) || json.Unmarshal(body, &shape) != nil || shape.Error == nil {
		body = []byte(`{"error":{}}`)
	}
	response.Header.Set("Content-Type", "application/json")
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	return response, nil
}

func isJSON(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
