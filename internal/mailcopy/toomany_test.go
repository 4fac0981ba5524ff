package mailcopy

import "testing"

// More than one in twenty, or more than fifty, are not deleted at once.
func TestTooManyDeletions(t *testing.T) {
	for _, test := range []struct {
		n, left int
		want    bool
	}{
		{1, 0, true},
		{1, 18, true},
		{1, 19, false},
		{5, 95, false},
		{6, 94, true},
		{50, 950, false},
		{50, 949, true},
		{50, 1_000_000, false},
		{51, 1_000_000, true},
	} {
		if got := tooMany(test.n, test.left); got != test.want {
			t.Errorf("of %d messages %d go at once: asked %v, want %v", test.n+test.left, test.n, got, test.want)
		}
	}
}
