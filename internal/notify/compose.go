package notify

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	texttemplate "text/template"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mailferry/mailferry/internal/migration"
)

// The notices, one file for each language and kind. A file is a Go template; its first line is the subject, an empty
// line ends a paragraph, and lines that begin with "- " are a list. Both the text and the HTML are made of it.
//
//go:embed templates
var files embed.FS

// languages are those there are templates for; the first is used where none fits.
var languages = []language.Tag{language.English, language.German, language.French}

var matcher = language.NewMatcher(languages)

const (
	maxName = 100
	// maxListed is how many refused messages a welcome names; the true number stands beside them.
	maxListed = 25
	// width is how wide the text's lines are (RFC 5322, section 2.1.1, recommends 78 at most).
	width = 76
)

// written is a notice in words.
type written struct {
	Language string
	Subject  string
	Blocks   []block
}

// block is a paragraph or, with items, a list.
type block struct {
	Paragraph string
	Items     []string
}

// facts is what templates see. Everything in it is one line of plain characters.
type facts struct {
	Name, Address, Organisation, Support string
	// Messages are those at the source; Moved those that are at the target, by whatever way.
	Messages, Moved, LeftOut, RefusedCount string
	Size                                   string
	HasLeftOut, HasRefused                 bool
	Refused                                []refused
	// More is how many further messages were refused, empty if all are named.
	More string
}

// refused is one message that wasn't moved, and why; the template puts the kind into words.
type refused struct{ Folder, Size, Kind, Words string }

// compose writes a notice in the language that fits its reader best.
func compose(n migration.Notice) (written, error) {
	_, index, _ := matcher.Match(parseLanguage(n.Language))
	tag := languages[index]
	base, _ := tag.Base()
	name := fmt.Sprintf("templates/%s/%s.txt", base, n.Kind)
	parsed, err := texttemplate.ParseFS(files, name)
	if err != nil {
		return written{}, fmt.Errorf("there is no notice of kind %q", n.Kind)
	}
	var text strings.Builder
	if err := parsed.Execute(&text, factsOf(n, tag)); err != nil {
		return written{}, fmt.Errorf("writing the %s: %w", n.Kind, err)
	}
	subject, body, _ := strings.Cut(text.String(), "\n")
	return written{base.String(), strings.TrimSpace(subject), blocks(body)}, nil
}

func parseLanguage(name string) language.Tag {
	tag, err := language.Parse(name)
	if err != nil {
		return languages[0]
	}
	return tag
}

func factsOf(n migration.Notice, tag language.Tag) facts {
	printer, unit := message.NewPrinter(tag), "B"
	if tag == language.French {
		unit = "o" // octet
	}
	a := n.Account
	moved := a.Copied + a.Already + a.Moved + a.Merged
	f := facts{
		Name: plain(n.DisplayName, maxName), Address: plain(n.To, 254), Organisation: plain(n.Organisation, maxName), Support: plain(n.Support, 300),
		Messages: printer.Sprint(a.Source), Moved: printer.Sprint(moved), LeftOut: printer.Sprint(a.LeftOut), HasLeftOut: a.LeftOut > 0,
		Size: size(printer, unit, a.Bytes), RefusedCount: printer.Sprint(n.RefusalCount), HasRefused: n.RefusalCount > 0,
	}
	if f.Name == "" {
		f.Name = f.Address
	}
	for i, r := range n.Refusals {
		if i == maxListed {
			break
		}
		f.Refused = append(f.Refused, refused{plain(r.Folder, maxName), size(printer, unit, r.Size), r.Kind, plain(r.Words, 200)})
	}
	if more := n.RefusalCount - len(f.Refused); more > 0 {
		f.More = printer.Sprint(more)
	}
	return f
}

// size is a number of bytes as people read it; empty where it isn't known.
func size(printer *message.Printer, unit string, bytes int64) string {
	switch {
	case bytes <= 0:
		return ""
	case bytes < 1000_000:
		return printer.Sprintf("%d k%s", (bytes+999)/1000, unit)
	case bytes < 1000_000_000:
		return printer.Sprintf("%.1f M%s", float64(bytes)/1e6, unit)
	}
	return printer.Sprintf("%.1f G%s", float64(bytes)/1e9, unit)
}

// plain makes foreign text one line of visible characters, of limit characters at most. Names and servers' words may
// hold anything; nothing of them can begin a paragraph, a header or a line of its own, or turn the direction of what
// follows.
func plain(text string, limit int) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\ufffd")
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return text
}

// blocks takes a template's paragraphs and lists apart.
func blocks(body string) []block {
	var all []block
	open := false // whether the last block may go on
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		item, listed := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
			open = false
		case listed && (!open || len(all[len(all)-1].Items) == 0):
			all = append(all, block{Items: []string{item}})
			open = true
		case listed:
			last := &all[len(all)-1]
			last.Items = append(last.Items, item)
		case !open:
			all = append(all, block{Paragraph: line})
			open = true
		default:
			last := &all[len(all)-1]
			if n := len(last.Items); n > 0 {
				last.Items[n-1] += " " + line
			} else {
				last.Paragraph += " " + line
			}
		}
	}
	return all
}

// text is the notice as plain text.
func (w written) text() string {
	var text strings.Builder
	for i, b := range w.Blocks {
		if i > 0 {
			text.WriteByte('\n')
		}
		if b.Paragraph != "" {
			text.WriteString(wrap(b.Paragraph, "", ""))
		}
		for _, item := range b.Items {
			text.WriteString(wrap(item, "- ", "  "))
		}
	}
	return text.String()
}

// wrap breaks a line at its blanks; those that must not be broken at (U+00A0) stay.
func wrap(line, first, next string) string {
	var text strings.Builder
	column := 0
	for i, word := range strings.Split(line, " ") {
		long := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			text.WriteString(first)
			column = len(first)
		case column+1+long > width:
			text.WriteString("\n" + next)
			column = len(next)
		default:
			text.WriteByte(' ')
			column++
		}
		text.WriteString(word)
		column += long
	}
	text.WriteByte('\n')
	return text.String()
}

var page = template.Must(template.ParseFS(files, "templates/page.html"))

// html is the notice as a page. The template package escapes every word of it.
func (w written) html() (string, error) {
	var text strings.Builder
	if err := page.Execute(&text, w); err != nil {
		return "", fmt.Errorf("writing the page: %w", err)
	}
	return text.String(), nil
}
