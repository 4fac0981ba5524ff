package imapwire

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
)

// Literal is a string of Size octets that is read as a stream (RFC 9051, 4.3). It must be read before the next token
// is; what is left of it is then dropped.
type Literal struct {
	Size int64
	// NonSync: announced as {n+}, so that the octets follow without being asked for (RFC 7888).
	NonSync bool
	// Binary: a literal8, ~{n}, which may have NUL octets (RFC 3516).
	Binary bool

	source *bufio.Reader
	left   int64
}

// Read implements io.Reader. A connection that ends inside the literal is io.ErrUnexpectedEOF.
func (l *Literal) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n, err := l.source.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, unexpected(err)
}

// WriteTo implements io.WriterTo without a buffer of its own.
func (l *Literal) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for l.left > 0 {
		if _, err := l.source.Peek(1); err != nil {
			return written, unexpected(err)
		}
		chunk, _ := l.source.Peek(int(min(int64(l.source.Buffered()), l.left)))
		n, err := w.Write(chunk)
		written, l.left = written+int64(n), l.left-int64(n)
		if _, err := l.source.Discard(n); err != nil {
			return written, err
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Left is how many octets have not been read yet.
func (l *Literal) Left() int64 { return l.left }

func (l *Literal) discard() error {
	for l.left > 0 {
		n, err := l.source.Discard(int(min(l.left, 1<<30)))
		l.left -= int64(n)
		if err != nil {
			return unexpected(err)
		}
	}
	return nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// announcement reads the {n}, {n+} or ~{n} at the end of a segment.
func announcement(segment []byte) (*Literal, bool) {
	if len(segment) < 3 || segment[len(segment)-1] != '}' {
		return nil, false
	}
	open := bytes.LastIndexByte(segment, '{')
	if open < 0 {
		return nil, false
	}
	digits, plus := bytes.CutSuffix(segment[open+1:len(segment)-1], []byte{'+'})
	size, err := strconv.ParseUint(string(digits), 10, 62)
	if err != nil {
		return nil, false
	}
	return &Literal{Size: int64(size), NonSync: plus, Binary: open > 0 && segment[open-1] == '~'}, true
}

// Literal reads the announcement of a literal, which must stand next; in a server it then asks for the octets. A
// literal over Limits.Literal is a LimitError.
func (r *Reader) Literal() (*Literal, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	head := bytes.TrimPrefix(r.rest, []byte{'~'})
	l, ok := announcement(r.rest)
	if !ok || head[0] != '{' || bytes.LastIndexByte(head, '{') != 0 {
		return nil, r.wrong("a literal")
	}
	if l.Size > r.limits.Literal {
		return nil, &LimitError{What: "literal", Size: l.Size, Max: r.limits.Literal}
	}
	if r.Continue != nil && !l.NonSync {
		if err := r.Continue(l.Size); err != nil {
			return nil, err
		}
	}
	r.rest, l.source, l.left = nil, r.source, l.Size
	r.literal = l
	return l, nil
}

// literalString reads a literal as a string of at most Limits.String octets.
func (r *Reader) literalString() (string, error) {
	if l, ok := announcement(r.rest); ok && l.Size > int64(r.limits.String) {
		return "", &LimitError{What: "string", Size: l.Size, Max: int64(r.limits.String)}
	}
	l, err := r.Literal()
	if err != nil {
		return "", err
	}
	octets := make([]byte, l.Size)
	if _, err := io.ReadFull(l, octets); err != nil {
		return "", unexpected(err)
	}
	return string(octets), nil
}
