package graph

import (
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	user := map[string]any{
		"userPrincipalName": "ada@harbour.example", "displayName": "Ada O'Hara", "mail": nil,
		"proxyAddresses": []string{"SMTP:ada@harbour.example"}, "assignedLicenses": []assignedLicence{{SKU: "3b555118-da6a-4418-894f-7df1e2096870"}},
	}
	for text, want := range map[string]bool{
		"": true,
		"userPrincipalName eq 'ADA@harbour.example'":                                  true,
		"userPrincipalName eq 'bo@harbour.example'":                                   false,
		"mail eq 'ada@harbour.example'":                                               false,
		"displayName eq 'Ada O''Hara'":                                                true,
		"startsWith(displayName,'ada')":                                               true,
		"mail eq 'x' or displayName eq 'Ada O''Hara'":                                 true,
		"mail eq 'x' and displayName eq 'Ada O''Hara'":                                false,
		"proxyAddresses/any(p:p eq 'smtp:ada@harbour.example')":                       true,
		"assignedLicenses/any(s:s/skuId eq 3B555118-da6a-4418-894f-7df1e2096870)":     true,
		"assignedLicenses/any(s:s/skuId eq 00000000-da6a-4418-894f-7df1e2096870)":     false,
		"userPrincipalName eq 'ada@harbour.example' and startsWith(displayName, 'A')": true,
	} {
		matches, err := parseFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if matches(user) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
	for _, text := range []string{"endsWith(mail,'x')", "mail ne 'x'", "mail eq x", "'", " or "} {
		if _, err := parseFilter(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzFilters(f *testing.F) {
	f.Add("userPrincipalName eq 'ada@harbour.example' or mail eq 'x'")
	f.Add("receivedDateTime ge 2026-11-24T00:00:00Z and receivedDateTime le 2026-11-24T12:00:00Z and contains(subject,'x')")
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if matches, err := parseFilter(text); err == nil {
			matches(map[string]any{"mail": "x"})
		}
		if want, err := parseTraceFilter(text, now); err == nil {
			want.matches(trace{At: now}, map[string]any{})
			if want.to.Sub(want.from) > 10*24*time.Hour {
				t.Errorf("%q spans %s", text, want.to.Sub(want.from))
			}
		}
	})
}
