package imapwire

import "strings"

// Status is a status response (RFC 9051, 7.1): OK, NO, BAD, BYE or PREAUTH with the server's words.
type Status struct {
	// Kind is OK, NO, BAD, BYE or PREAUTH.
	Kind string
	// Code is the response code's name in upper case ("UIDVALIDITY"), Arg what follows it in the brackets; empty
	// without one.
	Code, Arg string
	// Text is what follows the code, as it stands.
	Text string
	// Words is everything behind the kind, code included, as the server sent it.
	Words string
}

// String is the kind and the words.
func (s *Status) String() string { return s.Kind + " " + s.Words }

// parseStatus splits the words of a status response. Malformed codes are left in the text: no server's words get lost.
func parseStatus(kind, words string) *Status {
	s := &Status{Kind: kind, Text: words, Words: words}
	if !strings.HasPrefix(words, "[") {
		return s
	}
	end := sectionEnd([]byte(words))
	if end < 0 {
		return s
	}
	code, arg, _ := strings.Cut(words[1:end-1], " ")
	s.Code, s.Arg = strings.ToUpper(code), arg
	s.Text = strings.TrimPrefix(words[end:], " ")
	return s
}

func isStatus(name string) bool {
	switch name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// StatusError is a command that was answered NO or BAD.
type StatusError struct {
	// Command is the command's name, without arguments.
	Command string
	Status
}

func (e *StatusError) Error() string { return e.Command + ": " + e.Kind + " " + e.Words }

// ByeError is a connection that the server ended with a BYE.
type ByeError struct {
	// Words are the server's.
	Words string
}

func (e *ByeError) Error() string { return "the server ended the connection: BYE " + e.Words }

// Status takes the rest of the line as a status response, from the space before its kind.
func (r *Reader) Status() (*Status, error) {
	if err := r.SP(); err != nil {
		return nil, err
	}
	kind, err := r.Word()
	if err != nil {
		return nil, err
	}
	if _, err := r.Accept(' '); err != nil {
		return nil, err
	}
	words, err := r.Text()
	if err != nil {
		return nil, err
	}
	return parseStatus(kind, words), nil
}
