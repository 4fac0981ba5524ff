package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/mailferry/mailferry/internal/migration"
)

// Import names a list of mailboxes: the SHA-256, in hex, of the rows as they were accepted, in their order. Passwords
// are left out: a digest in a history would let its readers try guesses. The same CSV gives the same name each time,
// though its sealed passwords differ.
func Import(rows []migration.Mailbox) (string, error) { return digest(rows) }

// digest is the SHA-256 of the value's JSON, in hex, with every sealed secret replaced by whether there is one.
func digest(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("cannot write as JSON: %w", err)
	}
	// Marshalled and read back, the copy shares no slice or pointer with the value.
	copied := reflect.New(reflect.TypeOf(value))
	if err := json.Unmarshal(data, copied.Interface()); err != nil {
		return "", fmt.Errorf("cannot read back: %w", err)
	}
	hideSecrets(copied.Elem())
	if data, err = json.Marshal(copied.Interface()); err != nil {
		return "", fmt.Errorf("cannot write as JSON: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

var sealedType = reflect.TypeFor[migration.Sealed]()

// hideSecrets replaces every migration.Sealed in v, however deep, that is not empty.
func hideSecrets(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			hideSecrets(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				hideSecrets(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			hideSecrets(v.Index(i))
		}
	case reflect.String:
		if v.Type() == sealedType && v.String() != "" {
			v.SetString("sealed")
		}
	}
}
