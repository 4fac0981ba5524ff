package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// Inbox is the folder that every mailbox has.
const Inbox = "INBOX"

// FolderSpec says how a folder is made.
type FolderSpec struct {
	// Name is the full name in UTF-8.
	Name string
	// SpecialUse is an attribute of RFC 6154 such as `\Sent`, or empty.
	SpecialUse string
	Subscribed bool
	// Class is what the folder holds: empty for mail, else a word of the server's own, such as "calendar".
	Class string
}

// Folder is a folder as it stands.
type Folder struct {
	// ID names the folder for good: a rename keeps it, and it is never given twice.
	ID         uint64 `json:"id"`
	Address    string `json:"address"`
	Name       string `json:"name"`
	SpecialUse string `json:"specialUse,omitempty"`
	Class      string `json:"class,omitempty"`
	Subscribed bool   `json:"subscribed,omitempty"`

	UIDValidity uint32 `json:"uidValidity"`
	UIDNext     uint32 `json:"uidNext"`
	// HighestModSeq is RFC 7162's; it starts at 1.
	HighestModSeq uint64 `json:"highestModSeq"`
	// Revised is the mod-sequence of the last change that was not a new message: as long as it stays, all that can
	// have changed lies at UIDNext and above.
	Revised uint64 `json:"revised"`

	Messages int `json:"messages"`
	Unseen   int `json:"unseen"`
	Deleted  int `json:"deleted"`
	// Bytes is the sum of the bodies.
	Bytes int64 `json:"bytes"`
}

// Folders lists a mailbox's folders, sorted by name.
func (s *Store) Folders(address string) ([]Folder, error) {
	var folders []Folder
	err := s.view(func(t *transaction) error {
		if t.mailboxes.Get([]byte(address)) == nil {
			return fmt.Errorf("%w: %q", ErrNoMailbox, address)
		}
		return t.eachFolder(address, func(f Folder) error {
			folders = append(folders, f)
			return nil
		})
	})
	return folders, err
}

// Folder finds a folder by its name.
func (s *Store) Folder(address, name string) (Folder, error) {
	var folder Folder
	err := s.view(func(t *transaction) (err error) {
		folder, err = t.folderByName(address, name)
		return err
	})
	return folder, err
}

// FolderByID finds a folder whatever its name is by now.
func (s *Store) FolderByID(id uint64) (Folder, error) {
	var folder Folder
	err := s.view(func(t *transaction) (err error) {
		folder, err = t.folder(id)
		return err
	})
	return folder, err
}

// CreateFolder makes a folder; ErrExists where the name is taken.
func (s *Store) CreateFolder(address string, spec FolderSpec) (Folder, error) {
	var folder Folder
	err := s.update(func(t *transaction) (err error) {
		folder, err = t.createFolder(address, spec)
		return err
	})
	return folder, err
}

// DeleteFolder deletes a folder and its messages. Its children stay.
func (s *Store) DeleteFolder(address, name string) error {
	return s.update(func(t *transaction) error {
		folder, err := t.folderByName(address, name)
		if err != nil {
			return err
		}
		t.changed[folder.ID] = true
		prefix := folderKey(folder.ID)
		for cursor := t.messages.Cursor(); ; {
			key, _ := cursor.Seek(prefix)
			if !bytes.HasPrefix(key, prefix) {
				break
			}
			if err := cursor.Delete(); err != nil {
				return err
			}
		}
		if err := t.folders.Delete(prefix); err != nil {
			return err
		}
		return t.names.Delete(nameKey(address, folder.Name))
	})
}

// RenameFolder renames a folder and all that lies below it by the separator; ErrExists where a new name is taken.
func (s *Store) RenameFolder(address, from, to, separator string) error {
	return s.update(func(t *transaction) error {
		if _, err := t.folderByName(address, from); err != nil {
			return err
		}
		var moved []Folder
		if err := t.eachFolder(address, func(f Folder) error {
			if f.Name == from || strings.HasPrefix(f.Name, from+separator) {
				moved = append(moved, f)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, folder := range moved {
			name := to + strings.TrimPrefix(folder.Name, from)
			if t.names.Get(nameKey(address, name)) != nil {
				return fmt.Errorf("%w: %q", ErrExists, name)
			}
			if err := t.names.Delete(nameKey(address, folder.Name)); err != nil {
				return err
			}
			folder.Name = name
			if err := t.names.Put(nameKey(address, name), folderKey(folder.ID)); err != nil {
				return err
			}
			if err := t.putFolder(folder); err != nil {
				return err
			}
		}
		return nil
	})
}

// Subscribe sets or takes away a subscription (RFC 9051, 6.3.7).
func (s *Store) Subscribe(address, name string, subscribed bool) error {
	return s.update(func(t *transaction) error {
		folder, err := t.folderByName(address, name)
		if err != nil {
			return err
		}
		folder.Subscribed = subscribed
		return t.putFolder(folder)
	})
}

// FlipUIDValidity gives the folder another, higher UIDVALIDITY and numbers its messages anew from 1, as a server
// does that lost its index.
func (s *Store) FlipUIDValidity(address, name string) error {
	return s.update(func(t *transaction) error {
		folder, err := t.folderByName(address, name)
		if err != nil {
			return err
		}
		var entries []Entry
		if err := t.scan(folder.ID, 1, maxUID, func(e Entry) error {
			entries = append(entries, e)
			return nil
		}); err != nil {
			return err
		}
		for _, entry := range entries {
			if err := t.messages.Delete(messageKey(folder.ID, entry.UID)); err != nil {
				return err
			}
		}
		folder.UIDValidity += 1000
		folder.UIDNext = 1
		folder.HighestModSeq++
		folder.Revised = folder.HighestModSeq
		for _, entry := range entries {
			entry.UID, entry.ModSeq = folder.UIDNext, folder.HighestModSeq
			folder.UIDNext++
			if err := t.putEntry(folder.ID, entry); err != nil {
				return err
			}
		}
		return t.putFolder(folder)
	})
}

func (t *transaction) createFolder(address string, spec FolderSpec) (Folder, error) {
	if t.mailboxes.Get([]byte(address)) == nil {
		return Folder{}, fmt.Errorf("%w: %q", ErrNoMailbox, address)
	}
	key := nameKey(address, spec.Name)
	if t.names.Get(key) != nil {
		return Folder{}, fmt.Errorf("%w: %q", ErrExists, spec.Name)
	}
	id, err := t.folders.NextSequence()
	if err != nil {
		return Folder{}, err
	}
	folder := Folder{
		ID: id, Address: address, Name: canonical(spec.Name), SpecialUse: spec.SpecialUse, Class: spec.Class,
		Subscribed: spec.Subscribed,
		// The IDs rise for good, so a folder made anew under an old name has another, higher UIDVALIDITY.
		UIDValidity: uint32(10 + id), UIDNext: 1, HighestModSeq: 1, Revised: 1,
	}
	if err := t.names.Put(key, folderKey(id)); err != nil {
		return Folder{}, err
	}
	return folder, t.putFolder(folder)
}

func (t *transaction) eachFolder(address string, do func(Folder) error) error {
	prefix := nameKey(address, "")
	cursor := t.names.Cursor()
	for key, id := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, id = cursor.Next() {
		folder, err := t.folder(binary.BigEndian.Uint64(id))
		if err != nil {
			return err
		}
		if err := do(folder); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) folderByName(address, name string) (Folder, error) {
	id := t.names.Get(nameKey(address, name))
	if id == nil {
		return Folder{}, fmt.Errorf("%w: %q of %q", ErrNoFolder, name, address)
	}
	return t.folder(binary.BigEndian.Uint64(id))
}

func (t *transaction) folder(id uint64) (Folder, error) {
	text := t.folders.Get(folderKey(id))
	if text == nil {
		return Folder{}, fmt.Errorf("%w: number %d", ErrNoFolder, id)
	}
	var folder Folder
	err := json.Unmarshal(text, &folder)
	return folder, err
}

func (t *transaction) putFolder(folder Folder) error {
	t.changed[folder.ID] = true
	return putJSON(t.folders, folderKey(folder.ID), folder)
}

func nameKey(address, name string) []byte {
	return []byte(address + "\x00" + canonical(name))
}

func canonical(name string) string {
	if strings.EqualFold(name, Inbox) {
		return Inbox
	}
	return name
}
