package mailcopy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailferry/mailferry/internal/migration"
)

// place is what the names of one side's folders follow.
type place struct {
	folders   []folder
	separator string
	// prefix is the personal namespace's, with its separator ("INBOX."); empty where the names stand alone.
	prefix string
	// foreign are the prefixes of namespaces that are not this user's.
	foreign []string
	// exchange: names fold case, some are reserved, and some folders hold no mail.
	exchange bool
}

// route is where a source folder's mail goes.
type route struct {
	folder
	use use
	// target is the full name in the target's form, in UTF-8; empty for a folder that is left out by rule.
	target string
}

// plainNames are what a missing special folder of the target is called.
var plainNames = map[use]string{useSent: "Sent Items", useDrafts: "Drafts", useTrash: "Deleted Items", useJunk: "Junk Email", useArchive: "Archive"}

// mapper finds the target folder of each source folder. Names already in the state stay what they are; of the others,
// the server's order decides, so the same folders always get the same names.
type mapper struct {
	source, target place
	userRoot       string
	exclude        []string
	known          map[string]string // source name -> target name of earlier passes

	uses   map[string]use    // source name -> use
	own    map[use]string    // the target's special folders
	taken  map[string]string // folded target name -> source path it was made from
	spelt  map[string]string // folded target name -> the name as it was first written
	routed map[string]string // source path below the root -> target name
}

// mapFolders returns a route for every source folder that can hold mail, in the server's order.
func mapFolders(source, target place, state migration.MailboxState, o Options) []route {
	m := &mapper{
		source: source, target: target, userRoot: o.UserRoot, exclude: o.Rules.Exclude,
		known: map[string]string{}, uses: map[string]use{}, own: map[use]string{}, taken: map[string]string{}, spelt: map[string]string{}, routed: map[string]string{},
	}
	for _, f := range state.Folders {
		if f.Target != "" {
			m.known[f.Source] = f.Target
		}
	}
	for _, f := range source.folders {
		if path, ok := m.path(f); ok && m.known[f.name] != "" {
			m.take(m.known[f.name], strings.Join(path, "\x00"))
		}
	}
	m.findUses()
	m.findOwn()
	var routes []route
	for _, f := range source.folders {
		path, ok := m.path(f)
		if !ok || !f.selectable() {
			continue
		}
		r := route{folder: f, use: m.uses[f.name]}
		if !m.leftOut(&r) {
			r.target = m.known[f.name]
			if r.target == "" {
				r.target = m.name(path, r.use)
			}
			m.take(r.target, strings.Join(path, "\x00"))
		}
		routes = append(routes, r)
	}
	return routes
}

// path cuts a source name into its parts, without the namespace's prefix or the user's root; ok is false for a folder
// that is not this user's.
func (m *mapper) path(f folder) (parts []string, ok bool) {
	separator := m.separator(f)
	name := f.name
	if slices.ContainsFunc(m.source.foreign, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return nil, false
	}
	if m.userRoot != "" {
		root := strings.TrimSuffix(m.userRoot, separator)
		below, found := strings.CutPrefix(name, root)
		switch {
		case !found:
			return nil, false
		case below == "":
			return []string{"INBOX"}, true
		case separator == "" || !strings.HasPrefix(below, separator):
			return nil, false
		}
		name = below[len(separator):]
	} else if name != "INBOX" {
		name = strings.TrimPrefix(name, m.source.prefix)
	}
	if separator == "" {
		return []string{name}, name != ""
	}
	for _, part := range strings.Split(name, separator) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 && strings.EqualFold(parts[0], "INBOX") {
		parts[0] = "INBOX"
	}
	return parts, len(parts) > 0
}

func (m *mapper) separator(f folder) string {
	if f.separator != "" {
		return f.separator
	}
	return m.source.separator
}

// findUses settles what the source's folders are for: by attribute, and for the uses that no attribute names, by name,
// for folders at the top alone. Only one folder has a use.
func (m *mapper) findUses() {
	m.uses = findUses(m.source.folders, func(f folder) ([]string, bool) { return m.path(f) })
}

// findOwn does the same for the target.
func (m *mapper) findOwn() {
	for name, u := range m.target.ownUses() {
		m.own[u] = name
		if folded := m.fold(name); m.spelt[folded] == "" {
			m.spelt[folded] = name
		}
	}
}

// ownUses are what the place's folders are for, by name.
func (p *place) ownUses() map[string]use {
	return findUses(p.folders, func(f folder) ([]string, bool) {
		name := f.name
		if name != "INBOX" {
			name = strings.TrimPrefix(name, p.prefix)
		}
		return strings.Split(name, p.separator), true
	})
}

func findUses(folders []folder, path func(folder) ([]string, bool)) map[string]use {
	found := map[string]use{}
	have := map[use]bool{}
	for i := range folders {
		f := &folders[i]
		u := attributeUse(f)
		if p, ok := path(*f); ok && len(p) == 1 && p[0] == "INBOX" {
			u = useInbox
		}
		if u != useNone && !have[u] && f.selectable() {
			found[f.name], have[u] = u, true
		}
	}
	for i := range folders {
		f := &folders[i]
		p, ok := path(*f)
		if !ok || len(p) != 1 || !f.selectable() || found[f.name] != useNone {
			continue
		}
		if u := useByName[foldName(p[0])]; u != useNone && !have[u] {
			found[f.name], have[u] = u, true
		}
	}
	return found
}

// leftOut reports whether a rule leaves the folder out: the plan's, a view of mail that lies elsewhere, or a folder of
// an Exchange source that holds no mail.
func (m *mapper) leftOut(r *route) bool {
	if slices.Contains(m.exclude, r.name) || r.use == useFlagged || r.use == useImportant {
		return true
	}
	if !m.source.exchange {
		return false
	}
	path, _ := m.path(r.folder)
	return isNotMail[foldName(path[0])]
}

// name makes the target name of a path.
func (m *mapper) name(path []string, u use) string {
	if u == useInbox {
		return "INBOX"
	}
	if name := m.special(path, u); name != "" {
		m.routed[strings.Join(path, "\x00")] = name
		return name
	}
	parent := ""
	if len(path) > 1 {
		parent = m.parent(path[:len(path)-1])
	}
	return m.child(parent, path)
}

// special is the target's own folder for the use, or the name that it will have.
func (m *mapper) special(path []string, u use) string {
	if u == useNone {
		return ""
	}
	if name := m.own[u]; name != "" {
		return name
	}
	if m.target.exchange && plainNames[u] != "" {
		return m.target.prefix + plainNames[u]
	}
	return ""
}

// parent is the target name of the folder above, which need not exist or hold mail.
func (m *mapper) parent(path []string) string {
	key := strings.Join(path, "\x00")
	if name, ok := m.routed[key]; ok {
		return name
	}
	for _, f := range m.source.folders {
		p, ok := m.path(f)
		if !ok || strings.Join(p, "\x00") != key {
			continue
		}
		name := m.known[f.name]
		if name == "" {
			name = m.name(p, m.uses[f.name])
		}
		m.routed[key] = name
		return name
	}
	if len(path) == 1 && path[0] == "INBOX" {
		return "INBOX"
	}
	above := ""
	if len(path) > 1 {
		above = m.parent(path[:len(path)-1])
	}
	return m.child(above, path)
}

// child makes the name of the path's last part below a target folder. A name that comes from another path gets a
// number, unless the two differ in case only, where the target can't tell them apart: those are merged.
func (m *mapper) child(parent string, path []string) string {
	key := strings.Join(path, "\x00")
	if name, ok := m.routed[key]; ok {
		return name
	}
	leaf := m.leaf(path[len(path)-1], len(path) == 1)
	prefix := m.target.prefix
	if parent != "" {
		prefix = parent + m.target.separator
	}
	name := prefix + leaf
	for n := 2; ; n++ {
		other, taken := m.taken[m.fold(name)]
		if !taken || other == key || m.target.exchange && foldName(other) == foldName(key) || m.isOwn(name) {
			break
		}
		name = fmt.Sprintf("%s%s (%d)", prefix, leaf, n)
	}
	m.take(name, key)
	name = m.spelt[m.fold(name)] // one folder has one name, whichever spelling merged into it
	m.routed[key] = name
	return name
}

// take notes that a target name was made from a source path.
func (m *mapper) take(name, key string) {
	folded := m.fold(name)
	m.taken[folded] = key
	if m.spelt[folded] == "" {
		m.spelt[folded] = name
	}
}

// isOwn reports whether the name is one of the target's special folders: those take in what bears their name.
func (m *mapper) isOwn(name string) bool {
	for _, own := range m.own {
		if m.fold(own) == m.fold(name) {
			return true
		}
	}
	return false
}

// maxLeaf is how many characters a folder's name may have in Exchange.
const maxLeaf = 250

// leaf makes one part of a name such that the target takes it.
func (m *mapper) leaf(part string, top bool) string {
	var b strings.Builder
	for _, c := range part {
		switch {
		case m.target.separator != "" && string(c) == m.target.separator, unicode.IsControl(c), c == utf8.RuneError:
			b.WriteByte('_')
		default:
			b.WriteRune(c)
		}
	}
	leaf := strings.TrimSpace(b.String())
	if utf8.RuneCountInString(leaf) > maxLeaf {
		leaf = strings.TrimSpace(string([]rune(leaf)[:maxLeaf]))
	}
	if leaf == "" {
		leaf = "_"
	}
	if m.target.exchange && top && (foldName(leaf) == "files" || isNotMail[foldName(leaf)]) {
		leaf += " (mail)"
	}
	return leaf
}

// fold makes target names comparable as the target compares them.
func (m *mapper) fold(name string) string {
	if m.target.exchange {
		return foldName(name)
	}
	return name
}
