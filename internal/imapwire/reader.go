package imapwire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// bufferSize is the size of the buffers towards the connection: large enough that most messages pass in one read.
const bufferSize = 64 << 10

// Reader cuts lines into tokens. It is not safe for concurrent use.
type Reader struct {
	// Continue makes this a server's reader: it is called when a synchronising literal is about to be read and must
	// send the continuation request. Its error refuses the literal, and the line ends there. A client leaves it nil.
	Continue func(size int64) error

	source  *bufio.Reader
	limits  Limits
	rest    []byte // what is left of the current segment: a line's part up to its end or to a literal's octets
	long    []byte // holds a segment that is longer than the buffer
	used    int    // octets of the current line so far
	depth   int
	literal *Literal // the literal that follows the segment, once its announcement was read
}

// NewReader returns a Reader that is before its first line.
func NewReader(r io.Reader, l Limits) *Reader {
	return &Reader{source: bufio.NewReaderSize(r, bufferSize), limits: l.filled()}
}

// Buffered is how many octets can be read without waiting for the connection.
func (r *Reader) Buffered() int { return len(r.rest) + r.source.Buffered() }

// Next goes to the next line. It returns io.EOF when the connection ended between two lines.
func (r *Reader) Next() error {
	if err := r.drop(); err != nil {
		return err
	}
	r.used, r.depth = 0, 0
	return r.segment(true)
}

// drop reads over what is left of the current line and the literals that it announces.
func (r *Reader) drop() error {
	for {
		if r.literal != nil {
			if err := r.afterLiteral(); err != nil {
				return err
			}
			continue
		}
		announced, ok := announcement(r.rest)
		r.rest = nil
		if !ok || r.Continue != nil && !announced.NonSync {
			return nil
		}
		announced.source, announced.left = r.source, announced.Size
		r.literal = announced
	}
}

// afterLiteral reads over what is left of the open literal and takes the segment behind it.
func (r *Reader) afterLiteral() error {
	if err := r.literal.discard(); err != nil {
		return err
	}
	r.literal = nil
	return r.segment(false)
}

// segment reads up to the next line feed.
func (r *Reader) segment(first bool) error {
	r.rest, r.long = nil, r.long[:0]
	for {
		chunk, err := r.source.ReadSlice('\n')
		r.used += len(chunk)
		if r.used > r.limits.Line {
			return r.tooLong(err)
		}
		switch {
		case err == nil && len(r.long) == 0:
			r.rest = bytes.TrimSuffix(chunk[:len(chunk)-1], []byte{'\r'})
			return nil
		case err == nil:
			r.long = append(r.long, chunk...)
			r.rest = bytes.TrimSuffix(r.long[:len(r.long)-1], []byte{'\r'})
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, chunk...)
		case errors.Is(err, io.EOF) && !(first && r.used == 0):
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

// tooLong reads over the rest of a line that is over the limit; err is that of the last read.
func (r *Reader) tooLong(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.source.ReadSlice('\n')
	}
	if err != nil {
		return err
	}
	return &LimitError{What: "line", Max: int64(r.limits.Line)}
}

// ready makes r.rest what stands next, behind a literal if one was just read.
func (r *Reader) ready() error {
	if r.literal == nil {
		return nil
	}
	return r.afterLiteral()
}

// place is how many octets of the line have been taken; it grows with every token.
func (r *Reader) place() int { return r.used - len(r.rest) }

// wrong makes a SyntaxError at the current place.
func (r *Reader) wrong(want string) error {
	return &SyntaxError{Want: want, Near: string(r.rest[:min(len(r.rest), 40)])}
}
