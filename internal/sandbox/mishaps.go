package sandbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// leastMailboxes is how many an organisation has at least, so that each mishap is somebody else's.
const leastMailboxes = 6

// Mishaps are what goes wrong in an organisation by plan. Whatever else is missing at the end is lost.
type Mishaps struct {
	// WrongPassword is the mailbox whose password in the first list is wrong.
	WrongPassword string `json:"wrongPassword,omitempty"`
	// Leaver has left the company; the mailbox is in the lists and should not be copied.
	Leaver string `json:"leaver,omitempty"`
	// Latecomer was forgotten, and is in the last list alone.
	Latecomer string `json:"latecomer,omitempty"`
	// Poison is the message at which the tenant's server cuts the connection each time it is given it.
	Poison Letter `json:"poison,omitzero"`
}

// Letter is a message by what is known of it wherever it lies.
type Letter struct {
	Address   string    `json:"address"`
	Folder    string    `json:"folder"`
	MessageID string    `json:"messageId"`
	Subject   string    `json:"subject"`
	Internal  time.Time `json:"internal"`
}

// Mishaps tells what goes wrong in this world; nothing, unless it is an organisation.
func (w *World) Mishaps() Mishaps { return w.mishaps }

// pilots is how many mailboxes are in the first of several waves.
func (o Options) pilots() int { return max(o.Mailboxes/6, 1) }

// planMishaps picks who meets which mishap: always the same ones in the same world.
func (w *World) planMishaps() error {
	o := w.options
	if !o.Organisation {
		return nil
	}
	w.mishaps = Mishaps{
		WrongPassword: w.people[o.pilots()].Address,
		Leaver:        w.people[o.Mailboxes-2].Address,
		Latecomer:     w.people[o.Mailboxes-1].Address,
	}
	letters, err := w.ordinaryLetters(w.people[o.pilots()+1].Address)
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		return fmt.Errorf("an organisation's mailboxes hold some ordinary mail; %d messages for %d mailboxes are too few", o.Messages, o.Mailboxes)
	}
	w.mishaps.Poison = letters[len(letters)-1]
	return nil
}

// poison has the tenant's server choke at the poison message, from every start of the world on.
func (w *World) poison() {
	if p := w.mishaps.Poison; p.MessageID != "" {
		w.targetIMAP.Inject(imap.Fault{Mailbox: p.Address, Command: "APPEND", MessageID: p.MessageID, Cut: true})
	}
}

// ordinaryLetters are the messages of a mailbox that are like any other and of which there is one: those that people
// do something with, and that can be told apart on both sides.
func (w *World) ordinaryLetters(address string) ([]Letter, error) {
	type identity struct {
		at int64
		id string
	}
	var letters []Letter
	seen := map[identity]int{}
	err := w.eachOf(address, func(item corpus.Item) {
		id, subject := identify(item.Message.Body)
		seen[identity{item.Message.Internal.Unix(), id}]++
		if item.Ordinary() && id != "" {
			letters = append(letters, Letter{address, item.Folder, id, subject, item.Message.Internal})
		}
	})
	alone := letters[:0]
	for _, l := range letters {
		if seen[identity{l.Internal.Unix(), l.MessageID}] == 1 {
			alone = append(alone, l)
		}
	}
	return alone, err
}

// eachOf calls do for what a mailbox held at the beginning.
func (w *World) eachOf(address string, do func(corpus.Item)) error {
	var found bool
	err := corpus.EachOf(w.options.Seed, w.corpus(), address, func(item corpus.Item) error {
		found = true
		do(item)
		return nil
	})
	if err == nil && !found {
		err = errors.New("there is no mailbox " + address)
	}
	return err
}

// Unmovable lists the messages, of those that were there at the beginning, that the tenant never takes: those that a
// server like it refuses, and the poison.
func (w *World) Unmovable() ([]Letter, error) {
	var all []Letter
	if w.mishaps.Poison.MessageID != "" {
		all = append(all, w.mishaps.Poison)
	}
	dialect := w.tenantDialect()
	err := corpus.Each(w.options.Seed, w.corpus(), func(item corpus.Item) error {
		if dialect.Refuses(item.Message.Body) {
			id, subject := identify(item.Message.Body)
			all = append(all, Letter{item.Address, item.Folder, id, subject, item.Message.Internal})
		}
		return nil
	})
	return all, err
}
