package zone

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailferry/mailferry/internal/migration"
)

// seen is what one server says.
type seen struct {
	server string
	record migration.Record
	err    error
}

// Read returns the set as all of the zone's authoritative servers have it, with its full TTL, and with no data where
// there is none. Servers that disagree, or don't answer, are an error that passes: a change is spreading. An alias in
// the set's place is a ProblemError of kind "name-is-alias".
func (c *Client) Read(ctx context.Context, name, kind string) (migration.Record, error) {
	kind = strings.ToUpper(kind)
	if types[kind] == 0 {
		return migration.Record{}, fmt.Errorf("records of type %q are not known here; MX, TXT and CNAME are", kind)
	}
	all, err := c.authoritative(ctx, name, kind)
	if err != nil {
		return migration.Record{}, fmt.Errorf("reading %s %s: %w", plainName(name), kind, err)
	}
	first := all[0]
	for _, one := range all {
		if one.err != nil {
			return migration.Record{}, fmt.Errorf("reading %s %s from %s: %w", plainName(name), kind, one.server, one.err)
		}
		if !same(first.record, one.record) {
			return migration.Record{}, fmt.Errorf("the servers of %s disagree: %s has %s, %s has %s",
				first.record.Name, first.server, describe(first.record), one.server, describe(one.record))
		}
	}
	return first.record, nil
}

// authoritative asks all authoritative servers at once. There is at least one.
func (c *Client) authoritative(ctx context.Context, name, kind string) ([]seen, error) {
	servers, err := c.servers(ctx, name)
	if err != nil {
		return nil, err
	}
	all := make([]seen, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		group.Go(func() {
			all[i].server = server.name
			answer, err := c.direct(ctx, server, name, types[kind])
			if err != nil {
				all[i].err = err
				return
			}
			all[i].record, all[i].err = set(answer, name, kind, false)
		})
	}
	group.Wait()
	return all, ctx.Err()
}

// Missing returns the authoritative servers and resolvers that do not give the set's data yet, each with what it gives
// in its place. Of texts (TXT) it is enough that the wanted ones are among those given: a name's other texts are other
// people's. TTLs are not compared: what a resolver gives is what is left of one. A server that doesn't answer doesn't
// give the data.
func (c *Client) Missing(ctx context.Context, want migration.Record) ([]string, error) {
	want, err := canonical(want)
	if err != nil {
		return nil, err
	}
	c = c.short()
	all, err := c.authoritative(ctx, want.Name, want.Type)
	if err != nil {
		return nil, fmt.Errorf("watching %s %s: %w", want.Name, want.Type, err)
	}
	resolvers := make([]seen, len(c.config.Resolvers))
	var group sync.WaitGroup
	for i, resolver := range c.config.Resolvers {
		group.Go(func() {
			resolvers[i].server = resolver
			answer, err := c.ask(ctx, resolver, want.Name, types[want.Type], true)
			if err != nil {
				resolvers[i].err = err
				return
			}
			resolvers[i].record, resolvers[i].err = set(answer, want.Name, want.Type, want.Type != "CNAME")
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var missing []string
	for _, one := range append(all, resolvers...) {
		switch {
		case one.err != nil:
			missing = append(missing, fmt.Sprintf("%s (%v)", one.server, one.err))
		case !gives(one.record, want):
			missing = append(missing, fmt.Sprintf("%s (has %s)", one.server, describe(one.record)))
		}
	}
	return missing, nil
}

// gives reports whether a server that has the one record gives what is wanted.
func gives(has, want migration.Record) bool {
	if want.Type != "TXT" || len(want.Data) == 0 {
		return has.SameData(want)
	}
	return !slices.ContainsFunc(want.Data, func(text string) bool { return !slices.Contains(has.Data, text) })
}
