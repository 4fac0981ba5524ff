package main

import (
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/report"
)

// speed is how fast messages arrived at the target over the last seconds.
type speed struct{ samples []sample }

type sample struct {
	at       time.Time
	messages int
	bytes    int64
}

// window is the time over which the speed is the mean.
const window = 5 * time.Second

// add takes a sample and forgets those that the window has passed, but for the last before it.
func (s *speed) add(at time.Time, a migration.Account) {
	s.samples = append(s.samples, sample{at, a.Copied + a.Already + a.Moved, a.Bytes})
	for len(s.samples) > 2 && at.Sub(s.samples[1].at) >= window {
		s.samples = s.samples[1:]
	}
}

// String is empty while nothing arrives.
func (s *speed) String() string {
	if len(s.samples) < 2 {
		return ""
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 || last.messages <= first.messages {
		return ""
	}
	return fmt.Sprintf("%s messages/s, %s/s", report.Count(int(float64(last.messages-first.messages)/took)), report.Bytes(int64(float64(last.bytes-first.bytes)/took)))
}
