package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
)

// Change writes what a list would change in a migration that runs.
func Change(w io.Writer, c operator.Change, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s runs already, launch %s. This list changes: %d new, %d corrected, %d as they were\n",
		o.paint(c.Tenant, text.Bold), c.Launch, c.New, c.Corrected, c.Same)
	t := o.grid()
	for _, one := range c.Named {
		t.AppendRow(table.Row{plain(one.Address), plain(one.What)})
	}
	b.WriteString(trimLines(t.Render()))
	if more := c.New + c.Corrected - len(c.Named); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Plan writes what a launch of the plan with these rows will do.
func Plan(w io.Writer, p migration.Plan, rows []migration.Mailbox, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s: %s to Microsoft 365\n\n", o.paint(p.Tenant, text.Bold), plain(p.Organisation), report.Plural(len(rows), "mailbox", "mailboxes"))
	t := o.grid("wave", "mailboxes", "")
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight}})
	for i, wave := range p.Waves {
		n := 0
		for _, row := range rows {
			if row.Wave == wave.Name {
				n++
			}
		}
		note := "begins when the pilot wave is verified"
		switch {
		case len(p.Waves) == 1:
			note = "begins at once"
		case i == 0:
			note = "the pilot: begins at once"
		}
		t.AppendRow(table.Row{plain(wave.Name), n, note})
	}
	b.WriteString(trimLines(t.Render()))
	t = o.grid()
	for _, e := range p.Endpoints {
		t.AppendRow(table.Row{"source " + plain(e.Name), fmt.Sprintf("%s:%d, %s, %s, %d mailboxes at once", plain(e.Host), e.Port, e.Security, e.Auth, e.MailboxesAtOnce)})
	}
	t.AppendRow(table.Row{"target", fmt.Sprintf("%s:%d", plain(p.Target.Host), p.Target.Port)})
	t.AppendRow(table.Row{"domains", plain(strings.Join(p.Domains, ", "))})
	changes := "by signed updates to " + p.DNS.Server
	if p.DNS.Mode != "rfc2136" {
		changes = "by a person; Mailferry checks them"
	}
	t.AppendRow(table.Row{"DNS changes", plain(changes)})
	t.AppendRow(table.Row{"deltas", fmt.Sprintf("every %s until the MX change, then every %s", p.Timing.Delta, p.Timing.DeltaAfterMX)})
	t.AppendRow(table.Row{"MX change", "only after a person's approval"})
	t.AppendRow(table.Row{"ends", fmt.Sprintf("when nothing has arrived at the source for %s", p.Timing.Quiet)})
	t.AppendRow(table.Row{"report", plain(p.Archive)})
	b.WriteString("\n" + trimLines(t.Render()))
	_, err := io.WriteString(w, b.String())
	return err
}
