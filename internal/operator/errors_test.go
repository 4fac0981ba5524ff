package operator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestTranslate(t *testing.T) {
	refused := serviceerror.NewUnavailable(`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`)
	plain := errors.New("something else")
	for _, test := range []struct {
		name string
		err  error
		kind Kind
		text string
		hint string
	}{
		{"refused", fmt.Errorf("failed reaching server: %w", refused), Unreachable, "cannot reach the Temporal server: dial tcp 127.0.0.1:1: connect: connection refused", "--address"},
		{"broken", serviceerror.NewUnavailable(`connection error: desc = "error reading server preface: EOF"`), Unreachable, "cannot reach the Temporal server: error reading server preface: EOF", "--tls"},
		{"namespace", serviceerror.NewNamespaceNotFound("mail"), NoNamespace, `the Temporal server has no namespace "mail"`, "namespace create --namespace mail --retention 90d"},
		{"permission", serviceerror.NewPermissionDenied("request unauthorized", ""), Denied, "refuses access", "--api-key"},
		{"unauthenticated", status.Error(codes.Unauthenticated, "no token"), Denied, "refuses access", "--api-key"},
		{"attributes", serviceerror.NewInvalidArgument("Namespace mail has no mapping defined for search attribute MailferryTenant"), NoAttributes, "lacks Mailferry's search attributes", "search-attribute create --name MailferryTenant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Translate(test.err)
			var e *Error
			if !errors.As(err, &e) || e.Kind != test.kind || !strings.Contains(e.Text, test.text) || !strings.Contains(strings.Join(e.Hints, " "), test.hint) {
				t.Errorf("translated to %#v", err)
			}
			if !errors.Is(err, test.err) {
				t.Error("the cause is lost")
			}
			if again := Translate(fmt.Errorf("launch: %w", err)); !IsKind(again, test.kind) {
				t.Errorf("translated twice: %#v", again)
			}
		})
	}
	if Translate(nil) != nil || !errors.Is(Translate(plain), plain) {
		t.Error("what isn't known must stay as it is")
	}
}
