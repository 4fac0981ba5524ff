package m365

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipalswithappid"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// traceApp is Microsoft's application whose service principal must be in the tenant before message trace answers
	// (microsoft-graph-docs, resources/exchangemessagetrace.md).
	traceApp = "8bd644d1-64a1-4d4b-ae52-2e0cbf64e373"
	// principalMissing is in the 401 of message trace until that principal is effective (elastic/integrations#18240).
	principalMissing = "Service principal-less authentication failed"
)

const (
	// traceSpan is how much time one query may cover, traceAge how far back it may reach.
	traceSpan = 10 * 24 * time.Hour
	traceAge  = 90 * 24 * time.Hour
	// tracePages bounds the pages of 1,000 rows that are read at once: the tenant has 100 requests in 5 minutes for all.
	tracePages = 20
	// maxTrace is how many rows Trace returns.
	maxTrace = 100
)

// ErrTraceNotReady says that message trace's service principal isn't effective yet, which takes up to several hours
// after it was made. It is a passing fault.
var ErrTraceNotReady = errors.New("message trace does not answer yet: its service principal is not effective, which takes up to several hours")

// EnsureTrace has the service principal exist that message trace needs. Where the app may not make it, the problem's
// kind is "trace-principal-missing", or "trace-unavailable" in a national cloud.
func (c *Client) EnsureTrace(ctx context.Context) error {
	if err := c.traceOffered(); err != nil {
		return err
	}
	o := operation{doing: "look for message trace's service principal"}
	_, err := ask(ctx, c, o, func() (models.ServicePrincipalable, error) {
		id := traceApp
		return serviceprincipalswithappid.NewServicePrincipalsWithAppIdRequestBuilderInternal(
			map[string]string{}, c.adapter, &id).Get(ctx, nil)
	})
	switch {
	case err == nil:
		return nil
	case isForbidden(err):
		// The app may not look. If trace answers all the same, an administrator has made the principal.
		now := time.Now()
		if _, _, err := c.tracePage(ctx, c.traceURL(now.Add(-time.Minute), now)); err == nil {
			return nil
		}
		return principalProblem(err)
	case !isNotFound(err):
		return err
	}
	return c.createTracePrincipal(ctx)
}

func (c *Client) createTracePrincipal(ctx context.Context) error {
	o := operation{doing: "make message trace's service principal", needs: []permission{principalPermission}}
	_, err := ask(ctx, c, o, func() (models.ServicePrincipalable, error) {
		principal, id := models.NewServicePrincipal(), traceApp
		principal.SetAppId(&id)
		return serviceprincipals.NewServicePrincipalsRequestBuilderInternal(map[string]string{}, c.adapter).Post(ctx, principal, nil)
	})
	f := faultOf(err)
	switch {
	case err == nil:
		return nil
	case f != nil && (f.status == http.StatusConflict || f.has("ObjectConflict", "") || strings.Contains(f.message, "already in use")):
		return nil // Request_MultipleObjectsWithSameKeyValue: it was made meanwhile
	case isForbidden(err) || errors.Is(err, errPermission):
		return principalProblem(err)
	}
	return err
}

func principalProblem(err error) error {
	return migration.NeedsPerson("trace-principal-missing",
		"the tenant lacks the service principal that message trace needs, and the app may not make it",
		"run New-MgServicePrincipal -AppId "+traceApp+" (Microsoft Graph PowerShell), or grant the app "+
			principalPermission.names[0]+"; then retry, or leave message trace out of the plan's required proofs", err)
}

func isForbidden(err error) bool {
	f := faultOf(err)
	return f != nil && f.status == http.StatusForbidden
}

// nationalGraphs have no message trace in Graph: it is worldwide only.
var nationalGraphs = []string{"graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}

func (c *Client) traceOffered() error {
	if !slices.Contains(nationalGraphs, c.graph.Hostname()) {
		return nil
	}
	return migration.NeedsPerson("trace-unavailable",
		fmt.Sprintf("Graph at %q offers no message trace: only the worldwide cloud does", c.graph.Hostname()),
		"leave message trace out of the plan's required proofs", nil)
}

// traceRow is one exchangeMessageTrace (microsoft-graph-docs, resources/exchangemessagetrace.md). The SDK has no type
// and no builder for it.
type traceRow struct {
	Sender    string    `json:"senderAddress"`
	Recipient string    `json:"recipientAddress"`
	MessageID string    `json:"messageId"`
	Received  time.Time `json:"receivedDateTime"`
	FromIP    string    `json:"fromIP"`
	Status    string    `json:"status"`
}

type traceAnswer struct {
	Value []traceRow `json:"value"`
	Next  string     `json:"@odata.nextLink"`
}

// Trace lists what the tenant received for the domain's recipients since then, newest first, at most 100. It sees 90
// days back and misses the last minutes: rows appear with a delay and change from pending to delivered. While the
// service principal isn't effective its error wraps [ErrTraceNotReady].
func (c *Client) Trace(ctx context.Context, domain string, since time.Time) ([]migration.TraceRow, error) {
	if err := c.traceOffered(); err != nil {
		return nil, err
	}
	domain = ownerName(domain)
	now := time.Now().UTC().Truncate(time.Second)
	if oldest := now.Add(-traceAge + time.Hour); since.Before(oldest) {
		since = oldest
	}
	var found []traceRow
	pages := 0
	for to := now; to.After(since) && len(found) < maxTrace && pages < tracePages; to = to.Add(-traceSpan) {
		from := to.Add(-traceSpan)
		if from.Before(since) {
			from = since
		}
		next := c.traceURL(from, to)
		for next != nil && len(found) < maxTrace && pages < tracePages {
			rows, following, err := c.tracePage(ctx, next)
			if err != nil {
				return nil, err
			}
			// There is no filter for a domain, and recipientAddress takes no pattern.
			found = append(found, slices.DeleteFunc(rows, func(r traceRow) bool {
				_, of, _ := strings.Cut(strings.ToLower(r.Recipient), "@")
				return of != domain
			})...)
			next = following
			pages++
		}
	}
	slices.SortStableFunc(found, func(a, b traceRow) int { return b.Received.Compare(a.Received) })
	list := make([]migration.TraceRow, 0, min(len(found), maxTrace))
	for _, r := range found[:min(len(found), maxTrace)] {
		list = append(list, migration.TraceRow{
			MessageID: r.MessageID, Sender: r.Sender, Recipient: r.Recipient, FromIP: r.FromIP, Status: r.Status,
		})
	}
	return list, nil
}

// traceURL asks for both bounds, as the service wants them.
func (c *Client) traceURL(from, to time.Time) *url.URL {
	u := c.graph.JoinPath("v1.0", "admin", "exchange", "tracing", "messageTraces")
	filter := fmt.Sprintf("receivedDateTime ge %s and receivedDateTime le %s",
		from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	u.RawQuery = "$filter=" + url.PathEscape(filter) + "&$top=1000"
	return u
}

func (c *Client) tracePage(ctx context.Context, u *url.URL) (rows []traceRow, next *url.URL, err error) {
	o := operation{doing: "read the message trace", needs: []permission{tracePermission}}
	body, err := ask(ctx, c, o, func() ([]byte, error) { return c.read(ctx, u) })
	if f := faultOf(err); f != nil && f.status == http.StatusUnauthorized && !f.tokenRefused() {
		return nil, nil, fmt.Errorf("%w (%v)", ErrTraceNotReady, f)
	}
	if err != nil {
		return nil, nil, err
	}
	var answer traceAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, nil, fmt.Errorf("cannot %s: the answer is not the JSON that was expected: %w", o.doing, err)
	}
	if answer.Next == "" {
		return answer.Value, nil, nil
	}
	if next, err = url.Parse(answer.Next); err != nil {
		return nil, nil, fmt.Errorf("cannot %s: the link to the next page cannot be read", o.doing)
	}
	return answer.Value, next, nil
}
