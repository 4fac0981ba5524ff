package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/plan"
	"github.com/mailferry/mailferry/internal/seal"
)

// knocks stands in the place of a Temporal server and counts who comes. It answers nobody.
type knocks struct {
	address string
	come    chan struct{}
}

func newKnocks(t *testing.T) *knocks {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &knocks{listener.Addr().String(), make(chan struct{}, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			k.come <- struct{}{}
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return k
}

const launchPlan = `tenant: contoso
organisation: Contoso Ltd
domains: [contoso.com]
microsoft: {tenantId: contoso.onmicrosoft.com, clientId: 66666666-7777-8888-9999-000000000000, secret: {env: LAUNCH_TEST_SECRET}}
endpoints: [{name: old, host: imap.contoso.com}]
dns: {mode: manual}
notices: {from: it@contoso.com, before: {host: smtp.contoso.com}, after: {host: smtp.office365.com}}
users: {licence: EXCHANGESTANDARD, usageLocation: DE}
waves: [{name: all}]
archive: file:///srv/mailferry
`

// launchWith runs starter launch on a plan and a list.
func (k *knocks) launchWith(t *testing.T, planText, csv string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("LAUNCH_TEST_SECRET", "hunter2")
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(folder, "none.toml"))
	_, public, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"plan.yaml": fmt.Sprintf("sealTo: %s\n%s", public, planText), "list.csv": csv} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := false
	root := newRoot(&began)
	var out, messages bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&messages)
	root.SetArgs(append([]string{
		"launch", "--plan", filepath.Join(folder, "plan.yaml"), "--csv", filepath.Join(folder, "list.csv"),
		"--address", k.address, "--client-connect-timeout", "200ms",
	}, args...))
	err = root.ExecuteContext(t.Context())
	return out.String(), messages.String(), err
}

// A list that isn't accepted starts nothing and changes nothing: the server isn't even spoken to.
func TestLaunchOfABadListCallsNobody(t *testing.T) {
	const header, ada = "EmailAddress,UserName,Password,DisplayName,Endpoint,Licence,UsageLocation,Wave\n", "ada@contoso.com,ada,s3cret,,,,,\n"
	utf16 := func(text string) string {
		var data []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			data = append(data, byte(unit), byte(unit>>8))
		}
		return string(data)
	}
	many := func(rows int) string {
		var b strings.Builder
		for i := range rows {
			fmt.Fprintf(&b, "user%d@contoso.com,user%d,s3cret\n", i, i)
		}
		return b.String()
	}
	k := newKnocks(t)
	for _, test := range []struct{ name, plan, csv, want string }{
		{"missing header", launchPlan, "EmailAddress,Password\nada@contoso.com,s3cret\n", "list.csv:1: UserName: the column is missing"},
		{"header twice", launchPlan, "EmailAddress,UserName,Password,Username\nada@contoso.com,ada,s3cret,x\n", "list.csv:1:4: UserName: is the name of column 2 too"},
		{"unknown header", launchPlan, "EmailAddress,UserName,Password,Shoe\nada@contoso.com,ada,s3cret,x\n", "list.csv:1:4: the name of column 4 is not known"},
		{"unequal columns", launchPlan, header + "ada@contoso.com,ada,s3,cret\n", "list.csv:2: has 4 cells where the header has 8"},
		{"empty cell", launchPlan, header + ",ada,s3cret,,,,,\n", "list.csv:2:1: EmailAddress: is empty"},
		{"address twice", launchPlan, header + ada + "ADA@CONTOSO.COM,ben,s3cret,,,,,\n", "list.csv:3:1: EmailAddress: is the address of line 2 too"},
		{"outside the domains", launchPlan, header + "ada@example.com,ada,s3cret,,,,,\n", "list.csv:2:1: EmailAddress: is outside the plan's domains"},
		{"source account twice", launchPlan, header + ada + "ben@contoso.com,Ada,s3cret,,,,,\n", "list.csv:3:2: UserName: is the source account of line 2 too"},
		{"unknown endpoint", launchPlan, header + "ada@contoso.com,ada,s3cret,,s3,,,\n", "list.csv:2:5: Endpoint: is not an endpoint of the plan"},
		{"unknown licence", launchPlan, header + "ada@contoso.com,ada,s3cret,,,s3,,\n", "list.csv:2:6: Licence: is not a licence of the plan"},
		{"unknown country", launchPlan, header + "ada@contoso.com,ada,s3cret,,,,s3,\n", "list.csv:2:7: UsageLocation: is not a country"},
		{"unknown wave", launchPlan, header + "ada@contoso.com,ada,s3cret,,,,,s3\n", "list.csv:2:8: Wave: is not a wave of the plan"},
		{"control character", launchPlan, header + "ada@contoso.com,ada,s3\x07cret,,,,,\n", "list.csv:2:3: Password: holds a control character"},
		{"undecodable bytes", launchPlan, header + "ada@contoso.com,ada,s3cr\xe9t,,,,,\n", "list.csv:2:3: Password: holds bytes that are not characters"},
		{"undecodable UTF-16", launchPlan, utf16("\ufeffEmailAddress,UserName,Password\nada@contoso.com,ada,s3cret") + "\x00\xd8", "list.csv:2:3: Password: holds bytes that are not characters"},
		{"too many rows", launchPlan, "EmailAddress,UserName,Password\n" + many(50_001), "has more than 50000 rows"},
		{"too large", launchPlan, strings.Repeat("s3cret", 2_000_000), "at most 10485760 are allowed"},
		{"plan with an unknown key", launchPlan + "tennant: x\n", header + ada, "plan.yaml:12:1: tennant: is not a key that belongs here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, messages, err := k.launchWith(t, test.plan, test.csv)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			var faults plan.Faults
			if !errors.As(err, &faults) {
				t.Errorf("the error is a %T, so the command line doesn't say that nothing was done", err)
			}
			if strings.Contains(out+messages+err.Error(), "s3") {
				t.Errorf("a cell is shown: %s %s %v", out, messages, err)
			}
			if out != "" {
				t.Errorf("it printed %q", out)
			}
		})
	}
	if n := len(k.come); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// Warnings keep a launch from beginning until their own code is given.
func TestLaunchAsksForAcknowledgement(t *testing.T) {
	const crossed = "EmailAddress,UserName,Password\nada@contoso.com,ben@old.example,s3cret\n"
	k := newKnocks(t)
	for _, args := range [][]string{nil, {"--acknowledge", "00000000"}} {
		_, messages, err := k.launchWith(t, launchPlan, crossed, args...)
		if !operator.IsKind(err, operator.Invalid) || !strings.Contains(messages, "mail of ben@old.example goes to ada@contoso.com") {
			t.Errorf("launch %v: %v, %s", args, err, messages)
		}
	}
	if n := len(k.come); n > 0 {
		t.Fatalf("%d connections were made before the warning was acknowledged", n)
	}
	_, _, err := k.launchWith(t, launchPlan, crossed)
	var known *operator.Error
	if !errors.As(err, &known) || len(known.Hints) == 0 {
		t.Fatalf("no hint says how to acknowledge: %v", err)
	}
	code := regexp.MustCompile(`--acknowledge ([0-9a-f]+)`).FindStringSubmatch(known.Hints[0])
	if code == nil {
		t.Fatalf("the hint has no code: %q", known.Hints[0])
	}
	// Acknowledged, it goes to the server, which doesn't answer.
	if _, _, err := k.launchWith(t, launchPlan, crossed, "--acknowledge", code[1]); !operator.IsKind(err, operator.Unreachable) {
		t.Errorf("acknowledged: %v", err)
	}
	if len(k.come) == 0 {
		t.Error("no connection was made when the warning was acknowledged")
	}
}

func TestQuestionEndsByAnAnswerOrAnInterrupt(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "n\n": false, "\n": false, "": false, "yes please\n": false, "why\n": false} {
		if err := saysYes(t.Context(), strings.NewReader(answer)); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
	nobody, end := io.Pipe()
	defer end.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := saysYes(ctx, nobody); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
