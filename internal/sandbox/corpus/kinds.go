package corpus

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// kind is one way in which a message is nasty.
type kind struct {
	name  string
	write func(*writer) []byte
	// again makes it the message before once more.
	again bool
}

// ordinary is what most mail looks like.
var ordinary = []func(*writer) []byte{(*writer).plain, (*writer).plain, (*writer).alternative, (*writer).attached}

// kinds are all of them; the first messages of a mailbox are one of each.
var kinds = []kind{
	{name: "plain", write: (*writer).plain},
	{name: "exact duplicate", again: true},
	{name: "alternative", write: (*writer).alternative},
	{name: "attachment", write: (*writer).attached},
	{name: "nested MIME", write: (*writer).nested},
	{name: "8-bit header", write: (*writer).eightBit},
	{name: "no Message-ID", write: (*writer).noMessageID},
	{name: "no Message-ID, exact duplicate", again: true},
	{name: "repeated Message-ID", write: (*writer).repeatedID},
	{name: "repeated Message-ID again", write: (*writer).repeatedID},
	{name: "two Message-IDs", write: (*writer).twoIDs},
	{name: "bare LF", write: (*writer).bareLF},
	{name: "bare CR", write: (*writer).bareCR},
	{name: "mixed line ends", write: (*writer).mixedEnds},
	{name: "NUL bytes", write: (*writer).nul},
	{name: "empty", write: func(*writer) []byte { return nil }},
	{name: "header only", write: (*writer).headerOnly},
	{name: "no header", write: func(w *writer) []byte { return []byte("\r\n" + w.text(300)) }},
	{name: "garbage", write: (*writer).garbage},
	{name: "dated 1970", write: (*writer).epoch},
	{name: "dated 2099", write: (*writer).future},
	{name: "bad Date", write: (*writer).badDate},
	{name: "no Date", write: (*writer).noDate},
	{name: "long line", write: (*writer).longLine},
	{name: "huge header", write: (*writer).hugeHeader},
	{name: "signed", write: (*writer).signed},
	{name: "encrypted", write: (*writer).encrypted},
	{name: "read report", write: (*writer).readReport},
	{name: "asks for a receipt", write: (*writer).asksReceipt},
	{name: "mbox From line", write: (*writer).mboxFrom},
	{name: "unclosed boundary", write: (*writer).unclosed},
	{name: "keywords", write: (*writer).keywords},
	{name: "flagged", write: (*writer).flagged},
	{name: "all flags", write: (*writer).allFlags},
	{name: "deleted", write: (*writer).deleted},
	{name: "draft", write: (*writer).draft},
	{name: "calendar", write: (*writer).calendar},
	{name: "one byte", write: func(*writer) []byte { return []byte("x") }},
}

// Kinds is how many messages a mailbox must have to hold every kind.
var Kinds = len(kinds)

func (w *writer) plain() []byte {
	m := w.mail()
	m.body = w.text(200 + w.IntN(3000))
	return m.bytes()
}

func (w *writer) alternative() []byte {
	text := w.text(200 + w.IntN(2000))
	return w.multipart(w.mail(), "alternative",
		part("text/plain; charset=utf-8", "8bit", text),
		part("text/html; charset=utf-8", "8bit", "<html><body><p>"+text+"</p></body></html>\r\n")).bytes()
}

func (w *writer) attached() []byte {
	size := 1000 << w.IntN(7)
	return w.multipart(w.mail(), "mixed", part("text/plain; charset=utf-8", "8bit", w.text(300)), w.attachment(size)).bytes()
}

func (w *writer) nested() []byte {
	inner := string(w.alternative())
	for range 5 {
		outer := w.multipart(w.mail(), "mixed", part("text/plain", "7bit", w.ascii(12)+"\r\n"),
			part("message/rfc822", "8bit", inner), w.attachment(500))
		inner = string(outer.bytes())
	}
	return []byte(inner)
}

func (w *writer) eightBit() []byte {
	m := w.mail()
	m.set("From", "J\xfcrgen Gro\xdf <juergen@werft.example>")
	m.set("Subject", "Gr\xfc\xdfe aus K\xf6ln – und UTF-8: größer")
	m.set("X-M\xfcll", "ja")
	m.set("Content-Type", "text/plain; charset=iso-8859-1")
	m.body = "Sch\xf6ne Gr\xfc\xdfe\r\n" + w.text(200)
	return m.bytes()
}

func (w *writer) noMessageID() []byte {
	m := w.mail()
	m.drop("Message-ID")
	m.body = w.text(300)
	return m.bytes()
}

func (w *writer) repeatedID() []byte {
	m := w.mail()
	m.set("Message-ID", "<same-for-all@"+w.domain+">")
	m.body = w.text(300)
	return m.bytes()
}

func (w *writer) twoIDs() []byte {
	m := w.mail()
	m.header = append(m.header, "Message-ID: "+w.messageID())
	m.body = w.text(300)
	return m.bytes()
}

func (w *writer) bareLF() []byte {
	return bytes.ReplaceAll(w.alternative(), []byte("\r\n"), []byte("\n"))
}

func (w *writer) bareCR() []byte {
	m := w.mail()
	m.body = strings.ReplaceAll(w.text(300), "\r\n", "\r") + "\r\n"
	return m.bytes()
}

func (w *writer) mixedEnds() []byte {
	m := w.mail()
	m.body = w.text(200) + strings.ReplaceAll(w.text(200), "\r\n", "\n") + "\r\r\nno end of line"
	return m.bytes()
}

func (w *writer) nul() []byte {
	m := w.mail()
	m.body = "before\x00after\r\n\x00\x00\x00\r\n" + w.text(200)
	return m.bytes()
}

func (w *writer) headerOnly() []byte { return bytes.TrimSuffix(w.mail().bytes(), []byte("\r\n")) }

func (w *writer) garbage() []byte {
	raw := make([]byte, 700)
	for i := range raw {
		raw[i] = byte(1 + w.IntN(255))
	}
	return raw
}

func (w *writer) epoch() []byte {
	body := w.plain()
	w.date = time.Unix(int64(w.IntN(60)), 0).UTC()
	return body
}

func (w *writer) future() []byte {
	w.date = time.Date(2099, 12, 31, 23, 59, w.IntN(60), 0, time.FixedZone("", 14*3600))
	return w.plain()
}

func (w *writer) badDate() []byte {
	m := w.mail()
	m.set("Date", []string{"31 Feb 2011 25:61:61 EDT", "yesterday", "Thu, 1 Jan 98 00:00 GMT", "2014-03-04T05:06:07Z", ""}[w.IntN(5)])
	m.body = w.text(200)
	return m.bytes()
}

func (w *writer) noDate() []byte {
	m := w.mail()
	m.drop("Date")
	m.body = w.text(200)
	return m.bytes()
}

func (w *writer) longLine() []byte {
	m := w.mail()
	m.body = w.text(100) + strings.Repeat("0123456789", 1200) + "\r\n" + w.text(100)
	return m.bytes()
}

func (w *writer) hugeHeader() []byte {
	m := w.mail()
	var recipients []string
	for i := range 900 {
		recipients = append(recipients, fmt.Sprintf("Member Number %d <member%d@list.example>", i, i))
	}
	m.set("Cc", strings.Join(recipients, ",\r\n "))
	m.set("X-Folded", "one\r\n\t two\r\n   three\r\n \tfour")
	m.body = w.text(100)
	return m.bytes()
}

func (w *writer) signed() []byte {
	return w.multipart(w.mail(), `signed; protocol="application/pkcs7-signature"; micalg=sha-256`,
		part("text/plain; charset=us-ascii", "7bit", w.ascii(20)+"\r\n"),
		"Content-Disposition: attachment; filename=smime.p7s\r\n"+
			part("application/pkcs7-signature; name=smime.p7s", "base64", w.base64(2400))).bytes()
}

func (w *writer) encrypted() []byte {
	m := w.mail()
	m.set("Content-Type", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m")
	m.set("Content-Transfer-Encoding", "base64")
	m.set("Content-Disposition", "attachment; filename=smime.p7m")
	m.body = w.base64(5000)
	return m.bytes()
}

func (w *writer) readReport() []byte {
	m := w.mail()
	m.set("Subject", "Read: "+w.ascii(4))
	return w.multipart(m, "report; report-type=disposition-notification",
		part("text/plain", "7bit", "Your message was read.\r\n"),
		part("message/disposition-notification", "7bit", "Final-Recipient: rfc822; "+w.address+
			"\r\nOriginal-Message-ID: "+w.messageID()+"\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n")).bytes()
}

func (w *writer) asksReceipt() []byte {
	m := w.mail()
	m.set("Disposition-Notification-To", "grace@navy.example")
	m.body = w.text(200)
	return m.bytes()
}

func (w *writer) mboxFrom() []byte {
	m := w.mail()
	m.body = w.text(100) + "From the harbour we sail\r\n.\r\n..\r\n>From here\r\n" + w.text(100)
	return append([]byte("From ada@partner.example Thu Jan  1 00:00:00 1998\r\n"), m.bytes()...)
}

func (w *writer) unclosed() []byte {
	m := w.multipart(w.mail(), "mixed", part("text/plain; charset=x-unheard-of", "quoted-printable", "=ZZ broken =\r\n"), w.attachment(900))
	m.body = m.body[:len(m.body)-40]
	return m.bytes()
}

func (w *writer) keywords() []byte {
	w.flags = []string{`\Seen`, "$Label1", "$Forwarded", "$MDNSent", "Kunde", "NonJunk", "$Phishing", "todo-2024"}
	return w.plain()
}

func (w *writer) flagged() []byte {
	w.flags = []string{`\Flagged`}
	return w.plain()
}

func (w *writer) allFlags() []byte {
	w.flags = []string{`\Seen`, `\Answered`, `\Flagged`, `\Draft`}
	return w.plain()
}

func (w *writer) deleted() []byte {
	w.flags = []string{`\Deleted`, `\Seen`}
	return w.plain()
}

func (w *writer) draft() []byte {
	w.flags = []string{`\Draft`, `\Seen`}
	w.folder = w.spec.name([]string{"Drafts"})
	m := w.mail()
	m.drop("Message-ID")
	m.drop("To")
	m.set("Bcc", "secret@partner.example")
	m.body = w.text(100)
	return m.bytes()
}

func (w *writer) calendar() []byte {
	return w.multipart(w.mail(), "alternative", part("text/plain", "7bit", "A meeting.\r\n"),
		part(`text/calendar; method=REQUEST; charset="UTF-8"`, "8bit",
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:"+fmt.Sprint(w.Uint64())+
				"\r\nDTSTART:20240101T100000Z\r\nSUMMARY:Sailing\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")).bytes()
}

// big is a message of 30 MB: the attachment's base64 lines are 78 bytes for 57.
func (w *writer) big() []byte {
	w.folder = w.spec.name([]string{"Archive"})
	m := w.multipart(w.mail(), "mixed", part("text/plain", "7bit", "The plans of the ship.\r\n"), w.attachment(30_000_000/78*57))
	return m.bytes()
}
