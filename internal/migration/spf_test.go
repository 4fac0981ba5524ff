package migration_test

import (
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestMergeSPF(t *testing.T) {
	const wanted = "v=spf1 include:spf.protection.outlook.com -all"
	for name, test := range map[string]struct{ existing, want, kind string }{
		"before all":        {"v=spf1 mx ~all", "v=spf1 mx include:spf.protection.outlook.com ~all", ""},
		"before a redirect": {"v=spf1 redirect=_spf.example.com", "v=spf1 include:spf.protection.outlook.com redirect=_spf.example.com", ""},
		"without an end":    {"v=spf1 a:mail.example.com", "v=spf1 a:mail.example.com include:spf.protection.outlook.com", ""},
		"there already":     {"v=spf1 +Include:SPF.protection.outlook.com mx ?all", "v=spf1 +Include:SPF.protection.outlook.com mx ?all", ""},
		"not a policy":      {"v=spf10 all", "", "spf-unreadable"},
		"empty":             {"", "", "spf-unreadable"},
		"too many look-ups": {"v=spf1 " + strings.Repeat("a:x.example ", 9) + "mx/24 -all", "", "spf-too-long"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := migration.MergeSPF(test.existing, wanted)
			if test.kind != "" {
				if p, ok := migration.AsProblem(err); !ok || p.Kind != test.kind {
					t.Fatalf("MergeSPF = %q, %v; want a problem of kind %q", got, err, test.kind)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("MergeSPF = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}
