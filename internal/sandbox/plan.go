package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

func (w *World) tsigSecret() string {
	return base64.StdEncoding.EncodeToString(w.secrets.bytes("tsig"))
}

// waves are the names of the plan's waves.
func (w *World) waves() []string {
	if w.options.Waves == 1 {
		return []string{"all"}
	}
	list := []string{"pilot"}
	for i := 1; i < w.options.Waves; i++ {
		list = append(list, fmt.Sprintf("wave-%d", i+1))
	}
	return list
}

// planText is a plan as a person would write it. Strings are quoted as JSON, which YAML takes.
var planText = template.Must(template.New("plan").Funcs(template.FuncMap{"quote": quote}).Parse(
	`# A plan for the simulated world in {{.Dir}}.
# Every wait is a value here: these press two weeks into a minute or two.
tenant: harbour
organisation: Harbour Trading
sealTo: {{quote .SealTo}}
domains: [{{range $i, $d := .Domains}}{{if $i}}, {{end}}{{quote $d}}{{end}}]
archive: {{quote .Archive}}

microsoft:
  tenantId: {{quote .TenantID}}
  clientId: {{quote .ClientID}}
  secret: {file: {{quote .ClientSecret}}}
  login: {{quote .Microsoft}}
  graph: {{quote .Microsoft}}
  scope: {{quote .Scope}}
  ca: {{quote .CA}}

endpoints:
  - name: old
    host: 127.0.0.1
    port: {{index .Ports "source-imap"}}
    security: tls
    ca: {{quote .CA}}
    auth: password
    mailboxesAtOnce: {{.AtOnce}}

target:
  host: 127.0.0.1
  port: {{index .Ports "target-imap"}}
  ca: {{quote .CA}}

dns:
  mode: rfc2136
  server: 127.0.0.1:{{index .Ports "dns"}}
  authoritative: ["127.0.0.1:{{index .Ports "dns"}}"]
  resolvers: ["127.0.0.1:{{index .Ports "resolver-a"}}", "127.0.0.1:{{index .Ports "resolver-b"}}"]
  tsigName: {{quote .TSIGName}}
  tsigAlgorithm: hmac-sha256.
  tsigSecret: {file: {{quote .TSIGSecret}}}
  ttl: {{.NewTTL}}
  dkim:
{{range .DKIM}}    - {name: {{quote .Name}}, type: CNAME, ttl: 60, data: [{{quote .Data}}]}
{{end}}
notices:
  from: {{quote .From}}
  support: {{quote .Support}}
  perMinute: 600
  before:
    host: 127.0.0.1
    port: {{index .Ports "source-submission"}}
    security: tls
    ca: {{quote .CA}}
    user: notices
    password: {file: {{quote .NoticesBefore}}}
  after:
    host: 127.0.0.1
    port: {{index .Ports "tenant-submission"}}
    security: starttls
    ca: {{quote .CA}}
    user: notices
    password: {file: {{quote .NoticesAfter}}}

users:
  licence: {{.Licence}}
  usageLocation: DE

waves:
{{range .Waves}}  - name: {{.}}
{{end}}
copy:
  connections: 2
  sliceTime: 30s
  sliceMessages: 2000

routing:
  required: [records, old-ttl, probe, trace, quiet]
  relay:
    host: 127.0.0.1
    port: {{index .Ports "outside-relay"}}
    security: tls
    ca: {{quote .CA}}
    user: probe
    password: {file: {{quote .Relay}}}
  probeFrom: probe@outside.example
  sourceHosts: [{{quote .SourceHost}}]

timing:
  poll: 500ms
  mailboxLimit: 5m
  dnsLimit: 2m
  delta: {{.Pace.Delta}}
  deltaAfterMX: {{.Pace.DeltaAfterMX}}
  quiet: {{.Pace.Quiet}}
  quietLimit: 5m
  report: 1s
  resend: 5s
  children: 10s
  retry: 500ms
  retryMax: 5s
  heartbeat: 8s
`))

// quote writes text so that YAML takes it as that very text.
func quote(text string) (string, error) {
	quoted, err := json.Marshal(text)
	return string(quoted), err
}

// pace are the plan's waits that depend on how many mailboxes one machine has to look after.
type pace struct{ Delta, DeltaAfterMX, Quiet time.Duration }

func (o Options) pace() pace {
	n := time.Duration(o.Mailboxes)
	after := max(2*time.Second, n*300*time.Millisecond)
	return pace{Delta: max(5*time.Second, n*400*time.Millisecond), DeltaAfterMX: after, Quiet: max(12*time.Second, after+10*time.Second)}
}

type dkimRecord struct{ Name, Data string }

// Plan is a plan in YAML for a migration of this world, its secrets being files in the world's directory and sealTo
// the workers' public key.
func (w *World) Plan(sealTo string) ([]byte, error) {
	files := map[string]string{
		"client-secret": w.tenant.Tenant.Secret, "tsig": w.tsigSecret(), "notices-before": w.secrets.password("notices-before"),
		"notices-after": w.secrets.password("notices-after"), "relay": w.secrets.password("relay"),
		"master": w.secrets.password(masterUser), "control": w.secrets.password("control"),
	}
	paths := map[string]string{}
	for name, secret := range files {
		path, err := w.secrets.file(name, secret)
		if err != nil {
			return nil, err
		}
		paths[name] = path
	}
	var dkim []dkimRecord
	for _, domain := range w.options.Domains {
		for _, selector := range []string{"selector1", "selector2"} {
			dkim = append(dkim, dkimRecord{
				selector + "._domainkey." + domain,
				selector + "-" + strings.ReplaceAll(domain, ".", "-") + "._domainkey.harbour.n-v1.dkim.mail.example",
			})
		}
	}
	archive := &url.URL{Scheme: "file", Path: filepath.Join(w.options.Dir, "archive")}
	var text bytes.Buffer
	err := planText.Execute(&text, map[string]any{
		"Dir": w.options.Dir, "SealTo": sealTo, "Domains": w.options.Domains, "Archive": archive.String(),
		"TenantID": w.tenant.Tenant.ID, "ClientID": w.tenant.Tenant.ClientID, "ClientSecret": paths["client-secret"],
		"Microsoft": w.tenant.Base, "Scope": mailResource, "CA": w.authority.path, "Ports": w.sockets.ports,
		"TSIGName": tsigName, "TSIGSecret": paths["tsig"], "NewTTL": w.options.NewTTL, "DKIM": dkim,
		"From": "it@" + w.options.Domains[0], "Support": "it@" + w.options.Domains[0],
		"NoticesBefore": paths["notices-before"], "NoticesAfter": paths["notices-after"], "Relay": paths["relay"],
		"Licence": licence, "Waves": w.waves(), "SourceHost": w.sourceHost(), "AtOnce": min(max(5, w.options.Mailboxes/8), 8),
		"Pace": w.options.pace(),
	})
	return text.Bytes(), err
}

// Edition is which of the lists of mailboxes it is.
type Edition string

// The editions of the list. An organisation's first one has a wrong password and lacks somebody.
const (
	FirstList     Edition = "mailboxes.csv"
	CorrectedList Edition = "corrected.csv"
	LateList      Edition = "late.csv"
)

// Editions are those that the world has, in the order in which they are launched.
func (w *World) Editions() []Edition {
	if w.options.Organisation {
		return []Edition{FirstList, CorrectedList, LateList}
	}
	return []Edition{FirstList}
}

// CSV is a list of mailboxes in the form of Microsoft's own migration, with a few columns more. It holds passwords.
func (w *World) CSV(edition Edition) ([]byte, error) {
	var text bytes.Buffer
	rows := csv.NewWriter(&text)
	records := [][]string{{"EmailAddress", "UserName", "Password", "DisplayName", "Language", "Wave"}}
	for i, a := range w.people {
		switch {
		case a.Address == w.mishaps.Latecomer && edition != LateList:
			continue
		case a.Address == w.mishaps.WrongPassword && edition == FirstList:
			a.Password = w.secrets.password("forgotten/" + a.Address)
		}
		records = append(records, []string{a.Address, a.User, a.Password, a.DisplayName, a.Language, w.Wave(i)})
	}
	err := rows.WriteAll(records)
	return text.Bytes(), err
}

// Wave is the wave of the i-th of the accounts: a small pilot, and the others in equal parts.
func (w *World) Wave(i int) string {
	waves, pilots := w.waves(), w.options.pilots()
	if len(waves) == 1 || i < pilots {
		return waves[0]
	}
	return waves[1+(i-pilots)*(len(waves)-1)/(len(w.people)-pilots)]
}

// WriteFiles writes plan.yaml and the lists into the folder, for their owner's eyes, and returns the paths of the plan and
// of the first list; the others stand beside it.
func (w *World) WriteFiles(dir, sealTo string) (plan, list string, err error) {
	text, err := w.Plan(sealTo)
	if err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	for _, edition := range w.Editions() {
		rows, err := w.CSV(edition)
		if err != nil {
			return "", "", err
		}
		if err := writeFile(filepath.Join(dir, string(edition)), rows, 0o600); err != nil {
			return "", "", err
		}
	}
	plan, list = filepath.Join(dir, "plan.yaml"), filepath.Join(dir, string(FirstList))
	return plan, list, writeFile(plan, text, 0o600)
}

// MailToken signs in as the app and returns a token for the tenant's IMAP, for whoever compares both sides.
func (w *World) MailToken(ctx context.Context) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {w.tenant.Tenant.ClientID},
		"client_secret": {w.tenant.Tenant.Secret}, "scope": {mailResource + "/.default"},
	}
	address := w.tenant.Base + "/" + w.tenant.Tenant.ID + "/oauth2/v2.0/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: w.clientTLS(), DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("signing in to the simulated tenant: %s %s", strconv.Itoa(response.StatusCode), answer.Error)
	}
	return answer.Token, nil
}
