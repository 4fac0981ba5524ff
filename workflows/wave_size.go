package workflows

import "github.com/mailferry/mailferry/internal/migration"

// carryLimit is how large the input of a wave's new run may be, in bytes of JSON: the server terminates a workflow that
// would go on with more than 2 MB. 500 rows of the longest kind take 1.2 MB of it.
const carryLimit = 1_800_000

// trim keeps what a new run begins with under the limit: of words that are many and long less is carried on.
func trim(in *WaveInput) {
	for _, limit := range []int{300, 120, 40} {
		if len(encode(in)) <= carryLimit {
			return
		}
		for _, r := range in.Carried.Rows {
			r.Note = cut(r.Note, limit)
			r.Problem, r.Report.Problem = trimmed(r.Problem, limit), trimmed(r.Report.Problem, limit)
			r.Report.Retrying = nil // its next report has it again
		}
	}
}

func trimmed(p *migration.Problem, limit int) *migration.Problem {
	if p == nil {
		return nil
	}
	return &migration.Problem{Kind: p.Kind, Text: cut(p.Text, limit), Remedy: cut(p.Remedy, limit)}
}
