package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// warn notes what is allowed but must be seen.
func (e *entry) warn(column, text, remedy string) {
	i := e.index(column)
	e.warnings = append(e.warnings, Warning{e.file, e.row.line, i + 1, column, text, remedy})
}

// whole checks what only all rows together show.
func (l *list) whole() {
	addresses := map[string]int{}
	accounts := sourceAccounts{}
	locals := map[string]int{}
	waves := map[string]int{}
	for i, m := range l.mailboxes {
		if m.Address != "" {
			if first, twice := addresses[m.Address]; twice {
				l.fault(l.lines[i], l.index(columnEmailAddress)+1, columnEmailAddress, fmt.Sprintf("is the address of line %d too", first), "each mailbox has one row")
			} else {
				addresses[m.Address] = l.lines[i]
			}
			name, _ := splitAddress(m.Address)
			if _, known := locals[name]; !known {
				locals[name] = i
			}
		}
		if m.User != "" {
			if first, twice := accounts.take(m, l.lines[i]); twice {
				l.fault(l.lines[i], l.index(columnUserName)+1, columnUserName, fmt.Sprintf("is the source account of line %d too", first), "two mailboxes cannot have the same mail")
			}
		}
		if m.Wave != "" {
			if waves[m.Wave]++; waves[m.Wave] == maxWave+1 {
				l.fault(l.lines[i], l.index(columnWave)+1, columnWave, fmt.Sprintf("is the row by which wave %q has more than %d mailboxes", m.Wave, maxWave), "add a wave to the plan and deal the rows out")
			}
		}
	}
	if len(l.rows) == 0 && len(l.faults) == 0 {
		l.fault(1, 0, "", "has no rows", "write a line for each mailbox below the header")
	}
	for i, m := range l.mailboxes {
		l.crossed(i, m, locals)
	}
}

// sourceAccounts has, for each account of a source, the rows that take its mail.
type sourceAccounts map[string]*sourceAccount

type sourceAccount struct {
	// first is the line that took it first, roots are the lines by the root that each names.
	first int
	roots map[string]int
}

// take notes that a line takes the mail of the row's account. Where another does so already it returns that line. One
// sign-in may serve several rows where each names its own root; a row that names none takes everything.
func (a sourceAccounts) take(m migration.Mailbox, line int) (int, bool) {
	name := strings.ToLower(m.Endpoint) + "\x00" + strings.ToLower(m.User)
	account := a[name]
	if account == nil {
		a[name] = &sourceAccount{line, map[string]int{m.UserRoot: line}}
		return 0, false
	}
	if m.UserRoot == "" {
		return account.first, true
	}
	for _, root := range []string{"", m.UserRoot} {
		if first, taken := account.roots[root]; taken {
			return first, true
		}
	}
	account.roots[m.UserRoot] = line
	return 0, false
}

// crossed warns of a row that may give one person another's mail, which is the worst mistake there is: the source
// account's name before the @ isn't the target's. A plain sign-in name that differs tells nothing, unless it is the
// name of another row's mailbox.
func (l *list) crossed(i int, m migration.Mailbox, locals map[string]int) {
	target, _ := splitAddress(m.Address)
	for _, source := range []struct{ column, name string }{{columnUserName, m.User}, {columnSourceAddress, m.SourceAddress}} {
		name, domain := splitAddress(strings.ToLower(source.name))
		if target == "" || name == "" || name == target {
			continue
		}
		text := "the source account's name is not the mailbox's"
		other, another := locals[name]
		switch {
		case another:
			text += fmt.Sprintf(", but that of line %d", l.lines[other])
		case domain == "":
			continue
		}
		// Addresses are shown, so that a person can judge; a cell that could be a password isn't.
		if isAddress(source.name) && source.name != l.passwords[i] {
			text += fmt.Sprintf(": mail of %s goes to %s", strings.ToLower(source.name), m.Address)
		}
		l.warnings = append(l.warnings, Warning{l.file, l.lines[i], l.index(source.column) + 1, source.column, text, "make sure that no two people's mail is crossed"})
	}
}

// Acknowledgement is a short text that stands for exactly these warnings: whoever gives it back has been shown them. It
// is empty if there are none.
func Acknowledgement(warnings []Warning) string {
	if len(warnings) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, w := range warnings {
		fmt.Fprintf(sum, "%d\x00%d\x00%s\x00%s\x00", w.Line, w.Column, w.Field, w.Text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:4])
}
