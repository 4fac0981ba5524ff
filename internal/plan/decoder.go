package plan

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/mailferry/mailferry/internal/migration"
)

// decoder puts a YAML tree into Go values and goes on after a fault, so that all are found at once. (The YAML library's
// own decoder stops at the first.)
type decoder struct {
	file string
	seal SealFunc
	// places are where each path that is given stands.
	places map[string]place
	// clear holds the secrets until the checks are done, by path.
	clear  map[string][]byte
	faults Faults
	// unreadable is set where there is no tree to check.
	unreadable bool
}

type place struct{ line, column int }

func newDecoder(file string, seal SealFunc) *decoder {
	return &decoder{file: file, seal: seal, places: map[string]place{}, clear: map[string][]byte{}}
}

var sealedType = reflect.TypeFor[migration.Sealed]()

// syntax reports what the parser refused. The library's own text would show the lines around it, secrets included.
func (d *decoder) syntax(err error) {
	fault := Fault{File: d.file, Line: 1, Text: "is not YAML", Remedy: "look at the indentation, colons and quotes of this line and the one before"}
	var at yaml.Error
	if errors.As(err, &at) {
		if token := at.GetToken(); token != nil && token.Position != nil {
			fault.Line, fault.Column = token.Position.Line, token.Position.Column
		}
	}
	d.faults = append(d.faults, fault)
}

// fault reports something about a path; where the path isn't in the file, at the nearest thing above it that is.
func (d *decoder) fault(path, text, remedy string) {
	at := place{line: 1}
	for p := path; ; p = above(p) {
		if found, ok := d.places[p]; ok {
			at = found
			break
		}
		if p == "" {
			break
		}
	}
	d.faults = append(d.faults, Fault{File: d.file, Line: at.line, Column: at.column, Field: path, Text: text, Remedy: remedy})
}

// above is the path of what holds the thing at path: "a.b[0]" -> "a.b" -> "a" -> "".
func above(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// given reports whether the file says anything at the path.
func (d *decoder) given(path string) bool {
	_, ok := d.places[path]
	return ok
}

func (d *decoder) mark(path string, node ast.Node) {
	if token := node.GetToken(); token != nil && token.Position != nil {
		d.places[path] = place{token.Position.Line, token.Position.Column}
	}
}

// value decodes node into what stands at path. Nothing at all (null) leaves the default.
func (d *decoder) value(path string, node ast.Node, into reflect.Value) {
	switch node.(type) {
	case nil, *ast.NullNode:
		delete(d.places, path)
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fault(path, "is an anchor, an alias or a tag", "write the value itself; a plan is plain YAML")
		return
	}
	if into.Type() == sealedType {
		into.SetString(string(d.secret(path, node)))
		return
	}
	if duration, ok := into.Addr().Interface().(*migration.Duration); ok {
		d.duration(path, node, duration)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(path, node, into.Elem())
	case reflect.Struct:
		d.mapping(path, node, into)
	case reflect.Slice:
		d.sequence(path, node, into)
	case reflect.String:
		text, ok := scalar(node)
		if !ok {
			d.fault(path, "must be one text", "write: "+last(path)+": \"...\"")
			return
		}
		if last(path) == "ca" {
			text = d.bundle(path, text)
		}
		into.SetString(text)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.fault(path, "must be true or false", "write one of them, without quotes")
			return
		}
		into.SetBool(b.Value)
	default:
		d.number(path, node, into)
	}
}

func (d *decoder) mapping(path string, node ast.Node, into reflect.Value) {
	if _, ok := node.(ast.MapNode); !ok {
		d.fault(path, "must be a set of keys", "known keys: "+strings.Join(keys(into.Type()), ", "))
		return
	}
	seen := map[string]place{}
	for _, entry := range entries(node) {
		key := entry.Key.GetToken()
		name := key.Value
		full := strings.TrimPrefix(path+"."+name, ".")
		at := place{key.Position.Line, key.Position.Column}
		if first, twice := seen[name]; twice {
			d.faults = append(d.faults, Fault{d.file, at.line, at.column, full, fmt.Sprintf("comes twice; the first is in line %d", first.line), "keep one"})
			continue
		}
		seen[name] = at
		field, ok := fieldOf(into, name)
		if !ok {
			d.faults = append(d.faults, Fault{d.file, at.line, at.column, full, "is not a key that belongs here", "known keys: " + strings.Join(keys(into.Type()), ", ")})
			continue
		}
		d.places[full] = at
		d.value(full, entry.Value, field)
	}
}

func (d *decoder) sequence(path string, node ast.Node, into reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fault(path, "must be a list", "write its entries in lines that begin with \"- \"")
		return
	}
	for i, item := range list.Values {
		full := fmt.Sprintf("%s[%d]", path, i)
		into.Set(reflect.Append(into, reflect.Zero(into.Type().Elem())))
		if item == nil || item.Type() == ast.NullType {
			d.fault(path, fmt.Sprintf("has nothing at entry %d", i+1), "fill the entry in or take it away")
			continue
		}
		d.mark(full, first(item))
		d.value(full, item, into.Index(i))
	}
}

// first is the node whose place is the best to name for a list's entry.
func first(item ast.Node) ast.Node {
	if all := entries(item); len(all) > 0 {
		return all[0].Key
	}
	return item
}

func (d *decoder) duration(path string, node ast.Node, into *migration.Duration) {
	const remedy = "write it like 90s, 15m, 24h or 14d"
	text, ok := scalar(node)
	if !ok {
		d.fault(path, "must be one text", remedy)
		return
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		d.fault(path, fmt.Sprintf("%q is not a duration", text), remedy)
	}
}

func (d *decoder) number(path string, node ast.Node, into reflect.Value) {
	const remedy = "write it in digits, like 20"
	text, ok := scalar(node)
	text = strings.ReplaceAll(text, "_", "")
	// YAML's versions differ in what 010 is.
	if _, whole := node.(*ast.IntegerNode); !ok || !whole || len(text) > 1 && text[0] == '0' {
		d.fault(path, "must be a whole number", remedy)
		return
	}
	var err error
	if into.CanUint() {
		var n uint64
		n, err = strconv.ParseUint(text, 10, into.Type().Bits())
		into.SetUint(n)
	} else {
		var n int64
		n, err = strconv.ParseInt(text, 10, into.Type().Bits())
		into.SetInt(n)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.fault(path, "is too large a number", "write a smaller one")
	case err != nil:
		d.fault(path, "must be a whole number", remedy)
	}
}

// scalar is the text of a node that holds just one: YAML's own types but for null are taken as they are written, so
// that a name may be all digits.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// entries are the keys and values of a mapping, in its order; none for anything else.
func entries(node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// last is the last key of a path, without the number of a list's entry.
func last(path string) string {
	name, _, _ := strings.Cut(path[strings.LastIndexByte(path, '.')+1:], "[")
	return name
}

// fieldOf finds a struct's field by its JSON name, in embedded structs too.
func fieldOf(of reflect.Value, name string) (reflect.Value, bool) {
	for i := range of.NumField() {
		field := of.Type().Field(i)
		if field.Anonymous {
			if found, ok := fieldOf(of.Field(i), name); ok {
				return found, true
			}
		} else if jsonName(field) == name {
			return of.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// keys are the JSON names of a struct's fields.
func keys(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		if field := of.Field(i); field.Anonymous {
			names = append(names, keys(field.Type)...)
		} else {
			names = append(names, jsonName(field))
		}
	}
	return names
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}
