package corpus

import (
	"strings"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// tree is a mailbox's folders by the components of their names. Weight is the share of the mail that goes there; 0
// leaves the folder empty.
var tree = []struct {
	path   []string
	use    string
	weight int
}{
	{[]string{"INBOX"}, "", 40},
	{[]string{"Sent"}, `\Sent`, 14},
	{[]string{"Drafts"}, `\Drafts`, 2},
	{[]string{"Trash"}, `\Trash`, 4},
	{[]string{"Junk"}, `\Junk`, 3},
	{[]string{"Archive"}, `\Archive`, 8},
	{[]string{"Entwürfe (alt)"}, "", 2},
	{[]string{"日本語", "受信トレイ"}, "", 3},
	// The parent is named by the child alone: LIST shows it as one that can't be selected.
	{[]string{"Projects", "2024", "Q1"}, "", 4},
	{[]string{"Projects"}, "", 2},
	// The same but for the case, which some targets take for the same.
	{[]string{"projects"}, "", 2},
	{[]string{"Rechnungen & Belege"}, "", 3},
	{[]string{"a/b.c\\d"}, "", 3},
	{[]string{`The "quoted" one`}, "", 2},
	{[]string{"100% (done)"}, "", 1},
	{[]string{"Trailing blank "}, "", 1},
	// A name that Exchange keeps for itself, and one that holds something else there.
	{[]string{"Files"}, "", 1},
	{[]string{"Calendar"}, "", 1},
	{[]string{"🚢 Fähre"}, "", 1},
	// The e with its accent as two code points.
	{[]string{"De\u0301compose\u0301"}, "", 1},
	{[]string{"Empty"}, "", 0},
	{[]string{"1", "2", "3", "4", "5", "6", "7", "8"}, "", 1},
	{[]string{strings.Repeat("Long name ", 12) + "end"}, "", 1},
}

// Folders lists the folders that every mailbox of the corpus has.
func Folders(spec Spec) []store.FolderSpec {
	spec = spec.withDefaults()
	var folders []store.FolderSpec
	for i, branch := range tree {
		folders = append(folders, store.FolderSpec{
			Name: spec.name(branch.path), SpecialUse: branch.use,
			// Some folders are unsubscribed, as everywhere: a copy that goes by LSUB misses them.
			Subscribed: i%5 != 4,
		})
	}
	return folders
}

// name joins the components of a name. A separator inside a component can't be on a server that uses it: there the
// other usual one stands in its place.
func (s Spec) name(path []string) string {
	if path[0] == store.Inbox {
		return store.Inbox
	}
	other := map[string]string{"/": ".", ".": "/"}[s.Separator]
	clean := make([]string, len(path))
	for i, component := range path {
		clean[i] = strings.ReplaceAll(component, s.Separator, other)
	}
	return s.Prefix + strings.Join(clean, s.Separator)
}

func (w *writer) anyFolder() string {
	total := 0
	for _, branch := range tree {
		total += branch.weight
	}
	at := w.IntN(total)
	for _, branch := range tree {
		if at -= branch.weight; at < 0 {
			return w.spec.name(branch.path)
		}
	}
	return store.Inbox
}
