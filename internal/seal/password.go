package seal

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// The characters of a first password: none that are taken for one another (0 and O, 1, l and I).
const (
	lowerCase = "abcdefghijkmnopqrstuvwxyz"
	upperCase = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	digits    = "23456789"
)

// FirstPassword makes a password for a new user: 20 characters, three groups of six letters and digits with hyphens
// between, with more than 100 bits of chance. It has lower case, upper case, digits and a symbol, which is more than
// Microsoft Entra asks (8 to 256 characters, three of the four classes:
// learn.microsoft.com/entra/identity/authentication/concept-sspr-policy).
func FirstPassword() (string, error) {
	const alphabet = lowerCase + upperCase + digits
	for {
		var password strings.Builder
		for i := range 20 {
			if i == 6 || i == 13 {
				password.WriteByte('-')
				continue
			}
			n, err := below(len(alphabet))
			if err != nil {
				return "", fmt.Errorf("making a first password: %w", err)
			}
			password.WriteByte(alphabet[n])
		}
		// A password without one of the classes is thrown away whole, which keeps all others equally likely.
		p := password.String()
		if strings.ContainsAny(p, lowerCase) && strings.ContainsAny(p, upperCase) && strings.ContainsAny(p, digits) {
			return p, nil
		}
	}
}

// below draws evenly from 0 to n-1; n is at most 256.
func below(n int) (int, error) {
	limit := 256 - 256%n
	for {
		var b [1]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		if int(b[0]) < limit {
			return int(b[0]) % n, nil
		}
	}
}
