package mailcopy

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// omitted returns what a listing of the open folder left out of the messages that the server counts: by SEARCH, and after
// another look at the count, because some may have left the folder in between. Where the figures still don't add up it
// fails, to be tried again: nothing may be concluded from what isn't listed. It brings sel.exists up to date.
func omitted[V any](ctx context.Context, s *session, wire string, sel *selected, listed map[uint32]V) ([]uint32, error) {
	counts := func(uid uint32) bool { return sel.uidNext == 0 || uid < sel.uidNext } // what comes meanwhile doesn't
	counted := 0
	for uid := range listed {
		if counts(uid) {
			counted++
		}
	}
	if counted >= sel.exists {
		return nil, nil
	}
	var missing []uint32
	for range 2 {
		all, err := s.listUIDs(ctx, "1:*")
		if err != nil {
			return nil, err
		}
		missing = slices.DeleteFunc(all, func(uid uint32) bool {
			_, known := listed[uid]
			return known
		})
		slices.Sort(missing)
		missing = slices.Compact(missing)
		found := counted
		for _, uid := range missing {
			if counts(uid) {
				found++
			}
		}
		if found >= sel.exists {
			return missing, nil
		}
		again, command := s.selectFolder("EXAMINE", wire)
		if _, err := command.Wait(ctx); err != nil {
			return nil, fmt.Errorf("opening the %s's folder once more: %w", s.side, err)
		}
		sel.exists = again.exists
		if found >= sel.exists {
			return missing, nil
		}
	}
	return nil, &migration.ShortListingError{Side: s.side, Counted: sel.exists, Listed: counted + len(missing)}
}
