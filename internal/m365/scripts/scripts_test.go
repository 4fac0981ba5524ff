package scripts

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

var access = Access{
	Tenant: "contoso", ClientID: "c0ffee00-0000-4000-8000-000000000001", ObjectID: "0b1ec700-0000-4000-8000-000000000002",
	Mailboxes: []string{"ada@contoso.com", "o'brien@contoso.com", "jürgen@contoso.com"},
	Domains:   []string{"contoso.com"},
}

func TestWrite(t *testing.T) {
	text := render(t, access)
	for _, want := range []string{
		"    'ada@contoso.com',\n    'o''brien@contoso.com',\n    ('j' + [char]::ConvertFromUtf32(0xFC) + 'rgen@contoso.com')\n)",
		"$ObjectId = '0b1ec700-0000-4000-8000-000000000002'", "$ClientId = 'c0ffee00-0000-4000-8000-000000000001'",
		"$MaxMessage = 150MB", "$Domains = @(\n    'contoso.com'\n)", "'contoso' + '-access.json'",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the script lacks %q", want)
		}
	}
	for _, command := range []string{
		"New-ServicePrincipal", "Add-MailboxPermission", "Remove-MailboxPermission", "Set-CASMailbox", "-RetentionHoldEnabled",
		"New-DkimSigningConfig",
	} {
		if !strings.Contains(text, command) {
			t.Errorf("the script never runs %s", command)
		}
	}
}

// Whatever the values, the script's own lines stay what they are, and it is ASCII throughout.
func TestNothingBecomesCode(t *testing.T) {
	plain := strings.Split(render(t, access), "\n")
	hostile := access
	hostile.Tenant, hostile.ClientID, hostile.ObjectID = "'; Remove-Mailbox x #", "$(Get-Date)", "#>\u2019;exit"
	hostile.Mailboxes = []string{
		"a'+(exit)+'@contoso.com", "a\u2019;Remove-Item C:;\u2018@contoso.com", "ё`$x\"@contoso.com",
	}
	hostile.Domains = []string{"contoso.com\u201a);exit("}
	text := render(t, hostile)
	for i, r := range text {
		if r > 0x7e || r < ' ' && r != '\n' {
			t.Fatalf("%q at %d is not ASCII", r, i)
		}
	}
	lines := strings.Split(text, "\n")
	if len(lines) != len(plain) {
		t.Fatalf("%d lines, want %d", len(lines), len(plain))
	}
	changed := 0
	for i := range lines {
		if lines[i] != plain[i] {
			changed++
		}
	}
	if want := 3 + len(hostile.Mailboxes) + len(hostile.Domains); changed != want {
		t.Errorf("%d lines differ, want the %d with values", changed, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Access)
	}{
		{"no mailboxes", func(a *Access) { a.Mailboxes = nil }},
		{"too many", func(a *Access) { a.Mailboxes = make([]string, MaxMailboxes+1) }},
		{"no address", func(a *Access) { a.Mailboxes = []string{"ada"} }},
		{"a pattern", func(a *Access) { a.Mailboxes = []string{"*@contoso.com"} }},
		{"a line break", func(a *Access) { a.Mailboxes = []string{"ada@contoso.com\nexit"} }},
		{"a line separator", func(a *Access) { a.Domains = []string{"contoso.com\u2028exit"} }},
		{"text that runs backwards", func(a *Access) { a.Tenant = "a\u202eb" }},
		{"broken UTF-8", func(a *Access) { a.Tenant = "\xff" }},
		{"no app", func(a *Access) { a.ClientID = "" }},
		{"a size beyond the ceiling", func(a *Access) { a.MaxMessageMB = 151 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := access
			tt.change(&a)
			var b strings.Builder
			if err := a.Write(&b); err == nil || b.Len() > 0 {
				t.Errorf("%v after %d bytes, want it refused before the first", err, b.Len())
			}
		})
	}
}

// Braces and brackets of the script close outside its strings and comments: a cut or doubled line shows here.
func TestBalanced(t *testing.T) {
	text := render(t, access)
	if _, after, ok := strings.Cut(text, "#>\n"); ok {
		text = after
	}
	var open []rune
	var quote rune
	comment := false
	pairs := map[rune]rune{')': '(', ']': '[', '}': '{'}
	for i, r := range text {
		switch {
		case r == '\n':
			comment = false
		case comment:
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '#' && (i == 0 || text[i-1] == '\n' || text[i-1] == ' '):
			comment = true
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case pairs[r] != 0:
			if len(open) == 0 || open[len(open)-1] != pairs[r] {
				t.Fatalf("%q at %d closes nothing", r, i)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 || quote != 0 {
		t.Errorf("still open at the end: %q %q", string(open), quote)
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "ada@contoso.com", "o'brien", "''", "’‘‚‛", "ё", "$(exit)", "`n", "\"", "𝄞a", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		quoted := Quote(s)
		got, err := evaluate(quoted)
		if err != nil || got != s {
			t.Errorf("Quote(%q) = %s, which PowerShell reads as %q, %v", s, quoted, got, err)
		}
	})
}

// evaluate reads the expressions that Quote may write, by PowerShell's rules, and refuses everything else.
func evaluate(expression string) (string, error) {
	for i := range len(expression) {
		if expression[i] < ' ' || expression[i] > 0x7e {
			return "", fmt.Errorf("byte %#x", expression[i])
		}
	}
	rest, bracketed := strings.CutPrefix(expression, "(")
	var value strings.Builder
	for first := true; ; first = false {
		if !first {
			switch {
			case rest == "" && !bracketed, rest == ")" && bracketed:
				return value.String(), nil
			case bracketed && strings.HasPrefix(rest, " + "):
				rest = rest[3:]
			default:
				return "", fmt.Errorf("unexpected %q", rest)
			}
		}
		if number, ok := strings.CutPrefix(rest, "[char]::ConvertFromUtf32(0x"); ok {
			digits, after, _ := strings.Cut(number, ")")
			code, err := strconv.ParseInt(digits, 16, 32)
			if err != nil {
				return "", err
			}
			value.WriteRune(rune(code))
			rest = after
			continue
		}
		body, ok := strings.CutPrefix(rest, "'")
		if !ok {
			return "", fmt.Errorf("unexpected %q", rest)
		}
		for {
			literal, after, ok := strings.Cut(body, "'")
			if !ok {
				return "", fmt.Errorf("string never ends: %q", rest)
			}
			value.WriteString(literal)
			if !strings.HasPrefix(after, "'") {
				rest = after
				break
			}
			value.WriteByte('\'')
			body = after[1:]
		}
	}
}

func render(t *testing.T, a Access) string {
	t.Helper()
	var b strings.Builder
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
