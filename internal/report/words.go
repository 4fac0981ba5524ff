package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// Count writes a number with thousands apart: 1,234,567.
func Count(n int) string {
	if n < 0 {
		return "-" + Count(-n)
	}
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural writes a number with its noun: "1 mailbox", "3 mailboxes".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Bytes writes bytes in decimal units: "12.3 MB".
func Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	value, unit := float64(n), 0
	for value >= 999.95 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// moment writes a time to the second.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Age writes how long something lasts or lasted, in at most two units: "2d 3h", "4m 5s", "14d".
func Age(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days > 0:
		return units(days, "d", hours, "h")
	case hours > 0:
		return units(hours, "h", minutes, "m")
	case minutes > 0:
		return units(minutes, "m", seconds, "s")
	}
	return units(seconds, "s", 0, "")
}

// units leaves the smaller one out where there is none of it.
func units(n int, unit string, rest int, smaller string) string {
	text := strconv.Itoa(n) + unit
	if rest > 0 {
		text += " " + strconv.Itoa(rest) + smaller
	}
	return text
}

// records writes what a set of DNS records holds.
func records(r migration.Record) string {
	if len(r.Data) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s (TTL %d s)", oneLine(strings.Join(r.Data, ", ")), r.TTL)
}

// owner names the set that a change is about.
func owner(c migration.Change) string {
	return oneLine(cmp.Or(c.After.Name, c.Before.Name) + " " + cmp.Or(c.After.Type, c.Before.Type))
}

// balance is the closing equation in words, which says so where it doesn't close.
func balance(a migration.Account) string {
	var parts []string
	for _, part := range []struct {
		count int
		name  string
	}{
		{a.Copied, "copied"},
		{a.Already, "there already"},
		{a.Moved, "moved"},
		{a.Merged, "merged"},
		{a.LeftOut, "left out by rule"},
		{a.Refused, "refused"},
	} {
		if part.count != 0 {
			parts = append(parts, Count(part.count)+" "+part.name)
		}
	}
	sum := cmp.Or(strings.Join(parts, " + "), "nothing")
	text := fmt.Sprintf("%s at the source = %s", messages(a.Source), sum)
	if known := atTarget(a) + a.LeftOut + a.Refused; known != a.Source {
		text = fmt.Sprintf("%s at the source, but %s accounted for: %s", messages(a.Source), Count(known), sum)
	}
	if a.Unknown != 0 {
		text += fmt.Sprintf("; %s at the target that nothing explains", Count(a.Unknown))
	}
	if a.Gone != 0 {
		text += fmt.Sprintf("; %s more were deleted at the source since they were copied", Count(a.Gone))
	}
	return text
}

func messages(n int) string { return Plural(n, "message", "messages") }

// atTarget is how many of the account's messages are at the target.
func atTarget(a migration.Account) int { return a.Copied + a.Already + a.Moved + a.Merged }

// Planned says what the plan said of a step.
func Planned(s migration.StepTime) string {
	var parts []string
	if s.Least > 0 {
		parts = append(parts, "at least "+Age(s.Least.D()))
	}
	if s.Most > 0 {
		parts = append(parts, "within "+Age(s.Most.D()))
	}
	return strings.Join(parts, ", ")
}

// Took says how long a step lasted, or has lasted by the report's end.
func Took(s migration.StepTime, end time.Time) string {
	switch {
	case s.Began.IsZero():
		return ""
	case s.Ended.IsZero():
		return Age(end.Sub(s.Began)) + " so far"
	}
	return Age(s.Ended.Sub(s.Began))
}
