package report

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_960: "1.0 MB", 1 << 62: "4611.7 PB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m 1s", 26 * time.Hour: "1d 2h", 90 * time.Minute: "1h 30m", 48 * time.Hour: "2d",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%v) is %q, want %q", d, got, want)
		}
	}
}

func TestBalance(t *testing.T) {
	for _, test := range []struct {
		account migration.Account
		want    string
	}{
		{migration.Account{}, "0 messages at the source = nothing"},
		{migration.Account{Source: 1, Copied: 1}, "1 message at the source = 1 copied"},
		{
			migration.Account{Source: 21, Copied: 1, Already: 2, Moved: 3, Merged: 4, LeftOut: 5, Refused: 6},
			"21 messages at the source = 1 copied + 2 there already + 3 moved + 4 merged + 5 left out by rule + 6 refused",
		},
		{migration.Account{Source: 2_000, Copied: 1_999}, "2,000 messages at the source, but 1,999 accounted for: 1,999 copied"},
		{migration.Account{Source: 1, Copied: 2}, "1 message at the source, but 2 accounted for: 2 copied"},
		{
			migration.Account{Source: 1, Copied: 1, Unknown: 1, Gone: 3},
			"1 message at the source = 1 copied; 1 at the target that nothing explains; 3 more were deleted at the source since they were copied",
		},
	} {
		if got := balance(test.account); got != test.want {
			t.Errorf("%+v:\n got %s\nwant %s", test.account, got, test.want)
		}
	}
}
