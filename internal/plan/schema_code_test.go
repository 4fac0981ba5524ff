package plan

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// editor is what an editor says of a plan, by the published schema.
func editor(t *testing.T) func(text string) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return err
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(plan)
	}
}

// What the code accepts an editor doesn't mark.
func TestSchemaTakesWhatTheCodeTakes(t *testing.T) {
	example, err := os.ReadFile("../../docs/examples/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refused := editor(t)
	for name, text := range map[string]string{
		"smallest":           smallest,
		"example":            string(example),
		"example, spelt out": spelt(string(example)),
		"routing alone":      smallest + "routing: {required: [records, trace]}\n",
		"master":             strings.Replace(smallest, "host: imap.contoso.com", "host: imap.contoso.com, auth: master, masterUser: m, masterPassword: {env: PLAN_TEST_SECRET}", 1),
	} {
		if err := refused(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// beyond are the faults that an editor doesn't see: they lie in other files, between two values, in how YAML is written, or
// in what only a parser of names and addresses knows.
var beyond = []string{
	"alias", "hexadecimal", "octal, or not", "fraction", "no wait", "delta too long", "domain", "domain twice", "variable not set",
	"certificate without key", "host with port", "endpoint twice", "plain over the network", "CA not there", "CA is no PEM", "CA with key",
	"TSIG not base64", "TSIG algorithm", "resolver", "DKIM", "secret's file is empty", "Microsoft's own domain", "another encoding",
	"documents after the end", "merge key", "indentation", "country", "wave twice", "no proof from outside", "control character",
}

// What an editor doesn't mark the code may refuse, but only for reasons that no schema knows.
func TestSchemaRefusesWhatTheCodeRefuses(t *testing.T) {
	refused := editor(t)
	var missed []string
	for _, fault := range planFaults {
		if refused(strings.Replace(smallest, fault.old, fault.new, 1)) == nil {
			missed = append(missed, fault.name)
		}
	}
	if !slices.Equal(missed, beyond) {
		t.Errorf("an editor doesn't mark\n%q\nand can't be expected to mark\n%q", missed, beyond)
	}
}
