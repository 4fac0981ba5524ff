package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/smtp"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Side is where a message was put.
type Side string

// The sides of a migration, and the rest of the world.
const (
	Source  Side = "source"
	Target  Side = "target"
	Outside Side = "outside"
)

// Message is a line of the world's ledger: a message that the world itself has put somewhere. What clients append,
// move or delete isn't in it.
type Message struct {
	Side    Side   `json:"side"`
	Address string `json:"address"`
	Folder  string `json:"folder"`
	// Key is the delivery's, unique in a mailbox.
	Key       string `json:"key"`
	MessageID string `json:"messageId"`
	Subject   string `json:"subject"`
	// SHA256 is of the bytes as they were stored, in hex.
	SHA256   string    `json:"sha256"`
	Size     int       `json:"size"`
	Internal time.Time `json:"internal"`
	// Origin says why it is there: "corpus" with its kind, or the server that took it.
	Origin string `json:"origin"`
	From   string `json:"from,omitempty"`
}

var ledgerBucket = []byte("ledger")

// ledger writes down what is delivered. Its entry comes before the message, so that nothing is there unrecorded; one
// whose message didn't follow, because everything was killed in between, is passed over when it is read.
type ledger struct {
	db     *bbolt.DB
	stores map[Side]*store.Store

	mu sync.Mutex
}

func openLedger(db *bbolt.DB, stores map[Side]*store.Store) (*ledger, error) {
	err := db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(ledgerBucket)
		return err
	})
	return &ledger{db: db, stores: stores}, err
}

// deliver stores a message in the recipient's INBOX, once for each key.
func (l *ledger) deliver(side Side, origin string, d smtp.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	mailboxes := l.stores[side]
	if mailboxes != nil && mailboxes.Delivered(d.To, d.Key) {
		return nil
	}
	sum := sha256.Sum256(d.Body)
	id, subject := identify(d.Body)
	entry := Message{
		Side: side, Address: d.To, Folder: store.Inbox, Key: d.Key, MessageID: id, Subject: subject,
		SHA256: hex.EncodeToString(sum[:]), Size: len(d.Body), Internal: d.At.Truncate(time.Second), Origin: origin, From: d.From,
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	key := []byte(string(side) + "\x00" + d.To + "\x00" + d.Key)
	if err := l.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(ledgerBucket).Put(key, text) }); err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	if mailboxes == nil {
		return nil
	}
	_, _, err = mailboxes.Append(d.To, store.Inbox, store.Message{Body: d.Body, Internal: d.At, Delivery: d.Key})
	return err
}

// delivered lists what came by SMTP.
func (l *ledger) delivered() ([]Message, error) {
	var all []Message
	err := l.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(ledgerBucket).ForEach(func(_, text []byte) error {
			var m Message
			if err := json.Unmarshal(text, &m); err != nil {
				return err
			}
			all = append(all, m)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	kept := all[:0]
	for _, m := range all {
		if mailboxes := l.stores[m.Side]; mailboxes == nil || mailboxes.Delivered(m.Address, m.Key) {
			kept = append(kept, m)
		}
	}
	return kept, nil
}

// identify reads a message's Message-ID and subject as far as it has any.
func identify(body []byte) (id, subject string) {
	read, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return "", ""
	}
	return strings.TrimSpace(read.Header.Get("Message-Id")), read.Header.Get("Subject")
}

// Expected is the whole ledger: the mail that was there at the beginning, then everything that was delivered since, to
// either side. It is what must be accounted for when the migration is over.
func (w *World) Expected() ([]Message, error) {
	var all []Message
	err := corpus.Each(w.options.Seed, w.corpus(), func(item corpus.Item) error {
		sum := sha256.Sum256(item.Message.Body)
		id, subject := identify(item.Message.Body)
		all = append(all, Message{
			Side: Source, Address: item.Address, Folder: item.Folder, Key: item.Message.Delivery, MessageID: id, Subject: subject,
			SHA256: hex.EncodeToString(sum[:]), Size: len(item.Message.Body), Internal: item.Message.Internal,
			Origin: "corpus " + item.Kind,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	delivered, err := w.ledger.delivered()
	return append(all, delivered...), err
}
