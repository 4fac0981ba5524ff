package store

import (
	"errors"

	"go.etcd.io/bbolt"
)

// Changes are what can be done to messages inside a transaction that the caller shares.
type Changes struct{ t *transaction }

// Within runs do in one write transaction, in which the caller too may write what belongs to the changes: all of it is in
// the file or nothing.
func (s *Store) Within(do func(*bbolt.Tx, Changes) error) error {
	return s.updateTx(func(tx *bbolt.Tx, t *transaction) error { return do(tx, Changes{t}) })
}

// Move moves a message to the end of another folder of its mailbox, which is made where it is missing. The error is
// ErrNoMessage where the message isn't there any more.
func (c Changes) Move(folder uint64, uid uint32, to FolderSpec) error {
	f, err := c.t.folder(folder)
	if err != nil {
		return err
	}
	if _, err := c.t.createFolder(f.Address, to); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	moved, _, _, err := c.t.copy(folder, []uint32{uid}, to.Name, true)
	return found(len(moved), err)
}

// Expunge removes a message for good. The error is ErrNoMessage where it isn't there any more.
func (c Changes) Expunge(folder uint64, uid uint32) error {
	f, err := c.t.folder(folder)
	if err != nil {
		return err
	}
	gone, err := c.t.expunge(&f, []uint32{uid})
	if err := found(len(gone), err); err != nil {
		return err
	}
	return c.t.putFolder(f)
}

// Flag adds flags to a message. The error is ErrNoMessage where it isn't there any more.
func (c Changes) Flag(folder uint64, uid uint32, flags ...string) error {
	changed, _, err := c.t.changeFlags(folder, []uint32{uid}, AddFlags, flags, 0)
	return found(len(changed), err)
}

func found(n int, err error) error {
	if err == nil && n == 0 {
		return ErrNoMessage
	}
	return err
}
