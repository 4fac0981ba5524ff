package mailcopy

import (
	"io"
	"strings"
	"testing"
)

func TestMend(t *testing.T) {
	long := strings.Repeat("x", wholeSize)
	for name, test := range map[string]struct {
		body, want string
		bare       bool
	}{
		"right":                    {"a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n", false},
		"bare":                     {"a: b\n\nc\n", "a: b\r\n\r\nc\r\n", true},
		"mixed":                    {"a: b\r\n\r\nc\nd\r\n", "a: b\r\n\r\nc\r\nd\r\n", true},
		"a bare CR stays":          {"a: b\r\n\r\nc\rd\r\n", "", false},
		"first octet":              {"\nx", "\r\nx", true},
		"empty":                    {"", "", false},
		"large":                    {"a: b\n\n" + long + "\n", "a: b\r\n\r\n" + long + "\r\n", true},
		"large, right header":      {"a: b\r\n\r\n" + long + "\n", "", false},
		"CRLF over the head's end": {"a: " + strings.Repeat("y", headSize-4) + "\r\nb: c\n\n" + long, "a: " + strings.Repeat("y", headSize-4) + "\r\nb: c\r\n\r\n" + long, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, err := readMessage(fetched{}, strings.NewReader(test.body), int64(len(test.body)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if m.bareLF() != test.bare {
				t.Errorf("bare line feeds: %v", m.bareLF())
			}
			if !test.bare {
				return
			}
			done, err := m.mend()
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			got, err := io.ReadAll(m.reader())
			if err != nil || string(got) != test.want || m.size != int64(len(test.want)) {
				t.Errorf("%d octets, size %d, want %d; %v", len(got), m.size, len(test.want), err)
			}
		})
	}
}

func TestArrived(t *testing.T) {
	hosts := []string{"mail.example.org"}
	for name, test := range map[string]struct {
		header string
		from   string
		ok     bool
	}{
		"by our host":      {"Received: from mx.example.net (mx.example.net [192.0.2.1])\r\n by MAIL.example.org. (Postfix) with ESMTPS id 1;\r\n Mon, 2 Mar 2015 09:00:00 +0000\r\n\r\n", "mx.example.net", true},
		"by another":       {"Received: from a by b.example.net; x\r\nReceived: from c by mail.example.org; x\r\n\r\n", "", false},
		"without a sender": {"Received: by mail.example.org with local; x\r\n\r\n", "", true},
		"a client's save":  {"Subject: x\r\n\r\n", "", false},
		"one of our own":   {"Message-ID: <welcome.1.mailferry@contoso>\r\nReceived: from a by mail.example.org; x\r\n\r\n", "", false},
		"a similar name":   {"Received: from a by mail.example.org.example.net; x\r\n\r\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			from, ok := arrived(headerFields(test.header), hosts)
			if from != test.from || ok != test.ok {
				t.Errorf("from %q, %v; want %q, %v", from, ok, test.from, test.ok)
			}
		})
	}
}

func TestArrivedWhereNoHostIsKnown(t *testing.T) {
	for header, want := range map[string]bool{
		"Received: from a by b.example.net; x\r\n\r\n":                                      true,
		"Subject: a client's save\r\n\r\n":                                                  false,
		"Message-ID: <1.mailferry@contoso>\r\nReceived: from a by b.example.net; x\r\n\r\n": false,
	} {
		if _, ok := arrived(headerFields(header), nil); ok != want {
			t.Errorf("%q: %v", header, ok)
		}
	}
}
