package plan

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/language"

	"github.com/mailferry/mailferry/internal/migration"
)

// list makes mailboxes of a table's rows.
type list struct {
	*table
	mailboxes []migration.Mailbox
	passwords []string
	// lines are the rows' lines in the file, beside mailboxes.
	lines []int
	// unused are the lines whose password isn't needed.
	unused   []int
	warnings []Warning
}

// entry is one row on its way to a mailbox.
type entry struct {
	*list
	row      row
	mailbox  migration.Mailbox
	password string
}

func (l *list) row(r row) {
	e := &entry{list: l, row: r}
	before := len(l.faults)
	e.characters()
	e.account()
	e.choices()
	if len(l.faults) > before {
		// The row still takes part in the checks of the whole list, as far as it was understood.
		e.password = ""
	}
	l.mailboxes = append(l.mailboxes, e.mailbox)
	l.passwords = append(l.passwords, e.password)
	l.lines = append(l.lines, r.line)
}

// text is a cell's content without blanks around it; empty for a column that isn't there.
func (e *entry) text(column string) string {
	if i := e.index(column); i >= 0 {
		return strings.TrimSpace(e.row.cells[i].text)
	}
	return ""
}

// wrong reports a cell.
func (e *entry) wrong(column, text, remedy string) {
	line, number := e.row.line, e.index(column)
	if number >= 0 {
		line = e.row.cells[number].line
	}
	e.fault(line, number+1, column, text, remedy)
}

// characters looks for what no cell may hold.
func (e *entry) characters() {
	for i, cell := range e.row.cells {
		name := e.header[i]
		switch {
		case name == "":
		case !readable(cell.text):
			e.wrong(name, "holds bytes that are not characters", `save the list again as "CSV UTF-8"`)
		case len(cell.text) > maxCell:
			e.wrong(name, fmt.Sprintf("has more than %d bytes", maxCell), "look for a quote that isn't closed")
		case strings.ContainsFunc(cell.text, unicode.IsControl):
			e.wrong(name, "holds a control character or a line break", "type the cell anew")
		case name != columnPassword && strings.ContainsFunc(strings.TrimSpace(cell.text), invisible):
			e.wrong(name, "holds an invisible character", "type the cell anew")
		}
	}
}

// invisible are characters that come with text copied from web pages and that change how a name reads or compares.
func invisible(r rune) bool {
	return r == '\u00a0' || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// visible is a text without the blanks around it and without characters that can't be seen.
func visible(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, text))
}

// userPrincipalName is the part before the @ that Microsoft Entra takes (learn.microsoft.com/microsoft-365/enterprise/
// prepare-for-directory-synchronization, userPrincipalName), and + besides, which existing users may have.
var userPrincipalName = regexp.MustCompile(`^[A-Za-z0-9'._!#^~+-]{1,64}$`)

// account reads who moves from where to where, and by which password. A cell that isn't an address of the plan's may be
// anything, a password too, so it isn't kept.
func (e *entry) account() {
	m := &e.mailbox
	address := strings.ToLower(e.text(columnEmailAddress))
	name, domain := splitAddress(address)
	switch {
	case e.index(columnEmailAddress) < 0:
	case address == "":
		e.wrong(columnEmailAddress, "is empty", "every row needs the address of its mailbox in Microsoft 365")
	case !e.isAddress(columnEmailAddress, "write it like ada@contoso.com"):
	case !slices.Contains(e.plan.Domains, domain):
		e.wrong(columnEmailAddress, "is outside the plan's domains", "the plan has "+strings.Join(e.plan.Domains, ", "))
	case !userPrincipalName.MatchString(name):
		e.wrong(columnEmailAddress, "has a character before the @ that Microsoft 365 does not take", "it takes letters a-z, digits and ' . - _ ! # ^ ~ +")
	default:
		m.Address = address
	}
	m.User = e.text(columnUserName)
	if m.User == "" && e.index(columnUserName) >= 0 {
		e.wrong(columnUserName, "is empty", "every row needs the name to sign in with at the source")
	}
	m.UserRoot = e.text(columnUserRoot)
	m.DisplayName = e.text(columnDisplayName)
	if m.SourceAddress = strings.ToLower(e.text(columnSourceAddress)); m.SourceAddress != "" {
		e.isAddress(columnSourceAddress, "write it like ada@old.example, or leave it empty if it is the same as EmailAddress")
	}
	e.mangled(columnUserName)
	e.mangled(columnDisplayName)
	e.endpoint()
}

// isAddress reports whether a cell holds an address, and what is wrong if it doesn't. Letters that merely look like those
// of an address are named as such, because nobody sees them.
func (e *entry) isAddress(column, remedy string) bool {
	text := e.text(column)
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsMark(r)) }):
		e.wrong(column, "holds a letter that is none of a-z, though it may look so", "type the cell anew; a domain with other letters is written in its xn-- form")
	case !isAddress(text):
		e.wrong(column, "is not an address", remedy)
	default:
		return true
	}
	return false
}

// endpoint finds the row's endpoint, and reads the password if that endpoint signs in with it.
func (e *entry) endpoint() {
	m := &e.mailbox
	m.Endpoint = e.text(columnEndpoint)
	if m.Endpoint == "" && len(e.plan.Endpoints) == 1 {
		m.Endpoint = e.plan.Endpoints[0].Name
	}
	i := slices.IndexFunc(e.plan.Endpoints, func(have migration.Endpoint) bool { return strings.EqualFold(have.Name, m.Endpoint) })
	if i < 0 {
		text := "is not an endpoint of the plan"
		if m.Endpoint == "" {
			text = "is empty, and the plan has several endpoints"
		}
		e.wrong(columnEndpoint, text, "the plan has "+names(e.plan.Endpoints, func(have migration.Endpoint) string { return have.Name }))
		return
	}
	m.Endpoint = e.plan.Endpoints[i].Name
	column := e.index(columnPassword)
	if column < 0 {
		return
	}
	password := e.row.cells[column].text
	switch signsIn := e.plan.Endpoints[i].Auth == migration.AuthPassword; {
	case signsIn && password == "":
		e.wrong(columnPassword, "is empty", "the endpoint signs in with each mailbox's own password")
	case signsIn:
		e.password = password
		e.mangled(columnPassword)
		if strings.TrimSpace(password) != password {
			e.warn(columnPassword, "begins or ends with a blank, which is taken as a part of it", "take it away unless it is meant")
		}
	case password != "":
		e.unused = append(e.unused, e.row.line)
	}
}

// choices reads the cells that say which of several.
func (e *entry) choices() {
	m := &e.mailbox
	m.Type = migration.MailboxType(strings.ToLower(e.text(columnType)))
	kinds := []migration.MailboxType{"", migration.UserMailbox, migration.SharedMailbox, migration.RoomMailbox, migration.EquipmentMailbox}
	if !slices.Contains(kinds, m.Type) {
		e.wrong(columnType, "is not a type of mailbox", oneOf(kinds[1:]))
	}
	if m.Licence = e.text(columnLicence); m.Licence != "" && m.Licence != e.plan.Users.Licence && !slices.Contains(e.plan.Users.Licences, m.Licence) {
		e.wrong(columnLicence, "is not a licence of the plan", "the plan has "+strings.Join(append([]string{e.plan.Users.Licence}, e.plan.Users.Licences...), ", ")+"; add others to users.licences")
	}
	if m.UsageLocation = strings.ToUpper(e.text(columnUsageLocation)); m.UsageLocation != "" && !isCountry(m.UsageLocation) {
		e.wrong(columnUsageLocation, "is not a country", "write the two letters of ISO 3166, like DE or US")
	}
	if m.Language = e.text(columnLanguage); m.Language != "" {
		if tag, err := language.Parse(m.Language); err != nil {
			e.wrong(columnLanguage, "is not a language", "write it like de, en-GB or fr")
		} else {
			m.Language = tag.String()
		}
	}
	m.Wave = e.text(columnWave)
	if m.Wave == "" && len(e.plan.Waves) == 1 {
		m.Wave = e.plan.Waves[0].Name
	}
	if i := slices.IndexFunc(e.plan.Waves, func(w migration.Wave) bool { return strings.EqualFold(w.Name, m.Wave) }); i >= 0 {
		m.Wave = e.plan.Waves[i].Name
	} else {
		text := "is not a wave of the plan"
		if m.Wave == "" {
			text = "is empty, and the plan has several waves"
		}
		e.wrong(columnWave, text, "the plan has "+names(e.plan.Waves, func(w migration.Wave) string { return w.Name }))
	}
	switch strings.ToLower(e.text(columnLive)) {
	case "", "no", "false", "0":
	case "yes", "true", "1":
		m.Live = true
	default:
		e.wrong(columnLive, "is neither yes nor no", "write one of them, or leave the cell empty")
	}
}

// seal closes the passwords, and checks that every row may travel.
func (l *list) seal(seal SealFunc) error {
	for i, password := range l.passwords {
		if password != "" {
			sealed, err := seal([]byte(password))
			if err != nil {
				return err
			}
			l.mailboxes[i].Password = sealed
		}
		if wire, err := json.Marshal(l.mailboxes[i]); err != nil || len(wire) > maxRow {
			l.fault(l.lines[i], 0, "", fmt.Sprintf("has %d bytes with its sealed password; at most %d are allowed", len(wire), maxRow), "shorten its cells")
		}
	}
	return l.faults.sorted()
}

// names lists the names of a plan's parts.
func names[T any](parts []T, name func(T) string) string {
	all := make([]string, len(parts))
	for i, part := range parts {
		all[i] = name(part)
	}
	return strings.Join(all, ", ")
}
