package imapwire

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errUTF7 says that a name is not modified UTF-7.
var errUTF7 = errors.New("not modified UTF-7")

// utf7 is base64 with a comma for the slash, unpadded (RFC 3501, 5.1.3).
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 writes a mailbox name in the modified UTF-7 of RFC 3501, 5.1.3. What isn't UTF-8 becomes U+FFFD.
func EncodeUTF7(name string) string {
	var encoded strings.Builder
	for i := 0; i < len(name); {
		c, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case c == '&':
			encoded.WriteString("&-")
			i += n
		case ' ' <= c && c <= '~':
			encoded.WriteRune(c)
			i += n
		default:
			var units []uint16
			for i < len(name) {
				c, n := utf8.DecodeRuneInString(name[i:])
				if ' ' <= c && c <= '~' {
					break
				}
				units = utf16.AppendRune(units, c)
				i += n
			}
			octets := make([]byte, 0, 2*len(units))
			for _, u := range units {
				octets = append(octets, byte(u>>8), byte(u))
			}
			encoded.WriteString("&" + utf7.EncodeToString(octets) + "-")
		}
	}
	return encoded.String()
}

// DecodeUTF7 reads modified UTF-7. A name that another name stands for as well (base64 of printable ASCII, two shifts
// side by side, bits left over) is an error, as are octets over 127.
func DecodeUTF7(name string) (string, error) {
	var decoded strings.Builder
	for i := 0; i < len(name); {
		c := name[i]
		i++
		if c < ' ' || c > '~' {
			return "", errUTF7
		}
		if c != '&' {
			decoded.WriteByte(c)
			continue
		}
		end := strings.IndexByte(name[i:], '-')
		if end < 0 {
			return "", errUTF7
		}
		if end == 0 {
			decoded.WriteByte('&')
		} else if err := decodeShift(&decoded, name[i:i+end]); err != nil {
			return "", err
		}
		i += end + 1
	}
	if EncodeUTF7(decoded.String()) != name {
		return "", errUTF7
	}
	return decoded.String(), nil
}

// decodeShift decodes the base64 between & and -.
func decodeShift(to *strings.Builder, encoded string) error {
	octets, err := utf7.DecodeString(encoded)
	if err != nil || len(octets)%2 != 0 {
		return errUTF7
	}
	units := make([]uint16, 0, len(octets)/2)
	for i := 0; i < len(octets); i += 2 {
		units = append(units, uint16(octets[i])<<8|uint16(octets[i+1]))
	}
	for _, c := range utf16.Decode(units) {
		to.WriteRune(c)
	}
	return nil
}
