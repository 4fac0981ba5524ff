package imap

import (
	"bytes"
	"mime"
	"net/textproto"
	"strings"
)

// Bounds of what is taken apart of a hostile message.
const (
	maxDepth = 30
	maxParts = 1000
)

// part is a MIME part (RFC 2045, 2046), or a message, as slices of the message's octets.
type part struct {
	head, body []byte
	fields     textproto.MIMEHeader
	kind, sub  string
	parameters map[string]string
	children   []*part // of a multipart
	message    *part   // what a message/rfc822 holds
}

func parseMessage(octets []byte) *part {
	left := maxParts
	return parsePart(octets, "text/plain", 0, &left)
}

func parsePart(octets []byte, byDefault string, depth int, left *int) *part {
	end := headerEnd(octets)
	p := &part{head: octets[:end], body: octets[end:], fields: header(octets)}
	*left--
	media, parameters, err := mime.ParseMediaType(p.fields.Get("Content-Type"))
	if err != nil || !strings.Contains(media, "/") {
		media, parameters = byDefault, nil
	}
	p.kind, p.sub, _ = strings.Cut(media, "/")
	p.parameters = parameters
	if depth >= maxDepth {
		return p
	}
	switch {
	case p.kind == "multipart" && parameters["boundary"] != "":
		child := "text/plain"
		if p.sub == "digest" {
			child = "message/rfc822"
		}
		for _, piece := range splitParts(p.body, parameters["boundary"], *left) {
			p.children = append(p.children, parsePart(piece, child, depth+1, left))
			if *left <= 0 {
				break
			}
		}
	case media == "message/rfc822":
		p.message = parsePart(p.body, "text/plain", depth+1, left)
	}
	if p.kind == "multipart" && len(p.children) == 0 {
		// A multipart without parts can't be told in a BODYSTRUCTURE.
		p.kind, p.sub, p.parameters = "text", "plain", nil
	}
	return p
}

// splitParts cuts a multipart's body at its boundary lines; the line end before one belongs to it.
func splitParts(body []byte, boundary string, most int) [][]byte {
	delimiter := []byte("--" + boundary)
	var pieces [][]byte
	begin, at := -1, 0
	for line := range bytes.Lines(body) {
		start := at
		at += len(line)
		if !bytes.HasPrefix(line, delimiter) {
			continue
		}
		rest := bytes.TrimRight(line[len(delimiter):], " \t\r\n")
		closing := string(rest) == "--"
		if len(rest) > 0 && !closing {
			continue
		}
		if begin >= 0 {
			piece := body[begin:max(start, begin)]
			pieces = append(pieces, bytes.TrimSuffix(bytes.TrimSuffix(piece, []byte("\n")), []byte("\r")))
		}
		begin = at
		if closing || len(pieces) >= most {
			return pieces
		}
	}
	if begin >= 0 {
		pieces = append(pieces, body[begin:])
	}
	return pieces
}

// find finds a part by its numbers; number 1 of what isn't a multipart is itself (RFC 9051, 6.4.5.1).
func (p *part) find(path []int) *part {
	for i, n := range path {
		inner := p
		if i > 0 && p.message != nil {
			inner = p.message
		}
		switch {
		case len(inner.children) > 0 && n <= len(inner.children):
			p = inner.children[n-1]
		case len(inner.children) == 0 && n == 1:
			p = inner
		default:
			return nil
		}
	}
	return p
}
