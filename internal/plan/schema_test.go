package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

var update = flag.Bool("update", false, "write docs/plan.schema.json anew")

const schemaPath = "../../docs/plan.schema.json"

// The schema that editors use is made of the plan's type, its comments, its defaults and its checks, so it cannot say
// anything else than they do. To write it anew: go test ./internal/plan -run TestSchema -update
func TestSchema(t *testing.T) {
	b := newBuilder(t)
	root := b.object(reflect.TypeFor[document](), "", reflect.ValueOf(document{Plan: b.defaults}))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "The plan of a migration by Mailferry"
	root["$defs"] = map[string]any{"secret": map[string]any{
		"description":          "Where a secret is to be found: in an environment variable, or in a file beside the plan. Never the secret itself.",
		"type":                 "object",
		"properties":           map[string]any{"env": map[string]any{"type": "string", "pattern": variable.String()}, "file": map[string]any{"type": "string"}},
		"minProperties":        1,
		"maxProperties":        1,
		"additionalProperties": false,
	}}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaPath, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/plan.schema.json is not what the plan's type says; write it anew with: go test ./internal/plan -run TestSchema -update")
	}
}

type builder struct {
	t *testing.T
	// comments are those of the fields, by "Type.Field".
	comments map[string]string
	// required and given are paths without list numbers: what is missed in an empty plan, and what the smallest plan says.
	required, given []string
	// ranges are the least and the most that numbers may be, by path without list numbers.
	ranges   map[string][2]int
	defaults migration.Plan
}

func newBuilder(t *testing.T) *builder {
	b := &builder{t: t, comments: comments(t)}
	t.Setenv("PLAN_TEST_SECRET", testSecret)
	var written document
	d := newDecoder("plan.yaml", seal)
	d.value("", d.parse([]byte(smallest)), reflect.ValueOf(&written).Elem())
	for path := range d.places {
		b.given = append(b.given, pathPattern(path))
	}
	var err error
	if b.defaults, err = decode("plan.yaml", []byte(smallest), seal); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"{}", "endpoints: [{}]\nwaves: [{}]\nrouting: {relay: {}}"} {
		_, err = decode("plan.yaml", []byte(text), seal)
		for _, fault := range err.(Faults) {
			if path := pathPattern(fault.Field); fault.Text == "is missing" && !slices.Contains(conditional, path) {
				b.required = append(b.required, path)
			}
		}
	}
	_, err = decode("plan.yaml", []byte(allZero), seal)
	b.ranges = map[string][2]int{}
	for _, fault := range err.(Faults) {
		if found := notBetween.FindStringSubmatch(fault.Text); found != nil {
			low, _ := strconv.Atoi(found[1])
			high, _ := strconv.Atoi(found[2])
			b.ranges[pathPattern(fault.Field)] = [2]int{low, high}
		}
	}
	return b
}

// allZero has a nought for every number that has a least value.
const allZero = `endpoints: [{port: 0, mailboxesAtOnce: 0}]
target: {port: 0}
dns: {ttl: 0}
notices: {before: {port: 0}, after: {port: 0}, perMinute: 0}
copy: {connections: 0, sliceMessages: 0}
routing: {relay: {port: 0}}
`

var notBetween = regexp.MustCompile(`not from (\d+) to (\d+)$`)

// What is needed only beside something else, and how a schema says so. That the code sees it alike is tested with the
// plans that it refuses.
var (
	conditional = []string{"microsoft.secret", "routing.probeFrom"}
	rules       = map[string]map[string]any{
		"microsoft":      {"oneOf": []any{needs("secret"), needs("certificate")}},
		"routing":        together("relay", "probeFrom"),
		"endpoints[]":    where("auth", []string{"master", "proxy"}, needs("masterUser", "masterPassword"), without("masterUser", "masterPassword", "loginFormat")),
		"dns":            where("mode", []string{"rfc2136"}, needs("server", "tsigName", "tsigSecret"), without("server", "tsigName", "tsigAlgorithm", "tsigSecret")),
		"notices.before": bothOrNone("user", "password"),
		"notices.after":  bothOrNone("user", "password"),
		"routing.relay":  bothOrNone("user", "password"),
	}
	patterns = map[string]string{
		"tenant": tenantName.String(), "endpoints[].name": plainName.String(), "waves[].name": plainName.String(),
		"microsoft.clientId": guid.String(), "users.usageLocation": "^[A-Z]{2}$", "archive": "^file:///",
		"notices.from": somewhere, "notices.replyTo": somewhere, "routing.probeFrom": somewhere,
		"microsoft.login": "^https://", "microsoft.graph": "^https://", "microsoft.scope": "^https://",
	}
)

// somewhere is an address as far as an editor need know.
const somewhere = "^[^@]+@[^@]+$"

func needs(keys ...string) map[string]any { return map[string]any{"required": keys} }

func without(keys ...string) map[string]any {
	properties := map[string]any{}
	for _, key := range keys {
		properties[key] = false
	}
	return map[string]any{"properties": properties}
}

func where(key string, is []string, then, otherwise map[string]any) map[string]any {
	condition := map[string]any{"properties": map[string]any{key: map[string]any{"enum": is}}, "required": []string{key}}
	return map[string]any{"if": condition, "then": then, "else": otherwise}
}

func together(key string, needed ...string) map[string]any {
	return map[string]any{"dependentRequired": map[string]any{key: needed}}
}

func bothOrNone(a, b string) map[string]any {
	return map[string]any{"dependentRequired": map[string]any{a: []string{b}, b: []string{a}}}
}

// comments are the doc comments of the vocabulary's fields. A comment that speaks of several fields stands at the first.
func comments(t *testing.T) map[string]string {
	all := map[string]string{"document.SealTo": "SealTo is the workers' public key, as \"starter keygen\" prints it."}
	files, err := filepath.Glob("../migration/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vocabulary found: %v", err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				last := ""
				for _, field := range structure.Fields.List {
					if text := strings.Join(strings.Fields(field.Doc.Text()), " "); text != "" {
						last = text
					}
					for _, name := range field.Names {
						if field.Doc != nil || strings.Contains(last, name.Name) {
							all[spec.Name.Name+"."+name.Name] = last
						}
					}
				}
			}
			return true
		})
	}
	return all
}

var enums = map[string][]string{
	"endpoints[].security": words(securities), "notices.before.security": words(securities), "notices.after.security": words(securities),
	"routing.relay.security": words(securities), "endpoints[].auth": words(auths), "routing.required[]": words(proofKinds), "dns.mode": dnsModes,
	"dns.dkim[].type": {"CNAME"},
}

func words[S ~string](all []S) []string {
	var texts []string
	for _, word := range all {
		texts = append(texts, string(word))
	}
	return texts
}

func (b *builder) object(of reflect.Type, path string, value reflect.Value) map[string]any {
	properties, required := map[string]any{}, []string{}
	b.fields(of, path, value, properties, &required)
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		schema["required"] = slices.Compact(required)
	}
	maps.Copy(schema, rules[path])
	return schema
}

func (b *builder) fields(of reflect.Type, path string, value reflect.Value, properties map[string]any, required *[]string) {
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			b.fields(field.Type, path, value.Field(i), properties, required)
			continue
		}
		full := strings.TrimPrefix(path+"."+jsonName(field), ".")
		schema := b.value(field.Type, full, value.Field(i))
		if field.Name == "CA" {
			schema["description"] = "The path of a PEM bundle, relative to the plan's folder, that is trusted besides the system's authorities."
		} else if comment := b.comments[of.Name()+"."+field.Name]; comment != "" {
			schema["description"] = comment
		} else if remedy := remedies[full]; remedy != "" {
			schema["description"] = remedy
		}
		properties[jsonName(field)] = schema
		_, needs := schema["required"]
		if slices.Contains(b.required, full) || needs && field.Type.Kind() == reflect.Struct {
			*required = append(*required, jsonName(field))
		}
	}
}

func (b *builder) value(of reflect.Type, path string, value reflect.Value) map[string]any {
	schema := map[string]any{}
	switch {
	case of == sealedType:
		return map[string]any{"$ref": "#/$defs/secret"}
	case of == reflect.TypeFor[migration.Duration]():
		schema["type"], schema["pattern"] = "string", `^([0-9]+d|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$`
	case of.Kind() == reflect.Pointer:
		return b.value(of.Elem(), path, reflect.New(of.Elem()).Elem())
	case of.Kind() == reflect.Struct:
		return b.object(of, path, value)
	case of.Kind() == reflect.Slice:
		element := reflect.New(of.Elem()).Elem()
		if value.Len() > 0 && of.Elem().Kind() == reflect.Struct {
			element = value.Index(0)
		}
		schema["type"], schema["items"] = "array", b.value(of.Elem(), path+"[]", element)
		if slices.Contains(b.required, path) {
			schema["minItems"] = 1
		}
		if path == "waves" {
			schema["maxItems"] = maxWaves
		}
	case of.Kind() == reflect.String:
		schema["type"] = "string"
	case of.Kind() == reflect.Bool:
		schema["type"] = "boolean"
	default:
		schema["type"], schema["minimum"] = "integer", 0
	}
	if words := enums[path]; words != nil {
		schema["enum"] = words
	}
	if pattern := patterns[path]; pattern != "" {
		schema["pattern"] = pattern
	}
	if r, ok := b.ranges[path]; ok {
		schema["minimum"], schema["maximum"] = r[0], r[1]
	}
	if of.Kind() != reflect.Slice || of.Elem().Kind() == reflect.String {
		if !value.IsZero() && !slices.Contains(b.given, path) && !strings.HasSuffix(path, "[]") {
			schema["default"] = value.Interface()
		}
	}
	return schema
}

// Whatever a plan may say has a place in the schema with a word of explanation, and the example names it.
func TestEveryKeyIsExplained(t *testing.T) {
	b := newBuilder(t)
	example, err := os.ReadFile("../../docs/examples/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for i := range of.NumField() {
			field := of.Field(i)
			if name := jsonName(field); !field.Anonymous && !strings.Contains(string(example), name) {
				t.Errorf("docs/examples/plan.yaml does not mention %q (%s.%s)", name, of.Name(), field.Name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[document]())
	if len(b.ranges) != 10 {
		t.Errorf("the numbers that have bounds are %v", b.ranges)
	}
	if len(b.required) < 10 || !slices.Contains(b.required, "endpoints[].host") {
		t.Errorf("the keys that are required are %q", fmt.Sprint(b.required))
	}
}
