package migration_test

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"14d": 14 * 24 * time.Hour, "25h": 25 * time.Hour, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "1m30s": 90 * time.Second,
		"10s": 10 * time.Second, "100ms": 100 * time.Millisecond, "0s": 0, "1h0m1s": time.Hour + time.Second,
	} {
		var d migration.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%q is %s, %v; want %s", text, d.D(), err, want)
		}
		if got := d.String(); got != text {
			t.Errorf("%q is written %q", text, got)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-1h", "1.5d", "99999d", "15", "daily"} {
		var d migration.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, d)
		}
	}
}
