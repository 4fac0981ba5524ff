package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const maxUID = math.MaxUint32

// Message is a message to be stored.
type Message struct {
	Body []byte
	// Internal is the INTERNALDATE; its zone is kept to the minute.
	Internal time.Time
	// Flags are system flags (`\Seen`) and keywords. `\Recent` is not kept.
	Flags []string
	// Delivery is the idempotency key of a delivery, empty for an APPEND: in one mailbox the same key never delivers
	// twice, not even into another folder.
	Delivery string
}

// Entry is a stored message without its body.
type Entry struct {
	UID      uint32
	ModSeq   uint64
	Internal time.Time
	Flags    []string
	Size     int64
	body     uint64
}

// Has tells whether the message has a flag, in any case.
func (e Entry) Has(flag string) bool {
	return slices.ContainsFunc(e.Flags, func(have string) bool { return strings.EqualFold(have, flag) })
}

// Append stores a message at the end of a folder and returns the folder's UIDVALIDITY and the new UID, or those of
// the first time where the Delivery key was seen before.
func (s *Store) Append(address, folder string, m Message) (uidValidity, uid uint32, err error) {
	uidValidity, uids, err := s.AppendAll(address, folder, []Message{m})
	if err != nil {
		return 0, 0, err
	}
	return uidValidity, uids[0], nil
}

// AppendAll stores messages in one transaction: all or none.
func (s *Store) AppendAll(address, folder string, messages []Message) (uidValidity uint32, uids []uint32, err error) {
	err = s.update(func(t *transaction) error {
		uids = uids[:0]
		into, err := t.folderByName(address, folder)
		if err != nil {
			return err
		}
		uidValidity = into.UIDValidity
		for _, m := range messages {
			delivery := []byte(address + "\x00" + m.Delivery)
			if m.Delivery != "" {
				if done := t.deliveries.Get(delivery); done != nil {
					validity, uid, err := t.delivered(done)
					if err != nil {
						return err
					}
					uidValidity, uids = validity, append(uids, uid)
					continue
				}
			}
			entry := Entry{Internal: m.Internal, Flags: m.Flags, Size: int64(len(m.Body))}
			if entry.body, err = t.putBody(m.Body); err != nil {
				return err
			}
			if err := t.add(&into, &entry); err != nil {
				return err
			}
			uids = append(uids, entry.UID)
			if m.Delivery != "" {
				value := binary.BigEndian.AppendUint32(nil, into.UIDValidity)
				if err := t.deliveries.Put(delivery, binary.BigEndian.AppendUint32(value, entry.UID)); err != nil {
					return err
				}
			}
		}
		return t.putFolder(into)
	})
	return uidValidity, uids, err
}

// Delivered tells whether a Delivery key was seen in a mailbox.
func (s *Store) Delivered(address, key string) bool {
	found := false
	_ = s.view(func(t *transaction) error {
		found = t.deliveries.Get([]byte(address+"\x00"+key)) != nil
		return nil
	})
	return found
}

func (t *transaction) delivered(value []byte) (uidValidity, uid uint32, err error) {
	if len(value) != 8 {
		return 0, 0, errors.New("the record of a delivery is damaged")
	}
	return binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:]), nil
}

// add numbers an entry, puts it at the folder's end and counts it. The caller stores the folder.
func (t *transaction) add(folder *Folder, entry *Entry) error {
	if folder.UIDNext == maxUID {
		return fmt.Errorf("folder %q has no UID left", folder.Name)
	}
	folder.HighestModSeq++
	entry.UID, entry.ModSeq = folder.UIDNext, folder.HighestModSeq
	entry.Flags = cleanFlags(entry.Flags)
	folder.UIDNext++
	folder.count(*entry, 1)
	return t.putEntry(folder.ID, *entry)
}

// count adds (by 1) or takes off (by -1) a message.
func (f *Folder) count(e Entry, by int) {
	f.Messages += by
	f.Bytes += int64(by) * e.Size
	if !e.Has(`\Seen`) {
		f.Unseen += by
	}
	if e.Has(`\Deleted`) {
		f.Deleted += by
	}
}

// Scan calls do for each message with a UID from first to last, ascending; last 0 is the end. It holds a read
// transaction meanwhile: do must be quick and must not call the store.
func (s *Store) Scan(folder uint64, first, last uint32, do func(Entry) error) error {
	if last == 0 {
		last = maxUID
	}
	return s.view(func(t *transaction) error { return t.scan(folder, first, last, do) })
}

// Entry finds one message.
func (s *Store) Entry(folder uint64, uid uint32) (Entry, error) {
	var entry Entry
	err := s.view(func(t *transaction) (err error) {
		entry, err = t.entry(folder, uid)
		return err
	})
	return entry, err
}

// scan calls do for each message in order; do must not change the messages.
func (t *transaction) scan(folder uint64, first, last uint32, do func(Entry) error) error {
	prefix := folderKey(folder)
	cursor := t.messages.Cursor()
	for key, value := cursor.Seek(messageKey(folder, first)); bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		uid := binary.BigEndian.Uint32(key[len(prefix):])
		if uid > last {
			return nil
		}
		entry, err := decodeEntry(uid, value)
		if err != nil {
			return err
		}
		if err := do(entry); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) entry(folder uint64, uid uint32) (Entry, error) {
	value := t.messages.Get(messageKey(folder, uid))
	if value == nil {
		return Entry{}, fmt.Errorf("%w: UID %d", ErrNoMessage, uid)
	}
	return decodeEntry(uid, value)
}

func (t *transaction) putEntry(folder uint64, e Entry) error {
	return t.messages.Put(messageKey(folder, e.UID), encodeEntry(e))
}

func encodeEntry(e Entry) []byte {
	_, zone := e.Internal.Zone()
	flags := strings.Join(e.Flags, " ")
	b := make([]byte, 0, 40+len(flags))
	b = binary.AppendUvarint(b, e.ModSeq)
	b = binary.AppendVarint(b, e.Internal.Unix())
	b = binary.AppendVarint(b, int64(zone/60))
	b = binary.AppendUvarint(b, uint64(e.Size))
	b = binary.AppendUvarint(b, e.body)
	return append(b, flags...)
}

func decodeEntry(uid uint32, value []byte) (Entry, error) {
	var failed bool
	unsigned := func() uint64 {
		n, size := binary.Uvarint(value)
		if size <= 0 {
			failed = true
			return 0
		}
		value = value[size:]
		return n
	}
	signed := func() int64 {
		n := unsigned()
		return int64(n>>1) ^ -int64(n&1)
	}
	e := Entry{UID: uid, ModSeq: unsigned()}
	seconds, zone := signed(), signed()
	e.Size, e.body = int64(unsigned()), unsigned()
	if failed {
		return Entry{}, fmt.Errorf("the record of message %d is damaged", uid)
	}
	e.Internal = time.Unix(seconds, 0).In(time.FixedZone("", int(zone)*60))
	e.Flags = strings.Fields(string(value))
	return e, nil
}

// cleanFlags drops \Recent, which belongs to a session (RFC 3501, 2.3.2), and repeated flags.
func cleanFlags(flags []string) []string {
	var clean []string
	for _, flag := range flags {
		same := func(have string) bool { return strings.EqualFold(have, flag) }
		if flag != "" && !strings.EqualFold(flag, `\Recent`) && !slices.ContainsFunc(clean, same) {
			clean = append(clean, flag)
		}
	}
	return clean
}
