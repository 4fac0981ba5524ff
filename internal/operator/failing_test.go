package operator

import (
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/mailferry/mailferry/workflows"
)

func TestStatusTellsWhatFails(t *testing.T) {
	f := newFake()
	launchedBefore(t, f, isRunning, true)
	const wave = "contoso/20261123-1/pilot"
	f.add(t, wave, workflows.WaveType, isRunning, nil)
	f.answers["contoso"] = workflows.Status{
		Retrying: []workflows.Retrying{{What: "publish TXT contoso.com", Words: "refused"}},
		Waves:    []workflows.WaveStatus{{Name: "pilot", ID: wave}, {Name: "gone", ID: "contoso/20261123-1/gone"}},
	}
	pending := func(name, words string) *workflowpb.PendingActivityInfo {
		a := &workflowpb.PendingActivityInfo{ActivityType: &commonpb.ActivityType{Name: name}, Attempt: 3}
		if words != "" {
			a.LastFailure = &failurepb.Failure{Message: words}
		}
		return a
	}
	f.runs["contoso"].PendingActivities = []*workflowpb.PendingActivityInfo{pending("EnsureDomain", "no route to host"), pending("Trace", "")}
	f.runs[wave].PendingActivities = []*workflowpb.PendingActivityInfo{pending("EnsureUsers", "too many requests")}
	s, err := operatorOf(f).Status(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	want := []workflows.Retrying{
		{What: "publish TXT contoso.com", Words: "refused"},
		{What: "EnsureDomain, attempt 3", Words: "no route to host"},
		{Wave: "pilot", What: "EnsureUsers, attempt 3", Words: "too many requests"},
	}
	if len(s.Retrying) != len(want) {
		t.Fatalf("it fails at %+v", s.Retrying)
	}
	for i := range want {
		if s.Retrying[i] != want[i] {
			t.Errorf("it fails at %+v, want %+v", s.Retrying[i], want[i])
		}
	}
}
