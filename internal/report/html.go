package report

import (
	_ "embed"
	"html/template"
	"io"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

//go:embed report.html.tmpl
var pageText string

var page = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"count": Count, "size": Bytes, "moment": moment, "line": oneLine, "plural": Plural, "balance": balance, "records": records, "owner": owner,
	"planned": Planned, "atTarget": atTarget,
}).Parse(pageText))

// view is what the page shows of a summary.
type view struct {
	*summary
	Verdict verdict
	Chart   *chart
	Bars    []bar
	// Took is how long the migration lasted.
	Took string
	// LastHash stands for the whole audit trail.
	LastHash string
}

// bar is a step with its place on the migration's axis of time, in percent.
type bar struct {
	migration.StepTime
	Title       string
	Took        string
	Left, Width float64
}

// writeHTML writes a report as one page that needs nothing else.
func writeHTML(w io.Writer, s *summary) error {
	v := view{summary: s, Verdict: s.verdict(), Chart: draw(s), Took: Age(s.End().Sub(s.Started))}
	for _, step := range s.Steps {
		v.Bars = append(v.Bars, s.bar(step))
	}
	if n := len(s.Audit); n > 0 {
		v.LastHash = s.Audit[n-1].Hash
	}
	return page.Execute(w, v)
}

func (s *summary) bar(step migration.StepTime) bar {
	b := bar{StepTime: step, Title: step.Step.Title(), Took: Took(step, s.End())}
	whole := s.End().Sub(s.Started)
	if step.Began.IsZero() || whole <= 0 {
		return b
	}
	ended := step.Ended
	if ended.IsZero() {
		ended = s.End()
	}
	percent := func(d time.Duration) float64 { return min(100, max(0, 100*float64(d)/float64(whole))) }
	b.Left = min(99.2, percent(step.Began.Sub(s.Started)))
	b.Width = max(0.8, min(100-b.Left, percent(ended.Sub(step.Began))))
	return b
}
