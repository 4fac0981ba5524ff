package imapwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReaderTokens(t *testing.T) {
	const line = "a1 UID FETCH 1:*,7 (FLAGS BODY.PEEK[HEADER.FIELDS (\"A]B\" Date)]<0.10>) \"q\\\"\\\\\" {5}\r\nhello NIL &AOk- {0+}\r\n 42\r\n"
	r := NewReader(iotest.OneByteReader(strings.NewReader(line)), Limits{})
	asked := 0
	r.Continue = func(int64) error { asked++; return nil }
	c, err := r.Command()
	if err != nil || c != (CommandLine{"a1", "UID FETCH"}) {
		t.Fatalf("command %v, %v", c, err)
	}
	var got []string
	take := func(s string, err error) error {
		if err != nil {
			t.Errorf("after %q: %v", got, err)
		}
		got = append(got, s)
		return err
	}
	take("", r.SP())
	take(r.Atom())
	take("", r.SP())
	take("", r.List(func() error { return take(r.Item()) }))
	take("", r.SP())
	take(r.Quoted())
	take("", r.SP())
	take(r.AString())
	take("", r.SP())
	_, ok, err := r.NString()
	take(fmt.Sprint(ok), err)
	take("", r.SP())
	take(r.Mailbox())
	take("", r.SP())
	take(r.String())
	take("", r.SP())
	n, err := r.Number32()
	take(fmt.Sprint(n), err)
	take("", r.End())
	want := "1:*,7|FLAGS|BODY.PEEK[HEADER.FIELDS (\"A]B\" DATE)]<0.10>|q\"\\|hello|false|é|42"
	var words []string
	for _, s := range got {
		if s != "" {
			words = append(words, s)
		}
	}
	if strings.Join(words, "|") != want {
		t.Errorf("tokens %q, want %q", strings.Join(words, "|"), want)
	}
	if asked != 1 {
		t.Errorf("%d literals asked for, want 1", asked)
	}
	if err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestReaderGoesOnAfterErrors(t *testing.T) {
	lines := "a1 FOO {3+}\r\nxyz (nothing\r\n" + // never looked at
		"a2 FOO {9}\r\n" + // a synchronising literal that was refused: the line ends
		"a3 FOO " + strings.Repeat("x", 200) + "\r\n" + // too long
		"a4 FOO {500+}\r\n" + strings.Repeat("\n", 500) + "\r\n" + // too long a literal
		"a5 FOO ((((\r\na6 NOOP\n"
	r := NewReader(strings.NewReader(lines), Limits{Line: 100, Literal: 100, String: 50, Depth: 3})
	refused := errors.New("refused")
	r.Continue = func(int64) error { return refused }
	var limit *LimitError
	if c, err := r.Command(); err != nil || c.Tag != "a1" {
		t.Errorf("a1: %v, %v", c, err)
	}
	if c, err := r.Command(); err != nil || c.Tag != "a2" {
		t.Errorf("a2: %v, %v", c, err)
	}
	if err := r.SP(); err != nil {
		t.Error(err)
	}
	if _, err := r.Literal(); err != refused {
		t.Errorf("a2's literal: %v", err)
	}
	if _, err := r.Command(); !errors.As(err, &limit) || limit.What != "line" {
		t.Errorf("a3: %v", err)
	}
	if c, err := r.Command(); err != nil || c.Tag != "a4" {
		t.Errorf("a4: %v, %v", c, err)
	}
	if err := r.SP(); err != nil {
		t.Error(err)
	}
	if _, err := r.Literal(); !errors.As(err, &limit) || limit.What != "literal" || limit.Size != 500 {
		t.Errorf("a4's literal: %v", err)
	}
	if c, err := r.Command(); err != nil || c.Tag != "a5" {
		t.Errorf("a5: %v, %v", c, err)
	}
	if err := r.SP(); err != nil {
		t.Error(err)
	}
	if err := r.Skip(); !errors.As(err, &limit) || limit.What != "depth" {
		t.Errorf("a5's list: %v", err)
	}
	if c, err := r.Command(); err != nil || c != (CommandLine{"a6", "NOOP"}) {
		t.Errorf("a6: %v, %v", c, err)
	}
}

func TestLiteralCut(t *testing.T) {
	r := NewReader(strings.NewReader("* {10}\r\nabc"), Limits{})
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Atom()
	r.SP()
	l, err := r.Literal()
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	if _, err := l.WriteTo(&body); err != io.ErrUnexpectedEOF || body.String() != "abc" || l.Left() != 7 {
		t.Errorf("a literal cut short: %q, %v, %d left", body.String(), err, l.Left())
	}
}

func TestWriterRoundTrip(t *testing.T) {
	for _, s := range []string{"", "INBOX", "NIL", "a b", `qu"ote\`, "Entwürfe", "line\r\nend", "nul\x00", "%*", "{5}", strings.Repeat("long", 500)} {
		var wire bytes.Buffer
		w := NewWriter(&wire)
		w.AString(s)
		w.SP()
		w.Quoted(s)
		w.CRLF()
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r := NewReader(&wire, Limits{})
		if err := r.Next(); err != nil {
			t.Fatal(err)
		}
		first, err := r.AString()
		if err != nil || first != s {
			t.Errorf("%q came back as %q, %v", s, first, err)
		}
		r.SP()
		if second, err := r.String(); err != nil || second != s {
			t.Errorf("%q came back as %q, %v", s, second, err)
		}
	}
}

func TestWriterShortStream(t *testing.T) {
	w := NewWriter(io.Discard)
	w.Literal(strings.NewReader("abc"), 10)
	if err := w.Flush(); err != io.ErrUnexpectedEOF {
		t.Errorf("a stream shorter than its literal: %v", err)
	}
}

func TestUTF7(t *testing.T) {
	for name, wire := range map[string]string{
		"INBOX":              "INBOX",
		"a&b":                "a&-b",
		"Entwürfe":           "Entw&APw-rfe",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501, 5.1.3
		"😀":                  "&2D3eAA-",
		"tab\there":          "tab&AAk-here",
	} {
		if got := EncodeUTF7(name); got != wire {
			t.Errorf("%q is written %q, want %q", name, got, wire)
		}
		if got, err := DecodeUTF7(wire); err != nil || got != name {
			t.Errorf("%q is read as %q, %v, want %q", wire, got, err, name)
		}
	}
	for _, wire := range []string{"&", "&AGE-", "&AOk-&AOk-", "&AOl-", "ü", "&!-", "a&b", "&2D0-"} {
		if got, err := DecodeUTF7(wire); err == nil {
			t.Errorf("%q was read as %q, want an error", wire, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {3}\r\nabc)\r\n* LIST () \"/\" &AOk-\r\n"), false)
	f.Add([]byte("a APPEND INBOX (\\Seen) \"d\" ~{3+}\r\nabc\r\nb UID FETCH 1:* BODY[]<0.1>\r\n"), true)
	f.Fuzz(func(t *testing.T, wire []byte, server bool) {
		limits := Limits{Line: 1 << 10, String: 1 << 10, Literal: 1 << 12, Depth: 5}
		r := NewReader(bytes.NewReader(wire), limits)
		if server {
			r.Continue = func(int64) error { return nil }
		}
		for range len(wire) + 2 {
			_, err := r.Command()
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return
			}
			for err == nil {
				if ok, _ := r.Accept(' '); !ok {
					if end := r.End(); end == nil {
						break
					}
				}
				switch c, _ := r.Peek(); c {
				case 'B', 'F':
					_, err = r.Item()
				case 'N':
					_, _, err = r.NString()
				case '1', '2':
					_, err = r.Number32()
				case '&':
					_, err = r.Mailbox()
				default:
					err = r.Skip()
				}
			}
		}
		t.Fatal("the reader does not come to an end")
	})
}

func FuzzUTF7(f *testing.F) {
	f.Add("Entw&APw-rfe")
	f.Add("a&b ü")
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := DecodeUTF7(s); err == nil && EncodeUTF7(name) != s {
			t.Errorf("%q was read as %q, which is written %q", s, name, EncodeUTF7(name))
		}
		valid := strings.ToValidUTF8(s, "")
		if name, err := DecodeUTF7(EncodeUTF7(valid)); err != nil || name != valid {
			t.Errorf("%q came back as %q, %v", valid, name, err)
		}
	})
}
