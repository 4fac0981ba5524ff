package plan

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

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
		return lineBreaks(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))), nil
	}
	text, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
	if err != nil {
		return "", errors.New("is cut or is not UTF-16, as which it begins")
	}
	return lineBreaks(string(text)), nil
}

// lineBreaks turns a file whose lines end with CR alone into one that the CSV reader takes.
func lineBreaks(text string) string {
	if strings.Contains(text, "\n") {
		return text
	}
	return strings.ReplaceAll(text, "\r", "\n")
}

// readable reports whether a cell's bytes are characters. U+FFFD stands where a program before us lost one.
func readable(cell string) bool {
	return utf8.ValidString(cell) && !strings.ContainsRune(cell, utf8.RuneError)
}

// separator finds what parts the cells of the header: a comma, a semicolon (Excel in many countries) or a tab (Excel's
// Unicode text). A first line "sep=;", which Excel understands, decides it and is taken away. It returns the text from
// the header on, and how many lines stood before it.
func separator(text string) (comma rune, rest string, skipped int) {
	header, after, _ := strings.Cut(text, "\n")
	header = strings.TrimRight(header, "\r")
	if named, ok := strings.CutPrefix(strings.ToLower(header), "sep="); ok && len(named) == 1 && strings.Contains(",;\t", named) {
		return rune(named[0]), after, 1
	}
	comma = ','
	for _, other := range ";\t" {
		if strings.Count(header, string(other)) > strings.Count(header, string(comma)) {
			comma = other
		}
	}
	return comma, text, 0
}
