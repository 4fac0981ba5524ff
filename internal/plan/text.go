package plan

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// isWorkbook reports whether the file is a spreadsheet as such: a ZIP archive (.xlsx, .ods) or a compound file (.xls).
func isWorkbook(data []byte) bool {
	return bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0"))
}

// decodeText makes UTF-8 of what programs write as CSV: UTF-8 with or without a byte order mark, and UTF-16 of either
// order ("Unicode text" in Excel), recognised by its mark or by the NUL beside the header's first letter. Bytes that
// are no characters stay what they are, or become U+FFFD; [readable] finds them cell by cell.
func decodeText(data []byte) (string, error) {
	var order unicode.Endianness
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), len(data) > 1 && data[0] != 0 && data[1] == 0:
		order = unicode.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}), len(data) > 1 && data[0] == 0 && data[1] != 0:
		order = unicode.BigEndian
	default:
		return plain(string(data)), nil
	}
	text, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
	if err != nil {
		return "", errors.New("is cut or is not UTF-16, as which it begins")
	}
	return plain(string(text)), nil
}

// plain is the text without byte order marks, of which programs that copy files may add another, and with every line end
// as LF: in files that several programs have written they differ from line to line.
func plain(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimLeft(text, "\ufeff"))
}

// readable reports whether a cell's bytes are characters. U+FFFD stands where a program before us lost one.
func readable(cell string) bool {
	return utf8.ValidString(cell) && !strings.ContainsRune(cell, utf8.RuneError)
}

// separator finds what parts the cells of the header: a comma, a semicolon (Excel in many countries) or a tab (Excel's
// Unicode text). A first line "sep=;", which Excel understands, decides it and is taken away, also where another program has
// saved it as a row: "sep=,,,". It returns the text from the header on, and how many lines stood before it.
func separator(text string) (comma rune, rest string, skipped int) {
	header, after, _ := strings.Cut(text, "\n")
	if named, ok := strings.CutPrefix(strings.ToLower(strings.Trim(header, `"`)), "sep="); ok && named != "" {
		if one := named[:1]; strings.Contains(",;\t", one) && strings.Trim(named, one) == "" {
			return rune(one[0]), after, 1
		}
	}
	comma = ','
	for _, other := range ";\t" {
		if strings.Count(header, string(other)) > strings.Count(header, string(comma)) {
			comma = other
		}
	}
	return comma, text, 0
}
