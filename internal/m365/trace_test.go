package m365

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	traceRoute     = "GET /admin/exchange/tracing/messageTraces"
	principalRoute = "GET /servicePrincipals(appId='8bd644d1-64a1-4d4b-ae52-2e0cbf64e373')"
)

func TestTrace(t *testing.T) {
	f := newFake(t)
	f.on(traceRoute,
		reply{body: `{"value":[
			{"senderAddress":"a@b.example","recipientAddress":"Ada@Contoso.com","messageId":"<1@b>","receivedDateTime":"2026-11-20T10:00:00Z","fromIP":"192.0.2.1","status":"pending"},
			{"senderAddress":"ada@contoso.com","recipientAddress":"a@b.example","messageId":"<2@c>","receivedDateTime":"2026-11-20T10:00:01Z","status":"delivered"},
			{"senderAddress":"a@b.example","recipientAddress":"ada@sub.contoso.com","messageId":"<3@b>","receivedDateTime":"2026-11-20T10:00:02Z","status":"delivered"}],
			"@odata.nextLink":"` + f.URL + `/v1.0/admin/exchange/tracing/messageTraces?$skiptoken=x"}`},
		reply{body: `{"value":[{"senderAddress":"a@b.example","recipientAddress":"bob@contoso.com","messageId":"<4@b>","receivedDateTime":"2026-11-20T10:00:03Z","fromIP":"192.0.2.1","status":"filteredAsSpam"}]}`},
		reply{body: `{"value":[]}`})
	rows, err := f.client().Trace(t.Context(), "contoso.com", time.Now().Add(-25*24*time.Hour))
	if err != nil || len(rows) != 2 || rows[0].MessageID != "<4@b>" || rows[1].Status != "pending" || rows[1].FromIP != "192.0.2.1" {
		t.Fatalf("%+v, %v", rows, err)
	}
	asked := f.requests(traceRoute)
	if len(asked) != 4 { // a page, its next, and two older spans of ten days at most
		t.Errorf("%d requests, want 4", len(asked))
	}
	for i, r := range asked {
		if i == 1 {
			continue
		}
		query, _ := url.ParseQuery(r.query)
		from, to, ok := strings.Cut(strings.TrimPrefix(query.Get("$filter"), "receivedDateTime ge "), " and receivedDateTime le ")
		a, errA := time.Parse(time.RFC3339, from)
		b, errB := time.Parse(time.RFC3339, to)
		if !ok || errA != nil || errB != nil || b.Sub(a) > traceSpan || b.After(time.Now()) {
			t.Errorf("filter %q", query.Get("$filter"))
		}
	}
}

func TestTraceLinkElsewhere(t *testing.T) {
	f := newFake(t)
	f.on(traceRoute, reply{body: `{"value":[],"@odata.nextLink":"https://evil.example/next"}`})
	_, err := f.client().Trace(t.Context(), "contoso.com", time.Now().Add(-time.Hour))
	if err == nil || !strings.Contains(err.Error(), "refused to send a token") {
		t.Errorf("%v, want the link refused", err)
	}
}

func TestTraceNotReady(t *testing.T) {
	f := newFake(t)
	f.on(traceRoute, reply{status: 401, body: refusalBody("UnknownError",
		"Service principal-less authentication failed: The service principal for App ID 8bd644d1-64a1-4d4b-ae52-2e0cbf64e373 was not found.", "")})
	_, err := f.client().Trace(t.Context(), "contoso.com", time.Now().Add(-time.Hour))
	if !errors.Is(err, ErrTraceNotReady) {
		t.Errorf("%v, want ErrTraceNotReady", err)
	}
	check(t, err, "", 0)
	if n := len(f.requests(traceRoute)); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestEnsureTrace(t *testing.T) {
	denied := reply{status: 403, body: refusalBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation.", "")}
	tests := []struct {
		name              string
		look, make, trace reply
		roles             []string
		kind              string
	}{
		{name: "there", look: reply{body: `{"id":"1"}`}},
		{name: "made", look: notFound, make: reply{status: 201, body: `{"id":"1"}`}},
		{name: "made meanwhile", look: notFound, make: reply{status: 409, body: refusalBody("Request_MultipleObjectsWithSameKeyValue", "The service principal cannot be created, updated, or restored because the service principal name 8bd6 is already in use.", "")}},
		{name: "may not make it", look: notFound, roles: []string{"Application.Read.All", "ExchangeMessageTrace.Read.All"}, kind: "trace-principal-missing"},
		{name: "refused", look: notFound, make: denied, kind: "trace-principal-missing"},
		{name: "may not look, but trace answers", look: denied, trace: reply{body: `{"value":[]}`}},
		{name: "may not look, and trace does not answer", look: denied, trace: reply{status: 401, body: refusalBody("", "Service principal-less authentication failed", "")}, kind: "trace-principal-missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.roles != nil {
				f.roles = tt.roles
			}
			f.on(principalRoute, tt.look)
			f.on("POST /servicePrincipals", tt.make)
			f.on(traceRoute, tt.trace)
			err := f.client().EnsureTrace(t.Context())
			if tt.kind != "" {
				check(t, err, tt.kind, 0)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	c, err := New(Config{TenantID: "t", ClientID: "c", Secret: "s", Graph: "https://graph.microsoft.us"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureTrace(t.Context()); !hasKind(err, "trace-unavailable") {
		t.Errorf("%v, want it said that this cloud has none", err)
	}
}
