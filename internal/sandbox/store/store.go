package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Errors that callers branch on.
var (
	ErrNoMailbox = errors.New("no such mailbox")
	ErrNoFolder  = errors.New("no such folder")
	ErrExists    = errors.New("folder exists already")
	ErrNoMessage = errors.New("no such message")
)

// Buckets of one side. All keys that hold numbers are big-endian, so that cursors walk them in order.
var (
	mailboxBucket  = []byte("mailboxes")  // address -> mailbox as JSON
	nameBucket     = []byte("names")      // address NUL folder name -> folder ID
	folderBucket   = []byte("folders")    // folder ID -> Folder as JSON
	messageBucket  = []byte("messages")   // folder ID, UID -> entry
	bodyBucket     = []byte("bodies")     // body ID, chunk number -> bytes
	deliveryBucket = []byte("deliveries") // address NUL delivery key -> folder ID, UID
)

// mapSize is how much address space the file is given beforehand, in bytes. Growing the map waits for every reader,
// so a world should seldom have to.
const mapSize = 1 << 32

// Open opens or makes a bbolt file fit for the store. It doesn't sync to the disk: the operating system has every
// change, which is what surviving a kill of the process asks for, and tests stay fast.
func Open(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         5 * time.Second,
		NoSync:          true,
		NoGrowSync:      true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize,
		NoStatistics:    true,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the world's file %q: %w (is another process using it?)", path, err)
	}
	return db, nil
}

// Store is one side's mailboxes.
type Store struct {
	db   *bbolt.DB
	side []byte

	mu       sync.Mutex
	watchers map[uint64]chan struct{}
}

// New opens the mailboxes of a side, "source" or "target"; several sides share one file.
func New(db *bbolt.DB, side string) (*Store, error) {
	s := &Store{db: db, side: []byte("mail/" + side), watchers: make(map[uint64]chan struct{})}
	err := db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucketIfNotExists(s.side)
		if err != nil {
			return err
		}
		for _, name := range [][]byte{mailboxBucket, nameBucket, folderBucket, messageBucket, bodyBucket, deliveryBucket} {
			if _, err := root.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the %s mailboxes: %w", side, err)
	}
	return s, nil
}

// mailbox is what is kept of a mailbox beside its folders.
type mailbox struct {
	Address string `json:"address"`
}

// Create makes a mailbox with its folders and an INBOX, which every mailbox has. A mailbox that exists gets the
// folders that it lacks and keeps all else, so repeating the call changes nothing.
func (s *Store) Create(address string, folders []FolderSpec) error {
	return s.update(func(t *transaction) error {
		if t.mailboxes.Get([]byte(address)) == nil {
			if err := putJSON(t.mailboxes, []byte(address), mailbox{address}); err != nil {
				return err
			}
		}
		for _, spec := range append([]FolderSpec{{Name: Inbox, Subscribed: true}}, folders...) {
			if _, err := t.createFolder(address, spec); err != nil && !errors.Is(err, ErrExists) {
				return fmt.Errorf("folder %q of %q: %w", spec.Name, address, err)
			}
		}
		return nil
	})
}

// Mailboxes lists the addresses, sorted.
func (s *Store) Mailboxes() []string {
	var addresses []string
	// The callback returns no error, and a view of an open file has none of its own.
	_ = s.view(func(t *transaction) error {
		return t.mailboxes.ForEach(func(key, _ []byte) error {
			addresses = append(addresses, string(key))
			return nil
		})
	})
	return addresses
}

// Has tells whether a mailbox exists.
func (s *Store) Has(address string) bool {
	found := false
	_ = s.view(func(t *transaction) error {
		found = t.mailboxes.Get([]byte(address)) != nil
		return nil
	})
	return found
}

// transaction is one bbolt transaction with the side's buckets at hand, and the folders that it changed.
type transaction struct {
	mailboxes, names, folders, messages, bodies, deliveries *bbolt.Bucket

	changed map[uint64]bool
}

func (s *Store) begin(tx *bbolt.Tx) *transaction {
	root := tx.Bucket(s.side)
	t := &transaction{
		mailboxes: root.Bucket(mailboxBucket), names: root.Bucket(nameBucket), folders: root.Bucket(folderBucket),
		messages: root.Bucket(messageBucket), bodies: root.Bucket(bodyBucket), deliveries: root.Bucket(deliveryBucket),
		changed: make(map[uint64]bool),
	}
	// Bodies are only ever added at the end, so pages may be filled to the brim.
	t.bodies.FillPercent = 0.95
	return t
}

func (s *Store) view(do func(*transaction) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return do(s.begin(tx)) })
}

// update runs do in a write transaction and, once it is in the file, wakes whoever watches a changed folder.
func (s *Store) update(do func(*transaction) error) error {
	return s.updateTx(func(_ *bbolt.Tx, t *transaction) error { return do(t) })
}

func (s *Store) updateTx(do func(*bbolt.Tx, *transaction) error) error {
	var t *transaction
	err := s.db.Update(func(tx *bbolt.Tx) error {
		t = s.begin(tx)
		return do(tx, t)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for folder := range t.changed {
		if watcher := s.watchers[folder]; watcher != nil {
			close(watcher)
			delete(s.watchers, folder)
		}
	}
	return nil
}

// Watch returns a channel that is closed at the next change of a folder: a new message, a flag, an expunge.
func (s *Store) Watch(folder uint64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers[folder] == nil {
		s.watchers[folder] = make(chan struct{})
	}
	return s.watchers[folder]
}

func putJSON(bucket *bbolt.Bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return bucket.Put(key, text)
}

func folderKey(folder uint64) []byte { return binary.BigEndian.AppendUint64(nil, folder) }

func messageKey(folder uint64, uid uint32) []byte {
	return binary.BigEndian.AppendUint32(folderKey(folder), uid)
}
