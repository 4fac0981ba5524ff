package main

import (
	"slices"
	"testing"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// seen is a view that notes what it was given.
type seen []string

func (s *seen) live() bool                                                { return false }
func (s *seen) status(operator.Status, []operator.Live, string, []*chore) { *s = append(*s, "status") }
func (s *seen) todo([]*chore)                                             {}
func (s *seen) gate(operator.Status)                                      { *s = append(*s, "gate") }
func (s *seen) note(text string)                                          { *s = append(*s, text) }
func (s *seen) close()                                                    {}

// Without a worker the digest is known, and what it stands for isn't.
func TestGateIsPutToAPersonWhenAWorkerTellsOfIt(t *testing.T) {
	var s seen
	f := follower{view: &s}
	status := operator.Status{}
	status.Gate = &workflows.Gate{Digest: "4f1d"}
	f.show(t.Context(), status)
	status.Worker, status.Gate = true, &workflows.Gate{Digest: "4f1d", Domains: []string{"contoso.com"}}
	f.show(t.Context(), status)
	f.show(t.Context(), status)
	if want := (seen{"status", "gate"}); !slices.Equal(s, want) {
		t.Errorf("shown %q, want %q", s, want)
	}
}
