package imapwire

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Writer writes lines. Its errors stick: the first one is returned by Flush. It is not safe for concurrent use.
type Writer struct {
	to  *bufio.Writer
	err error
	// synchronise is set in a client: it says whether a literal of that size may follow without being asked for, and
	// otherwise waits for the server's continuation request.
	synchronise func(size int64) (nonSync bool, wait func() error)
}

// NewWriter returns a Writer of a server.
func NewWriter(w io.Writer) *Writer { return &Writer{to: bufio.NewWriterSize(w, bufferSize)} }

// Flush sends what is buffered and returns the first error of all writing so far.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.to.Flush()
	}
	return w.err
}

// Raw writes s as it stands. The caller vouches for it being grammar, line ends included.
func (w *Writer) Raw(s string) {
	if w.err == nil {
		_, w.err = w.to.WriteString(s)
	}
}

// Number writes a decimal number.
func (w *Writer) Number(n uint64) { w.Raw(strconv.FormatUint(n, 10)) }

// SP writes a space.
func (w *Writer) SP() { w.Raw(" ") }

// CRLF ends the line.
func (w *Writer) CRLF() { w.Raw("\r\n") }

// Quoted writes s as a quoted string, or as a literal where it can't be one (control characters, octets over 127).
func (w *Writer) Quoted(s string) {
	if !quotable(s) {
		w.Literal(strings.NewReader(s), int64(len(s)))
		return
	}
	w.Raw(`"` + escaper.Replace(s) + `"`)
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quotable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 1024
}

// AString writes s as an atom where it is one, otherwise quoted or as a literal.
func (w *Writer) AString(s string) {
	if s == "" || strings.EqualFold(s, "NIL") {
		w.Quoted(s)
		return
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`(){%*"\`, s[i]) >= 0 {
			w.Quoted(s)
			return
		}
	}
	w.Raw(s)
}

// Mailbox writes a mailbox name, given in UTF-8, in modified UTF-7.
func (w *Writer) Mailbox(name string) { w.AString(EncodeUTF7(name)) }

// Literal writes size octets of r as a literal. Fewer octets in r are an error, since the other side would wait for
// the rest; more are left unread. In a client without LITERAL+ it waits for the server to ask for the octets.
func (w *Writer) Literal(r io.Reader, size int64) { w.literal("", r, size) }

// Literal8 is Literal for octets that may be NUL (RFC 3516).
func (w *Writer) Literal8(r io.Reader, size int64) { w.literal("~", r, size) }

func (w *Writer) literal(mark string, r io.Reader, size int64) {
	nonSync, wait := false, func() error { return nil }
	if w.synchronise != nil {
		nonSync, wait = w.synchronise(size)
	}
	w.Raw(mark + "{" + strconv.FormatInt(size, 10))
	if nonSync {
		w.Raw("+")
	}
	w.Raw("}\r\n")
	if w.err == nil {
		w.err = wait()
	}
	if w.err == nil {
		w.err = w.stream(r, size)
	}
}

// stream copies exactly size octets, from a literal without a buffer in between.
func (w *Writer) stream(r io.Reader, size int64) error {
	var n int64
	var err error
	if l, ok := r.(*Literal); ok && l.Left() == size {
		n, err = l.WriteTo(w.to)
	} else {
		n, err = io.CopyN(w.to, r, size)
	}
	if n < size && (err == nil || err == io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Status writes a status response: tag ("*" for untagged), kind (OK, NO, BAD, BYE, PREAUTH), the response code without
// its brackets where not empty, and the text.
func (w *Writer) Status(tag, kind, code, text string) {
	w.Raw(tag + " " + kind + " ")
	if code != "" {
		w.Raw("[" + code + "] ")
	}
	w.Raw(text + "\r\n")
}
