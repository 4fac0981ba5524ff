package main

import (
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox"
)

// A comparison is the verdict over both sides of all mailboxes. It knows nothing of what the engine noted down, but for
// what the report names: and that counts only where the world itself had planned it so. A message is accounted for if it
// is at the target as often as it should be, or if it is missing there for a reason that both of them know.
type comparison struct {
	// messages is how many there are to account for: those that were ever put into the source, and those that outside
	// senders brought straight to the target.
	messages, accounted, lost, duplicated int
	// misplaced are messages at the target in another folder, or with another mark, than they should have.
	misplaced int
	// tally is why those that are accounted for are.
	tally  tally
	faults []string
}

// tally counts the messages that are accounted for by why they are.
type tally struct {
	// there are at the target; byRule are flagged for deletion at the source, and so left out by rule.
	there, byRule int
	// refused are those that the tenant can't take, excluded those in mailboxes left out, purged those that their owners
	// deleted for good in the new mailboxes.
	refused, excluded, purged int
}

// facts are what is known of a mailbox beside what stands in it.
type facts struct {
	// put is how many messages the world has put into the source, all in all.
	put int
	// direct are the messages that were delivered to the target without ever having been at the source. This and the
	// following are named by their time of arrival and Message-ID.
	direct []string
	// unmovable are those that the tenant can't take.
	unmovable map[string]bool
	// listed says that the report knows the mailbox; refused are the messages of which it says that the target refused them.
	listed  bool
	refused []migration.Refusal
	// leaver says that the mailbox is meant to be left out, excluded that the report says that it was.
	leaver, excluded bool
	// deeds are what its owner has done with messages.
	deeds []sandbox.Deed
}

func (c *comparison) String() string {
	return fmt.Sprintf("%d of %d messages accounted for, %d lost, %d duplicated", c.accounted, c.messages, c.lost, c.duplicated)
}

// closes reports whether nothing is missing, nothing is there twice, and nothing lies where it shouldn't.
func (c *comparison) closes() bool {
	return c.accounted == c.messages && c.lost == 0 && c.duplicated == 0 && c.misplaced == 0 && c.messages > 0
}

// book is the comparison of one mailbox under way.
type book struct {
	*comparison
	facts
	name string
	// have are the messages at the target that nothing has explained yet, brief their keys by time and Message-ID.
	have  map[string]int
	brief map[string][]string
	// said is how many faults were found.
	said int
}

// mailbox compares one mailbox.
func (c *comparison) mailbox(name string, source, target reading, f facts) {
	b := book{comparison: c, facts: f, name: name, have: map[string]int{}, brief: map[string][]string{}}
	for _, m := range target {
		b.have[m.key]++
		b.brief[prefix(m.key)] = append(b.brief[prefix(m.key)], m.key)
	}
	switch {
	case !f.listed:
		b.fault("%s is in no list that was launched", name)
	case f.excluded && !f.leaver:
		b.fault("%s was left out, and nobody has left", name)
	}
	b.wholeness(source)
	if f.leaver && f.excluded {
		b.leftOut(source)
	} else {
		b.folders(source, target)
		b.source(source)
	}
	for _, message := range f.direct {
		b.expect(b.keyOf(message), fmt.Sprintf("a message delivered straight to the target (%s)", readable(message)))
	}
	for _, m := range target {
		if b.have[m.key] > 0 {
			b.have[m.key]--
			c.duplicated++
			b.fault("%s: message %d of %q at the target stands there once too often (%s)", name, m.uid, m.folder, readable(m.key))
		}
	}
}

// wholeness checks that the source still holds what was put there, but for what its owner deleted for good.
func (b *book) wholeness(source reading) {
	expected := b.put
	for _, d := range b.deeds {
		if d.Side == sandbox.Source && d.Verb == sandbox.PurgeIt {
			expected--
		}
	}
	switch missing := expected - len(source); {
	case missing > 0:
		b.messages += missing
		b.lost += missing
		b.fault("%s: %d messages are not at the source any more", b.name, missing)
	case missing < 0:
		b.duplicated -= missing
		b.fault("%s: %d messages at the source were never put there", b.name, -missing)
	}
}

// source explains each message that is at the source, and those that their owner deleted there after they were copied.
func (b *book) source(source reading) {
	named := map[string]bool{}
	for _, r := range b.refused {
		named[fmt.Sprint(r.Folder, "\x00", r.UID)] = true
	}
	var byRule reading
	for _, m := range source {
		deed := b.deed(prefix(m.key))
		switch {
		case m.deleted:
			byRule = append(byRule, m)
		case b.unmovable[prefix(m.key)] && named[fmt.Sprint(m.folder, "\x00", m.uid)]:
			b.account(&b.tally.refused)
		case deed != nil && deed.Side == sandbox.Target && deed.Verb == sandbox.PurgeIt:
			b.account(&b.tally.purged)
		default:
			b.expect(m.key, fmt.Sprintf("message %d of %q (%s)", m.uid, m.folder, readable(m.key)))
		}
	}
	for _, d := range b.deeds {
		if d.Side == sandbox.Source && d.Verb == sandbox.PurgeIt {
			message := short(d.Internal, d.MessageID)
			b.expect(b.keyOf(message), fmt.Sprintf("a message that was deleted at the source after it was copied (%s)", readable(message)))
		}
	}
	for _, m := range byRule {
		b.account(&b.tally.byRule)
		b.take(m.key) // it was copied before it was flagged
	}
}

// leftOut explains the messages of a mailbox that was left out: they are at the source, and at the target at most once.
func (b *book) leftOut(source reading) {
	for _, m := range source {
		b.account(&b.tally.excluded)
		b.take(m.key)
	}
}

// deed is what was done with a message, nil if nothing was.
func (b *book) deed(message string) *sandbox.Deed {
	i := slices.IndexFunc(b.deeds, func(d sandbox.Deed) bool { return short(d.Internal, d.MessageID) == message })
	if i < 0 {
		return nil
	}
	return &b.deeds[i]
}

// keyOf is the whole key of a message at the target that isn't explained yet.
func (b *book) keyOf(message string) string {
	i := max(slices.IndexFunc(b.brief[message], func(key string) bool { return b.have[key] > 0 }), 0)
	return append(slices.Clone(b.brief[message]), message)[i]
}

// expect accounts for a message that must be at the target.
func (b *book) expect(key, what string) {
	if b.take(key) {
		b.account(&b.tally.there)
		return
	}
	b.messages++
	b.lost++
	b.fault("%s: %s is not at the target", b.name, what)
}

// take explains one message at the target; it reports false where there is none.
func (b *book) take(key string) bool {
	if b.have[key] == 0 {
		return false
	}
	b.have[key]--
	return true
}

func (b *book) account(why *int) {
	b.messages++
	b.accounted++
	*why++
}

// folders checks that what lies together at the source lies together at the target, and that what people did in their new
// mailboxes has stayed as they left it. Messages that are not the only ones of their kind can't be told apart and are
// left out.
func (b *book) folders(source, target reading) {
	from, to := alone(source), alone(target)
	home := map[string]string{}
	for _, m := range source {
		at, arrived := to[m.key]
		if _, unique := from[m.key]; !unique || !arrived || b.deed(prefix(m.key)) != nil {
			continue
		}
		if home[m.folder] == "" {
			home[m.folder] = at.folder
		}
		if home[m.folder] != at.folder {
			b.misplace(m, at, fmt.Sprintf("others of its folder in %q", home[m.folder]))
		}
	}
	for _, m := range source {
		d := b.deed(prefix(m.key))
		at, arrived := to[m.key]
		switch {
		case d == nil || !arrived:
		case d.Side == sandbox.Target && d.To != "" && at.folder != d.To:
			b.misplace(m, at, fmt.Sprintf("its owner put it into %q", d.To))
		case d.Side == sandbox.Target && d.Verb == sandbox.MarkIt && !at.flagged:
			b.misplace(m, at, "its owner's mark is gone")
		case d.Side == sandbox.Source && home[d.To] != "" && at.folder != home[d.To] && at.folder != home[d.Folder]:
			b.misplace(m, at, fmt.Sprintf("its owner put it from %q into %q at the source", d.Folder, d.To))
		}
	}
}

// alone are the messages of which there is but one.
func alone(r reading) map[string]found {
	where, twice := map[string]found{}, map[string]bool{}
	for _, m := range r {
		_, seen := where[m.key]
		twice[m.key] = twice[m.key] || seen
		where[m.key] = m
	}
	for key := range twice {
		if twice[key] {
			delete(where, key)
		}
	}
	return where
}

func (b *book) misplace(m, at found, otherwise string) {
	b.misplaced++
	b.fault("%s: message %d of %q is in %q at the target, and %s", b.name, m.uid, m.folder, at.folder, otherwise)
}

// fault names what is wrong: the first things of each mailbox, and how many more there are.
func (b *book) fault(format string, args ...any) {
	const most = 5
	if b.said++; b.said <= most {
		b.faults = append(b.faults, fmt.Sprintf(format, args...))
		return
	}
	more := fmt.Sprintf("%s: and %d more", b.name, b.said-most)
	if b.said == most+1 {
		b.faults = append(b.faults, more)
	}
	b.faults[len(b.faults)-1] = more
}
