package imapwire

import (
	"strconv"
	"strings"
)

// Peek returns the next octet of the line without taking it, and 0 at the line's end.
func (r *Reader) Peek() (byte, error) {
	if err := r.ready(); err != nil {
		return 0, err
	}
	if len(r.rest) == 0 {
		return 0, nil
	}
	return r.rest[0], nil
}

// Accept takes the next octet if it is c.
func (r *Reader) Accept(c byte) (bool, error) {
	next, err := r.Peek()
	if err != nil || next != c || len(r.rest) == 0 {
		return false, err
	}
	r.rest = r.rest[1:]
	return true, nil
}

// Expect takes the next octet, which must be c.
func (r *Reader) Expect(c byte) error {
	ok, err := r.Accept(c)
	if err != nil {
		return err
	}
	if !ok {
		return r.wrong(strconv.QuoteRune(rune(c)))
	}
	return nil
}

// SP takes one space.
func (r *Reader) SP() error { return r.Expect(' ') }

// End checks that the line is over. Blanks at its end are let pass: some servers send them.
func (r *Reader) End() error {
	for {
		if ok, err := r.Accept(' '); err != nil {
			return err
		} else if !ok {
			break
		}
	}
	if len(r.rest) > 0 {
		return r.wrong("the end of the line")
	}
	return nil
}

// Text takes the rest of the line as it stands.
func (r *Reader) Text() (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	text := string(r.rest)
	r.rest = nil
	return text, nil
}

// atomOctets are what an atom may hold here: more than RFC 9051 allows, since flags begin with a backslash, patterns
// hold wildcards, and servers send names in raw UTF-8.
var atomOctets = func() (set [256]bool) {
	for c := '!'; c <= 0xff; c++ {
		set[c] = c != 0x7f && !strings.ContainsRune(`(){"`, c)
	}
	return set
}()

// Atom takes a run of octets up to a space, a parenthesis, a brace, a quote or a control character; brackets,
// wildcards, backslashes and octets over 127 belong to it.
func (r *Reader) Atom() (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	n := 0
	for n < len(r.rest) && atomOctets[r.rest[n]] {
		n++
	}
	if n == 0 {
		return "", r.wrong("an atom")
	}
	atom := string(r.rest[:n])
	r.rest = r.rest[n:]
	return atom, nil
}

// Word takes letters, digits, dots and hyphens and returns them in upper case: the name of a command or a data item.
func (r *Reader) Word() (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	n := 0
	for n < len(r.rest) && isWord(r.rest[n]) {
		n++
	}
	if n == 0 {
		return "", r.wrong("a word")
	}
	word := strings.ToUpper(string(r.rest[:n]))
	r.rest = r.rest[n:]
	return word, nil
}

func isWord(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' || c == '='
}

// Number takes a decimal number of at most 63 bits (RFC 9051's number64).
func (r *Reader) Number() (uint64, error) {
	if err := r.ready(); err != nil {
		return 0, err
	}
	n := 0
	for n < len(r.rest) && '0' <= r.rest[n] && r.rest[n] <= '9' {
		n++
	}
	number, err := strconv.ParseUint(string(r.rest[:n]), 10, 63)
	if err != nil {
		return 0, r.wrong("a number")
	}
	r.rest = r.rest[n:]
	return number, nil
}

// Number32 takes a number of 32 bits: a UID, a count of messages.
func (r *Reader) Number32() (uint32, error) {
	before := r.rest
	number, err := r.Number()
	if err != nil {
		return 0, err
	}
	if number > 1<<32-1 {
		r.rest = before
		return 0, r.wrong("a number of 32 bits")
	}
	return uint32(number), nil
}

// Quoted takes a quoted string. Octets over 127 are let pass.
func (r *Reader) Quoted() (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	if len(r.rest) == 0 || r.rest[0] != '"' {
		return "", r.wrong("a quoted string")
	}
	escaped := false
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			s := string(r.rest[1:i])
			r.rest = r.rest[i+1:]
			if escaped {
				s = unescape(s)
			}
			return s, nil
		}
	}
	return "", r.wrong("the end of a quoted string")
}

func unescape(s string) string {
	var plain strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		plain.WriteByte(s[i])
	}
	return plain.String()
}

// String takes a quoted string or a literal.
func (r *Reader) String() (string, error) {
	switch c, err := r.Peek(); {
	case err != nil:
		return "", err
	case c == '"':
		return r.Quoted()
	case c == '{', c == '~':
		return r.literalString()
	}
	return "", r.wrong("a string")
}

// AString takes an atom, a quoted string or a literal.
func (r *Reader) AString() (string, error) {
	switch c, err := r.Peek(); {
	case err != nil:
		return "", err
	case c == '"', c == '{':
		return r.String()
	}
	return r.Atom()
}

// NString takes a string or NIL; ok tells them apart.
func (r *Reader) NString() (s string, ok bool, err error) {
	switch c, err := r.Peek(); {
	case err != nil:
		return "", false, err
	case c == '"', c == '{', c == '~':
		s, err = r.String()
		return s, err == nil, err
	}
	atom, err := r.Atom()
	if err == nil && !strings.EqualFold(atom, "NIL") {
		return "", false, &SyntaxError{Want: "a string or NIL", Near: atom}
	}
	return "", false, err
}

// Mailbox takes a mailbox name and returns it in UTF-8; INBOX in any case comes out in capitals. A name that is not
// modified UTF-7 is returned as it stands: some servers send raw UTF-8.
func (r *Reader) Mailbox() (string, error) {
	name, err := r.AString()
	if err != nil {
		return "", err
	}
	if strings.EqualFold(name, "INBOX") {
		return "INBOX", nil
	}
	if decoded, err := DecodeUTF7(name); err == nil {
		return decoded, nil
	}
	return name, nil
}

// List takes a parenthesised list and calls each at the beginning of every element; each must take it whole.
func (r *Reader) List(each func() error) error {
	if err := r.Expect('('); err != nil {
		return err
	}
	if r.depth++; r.depth > r.limits.Depth {
		return &LimitError{What: "depth", Max: int64(r.limits.Depth)}
	}
	for {
		for { // some servers put a space before the closing parenthesis, or two between elements
			if ok, err := r.Accept(' '); err != nil {
				return err
			} else if !ok {
				break
			}
		}
		if ok, err := r.Accept(')'); err != nil {
			return err
		} else if ok {
			r.depth--
			return nil
		}
		before := r.place()
		if err := each(); err != nil {
			return err
		}
		if r.place() == before {
			return r.wrong("an element or the end of a list")
		}
	}
}

// Skip takes one value of any form: an atom, with the brackets of a section, a string, or a list.
func (r *Reader) Skip() error {
	switch c, err := r.Peek(); {
	case err != nil:
		return err
	case c == '(':
		return r.List(r.Skip)
	case c == '"':
		_, err := r.Quoted()
		return err
	case c == '{', c == '~' && len(r.rest) > 1 && r.rest[1] == '{':
		_, err := r.Literal()
		return err
	}
	_, err := r.Atom()
	return err
}

// Item takes the name of a FETCH data item with its section and origin, letters in upper case: "FLAGS",
// "BODY[HEADER.FIELDS (MESSAGE-ID)]", "BODY[]<0>".
func (r *Reader) Item() (string, error) {
	name, err := r.Word()
	if err != nil {
		return "", err
	}
	if len(r.rest) > 0 && r.rest[0] == '[' {
		end := sectionEnd(r.rest)
		if end < 0 {
			return "", r.wrong("the end of a section")
		}
		name += strings.ToUpper(string(r.rest[:end]))
		r.rest = r.rest[end:]
	}
	if len(r.rest) > 0 && r.rest[0] == '<' {
		end := strings.IndexByte(string(r.rest), '>') + 1
		if end == 0 {
			return "", r.wrong("the end of an origin")
		}
		name += string(r.rest[:end])
		r.rest = r.rest[end:]
	}
	return name, nil
}

// sectionEnd is the index behind the bracket that closes the one at s[0], or -1.
func sectionEnd(s []byte) int {
	quoted := false
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return -1
}
