package imap

import (
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// listed is a name that LIST may show.
type listed struct {
	name string
	// folder is nil for a name that is there only because something lies below it.
	folder   *store.Folder
	children bool
}

// listOptions are LIST's of RFC 5258, 6154 and 5819.
type listOptions struct {
	onlyUse, onlySubscribed           bool
	returnUse, returnSubscribed, tree bool
	status                            []string
}

func (c *connection) list() error {
	if err := c.r.SP(); err != nil {
		return err
	}
	extended := c.dialect.can("LIST-EXTENDED")
	var o listOptions
	if next, err := c.r.Peek(); err != nil {
		return err
	} else if next == '(' {
		if !extended {
			return bad(c.dialect.Words.Syntax)
		}
		if err := c.selectOptions(&o); err != nil {
			return err
		}
	}
	reference, patterns, err := c.patterns(extended)
	if err != nil {
		return err
	}
	if more, err := c.r.Accept(' '); err != nil {
		return err
	} else if more {
		if !extended {
			return bad(c.dialect.Words.Syntax)
		}
		if err := c.returnOptions(&o); err != nil {
			return err
		}
	}
	if err := c.r.End(); err != nil {
		return err
	}
	if len(patterns) == 1 && patterns[0] == "" {
		c.w.Raw(`* LIST (\Noselect) `)
		c.w.Quoted(c.dialect.Separator)
		c.w.Raw(` ""` + "\r\n")
		return nil
	}
	return c.writeList("LIST", reference, patterns, o)
}

func (c *connection) lsub() error {
	if c.rev2 {
		return bad(c.dialect.Words.Unknown)
	}
	if err := c.r.SP(); err != nil {
		return err
	}
	reference, patterns, err := c.patterns(false)
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	return c.writeList("LSUB", reference, patterns, listOptions{onlySubscribed: true})
}

// patterns takes the reference name and the pattern, or several of them in a list.
func (c *connection) patterns(several bool) (reference string, patterns []string, err error) {
	if reference, err = c.r.Mailbox(); err != nil {
		return "", nil, err
	}
	if err := c.r.SP(); err != nil {
		return "", nil, err
	}
	one := func() error {
		pattern, err := c.r.Mailbox()
		patterns = append(patterns, pattern)
		return err
	}
	if next, err := c.r.Peek(); err != nil {
		return "", nil, err
	} else if next == '(' && several {
		return reference, patterns, c.r.List(one)
	}
	err = one()
	return reference, patterns, err
}

func (c *connection) selectOptions(o *listOptions) error {
	err := c.r.List(func() error {
		word, err := c.r.Word()
		switch word {
		case "SPECIAL-USE":
			o.onlyUse, o.returnUse = true, true
		case "SUBSCRIBED":
			o.onlySubscribed, o.returnSubscribed = true, true
		case "REMOTE", "RECURSIVEMATCH":
		default:
			return &imapwire.SyntaxError{Want: "a selection option", Near: word}
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.r.SP()
}

func (c *connection) returnOptions(o *listOptions) error {
	word, err := c.r.Word()
	if err != nil {
		return err
	}
	if word != "RETURN" {
		return &imapwire.SyntaxError{Want: "RETURN", Near: word}
	}
	if err := c.r.SP(); err != nil {
		return err
	}
	return c.r.List(func() error {
		word, err := c.r.Word()
		switch word {
		case "SPECIAL-USE":
			o.returnUse = true
		case "SUBSCRIBED":
			o.returnSubscribed = true
		case "CHILDREN":
			o.tree = true
		case "STATUS":
			if err := c.r.SP(); err != nil {
				return err
			}
			o.status, err = c.statusItems()
			return err
		default:
			return &imapwire.SyntaxError{Want: "a return option", Near: word}
		}
		return err
	})
}

// names lists what is there, with the parents that are only implied.
func (c *connection) names() ([]listed, error) {
	folders, err := c.server.config.Store.Folders(c.mailbox)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*listed)
	for i, f := range folders {
		all[f.Name] = &listed{name: f.Name, folder: &folders[i]}
	}
	for _, f := range folders {
		name := f.Name
		for {
			cut := strings.LastIndex(name, c.dialect.Separator)
			if cut <= 0 {
				break
			}
			name = name[:cut]
			if all[name] == nil {
				all[name] = &listed{name: name}
			}
			all[name].children = true
		}
	}
	list := make([]listed, 0, len(all))
	for _, l := range all {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b listed) int {
		if (a.name == store.Inbox) != (b.name == store.Inbox) {
			if a.name == store.Inbox {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return list, nil
}

func (c *connection) writeList(command, reference string, patterns []string, o listOptions) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	for _, l := range names {
		matched := slices.ContainsFunc(patterns, func(pattern string) bool {
			return matchName(reference+pattern, l.name, c.dialect.Separator)
		})
		if !matched || o.onlySubscribed && (l.folder == nil || !l.folder.Subscribed) ||
			o.onlyUse && (l.folder == nil || l.folder.SpecialUse == "") {
			continue
		}
		c.w.Raw("* " + command + " (" + strings.Join(c.attributes(l, o), " ") + ") ")
		c.w.Quoted(c.dialect.Separator)
		c.w.SP()
		c.w.Mailbox(l.name)
		c.w.CRLF()
		if len(o.status) > 0 && l.folder != nil {
			c.writeStatus(*l.folder, o.status)
		}
	}
	return nil
}

func (c *connection) attributes(l listed, o listOptions) []string {
	var list []string
	if l.folder == nil {
		list = append(list, `\Noselect`)
	}
	if c.dialect.can("CHILDREN") {
		child := `\HasNoChildren`
		if l.children {
			child = `\HasChildren`
		}
		list = append(list, child)
	}
	if l.folder == nil {
		return list
	}
	if o.returnSubscribed && l.folder.Subscribed {
		list = append(list, `\Subscribed`)
	}
	if l.folder.SpecialUse != "" && (o.returnUse || c.dialect.ListUse) {
		list = append(list, l.folder.SpecialUse)
	}
	if c.dialect.ListUse && l.name == store.Inbox {
		list = append(list, `\Marked`)
	}
	return list
}

// matchName matches a name with a pattern: * is anything, % anything within one level (RFC 9051, 6.3.9).
func matchName(pattern, name, separator string) bool {
	if len(pattern) >= 5 && strings.EqualFold(pattern[:5], store.Inbox) && (len(pattern) == 5 || strings.HasPrefix(pattern[5:], separator)) {
		pattern = store.Inbox + pattern[5:]
	}
	// Each step keeps the set of places in the name that the pattern so far can reach, so that no pattern costs more
	// than its length times the name's.
	reach := make([]bool, len(name)+1)
	reach[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(name)+1)
		for at, ok := range reach {
			if !ok {
				continue
			}
			switch pattern[i] {
			case '*', '%':
				for end := at; end <= len(name); end++ {
					next[end] = true
					if pattern[i] == '%' && strings.HasPrefix(name[end:], separator) {
						break
					}
				}
			default:
				if at < len(name) && name[at] == pattern[i] {
					next[at+1] = true
				}
			}
		}
		reach = next
	}
	return reach[len(name)]
}
