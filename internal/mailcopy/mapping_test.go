package mailcopy

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
)

// list makes folders from lines of attributes and a name: `\sent Gesendet`.
func listOf(separator string, lines ...string) []folder {
	var folders []folder
	for _, line := range lines {
		f := folder{separator: separator}
		for strings.HasPrefix(line, `\`) {
			attribute, rest, _ := strings.Cut(line, " ")
			f.attributes, line = append(f.attributes, attribute), rest
		}
		f.name, f.wire = line, line
		folders = append(folders, f)
	}
	return folders
}

func TestMapFolders(t *testing.T) {
	exchange := place{separator: "/", exchange: true, folders: listOf("/", "INBOX", "Calendar", `\sent Sent Items`, `\drafts Drafts`, `\trash Deleted Items`, `\junk Junk Email`, "Archive")}
	french := place{separator: "/", exchange: true, folders: listOf("/", "INBOX", "Calendrier", `\sent Éléments envoyés`, `\trash Éléments supprimés`, `\drafts Brouillons`, `\junk Courrier indésirable`)}
	dovecot := place{separator: "/", folders: listOf("/", "INBOX", `\sent Sent`)}
	dotted := place{separator: ".", prefix: "INBOX.", folders: listOf(".", "INBOX")}
	for name, test := range map[string]struct {
		source, target place
		o              Options
		want           string
	}{
		"by attribute": {
			place{separator: "/", folders: listOf("/", "INBOX", `\sent Postausgang (alt)`, `\trash Müll`, `\junk Werbung`, "Sent")},
			exchange,
			Options{},
			"INBOX > INBOX; Postausgang (alt) > Sent Items; Müll > Deleted Items; Werbung > Junk Email; Sent > Sent",
		},
		"by name": {
			place{separator: "/", folders: listOf("/", "INBOX", "Gesendet", "Entwürfe", "Papierkorb", "Papierkorb/Alt", "Archiv/2019")},
			exchange,
			Options{},
			"INBOX > INBOX; Gesendet > Sent Items; Entwürfe > Drafts; Papierkorb > Deleted Items; Papierkorb/Alt > Deleted Items/Alt; Archiv/2019 > Archiv/2019",
		},
		"a localised target": {
			place{separator: "/", folders: listOf("/", "INBOX", `\sent Sent`, "Trash", "Archive")},
			french,
			Options{},
			"INBOX > INBOX; Sent > Éléments envoyés; Trash > Éléments supprimés; Archive > Archive",
		},
		"a prefix": {
			place{separator: ".", prefix: "INBOX.", folders: listOf(".", "INBOX", "INBOX.Sent", "INBOX.Work.2024", "INBOX.a/b")},
			exchange,
			Options{},
			"INBOX > INBOX; INBOX.Sent > Sent Items; INBOX.Work.2024 > Work/2024; INBOX.a/b > a_b",
		},
		"below INBOX without a prefix": {
			place{separator: "/", folders: listOf("/", "INBOX", "INBOX/Work")}, exchange, Options{}, "INBOX > INBOX; INBOX/Work > INBOX/Work",
		},
		"names that the target reserves or would hide": {
			place{separator: "/", folders: listOf("/", "INBOX", "Files", "Calendar", "Notizen", "Work/Files", " padded ", "tab\there")},
			exchange,
			Options{},
			"INBOX > INBOX; Files > Files (mail); Calendar > Calendar (mail); Notizen > Notizen (mail); Work/Files > Work/Files;  padded  > padded; tab\there > tab_here",
		},
		"names that would collide": {
			place{separator: ".", folders: listOf(".", "INBOX", "a/b", "a_b", "a\x01b")},
			exchange,
			Options{},
			"INBOX > INBOX; a/b > a_b; a_b > a_b (2); a\x01b > a_b (3)",
		},
		"folders of others": {
			place{separator: "/", foreign: []string{"Shared/", "user/"}, folders: listOf("/", "INBOX", "Shared/all", "user/bob/INBOX", "Users")}, exchange, Options{}, "INBOX > INBOX; Users > Users",
		},
		"left out": {
			place{separator: "/", folders: listOf("/", "INBOX", `\noselect Old`, "Old/Mail", `\flagged Starred`, "Secret")},
			exchange,
			Options{Rules: migration.CopyRules{Exclude: []string{"Secret"}}},
			"INBOX > INBOX; Old/Mail > Old/Mail; Starred > ; Secret > ",
		},
		"a user's root": {
			place{separator: "/", folders: listOf("/", "INBOX", "users/ada", "users/ada/Sent", "users/adam", "users/ada/Work/A")},
			exchange,
			Options{UserRoot: "users/ada/"},
			"users/ada > INBOX; users/ada/Sent > Sent Items; users/ada/Work/A > Work/A",
		},
		"to a plain server": {
			place{separator: ".", prefix: "INBOX.", folders: listOf(".", "INBOX", `\sent INBOX.Gesendet`, `\trash INBOX.Müll`, "INBOX.Trash", "INBOX.trash", "INBOX.Calendar")},
			dovecot,
			Options{},
			"INBOX > INBOX; INBOX.Gesendet > Sent; INBOX.Müll > Müll; INBOX.Trash > Trash; INBOX.trash > trash; INBOX.Calendar > Calendar",
		},
		"to a server with a prefix": {
			place{separator: "/", folders: listOf("/", "INBOX", "Work/2024", "v1.2")}, dotted, Options{}, "INBOX > INBOX; Work/2024 > INBOX.Work.2024; v1.2 > INBOX.v1_2",
		},
		"from Exchange": {
			place{separator: "/", exchange: true, folders: listOf("/", "INBOX", "Calendar", "Calendar/Birthdays", `\sent Sent Items`)},
			exchange,
			Options{},
			"INBOX > INBOX; Calendar > ; Calendar/Birthdays > ; Sent Items > Sent Items",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			var state migration.MailboxState
			for _, r := range mapFolders(test.source, test.target, migration.MailboxState{}, test.o) {
				got = append(got, r.name+" > "+r.target)
				state.Folders = append(state.Folders, migration.FolderState{Source: r.name, Target: r.target})
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), test.want)
			}
			// What an earlier pass named stays, whatever the target shows by then, and in whatever order the source lists.
			again := test.source
			again.folders = slices.Clone(again.folders)
			slices.Reverse(again.folders)
			for _, r := range mapFolders(again, test.target, state, test.o) {
				i := slices.IndexFunc(state.Folders, func(f migration.FolderState) bool { return f.Source == r.name })
				if r.target != state.Folders[i].Target {
					t.Errorf("folder %q went to %q and now to %q", r.name, state.Folders[i].Target, r.target)
				}
			}
		})
	}
}

func TestNamesHaveOneUse(t *testing.T) {
	seen := map[string]use{}
	for _, u := range uses {
		for _, name := range useNames[u] {
			if foldName(name) != name {
				t.Errorf("%q is not folded", name)
			}
			if other, twice := seen[name]; twice && other != u {
				t.Errorf("%q stands for %s and for %s", name, other, u)
			}
			seen[name] = u
		}
	}
	for _, name := range notMail {
		if u, twice := seen[foldName(name)]; twice {
			t.Errorf("%q stands for %s and for a folder that holds no mail", name, u)
		}
	}
}
