package m365

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

var ada = migration.User{Address: "ada@contoso.com", DisplayName: "Ada Lovelace", UsageLocation: "gb", Licence: "EXCHANGESTANDARD"}

const (
	standardSKU = "4b9405b0-7788-4568-add1-99614e613b69"
	skuList     = `{"value":[{"skuId":"` + standardSKU + `","skuPartNumber":"EXCHANGESTANDARD","appliesTo":"User","capabilityStatus":"Enabled","consumedUnits":3,"prepaidUnits":{"enabled":5,"warning":0,"suspended":0,"lockedOut":0},"servicePlans":[{"servicePlanId":"113feb6c-3fe4-4440-bddc-54d774bf0318","servicePlanName":"EXCHANGE_S_FOUNDATION"},{"servicePlanId":"9aaf7827-d63c-4b61-89c3-182f06f82e5c","servicePlanName":"EXCHANGE_S_STANDARD"}]}]}`
	licensed    = `,"assignedPlans":[{"service":"exchange","servicePlanId":"9aaf7827-d63c-4b61-89c3-182f06f82e5c","capabilityStatus":"Enabled"}]`
)

func password() (string, error) { return "Pa55-of-ada!", nil }

func noPassword() (string, error) { return "", errors.New("must not be asked for") }

func TestEnsureUserCreates(t *testing.T) {
	f := newFake(t)
	f.on("GET /users/ada@contoso.com", notFound)
	f.on("POST /users", reply{status: 201, body: `{"id":"id-of-ada"}`})
	f.on("GET /subscribedSkus", reply{body: skuList})
	f.on("POST /users/id-of-ada/assignLicense", notFound, // a replica that lags
		reply{status: 400, body: refusalBody("Request_BadRequest", "License assignment cannot be done for user with invalid usage location.", "")},
		reply{body: `{"id":"id-of-ada"}`})
	got, err := f.client().EnsureUser(t.Context(), ada, password)
	if want := (migration.UserResult{ID: "id-of-ada", Created: true, Licensed: true}); err != nil || got != want {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	made := f.requests("POST /users")[0].body
	for _, want := range []string{
		`"userPrincipalName":"ada@contoso.com"`, `"mailNickname":"ada"`, `"displayName":"Ada Lovelace"`, `"accountEnabled":true`,
		`"usageLocation":"GB"`, `"password":"Pa55-of-ada!"`, `"forceChangePasswordNextSignIn":true`,
	} {
		if !strings.Contains(made, want) {
			t.Errorf("%s lacks %s", made, want)
		}
	}
	assigned := f.requests("POST /users/id-of-ada/assignLicense")
	if len(assigned) != 3 || !strings.Contains(assigned[2].body, `"removeLicenses":[]`) || !strings.Contains(assigned[2].body, standardSKU) {
		t.Errorf("assigned %d times, the last with %s", len(assigned), assigned[len(assigned)-1].body)
	}
}

func TestEnsureUserAdopts(t *testing.T) {
	const id = `{"id":"id-of-ada","userPrincipalName":"ada@contoso.com","mail":"ada@contoso.com"`
	tests := []struct {
		name        string
		user, inbox reply
		more        map[string][]reply
		want        migration.UserResult
	}{
		{
			"all is so already",
			reply{body: id + `,"usageLocation":"GB"` + licensed + `}`},
			reply{body: `{"id":"i","totalItemCount":0}`},
			nil,
			migration.UserResult{ID: "id-of-ada"},
		},
		{
			"mailbox in use",
			reply{body: id + `,"usageLocation":"GB"` + licensed + `}`},
			reply{body: `{"id":"i","totalItemCount":7}`},
			nil,
			migration.UserResult{ID: "id-of-ada", Live: true},
		},
		{
			"no location, no licence, no mailbox",
			reply{body: id + `}`},
			notFound,
			map[string][]reply{
				"PATCH /users/id-of-ada":              {{status: 204}},
				"GET /subscribedSkus":                 {{body: skuList}},
				"POST /users/id-of-ada/assignLicense": {{body: `{"id":"id-of-ada"}`}},
			},
			migration.UserResult{ID: "id-of-ada", Licensed: true},
		},
		{
			"licensed through a group",
			reply{body: id + `,"usageLocation":"DE","licenseAssignmentStates":[{"skuId":"` + standardSKU +
				`","assignedByGroup":"9d8a","state":"Active","error":"None","disabledPlans":[]}]}`},
			notFound,
			map[string][]reply{"GET /subscribedSkus": {{body: skuList}}},
			migration.UserResult{ID: "id-of-ada", Note: `the user keeps the usage location "DE" it had`},
		},
		{
			"synchronised and blocked",
			reply{body: id + `,"usageLocation":"GB","accountEnabled":false,"onPremisesSyncEnabled":true` + licensed + `}`},
			notFound, nil,
			migration.UserResult{ID: "id-of-ada", Note: "the user is synchronised from a directory on premises: while that directory has a mailbox " +
				"for it (msExchMailboxGuid), Exchange Online makes none, whatever the licence; sign-in is blocked for the user, and stays so"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("GET /users/ada@contoso.com", tt.user)
			f.on("GET /users/id-of-ada/mailFolders/inbox", tt.inbox)
			f.on("GET /users/id-of-ada/mailFolders/sentitems", tt.inbox)
			for route, replies := range tt.more {
				f.on(route, replies...)
			}
			got, err := f.client().EnsureUser(t.Context(), ada, noPassword)
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestEnsureUserMeetsAnother(t *testing.T) {
	taken := reply{status: 400, body: refusalBody("Request_BadRequest", "Another object with the same value for property userPrincipalName already exists.",
		`[{"code":"ObjectConflict","message":"x","target":"userPrincipalName"}]`)}
	t.Run("a user that lagged", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /users/ada@contoso.com", notFound, notFound, reply{body: `{"id":"id-of-ada","usageLocation":"GB"` + licensed + `}`})
		f.on("GET /subscribedSkus", reply{body: skuList})
		f.on("POST /users", taken)
		f.on("GET /users/id-of-ada/mailFolders/inbox", notFound)
		f.on("GET /users/id-of-ada/mailFolders/sentitems", notFound)
		got, err := f.client().EnsureUser(t.Context(), ada, password)
		if want := (migration.UserResult{ID: "id-of-ada"}); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("something that is no user", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /users/ada@contoso.com", notFound)
		f.on("GET /subscribedSkus", reply{body: skuList})
		f.on("POST /users", taken)
		_, err := f.client().EnsureUser(t.Context(), ada, password)
		check(t, err, "address-taken", 0)
	})
}

func TestEnsureUserDomain(t *testing.T) {
	invalid := reply{status: 400, body: refusalBody("Request_BadRequest",
		"The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
		`[{"code":"InvalidValue","message":"x","target":"userPrincipalName"}]`)}
	for verified, kind := range map[string]string{"false": "domain-unverified", "true": ""} {
		f := newFake(t)
		f.on("GET /users/ada@contoso.com", notFound)
		f.on("GET /subscribedSkus", reply{body: skuList})
		f.on("POST /users", invalid)
		f.on("GET /domains/contoso.com", reply{body: `{"id":"contoso.com","isVerified":` + verified + `}`})
		_, err := f.client().EnsureUser(t.Context(), ada, password)
		check(t, err, kind, 0)
	}
}

func TestEnsureUserWithoutSeat(t *testing.T) {
	t.Run("known beforehand", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /users/ada@contoso.com", notFound)
		f.on("GET /subscribedSkus", reply{body: strings.Replace(skuList, `"consumedUnits":3`, `"consumedUnits":5`, 1)})
		got, err := f.client().EnsureUser(t.Context(), ada, noPassword)
		check(t, err, "licences-exhausted", 0)
		if got.Created {
			t.Error("created nevertheless")
		}
	})
	t.Run("taken meanwhile", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /users/ada@contoso.com", notFound)
		f.on("GET /subscribedSkus", reply{body: skuList})
		f.on("POST /users", reply{status: 201, body: `{"id":"id-of-ada"}`})
		f.on("POST /users/id-of-ada/assignLicense", reply{status: 400, body: refusalBody("Request_BadRequest",
			"Subscription with SKU "+standardSKU+" does not have any available licenses.", "")})
		got, err := f.client().EnsureUser(t.Context(), ada, password)
		check(t, err, "licences-exhausted", 0)
		if !got.Created || got.ID != "id-of-ada" {
			t.Errorf("%+v does not say that the user was created", got)
		}
	})
}

func TestSynchronisedUserRefusesLocation(t *testing.T) {
	f := newFake(t)
	f.on("GET /users/ada@contoso.com", reply{body: `{"id":"id-of-ada","onPremisesSyncEnabled":true` + licensed + `}`})
	f.on("GET /users/id-of-ada/mailFolders/inbox", notFound)
	f.on("GET /users/id-of-ada/mailFolders/sentitems", notFound)
	f.on("PATCH /users/id-of-ada", reply{status: 403, body: refusalBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation.", "")})
	_, err := f.client().EnsureUser(t.Context(), ada, noPassword)
	check(t, err, "synchronised-user", 0)
}

func TestNickname(t *testing.T) {
	for local, want := range map[string]string{
		"ada": "ada", "ada.lovelace": "ada.lovelace", "o'brien": "o'brien", "jürgen+x": "j_rgen_x",
		strings.Repeat("a", 70): strings.Repeat("a", 64), ".a.": "a",
	} {
		if got := nicknameFor(local); got != want {
			t.Errorf("nicknameFor(%q) = %q, want %q", local, got, want)
		}
	}
}

func TestMailboxAnswers(t *testing.T) {
	const there = `{"id":"id-of-ada","mail":"ada@contoso.com"}`
	tests := []struct {
		name        string
		user, inbox reply
		want        bool
		kind        string
	}{
		{"user unknown yet", notFound, reply{}, false, ""},
		{"mail not stamped yet", reply{body: `{"id":"id-of-ada","mail":null}`}, reply{}, false, ""},
		{"not enabled", reply{body: there}, reply{status: 404, body: refusalBody("MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.", "")}, false, ""},
		{"not enabled, old words", reply{body: there}, reply{status: 404, body: refusalBody("MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox.", "")}, false, ""},
		{"not discovered", reply{body: there}, reply{status: 404, body: refusalBody("ResourceNotFound", "Resource could not be discovered.", "")}, false, ""},
		{"there", reply{body: there}, reply{body: `{"id":"i","displayName":"Inbox","totalItemCount":0}`}, true, ""},
		{"out of scope", reply{body: there}, reply{status: 403, body: refusalBody("ErrorAccessDenied", "Access is denied. Check credentials and try again.", "")}, false, "mailbox-access-denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.on("GET /users/ada@contoso.com", tt.user)
			f.on("GET /users/id-of-ada/mailFolders/inbox", tt.inbox)
			got, err := f.client().MailboxAnswers(t.Context(), "ada@contoso.com")
			if tt.kind != "" {
				check(t, err, tt.kind, 0)
			} else if err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
