package imap

import (
	"bytes"
	"maps"
	"mime"
	"net/mail"
	"slices"
	"strings"
)

// envelope writes a message's ENVELOPE (RFC 9051, 7.5.2), header text as it stands.
func (c *connection) envelope(p *part) {
	c.w.Raw("(")
	c.nstring(p, "Date")
	c.w.SP()
	c.nstring(p, "Subject")
	for _, name := range []string{"From", "Sender", "Reply-To", "To", "Cc", "Bcc"} {
		c.w.SP()
		if (name == "Sender" || name == "Reply-To") && p.fields.Get(name) == "" {
			name = "From"
		}
		c.addresses(p.fields.Get(name))
	}
	c.w.SP()
	c.nstring(p, "In-Reply-To")
	c.w.SP()
	c.nstring(p, "Message-Id")
	c.w.Raw(")")
}

func (c *connection) nstring(p *part, field string) {
	if value := p.fields.Values(field); len(value) > 0 {
		c.w.Quoted(value[0])
		return
	}
	c.w.Raw("NIL")
}

// rawWords keeps encoded words as they are: an ENVELOPE has header text undecoded.
var rawWords = &mail.AddressParser{WordDecoder: &mime.WordDecoder{}}

// addresses writes an address list; one that can't be read is NIL.
func (c *connection) addresses(value string) {
	list, err := rawWords.ParseList(value)
	if err != nil || len(list) == 0 {
		c.w.Raw("NIL")
		return
	}
	c.w.Raw("(")
	for _, a := range list {
		c.w.Raw("(")
		if a.Name == "" {
			c.w.Raw("NIL")
		} else {
			c.w.Quoted(mime.QEncoding.Encode("utf-8", a.Name))
		}
		local, host := a.Address, ""
		if at := strings.LastIndexByte(a.Address, '@'); at >= 0 {
			local, host = a.Address[:at], a.Address[at+1:]
		}
		c.w.Raw(" NIL ")
		c.w.Quoted(local)
		c.w.SP()
		c.w.Quoted(host)
		c.w.Raw(")")
	}
	c.w.Raw(")")
}

// structure writes BODYSTRUCTURE, or BODY without the extension data (RFC 9051, 7.5.2).
func (c *connection) structure(p *part, extended bool) {
	c.w.Raw("(")
	defer c.w.Raw(")")
	if len(p.children) > 0 {
		for _, child := range p.children {
			c.structure(child, extended)
		}
		c.w.SP()
		c.w.Quoted(p.sub)
		if extended {
			c.w.SP()
			c.parameters(p.parameters)
			c.w.SP()
			c.disposition(p)
			c.w.Raw(" NIL NIL")
		}
		return
	}
	c.w.Quoted(p.kind)
	c.w.SP()
	c.w.Quoted(p.sub)
	c.w.SP()
	c.parameters(p.parameters)
	c.w.SP()
	c.nstring(p, "Content-Id")
	c.w.SP()
	c.nstring(p, "Content-Description")
	c.w.SP()
	encoding := p.fields.Get("Content-Transfer-Encoding")
	if encoding == "" {
		encoding = "7bit"
	}
	c.w.Quoted(encoding)
	c.w.SP()
	c.w.Number(uint64(len(p.body)))
	if p.message != nil {
		c.w.SP()
		c.envelope(p.message)
		c.w.SP()
		c.structure(p.message, extended)
	}
	if p.message != nil || p.kind == "text" {
		c.w.SP()
		c.w.Number(uint64(bytes.Count(p.body, []byte("\n"))))
	}
	if extended {
		c.w.Raw(" NIL ")
		c.disposition(p)
		c.w.Raw(" NIL NIL")
	}
}

func (c *connection) disposition(p *part) {
	kind, parameters, err := mime.ParseMediaType(p.fields.Get("Content-Disposition"))
	if err != nil || kind == "" {
		c.w.Raw("NIL")
		return
	}
	c.w.Raw("(")
	c.w.Quoted(kind)
	c.w.SP()
	c.parameters(parameters)
	c.w.Raw(")")
}

func (c *connection) parameters(list map[string]string) {
	if len(list) == 0 {
		c.w.Raw("NIL")
		return
	}
	c.w.Raw("(")
	for i, name := range slices.Sorted(maps.Keys(list)) {
		if i > 0 {
			c.w.SP()
		}
		c.w.Quoted(name)
		c.w.SP()
		c.w.Quoted(list[name])
	}
	c.w.Raw(")")
}
