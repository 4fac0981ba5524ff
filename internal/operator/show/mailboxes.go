package show

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
)

// Mailboxes writes a page of mailboxes, a line each, and below those that wait for a person for what and for whom. More is
// the command that shows the next page, where there is one.
func Mailboxes(w io.Writer, page operator.MailboxPage, more string, o Options) error {
	var b strings.Builder
	if page.Note != "" {
		b.WriteString(o.paint(o.wrap(plain(strings.ToUpper(page.Note[:1])+page.Note[1:]), 0), text.FgYellow) + "\n\n")
	}
	if len(page.Mailboxes) == 0 {
		b.WriteString("No such mailbox.\n")
	} else {
		mailboxTable(&b, page.Mailboxes, o)
	}
	if page.Next != "" {
		fmt.Fprintf(&b, "\nMore: %s\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mailboxTable(b *strings.Builder, all []operator.MailboxLine, o Options) {
	t := o.grid("address", "wave", "state", "step", "messages", "copied", "rate now", "left")
	var configs []table.ColumnConfig
	for _, n := range []int{4, 5, 6, 7, 8} {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	for _, l := range all {
		messages := report.Count(l.There)
		if l.Expected.Messages > 0 {
			messages += " of " + report.Count(max(l.Expected.Messages, l.Account.Source))
		}
		rate, left := "", ""
		if l.MessagesPerSecond > 0 || l.BytesPerSecond > 0 {
			rate = fmt.Sprintf("%.0f/s, %s/s", l.MessagesPerSecond, report.Bytes(int64(l.BytesPerSecond)))
		}
		if l.Left > 0 {
			left = report.Age(l.Left.D())
		}
		t.AppendRow(table.Row{plain(l.Address), plain(l.Wave), o.state(l.State), int(l.Step), messages, report.Bytes(l.Bytes), rate, left})
	}
	lines := strings.Split(strings.TrimRight(trimLines(t.Render()), "\n"), "\n")
	b.WriteString(lines[0] + "\n")
	for i, l := range all {
		b.WriteString(lines[i+1] + "\n")
		waitsFor(b, l, o)
	}
}

// waitsFor says what a mailbox waits for.
func waitsFor(b *strings.Builder, l operator.MailboxLine, o Options) {
	switch {
	case l.Problem != nil:
		since := ""
		if !l.Since.IsZero() {
			since = " for " + report.Age(o.now().Sub(l.Since))
		}
		b.WriteString(o.wrap(fmt.Sprintf("waits%s for %s: %s", since, l.Who, plain(l.Problem.Text)), 4) + "\n")
		if l.Problem.Remedy != "" {
			b.WriteString(o.wrap("to do: "+plain(l.Problem.Remedy), 4) + "\n")
		}
	case l.Failure != "":
		b.WriteString(o.wrap(fmt.Sprintf("attempt %d, because: %s", l.Attempt, cut(plain(l.Failure), 200)), 4) + "\n")
	case l.Doing != "":
		b.WriteString(o.wrap(plain(l.Doing), 4) + "\n")
	}
}

// mailboxColumns are the columns of [MailboxesCSV].
var mailboxColumns = []string{
	"EmailAddress", "Wave", "State", "Step", "Doing", "Messages", "Expected", "Bytes", "ExpectedBytes", "MessagesPerSecond", "BytesPerSecond",
	"SecondsLeft", "WaitingSince", "Who", "Problem", "Remedy",
}

// MailboxesCSV writes a page of mailboxes as CSV with a header. No cell is a formula for the programs that open it.
func MailboxesCSV(w io.Writer, page operator.MailboxPage) error {
	out := csv.NewWriter(w)
	rows := [][]string{mailboxColumns}
	for _, l := range page.Mailboxes {
		p := migration.Problem{}
		if l.Problem != nil {
			p = *l.Problem
		}
		since := ""
		if !l.Since.IsZero() {
			since = l.Since.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{
			l.Address, l.Wave, string(l.State), strconv.Itoa(int(l.Step)), l.Doing, strconv.Itoa(l.There), strconv.Itoa(l.Expected.Messages),
			strconv.FormatInt(l.Bytes, 10), strconv.FormatInt(l.Expected.Bytes, 10), fmt.Sprintf("%.1f", l.MessagesPerSecond),
			fmt.Sprintf("%.0f", l.BytesPerSecond), strconv.Itoa(int(l.Left.D().Seconds())), since, string(l.Who), p.Text, p.Remedy,
		})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = report.Cell(row[i])
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the CSV: %w", err)
	}
	return nil
}
