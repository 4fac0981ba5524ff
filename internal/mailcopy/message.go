package mailcopy

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
)

const (
	// wholeSize is up to which size a message is read into memory before it goes out, so that all of it can be looked at.
	wholeSize = 256 << 10
	// headSize is how much of a larger one is: enough for its header.
	headSize = 64 << 10
)

// message is one on its way from the source to the target.
type message struct {
	fetched
	size int64
	// head is the beginning; rest reads what follows, nil where head is all.
	head []byte
	rest io.Reader
}

// reader reads the whole message, once.
func (m *message) reader() io.Reader {
	if m.rest == nil {
		return bytes.NewReader(m.head)
	}
	return io.MultiReader(bytes.NewReader(m.head), m.rest)
}

// readMessage reads the beginning of a message into the buffer, which is grown if need be and returned.
func readMessage(f fetched, body io.Reader, size int64, buffer []byte) (message, []byte, error) {
	m := message{fetched: f, size: size}
	n := int(size)
	if size > wholeSize {
		n = headSize
		m.rest = body
	}
	buffer = slices.Grow(buffer[:0], n)[:n]
	m.head = buffer
	_, err := io.ReadFull(body, m.head)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return m, buffer, err
}

// header is the header block as far as it was read into head.
func (m *message) header() []byte {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(m.head, []byte(end)); i >= 0 {
			return m.head[:i+len(end)]
		}
	}
	return m.head
}

// bareLF reports whether the message has line ends that a target takes amiss: a bare line feed anywhere in a message that
// was read whole, or in the header of one that wasn't.
func (m *message) bareLF() bool {
	look := m.head
	if m.rest != nil {
		look = m.header()
	}
	for i := 0; ; {
		n := bytes.IndexByte(look[i:], '\n')
		if n < 0 {
			return false
		}
		if i += n; i == 0 || look[i-1] != '\r' {
			return true
		}
		i++
	}
}

// mend makes every bare line feed a CRLF. A message that isn't in memory is written to a file without a name first,
// since its new size must be known before it goes out; done releases that.
func (m *message) mend() (done func(), err error) {
	if m.rest == nil {
		var mended bytes.Buffer
		if _, err := io.Copy(&crlfWriter{to: &mended}, m.reader()); err != nil {
			return nil, err
		}
		m.head, m.size = mended.Bytes(), int64(mended.Len())
		return func() {}, nil
	}
	file, done, err := spool(m.reader(), func(w io.Writer) io.Writer { return &crlfWriter{to: w} })
	if err != nil {
		done()
		return nil, err
	}
	m.head, m.rest, m.size = nil, file, file.size
	return done, nil
}

// spooled is a file without a name, read from its beginning.
type spooled struct {
	*os.File
	size int64
}

// spool writes what r reads into a file without a name, through the filters; done, which is never nil, releases it.
func spool(r io.Reader, filters ...func(io.Writer) io.Writer) (file *spooled, done func(), err error) {
	temporary, err := os.CreateTemp("", "mailferry-*")
	if err != nil {
		return nil, func() {}, err
	}
	done = func() { temporary.Close() }
	if err := os.Remove(temporary.Name()); err != nil {
		return nil, done, err
	}
	var w io.Writer = temporary
	for _, filter := range filters {
		w = filter(w)
	}
	if _, err := io.Copy(w, r); err != nil {
		return nil, done, err
	}
	size, err := temporary.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = temporary.Seek(0, io.SeekStart)
	}
	return &spooled{temporary, size}, done, err
}

// crlfWriter writes a carriage return before every line feed that has none.
type crlfWriter struct {
	to   io.Writer
	last byte
}

func (w *crlfWriter) Write(p []byte) (int, error) {
	mended := make([]byte, 0, len(p)+len(p)/16+2)
	for _, c := range p {
		if c == '\n' && w.last != '\r' {
			mended = append(mended, '\r')
		}
		mended = append(mended, c)
		w.last = c
	}
	if _, err := w.to.Write(mended); err != nil {
		return 0, err
	}
	return len(p), nil
}

// binary reports whether NUL octets are known to be in the message: they may only go in a literal8 (RFC 3516).
func (m *message) binary() bool { return bytes.IndexByte(m.head, 0) >= 0 }

// write sends the message as the literal of an APPEND.
func (m *message) write(w *imapwire.Writer, literal8 bool) {
	switch {
	case literal8:
		w.Literal8(m.reader(), m.size)
	default:
		w.Literal(m.reader(), m.size)
	}
}

var (
	byHost   = regexp.MustCompile(`(?i)\bby\s+([^\s;()]+)`)
	fromHost = regexp.MustCompile(`(?i)^\s*from\s+([^\s;()]+)`)
)

// received reads the hosts of a Received line.
func received(line string) (from, by string) {
	if m := byHost.FindStringSubmatch(line); m != nil {
		by = strings.ToLower(strings.TrimSuffix(m[1], "."))
	}
	if m := fromHost.FindStringSubmatch(line); m != nil {
		from = strings.ToLower(strings.TrimSuffix(m[1], "."))
	}
	return from, by
}

// ownMark is in the Message-IDs of what Mailferry itself sends.
const ownMark = "mailferry@"

// arrived reports whether one of the hosts took the message in from outside, and which host had sent it: only then is it
// mail that the source's MX still draws. Where no hosts are known every message that any server took in counts: to wait
// too long is better than to stop too early.
func arrived(fields map[string]string, hosts []string) (from string, ok bool) {
	if strings.Contains(fields["message-id"], ownMark) {
		return "", false
	}
	from, by := received(fields["received"])
	if len(hosts) == 0 {
		return from, by != ""
	}
	for _, host := range hosts {
		if by != "" && strings.EqualFold(strings.TrimSuffix(host, "."), by) {
			return from, true
		}
	}
	return "", false
}
