package m365

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/migration"
)

const unverified = `{"id":"contoso.com","isVerified":false,"supportedServices":[]}`

func TestEnsureDomain(t *testing.T) {
	const records = `{"value":[
		{"@odata.type":"#microsoft.graph.domainDnsMxRecord","label":"contoso.com","recordType":"Mx","ttl":3600,"mailExchange":"ms12345678.msv1.invalid","preference":32767},
		{"@odata.type":"#microsoft.graph.domainDnsTxtRecord","label":"contoso.com","recordType":"Txt","ttl":3600,"supportedService":null,"text":"MS=ms12345678"}]}`
	want := migration.Domain{Name: "contoso.com", Proof: migration.Record{Name: "contoso.com", Type: "TXT", TTL: 3600, Data: []string{"MS=ms12345678"}}}
	t.Run("new", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /domains/contoso.com", notFound)
		f.on("POST /domains", reply{status: 201, body: unverified})
		f.on("GET /domains/contoso.com/verificationDnsRecords", notFound, reply{body: records})
		got, err := f.client().EnsureDomain(t.Context(), "Contoso.com.")
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if body := f.requests("POST /domains")[0].body; body != `{"id":"contoso.com"}` {
			t.Errorf("added with %s", body)
		}
	})
	t.Run("added meanwhile", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /domains/contoso.com", notFound, reply{body: unverified})
		f.on("POST /domains", reply{status: 400, body: refusalBody("Request_BadRequest", "Another object with the same value for property name already exists.", `[{"code":"ObjectConflict","message":"x","target":"name"}]`)})
		f.on("GET /domains/contoso.com/verificationDnsRecords", reply{body: records})
		if got, err := f.client().EnsureDomain(t.Context(), "contoso.com"); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("verified", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /domains/contoso.com", reply{body: `{"id":"contoso.com","isVerified":true}`})
		if got, err := f.client().EnsureDomain(t.Context(), "contoso.com"); err != nil || !got.Verified {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestVerifyDomain(t *testing.T) {
	bad := func(message string) reply {
		return reply{status: 400, body: refusalBody("Request_BadRequest", message, "")}
	}
	tests := []struct {
		name           string
		verify, domain reply
		want           bool
		kind           string
	}{
		{"seen", reply{body: `{"id":"contoso.com","isVerified":true}`}, reply{}, true, ""},
		{"not seen yet", bad("Domain verification failed with the following error: 'CNAME/TXT records do not match'."), reply{body: unverified}, false, ""},
		{"verified before", bad("Domain is already verified."), reply{body: `{"id":"contoso.com","isVerified":true}`}, true, ""},
		{"held by another", bad("Domain verification failed with the following error: 'The domain is verified in another tenant'."), reply{body: unverified}, false, "domain-held-elsewhere"},
		{"not allowed", reply{status: 403, body: refusalBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation.", "")}, reply{}, false, "permission-missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("POST /domains/contoso.com/verify", tt.verify)
			f.on("GET /domains/contoso.com", tt.domain)
			got, err := f.client().VerifyDomain(t.Context(), "contoso.com")
			if tt.kind != "" {
				check(t, err, tt.kind, 0)
			} else if err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestServiceRecords(t *testing.T) {
	const all = `{"value":[
		{"@odata.type":"#microsoft.graph.domainDnsTxtRecord","label":"contoso.com","recordType":"Txt","ttl":3600,"supportedService":"Email","text":"v=spf1 include: spf.protection.outlook.com  -all"},
		{"@odata.type":"#microsoft.graph.domainDnsMxRecord","label":"Contoso.com","recordType":"Mx","ttl":3600,"supportedService":"Email","mailExchange":"Contoso-com.k1.MX.microsoft.","preference":0},
		{"@odata.type":"#microsoft.graph.domainDnsCnameRecord","label":"autodiscover.contoso.com","recordType":"CName","ttl":3600,"supportedService":"Email","canonicalName":"autodiscover.outlook.com"},
		{"@odata.type":"#microsoft.graph.domainDnsSrvRecord","label":"_sip._tls.contoso.com","recordType":"Srv","ttl":3600,"supportedService":"OfficeCommunicationsOnline","nameTarget":"sipdir.online.lync.com","port":443,"priority":100,"weight":1,"protocol":"_tls","service":"_sip"},
		{"@odata.type":"#microsoft.graph.domainDnsCnameRecord","label":"sip.contoso.com","recordType":"CName","ttl":3600,"supportedService":"OfficeCommunicationsOnline","canonicalName":"sipdir.online.lync.com"}]}`
	f := newFake(t)
	f.on("GET /domains/contoso.com", reply{body: `{"id":"contoso.com","isVerified":true,"supportedServices":["Sharepoint","Yammer"]}`})
	f.on("PATCH /domains/contoso.com", reply{status: 204})
	f.on("GET /domains/contoso.com/serviceConfigurationRecords",
		reply{body: `{"value":[{"@odata.type":"#microsoft.graph.domainDnsUnavailableRecord","label":"contoso.com","recordType":"","ttl":0,"supportedService":"Email","description":"not yet"}]}`},
		reply{body: all})
	c := f.client()
	if got, err := c.ServiceRecords(t.Context(), "contoso.com"); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v; want none yet", got, err)
	}
	if body := f.requests("PATCH /domains/contoso.com")[0].body; body != `{"supportedServices":["Yammer","Email"]}` {
		t.Errorf("changed with %s", body)
	}
	got, err := c.ServiceRecords(t.Context(), "contoso.com")
	want := []migration.Record{
		{Name: "autodiscover.contoso.com", Type: "CNAME", TTL: 3600, Data: []string{"autodiscover.outlook.com"}},
		{Name: "contoso.com", Type: "MX", TTL: 3600, Data: []string{"0 contoso-com.k1.mx.microsoft"}},
		{Name: "contoso.com", Type: "TXT", TTL: 3600, Data: []string{"v=spf1 include: spf.protection.outlook.com -all"}},
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got))
	}
}
