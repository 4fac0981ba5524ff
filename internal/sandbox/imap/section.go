package imap

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// section names a portion of a message (RFC 9051, 6.4.5.1).
type section struct {
	// path are the numbers of a part; text is HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT, MIME or empty.
	path   []int
	text   string
	fields []string

	partial        bool
	offset, length int64
}

func (s section) whole() bool { return len(s.path) == 0 && s.text == "" && !s.partial }

var errSection = errors.New("not a section")

// parseSection reads what follows "BODY[", in capitals: "1.2.HEADER.FIELDS (FROM TO)]<0.100>".
func parseSection(rest string) (section, error) {
	var s section
	inner, origin, ok := strings.Cut(rest, "]")
	if !ok {
		return s, errSection
	}
	if origin != "" {
		first, count, ok := strings.Cut(strings.Trim(origin, "<>"), ".")
		offset, err := strconv.ParseInt(first, 10, 64)
		length, err2 := strconv.ParseInt(count, 10, 64)
		if !ok || err != nil || err2 != nil || offset < 0 || length <= 0 {
			return s, errSection
		}
		s.partial, s.offset, s.length = true, offset, length
	}
	for inner != "" {
		number, after, _ := strings.Cut(inner, ".")
		n, err := strconv.Atoi(number)
		if err != nil {
			break
		}
		if n < 1 || len(s.path) == maxDepth {
			return s, errSection
		}
		s.path, inner = append(s.path, n), after
	}
	name, list, hasList := strings.Cut(inner, " ")
	s.text = name
	switch name {
	case "", "HEADER", "TEXT":
	case "MIME":
		if len(s.path) == 0 {
			return s, errSection
		}
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		if !strings.HasPrefix(list, "(") || !strings.HasSuffix(list, ")") {
			return s, errSection
		}
		for _, field := range strings.Fields(list[1 : len(list)-1]) {
			s.fields = append(s.fields, strings.Trim(field, `"`))
		}
		if len(s.fields) == 0 {
			return s, errSection
		}
		return s, nil
	default:
		return s, errSection
	}
	if hasList {
		return s, errSection
	}
	return s, nil
}

// echo is the section as the response names it.
func (s section) echo() string {
	var pieces []string
	for _, n := range s.path {
		pieces = append(pieces, strconv.Itoa(n))
	}
	if s.text != "" {
		pieces = append(pieces, s.text)
	}
	echo := strings.Join(pieces, ".")
	if len(s.fields) > 0 {
		echo += " (" + strings.Join(s.fields, " ") + ")"
	}
	return echo
}

// section cuts a section out of a message; ok is false where there is no such part.
func (t *text) section(s section) (octets []byte, ok bool, err error) {
	if len(s.path) == 0 && strings.HasPrefix(s.text, "HEADER") {
		octets, err = t.header()
		if err != nil {
			return nil, false, err
		}
		return cutPartial(s.pick(octets), s), true, nil
	}
	if len(s.path) == 0 {
		all, err := t.bytes()
		if err != nil {
			return nil, false, err
		}
		if s.text == "TEXT" {
			all = all[headerEnd(all):]
		}
		return cutPartial(all, s), true, nil
	}
	root, err := t.tree()
	if err != nil {
		return nil, false, err
	}
	p := root.find(s.path)
	if p == nil {
		return nil, false, nil
	}
	octets = p.body
	switch {
	case s.text == "MIME":
		octets = p.head
	case s.text != "" && p.message == nil:
		return nil, false, nil
	case s.text == "TEXT":
		octets = p.message.body
	case s.text != "":
		octets = s.pick(p.message.head)
	}
	return cutPartial(octets, s), true, nil
}

// pick keeps of a header the fields that the section names, and the empty line at its end.
func (s section) pick(header []byte) []byte {
	if len(s.fields) == 0 {
		return header
	}
	not := s.text == "HEADER.FIELDS.NOT"
	var out bytes.Buffer
	keep := false
	for line := range bytes.Lines(header) {
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			keep = false
		case line[0] != ' ' && line[0] != '\t':
			name, _, found := bytes.Cut(line, []byte(":"))
			keep = found && contains(s.fields, string(bytes.TrimSpace(name))) != not
		}
		if keep {
			out.Write(line)
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

func cutPartial(octets []byte, s section) []byte {
	if !s.partial {
		return octets
	}
	if s.offset >= int64(len(octets)) {
		return nil
	}
	octets = octets[s.offset:]
	return octets[:min(s.length, int64(len(octets)))]
}
