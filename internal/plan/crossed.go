package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// warn notes what is allowed but must be seen.
func (e *entry) warn(column, text, remedy string) {
	i := e.index(column)
	e.warnings = append(e.warnings, Warning{e.file, e.row.line, i + 1, column, text, remedy})
}

var (
	// rewritten is what Excel makes of a long number and of a formula that means nothing, in several languages.
	rewritten = regexp.MustCompile(`^([0-9]([.,][0-9]+)?E\+[0-9]{2,}|#(N/A|NV|\p{Lu}[\p{Lu}/0]*[!?]))$`)
	// typographic is a text in quotes as word processors write them.
	typographic = regexp.MustCompile(`^[“”„‘’‚«»].*[“”‘’«»]$`)
)

// mangled warns of a cell that is hardly what was typed.
func (e *entry) mangled(column string) {
	switch text := e.text(column); {
	case rewritten.MatchString(text):
		e.warn(column, "looks like what a spreadsheet made of it", "format the column as text, and type the cell anew")
	case typographic.MatchString(text):
		e.warn(column, "is in typographic quotes, which are taken as a part of it", "take them away unless they are meant")
	}
}

// whole checks what only all rows together show.
func (l *list) whole() {
	// names are the rows by their address and by what stands before its @.
	names := map[string]int{}
	accounts := sourceAccounts{}
	waves := map[string]int{}
	for i, m := range l.mailboxes {
		if m.Address != "" {
			if first, twice := names[m.Address]; twice {
				l.fault(l.lines[i], l.index(columnEmailAddress)+1, columnEmailAddress, fmt.Sprintf("is the address of line %d too", l.lines[first]), "each mailbox has one row")
			} else {
				names[m.Address] = i
			}
			name, _ := splitAddress(m.Address)
			if _, known := names[name]; !known {
				names[name] = i
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
		l.crossed(i, m, names)
	}
	if n := len(l.unused); n > 0 {
		l.warnings = append(l.warnings, Warning{
			l.file, l.unused[0], l.index(columnPassword) + 1, columnPassword,
			fmt.Sprintf("is not used in %s: their endpoint signs in by its master user", rowsOf(n)), "leave the column empty",
		})
	}
}

func rowsOf(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// sourceAccounts has, for each account of a source, the rows that take its mail.
type sourceAccounts map[string]*sourceAccount

// sourceAccount has the lines by the root that each names, and by what lies above those roots.
type sourceAccount struct{ roots, above map[string]int }

// take notes that a line takes the mail of the row's account. Where another does so already it returns that line. One
// sign-in may serve several rows where each names its own root, none below another; a row that names none takes everything.
func (a sourceAccounts) take(m migration.Mailbox, line int) (int, bool) {
	name := strings.ToLower(m.Endpoint) + "\x00" + strings.ToLower(m.User)
	if a[name] == nil {
		a[name] = &sourceAccount{map[string]int{}, map[string]int{}}
	}
	account, root := a[name], strings.Trim(m.UserRoot, "/")
	if first, taken := account.above[root]; taken {
		return first, true
	}
	for at, more := root, true; more; at, more = parent(at) {
		if first, taken := account.roots[at]; taken {
			return first, true
		}
	}
	account.roots[root] = line
	for at, more := parent(root); more; at, more = parent(at) {
		if _, known := account.above[at]; !known {
			account.above[at] = line
		}
	}
	return 0, false
}

// parent is what a root lies below; everything lies below "", which has none.
func parent(root string) (string, bool) {
	return root[:max(strings.LastIndexByte(root, '/'), 0)], root != ""
}

// crossed warns of a row that may give one person another's mail, which is the worst mistake there is: the source
// account is another row's address, or its name before the @ isn't the target's. A plain sign-in name that differs tells
// nothing, unless it is the name of another row's mailbox.
func (l *list) crossed(i int, m migration.Mailbox, names map[string]int) {
	target, _ := splitAddress(m.Address)
	for _, source := range []struct{ column, text string }{{columnUserName, m.User}, {columnSourceAddress, m.SourceAddress}} {
		account := strings.ToLower(source.text[strings.LastIndexByte(source.text, '\\')+1:]) // without a Windows domain
		other, crossed := seemsCrossed(account, target, i, names)
		if !crossed {
			continue
		}
		text, mail := "the source account's name is not the mailbox's", "its mail"
		if other >= 0 {
			text += fmt.Sprintf(", but that of line %d", l.lines[other])
			mail = "mail of " + l.mailboxes[other].Address
		}
		// Addresses are shown, so that a person can judge; a cell that could be a password isn't.
		if isAddress(source.text) && source.text != l.passwords[i] {
			mail = "mail of " + account
		}
		l.warnings = append(l.warnings, Warning{
			l.file, l.lines[i], l.index(source.column) + 1, source.column,
			fmt.Sprintf("%s: %s goes to %s", text, mail, m.Address), "make sure that no two people's mail is crossed",
		})
	}
}

// seemsCrossed reports whether a row's source account seems to be another mailbox's than the target's, and whose row that
// is, negative if there is none.
func seemsCrossed(account, target string, row int, names map[string]int) (other int, crossed bool) {
	name, domain := splitAddress(account)
	if name == "" || target == "" {
		return -1, false
	}
	if other, known := names[account]; known && domain != "" {
		return other, other != row
	}
	if name == target {
		return -1, false
	}
	if other, known := names[name]; known {
		return other, true
	}
	return -1, domain != ""
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
