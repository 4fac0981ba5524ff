package graph_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func options(w *world) azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: w.http.URL}, Transport: w.http.Client(),
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
}

// Microsoft's own library signs in here as it does there.
func TestMicrosoftsLibrarySignsIn(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(w), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	for scope, status := range map[string]int{w.http.URL: http.StatusOK, mail: http.StatusUnauthorized} {
		token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope + "/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, answer, _ := w.as(token.Token, "GET", "/domains", ""); got != status {
			t.Errorf("a token for %s: got %d %v, want %d", scope, got, answer, status)
		}
	}
	wrong, err := azidentity.NewClientSecretCredential(tenantID, clientID, "wrong",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(w), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{mail + "/.default"}})
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("a wrong secret: %v", err)
	}
}

func TestMicrosoftsLibrarySignsInByCertificate(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: w.now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := azidentity.NewClientCertificateCredential(tenantID, clientID, []*x509.Certificate{certificate}, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(w), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{mail + "/.default"}})
		return err
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "AADSTS700027") {
		t.Errorf("an unregistered certificate: %v", err)
	}
	w.config.Tenant.Certificate = der
	w.reopen()
	if err := ask(); err != nil {
		t.Error(err)
	}
}
