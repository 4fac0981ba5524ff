package corpus

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

var words = strings.Fields(`the ferry leaves harbour at dawn with letters for every island and nobody asks why some
were written twice while others carry no name please find attached our invoice for last quarter kind regards thank
you meeting moved to thursday budget approved draft contract signed copy forwarded question answer holiday greetings
Müller größer naïve café Ærøskøbing Łódź`)

var people = []string{
	"Ada Byron <ada@partner.example>", "Grace Hopper <grace@navy.example>", `"Lamarr, Hedy" <hedy@studio.example>`,
	"=?UTF-8?Q?J=C3=BCrgen_Gro=C3=9F?= <juergen@werft.example>", "=?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <yamada@kaisha.example>",
	"news@letters.example", "MAILER-DAEMON <>",
}

func (w *writer) sentence(n int) string {
	picked := make([]string, n)
	for i := range picked {
		picked[i] = words[w.IntN(len(words))]
	}
	return strings.Join(picked, " ")
}

// ascii is a sentence fit for a header.
func (w *writer) ascii(n int) string {
	return strings.Map(func(r rune) rune {
		if r > 126 {
			return 'x'
		}
		return r
	}, w.sentence(n))
}

// text is about n bytes of lines that end in CRLF.
func (w *writer) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(w.sentence(3 + w.IntN(10)))
		b.WriteString("\r\n")
	}
	return b.String()
}

// base64 is n random bytes in base64 lines of 76.
func (w *writer) base64(n int) string {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(w.Uint32())
	}
	return wrapBase64(raw)
}

func wrapBase64(raw []byte) string {
	text := base64.StdEncoding.EncodeToString(raw)
	var b strings.Builder
	b.Grow(len(text) + len(text)/38)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	return b.String()
}

// message is a message being written: header lines, then the body. All lines end in CRLF.
type message struct {
	header []string
	body   string
}

// mail begins a message with the header that most have. Set and drop change it.
func (w *writer) mail() *message {
	from := people[w.IntN(len(people))]
	to := w.spec.Addresses[w.IntN(len(w.spec.Addresses))]
	if strings.HasPrefix(w.folder, w.spec.Prefix+"Sent") {
		from, to = w.address, people[w.IntN(len(people)-1)]
	}
	m := &message{}
	if w.folder == "INBOX" {
		host := fmt.Sprintf("mx%d.partner.example", 1+w.IntN(3))
		m.set("Received", fmt.Sprintf("from %s (%s [192.0.2.%d])\r\n\tby mail.%s (Postfix) with ESMTPS id %08X\r\n\tfor <%s>; %s",
			host, host, 1+w.IntN(250), w.domain, w.Uint32(), w.address, w.date.Format(time.RFC1123Z)))
	}
	m.set("From", from)
	m.set("To", to)
	m.set("Subject", w.ascii(2+w.IntN(7)))
	m.set("Date", w.date.Add(-time.Duration(w.IntN(300))*time.Second).Format(time.RFC1123Z))
	m.set("Message-ID", w.messageID())
	m.set("MIME-Version", "1.0")
	m.set("Content-Type", "text/plain; charset=UTF-8")
	m.set("Content-Transfer-Encoding", "8bit")
	return m
}

func (w *writer) messageID() string {
	return fmt.Sprintf("<%d.%016x@%s>", w.n, w.Uint64(), w.domain)
}

// set adds a header field, or replaces the one of the same name.
func (m *message) set(name, value string) {
	for i, line := range m.header {
		if strings.HasPrefix(line, name+":") {
			m.header[i] = name + ": " + value
			return
		}
	}
	m.header = append(m.header, name+": "+value)
}

func (m *message) drop(name string) {
	kept := m.header[:0]
	for _, line := range m.header {
		if !strings.HasPrefix(line, name+":") {
			kept = append(kept, line)
		}
	}
	m.header = kept
}

func (m *message) bytes() []byte {
	var b bytes.Buffer
	b.Grow(len(m.body) + 1024)
	for _, line := range m.header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	b.WriteString(m.body)
	return b.Bytes()
}

// multipart makes the message a multipart of the given parts, each with its own header and blank line.
func (w *writer) multipart(m *message, subtype string, parts ...string) *message {
	boundary := fmt.Sprintf("=_%x", w.Uint64())
	kind, parameters, _ := strings.Cut(subtype, ";")
	if parameters != "" {
		parameters = ";" + parameters
	}
	m.set("Content-Type", fmt.Sprintf("multipart/%s%s; boundary=%q", kind, parameters, boundary))
	m.drop("Content-Transfer-Encoding")
	m.body = "This is a multi-part message in MIME format.\r\n"
	for _, part := range parts {
		m.body += "--" + boundary + "\r\n" + part + "\r\n"
	}
	m.body += "--" + boundary + "--\r\n"
	return m
}

func part(contentType, encoding, body string) string {
	return "Content-Type: " + contentType + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + body
}

func (w *writer) attachment(n int) string {
	return "Content-Disposition: attachment; filename=\"report-" + fmt.Sprint(w.IntN(1000)) + ".pdf\"\r\n" +
		part("application/pdf", "base64", w.base64(n))
}
