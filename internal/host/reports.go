package host

import (
	"io"
	"iter"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/report"
)

// reports implements activities.Reports.
type reports struct{}

func (reports) Names() []string { return report.Names() }

func (reports) Write(w io.Writer, name string, r migration.Report, accounts iter.Seq2[migration.MailboxAccount, error]) error {
	return report.Write(w, name, r, accounts)
}
