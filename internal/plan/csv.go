package plan

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// maxCSV and maxRows are the limits of Microsoft's own migration
	// (learn.microsoft.com/exchange/mailbox-migration/migrating-imap-mailboxes/csv-files-for-imap-migrations).
	maxCSV  = 10 << 20
	maxRows = 50_000
	// maxCell bounds one cell; no name, address or password is longer.
	maxCell = 1024
	// maxWave is how many mailboxes one wave can hold.
	maxWave = 500
	// maxRow bounds a row as it travels, sealed password included.
	maxRow = 2048
)

// The columns. The first four are those of Microsoft's own IMAP migration.
const (
	columnEmailAddress  = "EmailAddress"
	columnUserName      = "UserName"
	columnPassword      = "Password"
	columnUserRoot      = "UserRoot"
	columnDisplayName   = "DisplayName"
	columnEndpoint      = "Endpoint"
	columnSourceAddress = "SourceAddress"
	columnType          = "Type"
	columnLicence       = "Licence"
	columnUsageLocation = "UsageLocation"
	columnLanguage      = "Language"
	columnWave          = "Wave"
	columnLive          = "Live"
)

var columns = []string{
	columnEmailAddress, columnUserName, columnPassword, columnUserRoot, columnDisplayName, columnEndpoint,
	columnSourceAddress, columnType, columnLicence, columnUsageLocation, columnLanguage, columnWave, columnLive,
}

// ReadCSV reads the list of a plan's mailboxes, in the file's order, with every password sealed.
//
// It takes the CSV of Microsoft's own IMAP migration (EmailAddress, UserName, Password and, if wanted, UserRoot, in any
// order) as any program writes it: with or without a byte order mark, in UTF-8 or UTF-16, with commas, semicolons or
// tabs, quoted or not. Further columns are DisplayName, Endpoint, SourceAddress, Type (user, shared, room, equipment),
// Licence, UsageLocation, Language, Wave and Live (yes or no); an empty cell means the plan's default.
//
// The list is accepted whole or refused whole, with every fault as [Faults]. No fault shows what is in a cell: with
// columns mixed up it might be a password. The warnings are to be acknowledged by a person before anything is done.
func ReadCSV(path string, p *migration.Plan, seal SealFunc) ([]migration.Mailbox, []Warning, error) {
	data, err := readWhole(path, maxCSV, "split it into several migrations")
	if err != nil {
		return nil, nil, err
	}
	return decodeCSV(path, data, p, seal)
}

func decodeCSV(path string, data []byte, p *migration.Plan, seal SealFunc) ([]migration.Mailbox, []Warning, error) {
	t := table{file: path, plan: p}
	t.read(data)
	l := list{table: &t}
	for _, row := range t.rows {
		l.row(row)
	}
	l.whole()
	if err := t.faults.sorted(); err != nil {
		return nil, l.warnings, err
	}
	if err := l.seal(seal); err != nil {
		return nil, l.warnings, err
	}
	return l.mailboxes, l.warnings, nil
}

// table is the CSV as cells.
type table struct {
	file string
	plan *migration.Plan
	// header has the columns' names; nameless says of which the header's cell is empty, until one is found to hold something.
	header   []string
	nameless []bool
	rows     []row
	faults   Faults
}

// row is one record; its cells are in the header's order.
type row struct {
	cells []cell
	line  int
}

type cell struct {
	text         string
	line, column int
}

func (t *table) fault(line, column int, field, text, remedy string) {
	t.faults = append(t.faults, Fault{t.file, line, column, field, text, remedy})
}

func (t *table) read(data []byte) {
	if isWorkbook(data) {
		t.fault(1, 0, "", "is a workbook or an archive, not a CSV", `save the list as "CSV UTF-8"`)
		return
	}
	text, err := decodeText(data)
	if err != nil {
		t.fault(0, 0, "", err.Error(), `save it again as "CSV UTF-8"`)
		return
	}
	comma, text, skipped := separator(text)
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comma, reader.FieldsPerRecord = comma, -1
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			t.quotes(parse, skipped)
			if t.header == nil {
				return
			}
			continue
		}
		if err != nil {
			t.fault(0, 0, "", "cannot be read as CSV", `save it again as "CSV UTF-8"`)
			return
		}
		if !t.record(reader, record, skipped) {
			return
		}
	}
	if t.header == nil && len(t.faults) == 0 {
		t.fault(1, 0, "", "is empty", "begin with the header EmailAddress,UserName,Password")
	}
}

// record takes a record in. It reports false when reading on makes no sense.
func (t *table) record(reader *csv.Reader, record []string, skipped int) bool {
	cells := make([]cell, len(record))
	for i, text := range record {
		line, _ := reader.FieldPos(i)
		cells[i] = cell{text, line + skipped, i + 1}
	}
	if t.header == nil {
		return t.headers(cells)
	}
	if strings.TrimSpace(strings.Join(record, "")) == "" {
		return true // Excel leaves such lines below a table.
	}
	if len(t.rows) == maxRows {
		t.fault(cells[0].line, 0, "", fmt.Sprintf("has more than %d rows", maxRows), "split it into several migrations")
		return false
	}
	if len(cells) != len(t.header) {
		t.fault(cells[0].line, 0, "", fmt.Sprintf("has %d cells where the header has %d", len(cells), len(t.header)),
			"put a cell that holds the separator into quotes, and leave no cell out")
		return true
	}
	t.unnamed(cells)
	t.rows = append(t.rows, row{cells, cells[0].line})
	return true
}

// unnamed looks for cells in columns without a name. Excel saves such columns, empty, where something once stood.
func (t *table) unnamed(cells []cell) {
	for i, cell := range cells {
		if t.nameless[i] && strings.TrimSpace(cell.text) != "" {
			t.fault(cell.line, cell.column, "", "stands in a column without a name", "name the column in the header, or empty it")
			t.nameless[i] = false
		}
	}
}

func (t *table) quotes(at *csv.ParseError, skipped int) {
	if errors.Is(at.Err, csv.ErrBareQuote) {
		t.fault(at.Line+skipped, 0, "", "has a quote inside a cell that isn't quoted", `put the whole cell into quotes and double the quote in it: "pass""word"`)
		return
	}
	t.fault(at.StartLine+skipped, 0, "", "opens a quote that isn't closed where the cell ends", `double a quote that belongs to the cell: "pass""word"`)
}

// headers checks the first record. It reports false if there are no usable names, so that not every row is reported.
func (t *table) headers(cells []cell) bool {
	known := 0
	names := make([]string, len(cells))
	for i, cell := range cells {
		for _, name := range columns {
			if strings.EqualFold(visible(cell.text), name) {
				names[i] = name
				known++
			}
		}
	}
	t.header, t.nameless = names, make([]bool, len(names))
	if known == 0 {
		t.fault(1, 0, "", "has no header", "begin with the line EmailAddress,UserName,Password")
		return false
	}
	for i, name := range names {
		if t.nameless[i] = visible(cells[i].text) == ""; t.nameless[i] {
			continue
		}
		if name == "" {
			t.fault(cells[i].line, i+1, "", fmt.Sprintf("the name of column %d is not known", i+1), "known names: "+strings.Join(columns, ", "))
			continue
		}
		for j := range i {
			if names[j] == name {
				t.fault(cells[i].line, i+1, name, fmt.Sprintf("is the name of column %d too", j+1), "keep one")
				break
			}
		}
	}
	for _, name := range t.neededColumns() {
		if t.index(name) < 0 {
			t.fault(cells[0].line, 0, name, "the column is missing", "the header must have "+strings.Join(t.neededColumns(), ", "))
		}
	}
	return true
}

// neededColumns are those that must be there. Password isn't needed where no endpoint signs in with it.
func (t *table) neededColumns() []string {
	for _, endpoint := range t.plan.Endpoints {
		if endpoint.Auth == migration.AuthPassword {
			return []string{columnEmailAddress, columnUserName, columnPassword}
		}
	}
	return []string{columnEmailAddress, columnUserName}
}

// index is the first column of that name, -1 if there is none.
func (t *table) index(name string) int {
	for i, have := range t.header {
		if have == name {
			return i
		}
	}
	return -1
}
