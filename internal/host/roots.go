package host

import (
	"crypto/x509"
	"fmt"

	"github.com/mailferry/mailferry/internal/migration"
)

// roots are the authorities to trust: the system's, nil standing for them, and those of the PEM bundle beside them.
func roots(bundle, whose string) (*x509.CertPool, error) {
	if bundle == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any: the bundle alone
	}
	if !pool.AppendCertsFromPEM([]byte(bundle)) {
		return nil, migration.NeedsPerson("ca-unreadable",
			fmt.Sprintf("the CA that the plan names for %s is not a PEM certificate", whose),
			"correct the plan's ca there and launch again", nil)
	}
	return pool, nil
}
