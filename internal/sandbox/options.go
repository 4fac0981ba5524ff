package sandbox

import (
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/graph"
)

// Options say what a world is like. All but Dir, Ports and Log are fixed when the directory is used for the first time:
// from then on zero values stand for what it was given then, and another value is an error.
type Options struct {
	// Dir is where the world lives. It is made if it isn't there.
	Dir string
	// Seed decides the mail that is there at the beginning, and who the users are; 1 if zero.
	Seed uint64
	// Organisation makes it a whole one: by default 60 mailboxes in three domains and three waves with 6,000 messages,
	// and with everything that goes wrong in any (see [Mishaps]) and people who go on working (see [Deed]).
	Organisation bool
	// Domains are the domains that move; harbour.example if empty.
	Domains []string
	// Mailboxes is how many there are over all domains, by default 5; Messages how many they hold together, 1,200.
	Mailboxes, Messages int
	// Small leaves out the one message of 30 MB.
	Small bool
	// Arrivals is how many mails still arrive, by default 20, one each Every, by default 2.5 s. AfterMX of them, a
	// quarter by default, wait until the MX record points at the tenant, so that some always follow it; negative
	// values mean none at all.
	Arrivals, AfterMX int
	Every             time.Duration
	// TTL is the MX record's at the beginning, NewTTL the one that the plan wants before the change, in seconds; 12
	// and 2 if zero. Negative is how long the resolvers remember that something isn't there, 2 s if zero.
	TTL, NewTTL, Negative uint32
	// Delays are how long the tenant takes for things; see [DefaultDelays].
	Delays *graph.Delays
	// Waves is over how many waves the list deals the mailboxes; 1 if zero. Of several the first is the pilot, and small.
	Waves int
	// NewForm gives the tenant's mail exchangers names of the form that domains get since summer 2026.
	NewForm bool
	// Dotted makes the old system one with "." between folders and all of them below INBOX.
	Dotted bool

	// Ports are given ones, by the names of [World.Addresses]. Others are picked once and kept in Dir.
	Ports map[string]int `json:"-"`
	// Log tells what happens in the world, without secrets; nothing if nil.
	Log *slog.Logger `json:"-"`
}

// DefaultDelays press what takes Microsoft hours into seconds, without leaving any of it out.
func DefaultDelays() graph.Delays {
	return graph.Delays{
		Replication: 400 * time.Millisecond, UsageLocation: 600 * time.Millisecond, Mailbox: 3 * time.Second,
		IMAP: time.Second, Grant: time.Second, ServiceRecords: time.Second, TraceReady: 5 * time.Second,
		TraceRow: 500 * time.Millisecond, Pending: time.Second, Token: 3599 * time.Second,
	}
}

// asOrganisation fills in what an organisation is like where nothing else is asked for.
func (o Options) asOrganisation() Options {
	if len(o.Domains) == 0 {
		o.Domains = []string{"harbour.example", "shipyard.example", "lighthouse.example"}
	}
	o.Mailboxes, o.Messages, o.Waves = cmp.Or(o.Mailboxes, 60), cmp.Or(o.Messages, 6000), cmp.Or(o.Waves, 3)
	o.Arrivals, o.Every = cmp.Or(o.Arrivals, 60), cmp.Or(o.Every, time.Second)
	if o.Delays == nil {
		// Users are made one after the other, so what a user takes counts for each.
		delays := DefaultDelays()
		delays.Replication, delays.UsageLocation = 150*time.Millisecond, 200*time.Millisecond
		o.Delays = &delays
	}
	return o
}

func (o Options) withDefaults() Options {
	if o.Organisation {
		o = o.asOrganisation()
	}
	o.Seed = cmp.Or(o.Seed, 1)
	if len(o.Domains) == 0 {
		o.Domains = []string{"harbour.example"}
	}
	o.Mailboxes, o.Messages = cmp.Or(o.Mailboxes, 5), cmp.Or(o.Messages, 1200)
	o.Arrivals, o.Every = max(cmp.Or(o.Arrivals, 20), 0), cmp.Or(o.Every, 2500*time.Millisecond)
	o.AfterMX = min(max(cmp.Or(o.AfterMX, o.Arrivals/4), 0), o.Arrivals)
	o.Waves = min(cmp.Or(o.Waves, 1), o.Mailboxes)
	o.TTL, o.NewTTL, o.Negative = cmp.Or(o.TTL, 12), cmp.Or(o.NewTTL, 2), cmp.Or(o.Negative, 2)
	if o.Delays == nil {
		delays := DefaultDelays()
		o.Delays = &delays
	}
	return o
}

// check refuses what can't be made.
func (o Options) check() error {
	if o.Organisation && o.Mailboxes < leastMailboxes {
		return fmt.Errorf("an organisation has at least %d mailboxes, one for each thing that goes wrong in it; %d are asked for", leastMailboxes, o.Mailboxes)
	}
	return nil
}

// merge returns the stored options with this start's own ones, and refuses a wish that the stored ones don't meet.
func (o Options) merge(stored Options) (Options, error) {
	// Negative counts ask for none.
	wish := o
	wish.Arrivals, wish.AfterMX = max(o.Arrivals, 0), max(o.AfterMX, 0)
	asked, have := reflect.ValueOf(wish), reflect.ValueOf(stored)
	for i := range asked.NumField() {
		field := asked.Type().Field(i)
		if field.Tag.Get("json") == "-" || field.Name == "Dir" || asked.Field(i).IsZero() {
			continue
		}
		if !reflect.DeepEqual(asked.Field(i).Interface(), have.Field(i).Interface()) {
			return Options{}, fmt.Errorf("the world in %q was made with other options: %s; leave that option out, or use another directory", o.Dir, field.Name)
		}
	}
	stored.Dir, stored.Ports, stored.Log = o.Dir, o.Ports, o.Log
	return stored, nil
}
