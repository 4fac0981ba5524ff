package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
	"github.com/mailferry/mailferry/workflows"
)

// waiting lists what a person must do, and what to type when it is done.
func waiting(b *strings.Builder, s operator.Status, o Options) {
	if s.WaitingCount == 0 && len(s.Waiting) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", o.paint(report.Plural(max(s.WaitingCount, len(s.Waiting)), "thing waits", "things wait")+" for a person", text.Bold, text.FgYellow))
	for _, group := range grouped(s.Waiting) {
		item := group[0]
		about := fmt.Sprintf("step %d, %s", item.Step, item.Step.Title())
		switch {
		case len(group) > 1:
			about += ", " + addresses(group)
			item.Mailbox = "" // one order is for all of them
		case item.Mailbox != "":
			about += ", " + plain(item.Mailbox)
		case item.Wave != "":
			about += ", wave " + plain(item.Wave)
		}
		if !item.Since.IsZero() {
			about += ", for " + report.Age(o.now().Sub(item.Since))
		}
		fmt.Fprintf(b, "\n%s%s\n", o.hanging("  "+o.paint("!", text.FgYellow)+" ", about), o.wrap(plain(item.Problem.Text), 4))
		fmt.Fprintf(b, "    Who:  %s\n", operator.WhoOf(group[0]))
		if item.Problem.Remedy != "" {
			b.WriteString(o.wrap("To do: "+plain(item.Problem.Remedy), 4) + "\n")
		}
		if s.Closed == "" && s.Gate == nil || item.Step != migration.StepCutover {
			fmt.Fprintf(b, "    Then: %s\n", then(s.Tenant, item, o))
		}
	}
	if more := s.WaitingCount - len(s.Waiting); more > 0 {
		fmt.Fprintf(b, "\n  and %s more\n", report.Count(more))
	}
}

// grouped puts together what several mailboxes wait for in the same words.
func grouped(all []workflows.Waiting) [][]workflows.Waiting {
	var groups [][]workflows.Waiting
	for _, item := range all {
		i := slices.IndexFunc(groups, func(g []workflows.Waiting) bool { return g[0].Step == item.Step && g[0].Problem == item.Problem })
		if i < 0 {
			groups = append(groups, []workflows.Waiting{item})
			continue
		}
		groups[i] = append(groups[i], item)
	}
	return groups
}

// addresses names the first mailboxes of a group.
func addresses(group []workflows.Waiting) string {
	const named = 3
	var names []string
	for _, item := range group[:min(named, len(group))] {
		names = append(names, plain(cmp.Or(item.Mailbox, item.Wave, "the tenant")))
	}
	line := strings.Join(names, ", ")
	if more := len(group) - named; more > 0 {
		line += fmt.Sprintf(" and %s more", report.Count(more))
	}
	return line
}

// then is what to type when what waits is mended.
func then(tenant string, item workflows.Waiting, o Options) string {
	if item.Problem.Kind == workflows.RolledBack {
		return fmt.Sprintf("%s abort %s", o.command(), tenant)
	}
	if item.Problem.Kind == workflows.PausedAlone {
		if item.Mailbox != "" {
			return fmt.Sprintf("%s resume %s --mailbox %s", o.command(), tenant, plain(item.Mailbox))
		}
		return fmt.Sprintf("%s resume %s --wave %s", o.command(), tenant, plain(item.Wave))
	}
	line := fmt.Sprintf("%s retry-step %s %d", o.command(), tenant, item.Step)
	if item.Mailbox != "" {
		line += " --mailbox " + plain(item.Mailbox)
	}
	return line
}
