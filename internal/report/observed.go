package report

import (
	"cmp"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// observed is one kind of observation, summed over the mailboxes.
type observed struct {
	What             string
	Count, Mailboxes int
	kind             string
}

// observations are the kinds that a copy counts, in words for people.
var observations = map[string]string{
	"line-ends-mended":           "messages whose line ends were mended, because the target would have broken them",
	"date-unreadable":            "messages whose date of arrival the source doesn't tell",
	"keywords-dropped":           "messages with keywords that the target can't hold",
	"nul-octets":                 "messages with NUL octets in them",
	"flags-refused":              "messages whose flags the target refused",
	"moves-refused":              "messages whose move within the mailbox the target refused",
	"deletions-not-followed":     "deletions at the source that were not followed",
	"moved-to-deleted-items":     "copies moved to Deleted Items, as their messages were deleted at the source",
	"not-brought-back":           "messages that someone deleted or filed in the new mailbox, and that were not brought back",
	"copied-in-doubt":            "messages copied though they may have been there: one too many is better than one lost",
	"copy-not-told-apart":        "copies that can't be told from others like them",
	"source-uidvalidity-changed": "times that the source numbered a folder anew",
	"target-uidvalidity-changed": "times that the target numbered a folder anew",
	"left-out-of-a-listing":      "messages that the source left out of a listing for a while",
}

// observe sums up what was observed in a mailbox.
func (s *summary) observe(m migration.MailboxAccount) {
	for _, o := range m.Observations {
		i := slices.IndexFunc(s.Observed, func(have observed) bool { return have.kind == o.Kind })
		if i < 0 {
			i = len(s.Observed)
			s.Observed = append(s.Observed, observed{What: cmp.Or(observations[o.Kind], oneLine(o.Kind)), kind: o.Kind})
		}
		s.Observed[i].Count += o.Count
		s.Observed[i].Mailboxes++
	}
}
