package migration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func trailOf(n int) []AuditEntry {
	at := time.Date(2026, 11, 24, 9, 0, 0, 123456789, time.FixedZone("CET", 3600))
	var trail []AuditEntry
	for i := range n {
		trail = AddAudit(trail, "contoso/20261124-1", AuditEntry{At: at.Add(time.Duration(i) * time.Minute), By: "Grace", What: fmt.Sprintf("entry\xff %d", i+1)})
	}
	return trail
}

func TestAuditChain(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func([]AuditEntry) []AuditEntry
		missing int
		fault   string
	}{
		{"whole", func(a []AuditEntry) []AuditEntry { return a }, 0, ""},
		{"empty", func([]AuditEntry) []AuditEntry { return nil }, 0, ""},
		{"read back", func(a []AuditEntry) []AuditEntry {
			var back []AuditEntry
			data, _ := json.Marshal(a)
			_ = json.Unmarshal(data, &back)
			return back
		}, 0, ""},
		{"trimmed at the front", func(a []AuditEntry) []AuditEntry { return CutAudit(a, 0, 3) }, 3, ""},
		{"trimmed in the middle", func(a []AuditEntry) []AuditEntry { return CutAudit(CutAudit(a, 2, 2), 2, 1) }, 3, ""},
		{"trimmed up to a gap", func(a []AuditEntry) []AuditEntry { return CutAudit(CutAudit(a, 3, 2), 0, 3) }, 5, ""},
		{"trimmed and gone on", func(a []AuditEntry) []AuditEntry {
			return AddAudit(CutAudit(a, 0, 9), "contoso/20261124-1", AuditEntry{What: "later"})
		}, 9, ""},
		{"trimmed of all: the last stays", func(a []AuditEntry) []AuditEntry { return CutAudit(a, 0, 100) }, 9, ""},
		{"cut off at the end, which only the last hash tells", func(a []AuditEntry) []AuditEntry { return a[:7] }, 0, ""},
		{"words", func(a []AuditEntry) []AuditEntry { a[4].What = "nothing"; return a }, 0, "entry 5 of the audit trail of contoso/20261124-1, or one before it, was changed"},
		{"name", func(a []AuditEntry) []AuditEntry { a[4].By = "Ada"; return a }, 0, "was changed"},
		{"time", func(a []AuditEntry) []AuditEntry { a[4].At = a[4].At.Add(1); return a }, 0, "was changed"},
		{"words moved to the name", func(a []AuditEntry) []AuditEntry { a[4].By, a[4].What = "Grace\n7:e", "x"; return a }, 0, "was changed"},
		{"words and hash", func(a []AuditEntry) []AuditEntry {
			a[4].What = "nothing"
			a[4].Hash = a[4].Chained(a[3].Hash)
			return a
		}, 0, "entry 6 of the audit trail of contoso/20261124-1, or one before it, was changed"},
		{"one taken out", func(a []AuditEntry) []AuditEntry { return slices.Delete(a, 4, 5) }, 0, "1 entries before entry 6 of the audit trail of contoso/20261124-1 were taken out"},
		{"one taken out and renumbered", func(a []AuditEntry) []AuditEntry {
			a = slices.Delete(a, 4, 5)
			a[4].Number = 5
			return a
		}, 0, "was changed"},
		{"first taken out", func(a []AuditEntry) []AuditEntry { return a[1:] }, 0, "1 entries before entry 2"},
		{"two exchanged", func(a []AuditEntry) []AuditEntry { a[4], a[5] = a[5], a[4]; return a }, 0, "1 entries before entry 6"},
		{"one twice", func(a []AuditEntry) []AuditEntry { return slices.Insert(a, 4, a[4]) }, 0, "stands behind entry 5"},
		{"of another migration", func([]AuditEntry) []AuditEntry {
			return AddAudit(nil, "fabrikam/20261124-1", AuditEntry{What: "x"})
		}, 0, "doesn't follow the one before it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			missing, err := CheckAudit(test.change(trailOf(10)), "contoso/20261124-1")
			if missing != test.missing {
				t.Errorf("%d are missing, want %d", missing, test.missing)
			}
			if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
				t.Errorf("error %v, want %q", err, test.fault)
			}
		})
	}
}

func TestCurve(t *testing.T) {
	start := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	point := func(minute int) Point {
		return Point{At: start.Add(time.Duration(minute) * time.Minute), Messages: minute}
	}
	for _, total := range []int{1, 2, 200, 201, 400, 401, 20_000} {
		var c Curve
		for i := range total {
			c.Add(point(i))
			c.Add(Point{At: point(i).At.Add(time.Second), Messages: i}) // nothing new
		}
		if len(c.Points) > MaxPoints || total >= MaxPoints && len(c.Points) < MaxPoints/2 {
			t.Errorf("%d points of %d", len(c.Points), total)
		}
		if c.Points[0] != point(0) || c.Points[len(c.Points)-1] != point(total-1) {
			t.Errorf("of %d points the first is %+v and the last %+v", total, c.Points[0], c.Points[len(c.Points)-1])
		}
		widest := 2 * total / MaxPoints * 2
		for i := 1; i < len(c.Points); i++ {
			if gap := c.Points[i].Messages - c.Points[i-1].Messages; gap < 1 || gap > max(1, widest) {
				t.Errorf("of %d points, %d lie between two of the curve", total, gap)
			}
		}
	}
}
