package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

// attributes are the search attributes of the migrations' workflows.
var attributes = []temporal.SearchAttributeKey{workflows.SearchTenant, workflows.SearchLaunch, workflows.SearchState, workflows.SearchStep}

// Attributes returns the search attributes that a namespace needs, by name.
func Attributes() map[string]enumspb.IndexedValueType {
	all := map[string]enumspb.IndexedValueType{}
	for _, key := range attributes {
		all[key.GetName()] = key.GetValueType()
	}
	return all
}

// Services is the part of client.Client by which a namespace is looked at and made ready.
type Services interface {
	WorkflowService() workflowservice.WorkflowServiceClient
	OperatorService() operatorservice.OperatorServiceClient
}

// keptAfter is how long at least a closed run must be remembered after the plan's own length: a person may come back
// from a long holiday and still find it.
const keptAfter = 30 * 24 * time.Hour

// Check looks whether the namespace can carry the plan: it is there, has the search attributes, and keeps closed runs
// for the plan's length and 30 days more. It changes nothing.
func Check(ctx context.Context, s Services, namespace string, plan migration.Plan) error {
	described, err := s.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return Translate(err)
	}
	kept, need := described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), length(plan.Timing)+keptAfter
	if kept < need {
		days := int((need + 24*time.Hour - 1) / (24 * time.Hour))
		return &Error{
			Kind: ShortMemory,
			Text: fmt.Sprintf("the namespace %q forgets what is closed after %s; this plan needs %d days",
				namespace, migration.Duration(kept), days),
			Hints: []string{fmt.Sprintf("temporal operator namespace update --namespace %s --retention %dd", namespace, max(days, 90))},
		}
	}
	return checkAttributes(ctx, s, namespace)
}

// length is how long the plan's longest waits may take together, without those for people.
func length(t migration.Timing) time.Duration {
	return t.MailboxLimit.D() + 2*t.DNSLimit.D() + t.Delta.D() + t.QuietLimit.D()
}

// checkAttributes names the search attributes that are missing. A server that has no operator service, or doesn't let
// everybody use it, such as Temporal Cloud's, is believed to have them; a start tells otherwise.
func checkAttributes(ctx context.Context, s Services, namespace string) error {
	missing, err := missingAttributes(ctx, s, namespace)
	var (
		noService *serviceerror.Unimplemented
		denied    *serviceerror.PermissionDenied
	)
	switch {
	case errors.As(err, &noService) || errors.As(err, &denied):
		return nil
	case err != nil:
		return Translate(err)
	case len(missing) == 0:
		return nil
	}
	var names []string
	for _, key := range attributes {
		if _, ok := missing[key.GetName()]; ok {
			names = append(names, key.GetName())
		}
	}
	return noAttributes(strings.Join(names, ", "), nil)
}

func missingAttributes(ctx context.Context, s Services, namespace string) (map[string]enumspb.IndexedValueType, error) {
	listed, err := s.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, err
	}
	missing := Attributes()
	for name := range listed.GetCustomAttributes() {
		delete(missing, name)
	}
	return missing, nil
}
