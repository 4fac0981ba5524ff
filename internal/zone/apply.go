package zone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailferry/mailferry/internal/migration"
)

// The kinds of problem that Apply reports.
const (
	// KindChanged: something else stands than the change was made for.
	KindChanged = "zone-changed"
	// KindByHand: a person is to make the change.
	KindByHand = "dns-by-hand"
	// KindRefused: the server doesn't let us change this.
	KindRefused = "zone-refused"
	// KindKey: the server doesn't accept the update's signature.
	KindKey = "zone-key-refused"
	// KindNotServed: the server isn't the primary of this zone.
	KindNotServed = "zone-not-served"
)

// Apply makes the change where Before still stands, and succeeds without doing anything where After stands already. In
// the mode "manual" it makes nothing: it succeeds once a person has made the change, and until then returns a
// ProblemError of kind [KindByHand] that says what to set. Anything else that stands is one of kind [KindChanged].
func (c *Client) Apply(ctx context.Context, change migration.Change) error {
	before, err := canonical(change.Before)
	if err != nil {
		return err
	}
	after, err := canonical(change.After)
	if err != nil {
		return err
	}
	if after.Name == "" {
		after.Name, after.Type = before.Name, before.Type
	}
	if before.Name == "" {
		before.Name, before.Type = after.Name, after.Type
	}
	if before.Name != after.Name || before.Type != after.Type || types[after.Type] == 0 {
		return fmt.Errorf("a change of %s %s into %s %s is none that can be made", before.Name, before.Type, after.Name, after.Type)
	}
	if c.config.Mode == ModeUpdate {
		return c.update(ctx, before, after)
	}
	return c.byHand(ctx, before, after)
}

func (c *Client) byHand(ctx context.Context, before, after migration.Record) error {
	now, err := c.Read(ctx, after.Name, after.Type)
	if err != nil {
		return err
	}
	// Some providers choose the TTL themselves. It matters only where it is what the change is about.
	ttlOnly := before.SameData(after)
	switch {
	case now.SameData(after) && (len(after.Data) == 0 || !ttlOnly || now.TTL <= after.TTL):
		return nil
	case !now.SameData(before):
		return changed(before, after, now)
	}
	return migration.NeedsPerson(KindByHand, fmt.Sprintf("the DNS of %s is to be changed by hand: %s", after.Name, instruction(now, after)),
		"make the change at your DNS provider, then retry the step", nil)
}

// instruction says what a person is to set.
func instruction(now, after migration.Record) string {
	switch {
	case len(after.Data) == 0:
		return "take away " + describe(now)
	case len(now.Data) == 0:
		return "add " + describe(after)
	case now.SameData(after):
		return fmt.Sprintf("lower the TTL of %s from %d to %d", describe(now), now.TTL, after.TTL)
	}
	return fmt.Sprintf("replace %s by %s", describe(now), describe(after))
}

func changed(before, after, now migration.Record) error {
	return migration.NeedsPerson(KindChanged,
		fmt.Sprintf("the DNS of %s was changed by someone else: there is %s where there was %s; it was left alone and not set to %s",
			after.Name, describe(now), describe(before), describe(after)),
		"find out who changed it; set it back, or have the change planned anew from what stands now", nil)
}

// update makes the change by dynamic update. That Before stands is checked twice: its TTL by reading it from the
// primary (prerequisites have none, RFC 2136, section 2.4), its data in the same moment as the change by prerequisites.
func (c *Client) update(ctx context.Context, before, after migration.Record) error {
	if c.config.Server == "" {
		return migration.NeedsPerson(KindNotServed, "no server is configured that takes updates", "name the primary server in the plan's dns section", nil)
	}
	now, apex, err := c.primary(ctx, after.Name, after.Type)
	if err != nil {
		return err
	}
	if same(now, after) {
		return nil
	}
	if !same(now, before) {
		return changed(before, after, now)
	}
	message, err := updateMessage(apex, before, after)
	if err != nil {
		return err
	}
	refused := c.send(ctx, message, after)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// Whatever the answer was, and also where there was none, what stands now decides.
	if now, _, err = c.primary(ctx, after.Name, after.Type); err != nil {
		return errors.Join(refused, err)
	}
	switch {
	case same(now, after):
		return nil
	case refused != nil && same(now, before):
		return refused
	case same(now, before):
		return migration.NeedsPerson(KindRefused,
			fmt.Sprintf("%s accepted the change of %s but did not make it: it still has %s", c.config.Server, after.Name, describe(now)),
			"look whether the name has a CNAME beside other records, and at the server's log; then retry the step", nil)
	}
	return changed(before, after, now)
}

// primary reads a set from the server that takes the updates, and finds the zone it is in.
func (c *Client) primary(ctx context.Context, name, kind string) (now migration.Record, apex string, err error) {
	s := server{c.config.Server, []string{c.config.Server}}
	apex, err = cut(name, func(name string) (*dns.Msg, error) {
		answer, err := c.direct(ctx, s, name, dns.TypeSOA)
		if err == nil && (answer.Rcode == dns.RcodeRefused || answer.Rcode == dns.RcodeNotAuth) {
			err = migration.NeedsPerson(KindNotServed, fmt.Sprintf("%s does not serve the zone of %s: it answers %s", s.name, plainName(name), dns.RcodeToString[answer.Rcode]),
				"name the zone's primary server in the plan's dns section", nil)
		}
		return answer, err
	})
	if err != nil {
		return now, "", fmt.Errorf("asking %s: %w", s.name, err)
	}
	answer, err := c.direct(ctx, s, name, types[kind])
	if err != nil {
		return now, "", err
	}
	now, err = set(answer, name, kind, false)
	return now, apex, err
}

func updateMessage(apex string, before, after migration.Record) (*dns.Msg, error) {
	message := new(dns.Msg)
	message.SetUpdate(apex)
	mark := []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: dns.CanonicalName(after.Name), Rrtype: types[after.Type]}}}
	was, err := resourceRecords(before)
	if err != nil {
		return nil, err
	}
	if len(was) > 0 {
		message.Used(was)
	} else {
		message.RRsetNotUsed(mark)
	}
	will, err := resourceRecords(after)
	if err != nil {
		return nil, err
	}
	message.RemoveRRset(mark)
	message.Insert(will)
	return message, nil
}

// send sends an update, signed where there is a key, and explains a refusal.
func (c *Client) send(ctx context.Context, message *dns.Msg, after migration.Record) error {
	client := &dns.Client{Net: "tcp", Timeout: 2 * c.patience}
	signed := c.config.TSIGName != ""
	if signed {
		client.TsigSecret = map[string]string{c.config.TSIGName: c.config.TSIGSecret}
		message.SetTsig(c.config.TSIGName, c.config.TSIGAlgorithm, 300, time.Now().Unix())
	}
	answer, err := exchange(ctx, client, message, c.config.Server)
	if answer == nil {
		return fmt.Errorf("updating %s at %s: %w", after.Name, c.config.Server, err)
	}
	if refusal := c.refusal(answer, after); refusal != nil {
		return refusal
	}
	switch {
	case err != nil:
		return fmt.Errorf("updating %s at %s: %w", after.Name, c.config.Server, err)
	case signed && answer.IsTsig() == nil:
		return fmt.Errorf("updating %s: the answer of %s to a signed update is not signed", after.Name, c.config.Server)
	}
	return nil
}

// refusal explains the answer to an update (RFC 2136, section 2.2; RFC 8945, section 5.3); nil is success.
func (c *Client) refusal(answer *dns.Msg, after migration.Record) error {
	code := answer.Rcode
	if tsig := answer.IsTsig(); tsig != nil && tsig.Error != 0 {
		code = int(tsig.Error)
	}
	word := dns.RcodeToString[code]
	if code == dns.RcodeBadSig {
		word = "BADSIG" // The library's table has BADVERS, which shares the number.
	}
	text := fmt.Sprintf("%s refuses to change %s: it answers %s, ", c.config.Server, after.Name, word)
	problem := func(kind, meaning, remedy string) error {
		return migration.NeedsPerson(kind, text+meaning, remedy, nil)
	}
	key := strings.TrimSuffix(c.config.TSIGName, ".")
	switch code {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeBadKey:
		return problem(KindKey, fmt.Sprintf("so it does not know the key %q for this", key), "compare the TSIG key's name and algorithm with the server's configuration; then retry the step")
	case dns.RcodeBadSig:
		return problem(KindKey, fmt.Sprintf("so its key %q has another secret", key), "give the plan the secret that the server has; then retry the step")
	case dns.RcodeBadTime:
		return problem(KindKey, "so its clock and this one differ by more than five minutes", "set both clocks right; then retry the step")
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return problem(KindNotServed, "so it is not the primary of this zone, or does not know the key", "name the zone's primary server in the plan's dns section, and look at the TSIG key; then retry the step")
	case dns.RcodeRefused:
		return problem(KindRefused, "so its configuration does not allow this key to make this change", "allow it there (BIND: update-policy or allow-update of the zone; it also refuses an MX whose host in the same zone has no address); then retry the step")
	case dns.RcodeNotImplemented, dns.RcodeFormatError:
		return problem(KindRefused, "so it takes no dynamic updates", `name another server, or set the plan's dns mode to "manual"; then retry the step`)
	}
	// NXRRSET, YXRRSET and NXDOMAIN say that something else stands: what it is will be read. SERVFAIL passes.
	return fmt.Errorf("updating %s at %s: it answers %s", after.Name, c.config.Server, word)
}
