package sandbox

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Verb is what a person does with a message.
type Verb string

// What people do with their mail.
const (
	// FileIt puts it into another folder, BinIt into the folder of deleted ones; PurgeIt removes it for good.
	FileIt  Verb = "file"
	BinIt   Verb = "delete"
	PurgeIt Verb = "purge"
	// MarkIt flags it.
	MarkIt Verb = "mark"
)

// Deed is something that one of the pilot users does with a message of their own: in the old mailbox as long as mail
// arrives there and once a copy of everything is in the new one, in the new mailbox from the MX change on. Which
// messages they are is decided with the world; each deed is done once, whatever happens.
type Deed struct {
	Number int  `json:"number"`
	Side   Side `json:"side"`
	Verb   Verb `json:"verb"`
	Letter
	// To is the folder where it lies from then on; empty where it is purged or stays.
	To string `json:"to,omitempty"`
	// Done is when it was done; zero if it wasn't, or can't be any more.
	Done time.Time `json:"done,omitzero"`
}

const (
	// working is how many users do something, and deedPause how long nobody does anything after a deed.
	working   = 8
	deedPause = 300 * time.Millisecond
	// settling is how long a user waits once the new mailbox has everything.
	settling = 3 * time.Second
	// sortedFolder is what users make for what they file in their new mailboxes.
	sortedFolder = "Sorted"

	archiveUse, binUse = `\Archive`, `\Trash`

	deedsName = "deeds"
)

// deedsDone is how far people have come.
type deedsDone struct {
	Done map[int]time.Time `json:"done"`
	// Settled is since when a new mailbox has everything.
	Settled map[string]time.Time `json:"settled"`
}

// planDeeds decides what each user will do: every verb on each side, with another message each time.
func (w *World) planDeeds() error {
	if !w.options.Organisation {
		return nil
	}
	var rounds []Deed
	for _, side := range []Side{Source, Target} {
		for _, verb := range []Verb{FileIt, BinIt, PurgeIt, MarkIt} {
			rounds = append(rounds, Deed{Side: side, Verb: verb})
		}
	}
	users := w.people[:min(w.options.pilots(), working)]
	letters := make([][]Letter, len(users))
	for i, user := range users {
		all, err := w.ordinaryLetters(user.Address)
		if err != nil {
			return err
		}
		hash := fnv.New64a()
		hash.Write([]byte(user.Address))
		random := rand.New(rand.NewPCG(w.options.Seed, hash.Sum64()))
		random.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		letters[i] = all
	}
	for round, deed := range rounds {
		for i := range users {
			if round < len(letters[i]) {
				deed.Number, deed.Letter = len(w.deeds), letters[i][round]
				w.deeds = append(w.deeds, deed)
			}
		}
	}
	return nil
}

// Deeds lists everything that people mean to do, and when they did it.
func (w *World) Deeds() ([]Deed, error) {
	var state deedsDone
	if err := get(w.db, deedsName, &state); err != nil {
		return nil, err
	}
	all := append([]Deed{}, w.deeds...)
	for i := range all {
		all[i].Done = state.Done[i]
		if err := w.destination(&all[i]); err != nil && !all[i].Done.IsZero() {
			return nil, err
		}
	}
	return all, nil
}

// work has people do what they mean to, one deed after another, as long as the world runs.
func (w *World) work(ctx context.Context) error {
	state := deedsDone{Done: map[int]time.Time{}, Settled: map[string]time.Time{}}
	if err := get(w.db, deedsName, &state); err != nil {
		return err
	}
	ticker := time.NewTicker(deedPause)
	defer ticker.Stop()
	for len(state.Done) < len(w.deeds) {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := w.doNext(&state); err != nil {
			return fmt.Errorf("people at work: %w", err)
		}
	}
	return nil
}

// doNext does the first deed that can be done now.
func (w *World) doNext(state *deedsDone) error {
	w.desks.Lock()
	defer w.desks.Unlock()
	side := Source
	if w.movedMX() {
		side = Target
	}
	for _, deed := range w.deeds {
		if _, done := state.Done[deed.Number]; done || deed.Side != side {
			continue
		}
		if ready, err := w.ready(deed, state); err != nil {
			return err
		} else if !ready {
			continue
		}
		if done, err := w.do(deed, state); done || err != nil {
			return err
		}
	}
	return nil
}

// ready reports whether a deed can be done now.
func (w *World) ready(deed Deed, state *deedsDone) (bool, error) {
	if deed.Side == Target {
		return true, nil
	}
	return w.settled(deed.Address, state)
}

// settled reports whether everything that a mailbox held at the beginning has been in the new one for a while.
func (w *World) settled(address string, state *deedsDone) (bool, error) {
	if since, known := state.Settled[address]; known {
		return time.Since(since) >= settling, nil
	}
	if !w.target.Has(address) {
		return false, nil
	}
	missing := map[int64]int{}
	dialect := w.tenantDialect()
	err := w.eachOf(address, func(item corpus.Item) {
		if !dialect.Refuses(item.Message.Body) && !slices.Contains(item.Message.Flags, `\Deleted`) {
			missing[item.Message.Internal.Unix()]++
		}
	})
	if err != nil {
		return false, err
	}
	err = w.each(Target, address, func(_ store.Folder, e store.Entry) {
		if missing[e.Internal.Unix()]--; missing[e.Internal.Unix()] <= 0 {
			delete(missing, e.Internal.Unix())
		}
	})
	if err != nil || len(missing) > 0 {
		return false, err
	}
	state.Settled[address] = time.Now().UTC()
	return false, put(w.db, deedsName, state)
}

// do does a deed and writes down that it is done, both or neither. It reports false where the message isn't there.
func (w *World) do(deed Deed, state *deedsDone) (bool, error) {
	if err := w.destination(&deed); err != nil {
		return false, err
	}
	folder, entry, found, err := w.find(deed.Side, deed.Letter)
	if err != nil || !found {
		return false, err
	}
	state.Done[deed.Number] = time.Now().UTC()
	err = w.ledger.stores[deed.Side].Within(func(tx *bbolt.Tx, c store.Changes) error {
		var err error
		switch deed.Verb {
		case FileIt, BinIt:
			err = c.Move(folder.ID, entry.UID, store.FolderSpec{Name: deed.To, Subscribed: true})
		case PurgeIt:
			err = c.Expunge(folder.ID, entry.UID)
		case MarkIt:
			err = c.Flag(folder.ID, entry.UID, `\Flagged`)
		}
		if err != nil {
			return err
		}
		return putIn(tx, deedsName, state)
	})
	if err != nil {
		delete(state.Done, deed.Number)
		if errors.Is(err, store.ErrNoMessage) {
			return false, nil // somebody was quicker; it is looked for again
		}
		return false, err
	}
	w.log.Info("somebody has done something with a message", "who", deed.Address, "side", deed.Side, "what", deed.Verb, "subject", deed.Subject)
	return true, nil
}

// destination fills in where the deed puts the message.
func (w *World) destination(d *Deed) error {
	use := binUse
	switch {
	case d.Verb != FileIt && d.Verb != BinIt:
		return nil
	case d.Verb == FileIt && d.Side == Target:
		d.To = sortedFolder
		return nil
	case d.Verb == FileIt:
		use = archiveUse
	}
	folders, err := w.ledger.stores[d.Side].Folders(d.Address)
	i := slices.IndexFunc(folders, func(f store.Folder) bool { return f.SpecialUse == use })
	if err != nil || i < 0 {
		return fmt.Errorf("%s has no folder for %s: %w", d.Address, use, err)
	}
	d.To = folders[i].Name
	return nil
}

// find looks where a message lies on a side.
func (w *World) find(side Side, l Letter) (folder store.Folder, entry store.Entry, found bool, err error) {
	mailboxes := w.ledger.stores[side]
	type place struct {
		folder store.Folder
		entry  store.Entry
	}
	var places []place
	err = w.each(side, l.Address, func(f store.Folder, e store.Entry) {
		if e.Internal.Equal(l.Internal) {
			places = append(places, place{f, e})
		}
	})
	if err != nil {
		return folder, entry, false, err
	}
	for _, p := range places {
		body, err := mailboxes.Body(p.entry).Bytes()
		if err != nil {
			return folder, entry, false, err
		}
		if id, _ := identify(body); id == l.MessageID {
			return p.folder, p.entry, true, nil
		}
	}
	return folder, entry, false, nil
}

// each calls do for every message of a mailbox; do must not call the store.
func (w *World) each(side Side, address string, do func(store.Folder, store.Entry)) error {
	mailboxes := w.ledger.stores[side]
	folders, err := mailboxes.Folders(address)
	if err != nil {
		return err
	}
	for _, f := range folders {
		err := mailboxes.Scan(f.ID, 1, 0, func(e store.Entry) error {
			do(f, e)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
