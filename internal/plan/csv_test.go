package plan

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/mailferry/mailferry/internal/migration"
)

// testPlan has two endpoints and two waves, so that nothing has a default.
func testPlan() *migration.Plan {
	return &migration.Plan{
		Domains:   []string{"contoso.com", "contoso.co.uk"},
		Endpoints: []migration.Endpoint{{Name: "old", Auth: migration.AuthPassword}, {Name: "master", Auth: migration.AuthMaster}},
		Users:     migration.Users{Licence: "EXCHANGESTANDARD", UsageLocation: "DE", Licences: []string{"SPE_E3"}},
		Waves:     []migration.Wave{{Name: "pilot"}, {Name: "main"}},
	}
}

// simplePlan has one of each.
func simplePlan() *migration.Plan {
	p := testPlan()
	p.Endpoints, p.Waves = p.Endpoints[:1], p.Waves[:1]
	return p
}

const (
	header   = "EmailAddress,UserName,Password"
	adaRow   = "ada@contoso.com,ada,s3cret-1"
	graceRow = "grace@contoso.com,grace,s3cret-2"
)

func TestCSV(t *testing.T) {
	full := "Wave,EMAILADDRESS, UserName ,Password,UserRoot,DisplayName,Endpoint,SourceAddress,Type,Licence,UsageLocation,Language,Live\n" +
		`Main, Ada@Contoso.COM ,ada,"a,b""c ",/Users/ada/,"Lovelace, Ada",OLD,ada@old.example,Shared,SPE_E3,gb,EN-gb,Yes` + "\n"
	got, warnings, err := decodeCSV("list.csv", []byte(full), testPlan(), seal)
	if err != nil {
		t.Fatal(err)
	}
	want := []migration.Mailbox{{
		Address: "ada@contoso.com", User: "ada", Password: "sealed(6)", UserRoot: "/Users/ada/", DisplayName: "Lovelace, Ada", Endpoint: "old",
		SourceAddress: "ada@old.example", Type: migration.SharedMailbox, Licence: "SPE_E3", UsageLocation: "GB", Language: "en-GB", Wave: "main", Live: true,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mailboxes (-want +got):\n%s", diff)
	}
	if len(warnings) != 1 || warnings[0].String() != "list.csv:2:4: Password: begins or ends with a blank, which is taken as a part of it (take it away unless it is meant)" {
		t.Errorf("warnings: %v", warnings)
	}
}

// However a program writes it, it is the same list.
func TestCSVForms(t *testing.T) {
	plain := header + ",DisplayName\nada@contoso.com,ada,s3cret,Ádá\n"
	semicolons := strings.ReplaceAll(plain, ",", ";")
	tabs := strings.ReplaceAll(plain, ",", "\t")
	forms := map[string]string{
		"UTF-8":                      plain,
		"UTF-8 with mark and CRLF":   "\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n"),
		"without the last line end":  strings.TrimSpace(plain),
		"CR alone":                   strings.ReplaceAll(plain, "\n", "\r"),
		"quoted":                     `"` + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(plain), ",", `","`), "\n", "\"\n\"") + `"`,
		"semicolons":                 semicolons,
		"semicolons and sep=":        "sep=;\r\n" + semicolons,
		"empty lines":                "\n" + plain + "\n\n,,,\n",
		"mixed line ends":            strings.Replace(strings.Replace(plain, "\n", "\r", 1), "\n", "\r\r\n", 1),
		"two marks":                  "\ufeff\ufeff" + plain,
		"sep= that was saved again":  "sep=,,,\r\n" + plain,
		"sep= in quotes":             "\"sep=;\"\r\n" + semicolons,
		"columns that are empty":     ",EmailAddress,UserName,Password,,DisplayName,\n,ada@contoso.com,ada,s3cret, ,Ádá,\n",
		"invisible in the header":    strings.Replace(plain, "UserName", "\u00a0User\u200bName\u00a0", 1),
		"UTF-16 little endian, tabs": utf16Of("\ufeff"+tabs, false),
		"UTF-16 big endian":          utf16Of("\ufeff"+plain, true),
		"UTF-16 without mark":        utf16Of(plain, false),
		"UTF-16 BE without mark":     utf16Of(plain, true),
	}
	want := []migration.Mailbox{{Address: "ada@contoso.com", User: "ada", Password: "sealed(6)", DisplayName: "Ádá", Endpoint: "old", Wave: "pilot"}}
	for name, data := range forms {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := decodeCSV("list.csv", []byte(data), simplePlan(), seal)
			if err != nil || len(warnings) != 0 {
				t.Fatalf("warnings %v, error %v", warnings, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mailboxes (-want +got):\n%s", diff)
			}
		})
	}
}

// utf16Of writes the text in UTF-16 of either order.
func utf16Of(text string, big bool) string {
	var data []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		low, high := byte(unit), byte(unit>>8)
		if big {
			low, high = high, low
		}
		data = append(data, low, high)
	}
	return string(data)
}

// A password may hold anything that can be typed, and arrives as it is in the file.
func TestCSVPasswordsSurvive(t *testing.T) {
	var printable strings.Builder
	for c := ' '; c <= '~'; c++ {
		printable.WriteRune(c)
	}
	passwords := []string{
		printable.String(), " leading", "trailing ", " ", "a,b", "a;b", `"`, `""quoted""`, "=1+1", "'", `\n`, "pässwörd", "密码🔑", "\u00a0no-break",
		"sep=;", "#", "null", "0123",
	}
	for name, form := range map[string]func(string) string{
		"as it is":                   func(text string) string { return text },
		"CRLF and mark":              func(text string) string { return "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n") },
		"UTF-16 little endian":       func(text string) string { return utf16Of("\ufeff"+text, false) },
		"UTF-16 big endian, no mark": func(text string) string { return utf16Of(text, true) },
	} {
		for _, comma := range []string{",", ";", "\t"} {
			list := strings.ReplaceAll(header, ",", comma) + "\n"
			for i, password := range passwords {
				quoted := password
				if strings.ContainsAny(password, comma+`"`) {
					quoted = `"` + strings.ReplaceAll(password, `"`, `""`) + `"`
				}
				list += fmt.Sprintf("user%d@contoso.com%suser%d%s%s\n", i, comma, i, comma, quoted)
			}
			var sealed []string
			keep := func(secret []byte) (migration.Sealed, error) {
				sealed = append(sealed, string(secret))
				return "sealed", nil
			}
			if _, _, err := decodeCSV("list.csv", []byte(form(list)), simplePlan(), keep); err != nil {
				t.Fatalf("%s, %q: %v", name, comma, err)
			}
			if diff := cmp.Diff(passwords, sealed); diff != "" {
				t.Errorf("%s, %q: passwords (-want +got):\n%s", name, comma, diff)
			}
		}
	}
}

// Each fault has one message with line and column, and none shows what is in a cell.
func TestCSVFaults(t *testing.T) {
	wide := header + ",Endpoint,Wave,SourceAddress,Type,Licence,UsageLocation,Language,Live\n"
	row := func(replace ...string) string {
		return strings.NewReplacer(replace...).Replace("ada@contoso.com,ada,s3cret,old,pilot,ada@old.example,user,SPE_E3,DE,de,no\n")
	}
	tests := []struct {
		name, csv string
		plan      func() *migration.Plan
		want      string
	}{
		{"empty", "", simplePlan, `list.csv:1: is empty (begin with the header EmailAddress,UserName,Password)`},
		{"no header", adaRow, simplePlan, `list.csv:1: has no header (begin with the line EmailAddress,UserName,Password)`},
		{"no rows", header, simplePlan, `list.csv:1: has no rows (write a line for each mailbox below the header)`},
		{"missing header", "EmailAddress,Password\nada@contoso.com,s3cret", simplePlan, `list.csv:1: UserName: the column is missing (the header must have EmailAddress, UserName, Password)`},
		{"header twice", header + ",username\n" + adaRow + ",x", simplePlan, `list.csv:1:4: UserName: is the name of column 2 too (keep one)`},
		{"unknown header", header + ",Licenze\n" + adaRow + ",x", simplePlan, `list.csv:1:4: the name of column 4 is not known (known names: EmailAddress, UserName, Password, UserRoot, DisplayName, Endpoint, SourceAddress, Type, Licence, UsageLocation, Language, Wave, Live)`},
		{"unequal columns", header + "\n" + adaRow + ",x\n" + graceRow, simplePlan, `list.csv:2: has 4 cells where the header has 3 (put a cell that holds the separator into quotes, and leave no cell out)`},
		{"quote in a cell", header + "\n" + "ada@contoso.com,ada,s3\"cret\n" + graceRow, simplePlan, `list.csv:2: has a quote inside a cell that isn't quoted (put the whole cell into quotes and double the quote in it: "pass""word")`},
		{"quote not closed", header + "\n" + graceRow + "\nada@contoso.com,ada,\"s3cret\n", simplePlan, `list.csv:3: opens a quote that isn't closed where the cell ends (double a quote that belongs to the cell: "pass""word")`},
		{"quote in the header", header + "\"\n" + adaRow, simplePlan, `list.csv:1: has a quote inside a cell that isn't quoted (put the whole cell into quotes and double the quote in it: "pass""word")`},
		{"no address", header + "\n,ada,s3cret", simplePlan, `list.csv:2:1: EmailAddress: is empty (every row needs the address of its mailbox in Microsoft 365)`},
		{"no user", header + "\nada@contoso.com, ,s3cret", simplePlan, `list.csv:2:2: UserName: is empty (every row needs the name to sign in with at the source)`},
		{"no password", header + "\nada@contoso.com,ada,", simplePlan, `list.csv:2:3: Password: is empty (the endpoint signs in with each mailbox's own password)`},
		{"not an address", header + "\nada,ada,s3cret", simplePlan, `list.csv:2:1: EmailAddress: is not an address (write it like ada@contoso.com)`},
		{"character before the @", header + "\na&b@contoso.com,ada,s3cret", simplePlan, `list.csv:2:1: EmailAddress: has a character before the @ that Microsoft 365 does not take (it takes letters a-z, digits and ' . - _ ! # ^ ~ +)`},
		{"outside the domains", header + "\nada@example.com,ada,s3cret", simplePlan, `list.csv:2:1: EmailAddress: is outside the plan's domains (the plan has contoso.com, contoso.co.uk)`},
		{"address twice", header + "\n" + adaRow + "\nADA@contoso.com,ada2,s3cret", simplePlan, `list.csv:3:1: EmailAddress: is the address of line 2 too (each mailbox has one row)`},
		{"source account twice", header + "\n" + adaRow + "\ngrace@contoso.com,Ada,s3cret", simplePlan, `list.csv:3:2: UserName: is the source account of line 2 too (two mailboxes cannot have the same mail)`},
		{"unknown endpoint", wide + row(",old,", ",s3cret,"), testPlan, `list.csv:2:4: Endpoint: is not an endpoint of the plan (the plan has old, master)`},
		{"no endpoint", wide + row(",old,", ",,"), testPlan, `list.csv:2:4: Endpoint: is empty, and the plan has several endpoints (the plan has old, master)`},
		{"unknown wave", wide + row(",pilot,", ",s3cret,"), testPlan, `list.csv:2:5: Wave: is not a wave of the plan (the plan has pilot, main)`},
		{"no wave", wide + row(",pilot,", ",,"), testPlan, `list.csv:2:5: Wave: is empty, and the plan has several waves (the plan has pilot, main)`},
		{"source address", wide + row("ada@old.example", "s3cret"), testPlan, `list.csv:2:6: SourceAddress: is not an address (write it like ada@old.example, or leave it empty if it is the same as EmailAddress)`},
		{"unknown type", wide + row(",user,", ",s3cret,"), testPlan, `list.csv:2:7: Type: is not a type of mailbox (write "user", "shared", "room" or "equipment")`},
		{"unknown licence", wide + row("SPE_E3", "s3cret"), testPlan, `list.csv:2:8: Licence: is not a licence of the plan (the plan has EXCHANGESTANDARD, SPE_E3; add others to users.licences)`},
		{"unknown country", wide + row(",DE,", ",UK,"), testPlan, `list.csv:2:9: UsageLocation: is not a country (write the two letters of ISO 3166, like DE or US)`},
		{"unknown language", wide + row(",de,", ",s3cret-german,"), testPlan, `list.csv:2:10: Language: is not a language (write it like de, en-GB or fr)`},
		{"live", wide + row(",no\n", ",s3cret\n"), testPlan, `list.csv:2:11: Live: is neither yes nor no (write one of them, or leave the cell empty)`},
		{"control character", header + "\nada@contoso.com,ada,s3\x07cret", simplePlan, `list.csv:2:3: Password: holds a control character or a line break (type the cell anew)`},
		{"line break in a cell", header + "\n" + graceRow + "\nada@contoso.com,ada,\"s3\ncret\"", simplePlan, `list.csv:3:3: Password: holds a control character or a line break (type the cell anew)`},
		{"zero-width space", header + "\nada@contoso.com,a\u200bda,s3cret", simplePlan, `list.csv:2:2: UserName: holds an invisible character (type the cell anew)`},
		{"bytes of another encoding", header + "\nada@contoso.com,ada,s3cr\xe9t", simplePlan, `list.csv:2:3: Password: holds bytes that are not characters (save the list again as "CSV UTF-8")`},
		{"columns mixed up", header + "\ns3cret,ben@old.example,ada@contoso.com\ns3cret@x.example,s3cret,grace@contoso.com", simplePlan, "list.csv:2:1: EmailAddress: is not an address (write it like ada@contoso.com)\nlist.csv:3:1: EmailAddress: is outside the plan's domains (the plan has contoso.com, contoso.co.uk)"},
		{"column without a name", header + ",\n" + adaRow + ",\n" + graceRow + ",s3\nben@contoso.com,ben,x,s3\n", simplePlan, `list.csv:3:4: stands in a column without a name (name the column in the header, or empty it)`},
		{"workbook", "PK\x03\x04\x14\x00s3cret", simplePlan, `list.csv:1: is a workbook or an archive, not a CSV (save the list as "CSV UTF-8")`},
		{"old workbook", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", simplePlan, `list.csv:1: is a workbook or an archive, not a CSV (save the list as "CSV UTF-8")`},
		{"letter that looks Latin", header + "\nad\u0430@contoso.com,ada,s3cret", simplePlan, `list.csv:2:1: EmailAddress: holds a letter that is none of a-z, though it may look so (type the cell anew; a domain with other letters is written in its xn-- form)`},
		{"sign that becomes a letter", header + "\n\u212Aen@contoso.com,ken,s3cret", simplePlan, `list.csv:2:1: EmailAddress: holds a letter that is none of a-z, though it may look so (type the cell anew; a domain with other letters is written in its xn-- form)`},
		{"source address with other letters", wide + row("ada@old.example", "ada@bücher.example"), testPlan, `list.csv:2:6: SourceAddress: holds a letter that is none of a-z, though it may look so (type the cell anew; a domain with other letters is written in its xn-- form)`},
		{"UTF-16 cut in the header", "E\x00m\x00a\x00\x00\xd8", simplePlan, `list.csv:1: has no header (begin with the line EmailAddress,UserName,Password)`},
		{"UTF-16 cut in a character", utf16Of("\ufeff"+header+"\n"+adaRow, false)[:len(header+adaRow)*2+3], simplePlan, `list.csv:2:3: Password: holds bytes that are not characters (save the list again as "CSV UTF-8")`},
		{"UTF-16 with half a pair", utf16Of("\ufeff"+header+"\n"+adaRow, true) + "\xd8\x00", simplePlan, `list.csv:2:3: Password: holds bytes that are not characters (save the list again as "CSV UTF-8")`},
		{"source account with and without a root", header + ",UserRoot\n" + adaRow + ",/users/ada\ngrace@contoso.com,ada,s3cret,", simplePlan, `list.csv:3:2: UserName: is the source account of line 2 too (two mailboxes cannot have the same mail)`},
		{"root below another's", header + ",UserRoot\n" + adaRow + ",/users/ada/\ngrace@contoso.com,ada,s3cret,/users/ada/grace", simplePlan, `list.csv:3:2: UserName: is the source account of line 2 too (two mailboxes cannot have the same mail)`},
		{"root above another's", header + ",UserRoot\n" + adaRow + ",/users/ada\ngrace@contoso.com,ada,s3cret,/users/", simplePlan, `list.csv:3:2: UserName: is the source account of line 2 too (two mailboxes cannot have the same mail)`},
		{"the same root", header + ",UserRoot\n" + adaRow + ",/users/ada\ngrace@contoso.com,ada,s3cret,/users/ada/", simplePlan, `list.csv:3:2: UserName: is the source account of line 2 too (two mailboxes cannot have the same mail)`},
		{"long cell", header + "\nada@contoso.com,ada," + strings.Repeat("s3cret", 200), simplePlan, `list.csv:2:3: Password: has more than 1024 bytes (look for a quote that isn't closed)`},
		{"wave too large", header + "\n" + manyRows(501), simplePlan, `list.csv:502: Wave: is the row by which wave "pilot" has more than 500 mailboxes (add a wave to the plan and deal the rows out)`},
		{"too many rows", header + ",Wave\n" + manyRowsInWaves(50_001), manyWaves, `list.csv:50002: has more than 50000 rows (split it into several migrations)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, warnings, err := decodeCSV("list.csv", []byte(test.csv), test.plan(), seal)
			if err == nil || got != nil {
				t.Fatalf("accepted; want %s", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
			if strings.Contains(err.Error()+fmt.Sprint(warnings), "s3") {
				t.Errorf("a cell is shown: %v, %v", err, warnings)
			}
			haveRemedies(t, err)
		})
	}
}

// haveRemedies checks that every fault says what to do.
func haveRemedies(t *testing.T, err error) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) {
		t.Errorf("the error is a %T: %v", err, err)
	}
	for _, fault := range faults {
		if fault.Remedy == "" {
			t.Errorf("%q says nothing of what to do", fault)
		}
	}
}

func manyRows(n int) string {
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, "user%d@contoso.com,user%d,x\n", i, i)
	}
	return rows.String()
}

func manyRowsInWaves(n int) string {
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, "user%d@contoso.com,user%d,x,wave%d\n", i, i, i/500)
	}
	return rows.String()
}

func manyWaves() *migration.Plan {
	p := simplePlan()
	p.Waves = nil
	for i := range 101 {
		p.Waves = append(p.Waves, migration.Wave{Name: fmt.Sprintf("wave%d", i)})
	}
	return p
}

func TestCSVAllFaultsAtOnce(t *testing.T) {
	_, _, err := decodeCSV("list.csv", []byte(header+"\n,ada,\n"+adaRow+",\nada@example.com,,x\n"), simplePlan(), seal)
	want := strings.Join([]string{
		"list.csv:2:1: EmailAddress: is empty (every row needs the address of its mailbox in Microsoft 365)",
		"list.csv:2:3: Password: is empty (the endpoint signs in with each mailbox's own password)",
		"list.csv:3: has 4 cells where the header has 3 (put a cell that holds the separator into quotes, and leave no cell out)",
		"list.csv:4:1: EmailAddress: is outside the plan's domains (the plan has contoso.com, contoso.co.uk)",
		"list.csv:4:2: UserName: is empty (every row needs the name to sign in with at the source)",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestCSVSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), maxCSV+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := ReadCSV(path, simplePlan(), seal)
	if err == nil || err.Error() != "list.csv: has 10485761 bytes; at most 10485760 are allowed (split it into several migrations)" {
		t.Errorf("a file over 10 MB: %v", err)
	}
	haveRemedies(t, err)
	long := strings.Repeat("x", 1000)
	_, _, err = decodeCSV("list.csv", []byte("EmailAddress,UserName,Password,DisplayName,UserRoot\nada@contoso.com,ada,x,"+long+","+long+"\n"), simplePlan(), seal)
	if err == nil || err.Error() != "list.csv:2: has 2128 bytes with its sealed password; at most 2048 are allowed (shorten its cells)" {
		t.Errorf("a row over 2 kB: %v", err)
	}
}

func TestCrossedRows(t *testing.T) {
	tests := []struct{ name, rows, want string }{
		{"address as sign-in name", "ada@contoso.com,ada@old.example,x", ""},
		{"plain sign-in names tell nothing", "ada@contoso.com,u1001,x", ""},
		{"another's address", "ada@contoso.com,grace@old.example,x", "list.csv:2:2: UserName: the source account's name is not the mailbox's: mail of grace@old.example goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"another row's name", "ada@contoso.com,grace,x\ngrace@contoso.com,g.hopper,x", "list.csv:2:2: UserName: the source account's name is not the mailbox's, but that of line 3: mail of grace@contoso.com goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"another row's name in a Windows domain", "ada@contoso.com,CONTOSO\\Grace,x\ngrace@contoso.com,CONTOSO\\g.hopper,x", "list.csv:2:2: UserName: the source account's name is not the mailbox's, but that of line 3: mail of grace@contoso.com goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"the same name in another domain of the plan", "ada@contoso.com,ada@contoso.co.uk,x\nada@contoso.co.uk,lovelace,x", "list.csv:2:2: UserName: the source account's name is not the mailbox's, but that of line 3: mail of ada@contoso.co.uk goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"the same plain name in two domains", "ada@contoso.com,a1,x\nada@contoso.co.uk,ada,x", ""},
		{"the same name in a domain where nobody has it", "ada@contoso.com,ada@contoso.co.uk,x", ""},
		{"a sign-in name that is the password", "ada@contoso.com,p@ss.example,p@ss.example", "list.csv:2:2: UserName: the source account's name is not the mailbox's: its mail goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"the source address fits, the sign-in name doesn't", "ada@contoso.com,grace@old.example,x,ada@old.example", "list.csv:2:2: UserName: the source account's name is not the mailbox's: mail of grace@old.example goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
		{"the source address differs", "ada@contoso.com,u1001,x,a.lovelace@old.example", "list.csv:2:4: SourceAddress: the source account's name is not the mailbox's: mail of a.lovelace@old.example goes to ada@contoso.com (make sure that no two people's mail is crossed)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := header
			if strings.Count(test.rows, ",") == 3 {
				header += ",SourceAddress"
			}
			_, warnings, err := decodeCSV("list.csv", []byte(header+"\n"+test.rows), simplePlan(), seal)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, w := range warnings {
				lines = append(lines, w.String())
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if (Acknowledgement(warnings) == "") != (test.want == "") {
				t.Errorf("acknowledgement is %q", Acknowledgement(warnings))
			}
		})
	}
}

// A code acknowledges what was shown, so it names who is crossed with whom.
func TestAcknowledgementIsOfThesePeople(t *testing.T) {
	code := func(rows string) string {
		_, warnings, err := decodeCSV("list.csv", []byte(header+"\n"+rows), simplePlan(), seal)
		if err != nil || len(warnings) != 1 {
			t.Fatalf("warnings %v, error %v", warnings, err)
		}
		return Acknowledgement(warnings)
	}
	if code("ada@contoso.com,grace,x\ngrace@contoso.com,u7,x") == code("ada@contoso.com,eve,x\neve@contoso.com,u7,x") {
		t.Error("who has seen grace's mail go to ada has acknowledged that eve's does")
	}
}

// What a spreadsheet or a word processor makes of a cell is seldom what was typed.
func TestMangledCells(t *testing.T) {
	const spreadsheet, quotes = "looks like what a spreadsheet made of it (format the column as text, and type the cell anew)", "is in typographic quotes, which are taken as a part of it (take them away unless they are meant)"
	for _, test := range []struct{ row, want string }{
		{"1.23457E+12,x,Ada", "list.csv:2:2: UserName: " + spreadsheet},
		{"ada,\"1,2E+10\",Ada", "list.csv:2:3: Password: " + spreadsheet},
		{"ada,#NAME?,Ada", "list.csv:2:3: Password: " + spreadsheet},
		{"ada,x,#N/A", "list.csv:2:4: DisplayName: " + spreadsheet},
		{"\u201cada\u201d,x,Ada", "list.csv:2:2: UserName: " + quotes},
		{"ada,\u201ex\u201c,Ada", "list.csv:2:3: Password: " + quotes},
		{"E1001,#PASS!word,Ada", ""},
		{"1001,1E5,\u201c", ""},
	} {
		_, warnings, err := decodeCSV("list.csv", []byte(header+",DisplayName\nada@contoso.com,"+test.row), simplePlan(), seal)
		if got := fmt.Sprint(warnings); err != nil || got != "["+test.want+"]" {
			t.Errorf("%s: warnings %s, want %s; error %v", test.row, got, test.want, err)
		}
	}
}

func TestPasswordsOfMasterEndpointsAreNotKept(t *testing.T) {
	p := simplePlan()
	p.Endpoints[0].Auth = migration.AuthMaster
	got, warnings, err := decodeCSV("list.csv", []byte(header+"\n"+adaRow+"\n"+graceRow), p, seal)
	if err != nil || got[0].Password != "" || got[1].Password != "" {
		t.Errorf("mailboxes %v, error %v", got, err)
	}
	// One warning for all: 800 of them would hide those that matter.
	if want := "[list.csv:2:3: Password: is not used in 2 rows: their endpoint signs in by its master user (leave the column empty)]"; fmt.Sprint(warnings) != want {
		t.Errorf("warnings %v, want %s", warnings, want)
	}
	if got, _, err = decodeCSV("list.csv", []byte("EmailAddress,UserName\nada@contoso.com,ada"), p, seal); err != nil || len(got) != 1 {
		t.Errorf("without a password column: %v, %v", got, err)
	}
	// One sign-in serves several mailboxes where each names its root.
	rooted := "EmailAddress,UserName,UserRoot\nada@contoso.com,admin,/users/ada\ngrace@contoso.com,admin,/users/grace\nada2@contoso.com,admin,/users/ada2"
	if got, _, err = decodeCSV("list.csv", []byte(rooted), p, seal); err != nil || len(got) != 3 {
		t.Errorf("rows with roots: %v, %v", got, err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte(header + "\n" + adaRow + "\n"))
	f.Add([]byte("\ufeffsep=;\r\n" + strings.ReplaceAll(header+"\r\n"+adaRow, ",", ";")))
	f.Add([]byte("E\x00m\x00a\x00i\x00l\x00"))
	f.Add([]byte("EmailAddress,UserName,Password,Wave\n\"a\"\"\nb,\xff,\r"))
	f.Fuzz(func(t *testing.T, data []byte) {
		mailboxes, _, err := decodeCSV("list.csv", data, testPlan(), seal)
		var faults Faults
		switch {
		case err == nil:
			for _, m := range mailboxes {
				if m.Address == "" || m.User == "" || m.Endpoint == "" || m.Wave == "" {
					t.Errorf("accepted %+v", m)
				}
			}
		case !errors.As(err, &faults):
			t.Errorf("the error is %v", err)
		case mailboxes != nil:
			t.Error("something of a refused list was given out")
		}
		for _, fault := range faults {
			if strings.ContainsAny(fault.String(), "\r\n") {
				t.Errorf("%q is not one line", fault)
			}
		}
	})
}

// The operators' page explains every column.
func TestColumnsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/operators/list.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range columns {
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/operators/list.md does not explain %s", name)
		}
	}
}
