package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// The chart's measures, in units of its own: two panels below one another over one axis of time.
const (
	chartWidth  = 960
	chartLeft   = 70 // at the least; the longest label must fit
	chartRight  = 16
	panelHeight = 120
	panelGap    = 44
	panelTop    = 30
)

// chart is the picture of a migration over time: verified mailboxes above, messages at the target below.
type chart struct {
	Width, Height int
	Left, Right   int
	Panels        []panel
	// Times are the marks of the axis, Events what happened at a moment.
	Times  []mark
	Events []mark
	Bottom int
	Title  string
}

type panel struct {
	Title      string
	Top, Base  int
	TitleY     int
	Line, Area string
	Marks      []mark
	Kind       string
}

// mark is a place on an axis and what stands there.
type mark struct {
	At   string
	Text string
	// Anchor is where the text is held: start, middle or end.
	Anchor string
}

// draw makes the chart, nil where there is too little to show.
func draw(s *summary) *chart {
	points := s.Curve
	if len(points) < 2 || !points[len(points)-1].At.After(points[0].At) {
		return nil
	}
	last := points[len(points)-1]
	c := &chart{Width: chartWidth, Right: chartWidth - chartRight}
	c.Title = fmt.Sprintf("%s of %s mailboxes verified, %s messages at the target by %s", Count(last.Verified), Count(last.Mailboxes),
		Count(last.Messages), moment(last.At))
	mailboxes, messages := 0, s.Expected
	for _, p := range points {
		mailboxes, messages = max(mailboxes, p.Mailboxes), max(messages, p.Messages)
	}
	const digit, gap = 7, 16 // the width of a digit at the page's size, and what stands beside a label
	c.Left = max(chartLeft, digit*len(Count(max(niceLimit(mailboxes), niceLimit(messages))))+gap)
	axis := timeAxis{points[0].At, last.At, float64(c.Left)}
	top := panelTop
	for _, one := range []struct {
		title, kind string
		limit       int
		value       func(migration.Point) int
	}{
		{"Mailboxes verified", "mailboxes", mailboxes, func(p migration.Point) int { return p.Verified }},
		{"Messages at the target", "messages", messages, func(p migration.Point) int { return p.Messages }},
	} {
		c.Panels = append(c.Panels, drawPanel(points, axis, one.title, one.kind, top, one.limit, one.value))
		top += panelHeight + panelGap
	}
	c.Bottom = top - panelGap
	c.Height = c.Bottom + 34
	c.Times = axis.marks()
	for _, step := range s.Steps {
		if step.Step == migration.StepCutover && step.State == migration.Done && !step.Ended.IsZero() {
			c.Events = append(c.Events, axis.mark(step.Ended, "MX changed"))
		}
	}
	return c
}

func drawPanel(points []migration.Point, axis timeAxis, title, kind string, top, limit int, value func(migration.Point) int) panel {
	p := panel{Title: title, Kind: kind, Top: top, Base: top + panelHeight, TitleY: top - 10}
	scale := niceLimit(limit)
	y := func(v int) string { return fmt.Sprintf("%.1f", float64(p.Base)-float64(v)/float64(scale)*panelHeight) }
	var line []string
	for _, point := range points {
		line = append(line, axis.x(point.At)+","+y(value(point)))
	}
	p.Line = strings.Join(line, " ")
	p.Area = fmt.Sprintf("%s,%d %s %s,%d", axis.x(axis.from), p.Base, p.Line, axis.x(axis.to), p.Base)
	marks := 4
	if scale < marks {
		marks = scale
	}
	for i := range marks + 1 {
		v := scale * i / marks
		p.Marks = append(p.Marks, mark{At: y(v), Text: Count(v)})
	}
	return p
}

// niceLimit is the least 1, 2, 4, 6 or 8 times a power of ten that is not below n, so that quarters are whole numbers
// from 4 on.
func niceLimit(n int) int {
	for power := 1; ; power *= 10 {
		for _, factor := range []int{1, 2, 4, 6, 8} {
			if nice := factor * power; nice >= n {
				return nice
			}
		}
	}
}

// timeAxis is the horizontal axis, which begins at left.
type timeAxis struct {
	from, to time.Time
	left     float64
}

func (a timeAxis) place(t time.Time) float64 {
	share := float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return a.left + share*(chartWidth-chartRight-a.left)
}

func (a timeAxis) x(t time.Time) string { return fmt.Sprintf("%.1f", a.place(t)) }

func (a timeAxis) mark(t time.Time, text string) mark {
	m := mark{At: a.x(t), Text: text, Anchor: "middle"}
	switch place := a.place(t); {
	case place > chartWidth-90:
		m.Anchor = "end"
	case place < a.left+30:
		m.Anchor = "start"
	}
	return m
}

// steps are the distances between two marks of an axis of time.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute,
	30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day,
}

const day = 24 * time.Hour

// marks are at most nine, at round times.
func (a timeAxis) marks() []mark {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if a.to.Sub(a.from) <= 8*s {
			step = s
			break
		}
	}
	layout := "2 Jan"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step < 6*time.Hour:
		layout = "15:04"
	case step < day:
		layout = "2 Jan 15:04"
	}
	var all []mark
	for t := a.from.UTC().Truncate(step); !t.After(a.to) && len(all) < 20; t = t.Add(step) {
		if !t.Before(a.from) {
			all = append(all, a.mark(t, t.Format(layout)))
		}
	}
	return all
}
