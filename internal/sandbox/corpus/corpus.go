package corpus

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Spec says how much there is of what.
type Spec struct {
	// Addresses are the mailboxes.
	Addresses []string
	// Messages is how many each mailbox gets.
	Messages int
	// Big puts one message of 30 MB into the first mailbox, on top of its Messages.
	Big bool
	// Separator is the hierarchy separator of the server in front, by default "/". Prefix is put before every folder
	// name but INBOX, as by servers whose personal namespace is "INBOX.".
	Separator, Prefix string
	// Until is the date that most messages lie before, within five years; by default the end of 2025.
	Until time.Time
}

func (s Spec) withDefaults() Spec {
	if s.Separator == "" {
		s.Separator = "/"
	}
	if s.Until.IsZero() {
		s.Until = time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)
	}
	return s
}

// Item is one message of the corpus and where it belongs.
type Item struct {
	Address, Folder string
	// Kind is the name of what is nasty about it.
	Kind    string
	Message store.Message
}

// Ordinary reports whether there is nothing nasty about the message, and it lies where people keep their mail.
func (i Item) Ordinary() bool {
	return i.Kind == ordinaryKind && (i.Folder == store.Inbox || strings.HasSuffix(i.Folder, "Sent"))
}

// ordinaryKind is the kind of what most mail looks like.
const ordinaryKind = "ordinary"

// batch is how many messages are stored in one transaction.
const batch = 64

// Fill makes the mailboxes that are missing and stores the messages that they lack. Once it has returned without an
// error, calling it again changes nothing, even where messages were moved or deleted since.
func Fill(s *store.Store, seed uint64, spec Spec) error {
	spec = spec.withDefaults()
	for i, address := range spec.Addresses {
		if err := s.Create(address, Folders(spec)); err != nil {
			return err
		}
		big := spec.Big && i == 0
		if last := deliveryKey(seed, spec.count(big)-1); s.Delivered(address, last) {
			continue
		}
		pending := make(map[string][]store.Message)
		err := each(seed, spec, address, big, func(item Item) error {
			list := append(pending[item.Folder], item.Message)
			pending[item.Folder] = list
			if len(list) < batch && len(item.Message.Body) < 1<<20 {
				return nil
			}
			delete(pending, item.Folder)
			_, _, err := s.AppendAll(address, item.Folder, list)
			return err
		})
		if err != nil {
			return err
		}
		if err := flush(s, address, pending, deliveryKey(seed, spec.count(big)-1)); err != nil {
			return err
		}
	}
	return nil
}

// flush stores what is left; the folder with the last message comes last, so that its being there means that all are.
func flush(s *store.Store, address string, pending map[string][]store.Message, last string) error {
	final := ""
	for folder, list := range pending {
		if list[len(list)-1].Delivery == last {
			final = folder
			continue
		}
		if _, _, err := s.AppendAll(address, folder, list); err != nil {
			return err
		}
	}
	if final == "" {
		return nil
	}
	_, _, err := s.AppendAll(address, final, pending[final])
	return err
}

// Each calls do for every message of the corpus, mailbox by mailbox, in the order in which each folder gets them.
func Each(seed uint64, spec Spec, do func(Item) error) error {
	spec = spec.withDefaults()
	for i, address := range spec.Addresses {
		if err := each(seed, spec, address, spec.Big && i == 0, do); err != nil {
			return err
		}
	}
	return nil
}

// EachOf is [Each] for one of the mailboxes; it does nothing for an address that is none of them.
func EachOf(seed uint64, spec Spec, address string, do func(Item) error) error {
	spec = spec.withDefaults()
	i := slices.Index(spec.Addresses, address)
	if i < 0 {
		return nil
	}
	return each(seed, spec, address, spec.Big && i == 0, do)
}

func (s Spec) count(big bool) int {
	if big {
		return s.Messages + 1
	}
	return s.Messages
}

func deliveryKey(seed uint64, n int) string { return fmt.Sprintf("corpus/%d/%d", seed, n) }

func each(seed uint64, spec Spec, address string, big bool, do func(Item) error) error {
	var last Item
	for n := range spec.count(big) {
		w := newWriter(seed, spec, address, n)
		var item Item
		switch {
		case big && n == spec.Messages:
			item = w.item("big", (*writer).big)
		case n < len(kinds):
			item = w.kind(kinds[n], last)
		case w.Float64() < 0.2:
			item = w.kind(kinds[w.IntN(len(kinds))], last)
		default:
			item = w.item(ordinaryKind, ordinary[w.IntN(len(ordinary))])
		}
		item.Message.Delivery = deliveryKey(seed, n)
		if err := do(item); err != nil {
			return err
		}
		last = item
	}
	return nil
}

// writer writes message number n of a mailbox. All that it decides comes from its own random numbers, so that a
// message doesn't depend on which others were written before.
type writer struct {
	*rand.Rand
	spec            Spec
	address, domain string
	n               int
	date            time.Time
	flags           []string
	folder          string
}

func newWriter(seed uint64, spec Spec, address string, n int) *writer {
	hash := fnv.New64a()
	hash.Write([]byte(address))
	w := &writer{
		Rand: rand.New(rand.NewPCG(seed^hash.Sum64(), uint64(n))),
		spec: spec, address: address, n: n,
	}
	_, w.domain, _ = strings.Cut(address, "@")
	// Later numbers are later mail, with some disorder, as where mail was filed by hand.
	span := 5 * 365 * 24 * time.Hour
	step := span / time.Duration(max(spec.Messages, 1))
	ago := span - step*time.Duration(n) + time.Duration(w.Int64N(int64(step)*8+1))
	w.date = spec.Until.Add(-max(ago, 0)).Truncate(time.Second).In(zones[w.IntN(len(zones))])
	w.folder = w.anyFolder()
	w.flags = w.anyFlags()
	return w
}

// zones are what INTERNALDATEs come in.
var zones = []*time.Location{
	time.UTC, time.FixedZone("", 3600), time.FixedZone("", 2*3600), time.FixedZone("", -8*3600),
	time.FixedZone("", 5*3600+45*60), time.FixedZone("", -(3*3600 + 30*60)), time.FixedZone("", 14*3600),
}

func (w *writer) anyFlags() []string {
	var flags []string
	for _, flag := range []struct {
		name  string
		share float64
	}{
		{`\Seen`, 0.7}, {`\Answered`, 0.15}, {`\Flagged`, 0.1}, {"$Forwarded", 0.04}, {"$Label1", 0.04}, {"NonJunk", 0.05},
	} {
		if w.Float64() < flag.share {
			flags = append(flags, flag.name)
		}
	}
	return flags
}

func (w *writer) item(kind string, write func(*writer) []byte) Item {
	body := write(w)
	return Item{w.address, w.folder, kind, store.Message{Body: body, Internal: w.date, Flags: w.flags}}
}

func (w *writer) kind(k kind, last Item) Item {
	if k.again {
		// The very same once more in the same folder: bytes, date and flags.
		last.Kind = k.name
		return last
	}
	return w.item(k.name, k.write)
}
