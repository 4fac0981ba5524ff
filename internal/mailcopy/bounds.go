package mailcopy

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mailferry/mailferry/internal/migration"
)

// unbounded is the bound of a folder that a pass follows as far as it goes.
const unbounded = math.MaxUint32

// bound is the first UID of a source folder that came too late for this pass.
func (e *engine) bound(source string, uidValidity uint32) uint32 {
	i := slices.IndexFunc(e.o.Bounds, func(b migration.FolderBound) bool {
		return b.Source == source && b.UIDValidity == uidValidity
	})
	if i < 0 {
		return unbounded
	}
	return e.o.Bounds[i].Next
}

// bounds are the folders' UIDNEXTs, which come from the figures, or from a look at the folder where the server leaves them
// out or they can't be true.
func (s *session) bounds(ctx context.Context, routes []route, figures map[string]map[string]uint64) ([]migration.FolderBound, error) {
	bounds := make([]migration.FolderBound, 0, len(routes))
	for _, r := range routes {
		b := migration.FolderBound{
			Source: r.name, UIDValidity: uint32(figures[r.wire]["UIDVALIDITY"]), Next: uint32(figures[r.wire]["UIDNEXT"]),
		}
		if uint64(b.Next) <= figures[r.wire]["MESSAGES"] {
			sel, command := s.selectFolder("EXAMINE", r.wire)
			if _, err := command.Wait(ctx); err != nil {
				if answered(err) && classify(err) == err {
					continue
				}
				return nil, fmt.Errorf("opening the source folder %q: %w", r.name, err)
			}
			next, err := s.nextUID(ctx, sel)
			if err != nil {
				return nil, err
			}
			b.UIDValidity, b.Next = sel.uidValidity, next
		}
		bounds = append(bounds, b)
	}
	return bounds, nil
}

// nextUID is the open folder's UIDNEXT, asked for by the last UID where the server didn't tell.
func (s *session) nextUID(ctx context.Context, sel *selected) (uint32, error) {
	if sel.uidNext > 0 || sel.exists == 0 {
		return max(sel.uidNext, 1), nil
	}
	var last uint32
	err := s.fetch(ctx, "*", "(UID)", func(f fetched) error {
		last = max(last, f.uid)
		return nil
	})
	return last + 1, err
}
