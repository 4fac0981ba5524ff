package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/report"
	"github.com/mailferry/mailferry/internal/sandbox"
)

// named writes what is not at the target although nobody lost it: which mailbox, which message, why, and what can be done
// about it. What stands in the report and wasn't to be expected is among the comparison's faults instead.
func named(out io.Writer, r migration.Report, mishaps sandbox.Mishaps) {
	fmt.Fprintln(out, "Not at the target, and why:")
	for _, m := range r.Mailboxes {
		if m.State == migration.Excluded {
			fmt.Fprintf(out, "  %s: %s. To do: its mail is still at the source; launch a list that has it again, or keep the source's archive\n",
				m.Address, oneLine(m.Note))
		}
	}
	refused := refusals{}
	for _, m := range r.Mailboxes {
		for _, refusal := range m.Refusals {
			if refusal.Kind == "poison" {
				fmt.Fprintf(out, "  %s: message %d of %q %s ended the connection each time it was sent (%s). To do: save it from the source by hand before that is switched off\n",
					m.Address, refusal.UID, refusal.Folder, oneLine(refusal.MessageID), oneLine(refusal.Words))
				continue
			}
			refused.add(m.Address, refusal)
		}
	}
	for _, group := range refused {
		fmt.Fprintf(out, "  %s in %s: %s. To do: each is named in %s; save those that matter from the source\n",
			report.Plural(group.messages, "message", "messages"), report.Plural(len(group.mailboxes), "mailbox", "mailboxes"), group.why, reportFile)
	}
	if mishaps.Latecomer != "" && !slices.ContainsFunc(r.Mailboxes, func(m migration.MailboxAccount) bool { return m.Address == mishaps.Latecomer }) {
		fmt.Fprintf(out, "  %s: in no list that was launched. To do: launch %s\n", mishaps.Latecomer, sandbox.LateList)
	}
}

// refusals are the refused messages by reason, the most frequent last.
type refusals []refusalGroup

type refusalGroup struct {
	why       string
	messages  int
	mailboxes map[string]bool
}

func (r *refusals) add(address string, refusal migration.Refusal) {
	why := fmt.Sprintf("%s (%s)", refusal.Kind, oneLine(refusal.Words))
	i := slices.IndexFunc(*r, func(g refusalGroup) bool { return g.why == why })
	if i < 0 {
		i = len(*r)
		*r = append(*r, refusalGroup{why: why, mailboxes: map[string]bool{}})
	}
	(*r)[i].messages++
	(*r)[i].mailboxes[address] = true
}

// String says what became of the messages that are accounted for.
func (t tally) String() string {
	line := report.Count(t.there) + " at the target"
	for _, more := range []struct {
		n    int
		what string
	}{
		{t.byRule, "flagged as deleted and left out by rule"},
		{t.refused, "refused by the tenant"},
		{t.excluded, "in the mailbox that was left out"},
		{t.purged, "deleted for good by their owners in their new mailboxes"},
	} {
		if more.n > 0 {
			line += fmt.Sprintf(", %s %s", report.Count(more.n), more.what)
		}
	}
	return line
}

// oneLine frees what a server or a person wrote of everything that could draw on a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}
