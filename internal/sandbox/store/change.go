package store

import (
	"errors"
	"slices"
)

// FlagChange says what is to become of a message's flags.
type FlagChange int

// What STORE knows (RFC 9051, 6.4.6).
const (
	SetFlags FlagChange = iota
	AddFlags
	RemoveFlags
)

// ChangeFlags changes the flags of the messages of a folder that have one of the UIDs. Messages that are gone are
// passed over. Where unchangedSince isn't 0, messages with a higher mod-sequence are left alone and their UIDs
// returned in modified (RFC 7162, 3.1.3). A message whose flags stay as they were keeps its mod-sequence.
func (s *Store) ChangeFlags(folder uint64, uids []uint32, change FlagChange, flags []string, unchangedSince uint64) (changed []Entry, modified []uint32, err error) {
	err = s.update(func(t *transaction) (err error) {
		changed, modified, err = t.changeFlags(folder, uids, change, flags, unchangedSince)
		return err
	})
	return changed, modified, err
}

func (t *transaction) changeFlags(folder uint64, uids []uint32, change FlagChange, flags []string, unchangedSince uint64) (changed []Entry, modified []uint32, err error) {
	flags = cleanFlags(flags)
	f, err := t.folder(folder)
	if err != nil {
		return nil, nil, err
	}
	next := f.HighestModSeq + 1
	touched := false
	for _, uid := range uids {
		entry, err := t.entry(folder, uid)
		if errors.Is(err, ErrNoMessage) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if unchangedSince != 0 && entry.ModSeq > unchangedSince {
			modified = append(modified, uid)
			continue
		}
		now := applyFlags(entry.Flags, change, flags)
		if !sameFlags(entry.Flags, now) {
			f.count(entry, -1)
			entry.Flags, entry.ModSeq, touched = now, next, true
			f.count(entry, 1)
			if err := t.putEntry(folder, entry); err != nil {
				return nil, nil, err
			}
		}
		changed = append(changed, entry)
	}
	if !touched {
		return changed, modified, nil
	}
	f.HighestModSeq, f.Revised = next, next
	return changed, modified, t.putFolder(f)
}

// Expunge removes the messages with one of the UIDs and returns the UIDs that were there.
func (s *Store) Expunge(folder uint64, uids []uint32) (gone []uint32, err error) {
	err = s.update(func(t *transaction) error {
		f, err := t.folder(folder)
		if err != nil {
			return err
		}
		if gone, err = t.expunge(&f, uids); err != nil || len(gone) == 0 {
			return err
		}
		return t.putFolder(f)
	})
	return gone, err
}

// Copy copies messages, flags and dates with them, to the end of another folder of the same mailbox; with move they
// leave the first one in the same transaction (RFC 6851). It returns the UIDs that were there, their copies' UIDs in
// the same order, and the other folder's UIDVALIDITY.
func (s *Store) Copy(folder uint64, uids []uint32, to string, move bool) (from, copies []uint32, uidValidity uint32, err error) {
	err = s.update(func(t *transaction) (err error) {
		from, copies, uidValidity, err = t.copy(folder, uids, to, move)
		return err
	})
	return from, copies, uidValidity, err
}

func (t *transaction) copy(folder uint64, uids []uint32, to string, move bool) (from, copies []uint32, uidValidity uint32, err error) {
	f, err := t.folder(folder)
	if err != nil {
		return nil, nil, 0, err
	}
	into, err := t.folderByName(f.Address, to)
	if err != nil {
		return nil, nil, 0, err
	}
	uidValidity = into.UIDValidity
	for _, uid := range uids {
		entry, err := t.entry(folder, uid)
		if errors.Is(err, ErrNoMessage) {
			continue
		}
		if err != nil {
			return nil, nil, 0, err
		}
		if err := t.add(&into, &entry); err != nil {
			return nil, nil, 0, err
		}
		from, copies = append(from, uid), append(copies, entry.UID)
	}
	if len(from) == 0 {
		return nil, nil, uidValidity, nil
	}
	if err := t.putFolder(into); err != nil || !move {
		return from, copies, uidValidity, err
	}
	if into.ID == f.ID {
		f = into
	}
	if _, err := t.expunge(&f, from); err != nil {
		return nil, nil, 0, err
	}
	return from, copies, uidValidity, t.putFolder(f)
}

// Renumber gives a message a new UID at the end of its folder, as Exchange does with a message that was revised.
func (s *Store) Renumber(folder uint64, uid uint32) (Entry, error) {
	var entry Entry
	err := s.update(func(t *transaction) error {
		f, err := t.folder(folder)
		if err != nil {
			return err
		}
		if entry, err = t.entry(folder, uid); err != nil {
			return err
		}
		if _, err := t.expunge(&f, []uint32{uid}); err != nil {
			return err
		}
		if err := t.add(&f, &entry); err != nil {
			return err
		}
		return t.putFolder(f)
	})
	return entry, err
}

// expunge removes messages and counts them off. The caller stores the folder.
func (t *transaction) expunge(f *Folder, uids []uint32) (gone []uint32, err error) {
	for _, uid := range uids {
		entry, err := t.entry(f.ID, uid)
		if errors.Is(err, ErrNoMessage) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := t.messages.Delete(messageKey(f.ID, uid)); err != nil {
			return nil, err
		}
		f.count(entry, -1)
		gone = append(gone, uid)
	}
	if len(gone) > 0 {
		f.HighestModSeq++
		f.Revised = f.HighestModSeq
	}
	return gone, nil
}

func applyFlags(have []string, change FlagChange, flags []string) []string {
	contains := func(list []string, flag string) bool { return Entry{Flags: list}.Has(flag) }
	switch change {
	case AddFlags:
		return cleanFlags(slices.Concat(have, flags))
	case RemoveFlags:
		return slices.DeleteFunc(slices.Clone(have), func(flag string) bool { return contains(flags, flag) })
	default:
		return flags
	}
}

func sameFlags(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, flag := range a {
		if !(Entry{Flags: b}).Has(flag) {
			return false
		}
	}
	return true
}
