package mailcopy

import (
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestFoldersThatTheTargetCannotTellApartHaveOneName(t *testing.T) {
	source := place{separator: "/", folders: []folder{
		{name: "INBOX"}, {name: "Projects"}, {name: "projects"}, {name: "PROJECTS/2024"}, {name: "archive"},
	}}
	for name, test := range map[string]struct {
		exchange bool
		known    migration.MailboxState
		want     []string
	}{
		"Exchange": {
			true,
			migration.MailboxState{},
			[]string{"INBOX", "Projects", "Projects", "Projects/2024", "Archive"},
		},
		"Exchange, named by an earlier pass": {
			true,
			migration.MailboxState{Folders: []migration.FolderState{{Source: "projects", Target: "projects"}}},
			[]string{"INBOX", "projects", "projects", "projects/2024", "Archive"},
		},
		"a target that tells them apart": {
			false,
			migration.MailboxState{},
			[]string{"INBOX", "Projects", "projects", "PROJECTS/2024", "Archive"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := place{separator: "/", exchange: test.exchange, folders: []folder{{name: "INBOX"}, {name: "Archive"}}}
			for i, r := range mapFolders(source, target, test.known, Options{}) {
				if r.target != test.want[i] {
					t.Errorf("%q goes to %q, want %q", r.name, r.target, test.want[i])
				}
			}
		})
	}
}
