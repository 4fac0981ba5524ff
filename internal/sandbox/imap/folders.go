package imap

import (
	"errors"
	"strings"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// folderName takes a folder's name from the command, from the space before it.
func (c *connection) folderName() (string, error) {
	if err := c.r.SP(); err != nil {
		return "", err
	}
	name, err := c.r.Mailbox()
	if c.dialect.TrimsNames {
		components := strings.Split(name, c.dialect.Separator)
		for i, component := range components {
			components[i] = strings.TrimRight(component, " ")
		}
		name = strings.Join(components, c.dialect.Separator)
	}
	return name, err
}

// find finds a folder as the dialect compares names.
func (c *connection) find(name string) (store.Folder, error) {
	f, err := c.server.config.Store.Folder(c.mailbox, name)
	if !errors.Is(err, store.ErrNoFolder) || !c.dialect.FoldCase {
		return f, c.asNo(err)
	}
	folders, err := c.server.config.Store.Folders(c.mailbox)
	if err != nil {
		return store.Folder{}, err
	}
	for _, f := range folders {
		if strings.EqualFold(f.Name, name) {
			return f, nil
		}
	}
	return store.Folder{}, no(c.dialect.Words.NoFolder)
}

// asNo turns the store's refusals into answers.
func (c *connection) asNo(err error) error {
	switch {
	case errors.Is(err, store.ErrNoFolder):
		return no(c.dialect.Words.NoFolder)
	case errors.Is(err, store.ErrExists):
		return no(c.dialect.Words.Exists)
	}
	return err
}

func (c *connection) create() error {
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	name = strings.TrimSuffix(name, c.dialect.Separator)
	if name == "" || !strings.HasPrefix(name, c.dialect.Prefix) {
		return no(c.dialect.Words.Reserved)
	}
	if strings.Contains(name, c.dialect.Separator+c.dialect.Separator) || strings.HasPrefix(name, c.dialect.Separator) {
		return no(c.dialect.Words.Reserved)
	}
	for _, reserved := range c.dialect.Reserved {
		if strings.EqualFold(name, reserved) || hasPrefixFold(name, reserved+c.dialect.Separator) {
			return no(c.dialect.Words.Reserved)
		}
	}
	if _, err := c.find(name); err == nil {
		return no(c.dialect.Words.Exists)
	}
	name, err = c.parents(name)
	if err != nil {
		return err
	}
	_, err = c.server.config.Store.CreateFolder(c.mailbox, store.FolderSpec{Name: name})
	return c.asNo(err)
}

func hasPrefixFold(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// parents gives a new folder's name the spelling that its parents have, and makes those that are missing where the
// dialect does so.
func (c *connection) parents(name string) (string, error) {
	if !c.dialect.MakesParents {
		return name, nil
	}
	components := strings.Split(name, c.dialect.Separator)
	path := ""
	for _, component := range components[:len(components)-1] {
		path += component
		if f, err := c.find(path); err == nil {
			path = f.Name
		} else if _, err := c.server.config.Store.CreateFolder(c.mailbox, store.FolderSpec{Name: path}); err != nil {
			return "", c.asNo(err)
		}
		path += c.dialect.Separator
	}
	return path + components[len(components)-1], nil
}

func (c *connection) delete() error {
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(name)
	if err != nil {
		return err
	}
	if f.Name == store.Inbox || f.Class != "" {
		return no(c.dialect.Words.Reserved)
	}
	return c.asNo(c.server.config.Store.DeleteFolder(c.mailbox, f.Name))
}

func (c *connection) rename() error {
	from, err := c.folderName()
	if err != nil {
		return err
	}
	to, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(from)
	if err != nil {
		return err
	}
	if f.Name == store.Inbox || f.Class != "" || !strings.HasPrefix(to, c.dialect.Prefix) {
		return no(c.dialect.Words.Reserved)
	}
	if other, err := c.find(to); err == nil && other.ID != f.ID {
		return no(c.dialect.Words.Exists)
	}
	to, err = c.parents(to)
	if err != nil {
		return err
	}
	return c.asNo(c.server.config.Store.RenameFolder(c.mailbox, f.Name, to, c.dialect.Separator))
}

func (c *connection) subscribe() error {
	name, err := c.folderName()
	if err != nil {
		return err
	}
	if err := c.r.End(); err != nil {
		return err
	}
	f, err := c.find(name)
	if err != nil {
		return err
	}
	return c.asNo(c.server.config.Store.Subscribe(c.mailbox, f.Name, c.command.Name == "SUBSCRIBE"))
}
