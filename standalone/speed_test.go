package main

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestSpeed(t *testing.T) {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var s speed
	for _, step := range []struct {
		second   int
		messages int
		bytes    int64
		want     string
	}{
		{0, 0, 0, ""},
		{1, 100, 1_000_000, "100 messages/s, 1.0 MB/s"},
		{5, 1500, 5_000_000, "300 messages/s, 1.0 MB/s"},
		{6, 1500, 5_000_000, "280 messages/s, 800.0 kB/s"},
		{30, 1500, 5_000_000, ""},
	} {
		s.add(begin.Add(time.Duration(step.second)*time.Second), migration.Account{Copied: step.messages, Bytes: step.bytes})
		if got := s.String(); got != step.want {
			t.Errorf("after %d s: %q, want %q", step.second, got, step.want)
		}
	}
}
