package imap

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"
)

// boundaryParameter finds the boundaries that a message's headers name, its parts' headers included.
var boundaryParameter = regexp.MustCompile(`(?i)(boundary\s*=\s*)("[^"\r\n]{1,70}"|[^\s";]{1,70})`)

// foldAt is how long a header line may get before it is folded (RFC 5322, 2.1.1).
const foldAt = 76

// rewrite gives back what the server makes of a message. The same message always becomes the same.
func (r Rewriting) rewrite(message []byte) []byte {
	if !r.On || len(message) == 0 {
		return message
	}
	if r.BareLFHeader && bareLFHeader(message) {
		return append([]byte("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"), crlf(message)...)
	}
	sum := sha256.Sum256(message)
	text := r.refold(crlf(message), sum[:])
	return newBoundaries(text, sum[:])
}

// bareLFHeader tells whether the first header line ends in LF alone.
func bareLFHeader(message []byte) bool {
	end := bytes.IndexByte(message, '\n')
	return end > 0 && message[end-1] != '\r' && bytes.IndexByte(message[:end], ':') > 0
}

// crlf makes every line end CRLF.
func crlf(message []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(message) + len(message)/50)
	for i, c := range message {
		switch {
		case c == '\n' && (i == 0 || message[i-1] != '\r'):
			out.WriteString("\r\n")
		case c == '\r' && (i+1 == len(message) || message[i+1] != '\n'):
			out.WriteString("\r\n")
		default:
			out.WriteByte(c)
		}
	}
	return out.Bytes()
}

// refold writes the header anew: fields unfolded, folded at words, and ended by an empty line.
func (r Rewriting) refold(message, sum []byte) []byte {
	end := headerEnd(message)
	lines := strings.Split(strings.TrimRight(string(message[:end]), "\r\n"), "\r\n")
	if len(lines) == 0 || !strings.Contains(lines[0], ":") {
		return message
	}
	var out bytes.Buffer
	out.Grow(len(message) + 512)
	field, identified := "", false
	write := func() {
		if field == "" {
			return
		}
		identified = identified || hasPrefixFold(field, "Message-ID:")
		if r.EncodesHeader {
			field = encodeWords(field)
		}
		fold(&out, field)
	}
	for _, line := range lines {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && field != "" {
			field += " " + strings.TrimLeft(line, " \t")
			continue
		}
		write()
		field = line
	}
	write()
	if r.InventsMessageID && !identified {
		fmt.Fprintf(&out, "Message-ID: <%x@exchange.invented.example>\r\n", sum[:12])
	}
	out.WriteString("\r\n")
	out.Write(message[end:])
	return out.Bytes()
}

func fold(out *bytes.Buffer, field string) {
	for len(field) > foldAt {
		cut := strings.LastIndexByte(field[:foldAt], ' ')
		if cut <= strings.IndexByte(field, ':')+1 || strings.TrimSpace(field[:cut]) == "" {
			next := strings.IndexByte(field[foldAt:], ' ')
			if next < 0 {
				break
			}
			cut = foldAt + next
		}
		if strings.TrimSpace(field[cut:]) == "" {
			break
		}
		out.WriteString(field[:cut] + "\r\n")
		field = field[cut:]
	}
	out.WriteString(field + "\r\n")
}

// encodeWords writes a field's 8-bit text as one encoded word; what isn't UTF-8 is taken for Latin-1.
func encodeWords(field string) string {
	name, value, ok := strings.Cut(field, ": ")
	if !ok || strings.IndexFunc(value, func(c rune) bool { return c >= utf8.RuneSelf }) < 0 {
		return field
	}
	if !utf8.ValidString(value) {
		runes := make([]rune, len(value))
		for i := range len(value) {
			runes[i] = rune(value[i])
		}
		value = string(runes)
	}
	return name + ": " + mime.QEncoding.Encode("utf-8", value)
}

// newBoundaries gives every multipart of a message another boundary.
func newBoundaries(message, sum []byte) []byte {
	found := boundaryParameter.FindAllSubmatch(message, 100)
	if len(found) == 0 {
		return message
	}
	names := make(map[string]string)
	for _, match := range found {
		old := strings.Trim(string(match[2]), `"`)
		if names[old] == "" {
			names[old] = fmt.Sprintf("_%03d_%X_", len(names), sum[:12])
		}
	}
	var out bytes.Buffer
	out.Grow(len(message) + 64*len(names))
	for line := range bytes.Lines(message) {
		if bytes.HasPrefix(line, []byte("--")) {
			name := strings.TrimRight(string(line[2:]), "\r\n")
			closing := ""
			if names[name] == "" && strings.HasSuffix(name, "--") {
				name, closing = strings.TrimSuffix(name, "--"), "--"
			}
			if renamed := names[name]; renamed != "" {
				out.WriteString("--" + renamed + closing + "\r\n")
				continue
			}
		}
		out.Write(renameParameter(line, names))
	}
	return out.Bytes()
}

func renameParameter(line []byte, names map[string]string) []byte {
	if !bytes.ContainsRune(line, '=') || len(line) > 1000 {
		return line
	}
	return boundaryParameter.ReplaceAllFunc(line, func(match []byte) []byte {
		parts := boundaryParameter.FindSubmatch(match)
		return []byte(fmt.Sprintf(`%s"%s"`, parts[1], names[strings.Trim(string(parts[2]), `"`)]))
	})
}
