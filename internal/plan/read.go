// Package plan reads what an operator writes: the tenant's plan in YAML and the list of its mailboxes in CSV.
//
// # The plan
//
// Its keys are the JSON names of [migration.Plan], besides "sealTo" at the top, the workers' public key. It is strict
// YAML: an unknown key, a key that comes twice, a value of another type, an alias, a tag or a second document is a
// fault. Secrets never stand in it: in place of one stands where it is to be found,
//
//	secret: {env: GRAPH_SECRET}
//	masterPassword: {file: secrets/dovecot-master}
//
// and it is sealed while it is read. A "ca" is the path of a PEM bundle (or the bundle itself, as a block). Paths are
// relative to the plan's own folder. What is left out gets its default.
//
// # The CSV
//
// It is the one that Microsoft's own IMAP migration takes (EmailAddress, UserName, Password, UserRoot), as Excel or
// any other program writes it, with further columns of our own. See [ReadCSV].
//
// A file is accepted whole or refused whole; a refusal names every fault at once, as [Faults]. No fault and no warning
// holds a secret.
package plan

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/mailferry/mailferry/internal/migration"
)

// SealFunc closes a secret to the workers' key.
type SealFunc func(secret []byte) (migration.Sealed, error)

// maxPlan bounds the plan's file; a plan travels in the tenant's input, which may not come near 2 MB.
const maxPlan = 256 << 10

// document is the plan as it is written.
type document struct {
	SealTo string `json:"sealTo"`
	migration.Plan
}

// SealTo returns the public key that the plan's secrets are to be sealed to, without reading anything else of it.
func SealTo(path string) (string, error) {
	data, err := readWhole(path, maxPlan, planTooLarge)
	if err != nil {
		return "", err
	}
	d := newDecoder(path, nil)
	root := d.parse(data)
	if err := d.faults.sorted(); err != nil {
		return "", err
	}
	for _, entry := range entries(root) {
		if entry.Key.GetToken().Value == "sealTo" {
			if text, ok := scalar(entry.Value); ok && text != "" {
				return text, nil
			}
		}
	}
	return "", Faults{{File: path, Line: 1, Field: "sealTo", Text: "is missing", Remedy: remedies["sealTo"]}}
}

// Read reads a plan, fills in its defaults, checks it, and seals its secrets. The error is [Faults] where the plan
// isn't accepted.
func Read(path string, seal SealFunc) (migration.Plan, error) {
	data, err := readWhole(path, maxPlan, planTooLarge)
	if err != nil {
		return migration.Plan{}, err
	}
	return decode(path, data, seal)
}

func decode(path string, data []byte, seal SealFunc) (migration.Plan, error) {
	var written document
	d := newDecoder(path, seal)
	if root := d.parse(data); root != nil {
		d.value("", root, reflect.ValueOf(&written).Elem())
	}
	c := checker{decoder: d, plan: &written.Plan}
	if !c.unreadable {
		c.required("sealTo", written.SealTo)
		c.all()
	}
	if err := d.faults.sorted(); err != nil {
		return migration.Plan{}, err
	}
	return written.Plan, nil
}

// parse returns the root of the only document, nil where there is a fault.
func (d *decoder) parse(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		d.unreadable = true
		d.faults = append(d.faults, Fault{File: d.file, Line: lineOfStray(data), Text: "holds bytes that are not characters", Remedy: "save it as UTF-8"})
		return nil
	}
	file, deep, err := parseYAML(data)
	switch {
	case err != nil:
		d.unreadable = true
		d.syntax(err)
		return nil
	case deep != nil:
		d.unreadable = true
		d.faults = append(d.faults, Fault{
			File: d.file, Line: deep.Position.Line, Column: deep.Position.Column,
			Text: "is nested too deeply", Remedy: "look at the dashes, brackets and indentation of this line",
		})
		return nil
	}
	var bodies []ast.Node
	for _, document := range file.Docs {
		if _, directive := document.Body.(*ast.DirectiveNode); document.Body != nil && !directive {
			bodies = append(bodies, document.Body)
		}
	}
	if len(bodies) != 1 {
		d.unreadable = true
		d.faults = append(d.faults, Fault{File: d.file, Line: 1, Text: fmt.Sprintf("holds %d documents", len(bodies)), Remedy: "a plan is exactly one"})
		return nil
	}
	return bodies[0]
}

// lineOfStray is the line of the first byte that belongs to no character.
func lineOfStray(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[size:]
	}
	return line
}

const planTooLarge = "put certificates into files of their own"

// readWhole reads the plan or the list. One that is too large is a fault, which says what to do about it.
func readWhole(path string, limit int64, remedy string) ([]byte, error) {
	data, err := readFile(path, limit)
	var large tooLarge
	if errors.As(err, &large) {
		return nil, Faults{{File: path, Text: err.Error(), Remedy: remedy}}
	}
	return data, err
}

// tooLarge is a file over its limit, both in bytes.
type tooLarge struct{ size, limit int64 }

func (e tooLarge) Error() string {
	return fmt.Sprintf("has %d bytes; at most %d are allowed", e.size, e.limit)
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a file", path)
	}
	if info.Size() > limit {
		return nil, tooLarge{info.Size(), limit}
	}
	data, err := os.ReadFile(path)
	if err == nil && int64(len(data)) > limit { // it grew meanwhile
		err = tooLarge{int64(len(data)), limit}
	}
	return data, err
}

// beside makes a path that is written in the plan one that can be opened.
func (d *decoder) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}
