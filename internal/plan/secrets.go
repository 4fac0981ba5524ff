package plan

import (
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/mailferry/mailferry/internal/migration"
)

const (
	maxSecret = 64 << 10
	maxBundle = 64 << 10
)

// variable is a name that a shell takes (POSIX.1, section 3.216).
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const secretRemedy = "write {env: NAME} for a variable or {file: path} for a file; never the secret itself"

// secret finds the secret that node points to, and seals it. Nothing that stands in the node's place is ever shown: it
// may be the secret itself, written there by mistake.
func (d *decoder) secret(path string, node ast.Node) migration.Sealed {
	all := entries(node)
	if len(all) != 1 {
		d.fault(path, "must say where the secret is", secretRemedy)
		return ""
	}
	where, ok := scalar(all[0].Value)
	if !ok || where == "" {
		d.fault(path, "must say where the secret is", secretRemedy)
		return ""
	}
	var secret []byte
	switch all[0].Key.GetToken().Value {
	case "env":
		if !variable.MatchString(where) { // the secret itself, perhaps
			d.fault(path, "must say where the secret is", secretRemedy)
			return ""
		}
		value, set := os.LookupEnv(where)
		if !set || value == "" {
			d.fault(path, fmt.Sprintf("the variable %q is not set or empty", where), "set it in the environment of this command")
			return ""
		}
		secret = []byte(value)
	case "file":
		content, err := readFile(d.beside(where), maxSecret)
		if err != nil {
			d.fault(path, fmt.Sprintf("the secret's file cannot be read: %v", err), "paths are relative to the plan's folder")
			return ""
		}
		// Editors end a file with a line break that is no part of the secret.
		secret = []byte(strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"))
		if len(secret) == 0 {
			d.fault(path, fmt.Sprintf("the file %q is empty", where), "write the secret into it")
			return ""
		}
	default:
		d.fault(path, "must say where the secret is", secretRemedy)
		return ""
	}
	d.clear[path] = secret
	sealed, err := d.seal(secret)
	if err != nil {
		d.fault(path, fmt.Sprintf("the secret cannot be sealed: %v", err), "look at sealTo")
	}
	return sealed
}

// bundle reads the certificates that a "ca" names.
func (d *decoder) bundle(path, text string) string {
	pem := text
	if !strings.Contains(text, "-----BEGIN") {
		content, err := readFile(d.beside(text), maxBundle)
		if err != nil {
			d.fault(path, fmt.Sprintf("the certificates cannot be read: %v", err), "write the path of a PEM file, relative to the plan's folder")
			return ""
		}
		pem = string(content)
	}
	if strings.Contains(pem, "PRIVATE KEY-----") {
		d.fault(path, "holds a private key", "it needs the authority's certificate alone; keep the key away from plans")
		return ""
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(pem)) {
		d.fault(path, "holds no certificate in PEM form", "it begins with -----BEGIN CERTIFICATE-----")
		return ""
	}
	return pem
}
