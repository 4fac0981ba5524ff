package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// Changes are what a probe found.
type Changes struct {
	// Changed are the folders to copy, new ones among them, in the server's order; Vanished are those that the cursors name
	// and the source no longer has.
	Changed, Vanished []string
	// Bounds are those of all the source's folders, where there is anything to copy.
	Bounds []migration.FolderBound
}

// Folders are all those that a pass has to look at.
func (c *Changes) Folders() []string { return slices.Concat(c.Changed, c.Vanished) }

// Probe compares the source's folders with the cursors of the last pass. On servers without CONDSTORE a change of flags
// alone isn't seen. The bounds are taken before it is asked once more what changed: what came into a folder below its
// bound has by then left the folder where it was, so that one is among the changed too.
func Probe(ctx context.Context, source Account, cursors []migration.FolderCursor, o Options) (Changes, error) {
	s, err := connect(ctx, "source", source)
	if err != nil {
		return Changes{}, fmt.Errorf("opening the source: %w", err)
	}
	defer s.leave()
	routes, err := s.sourceRoutes(ctx, o)
	if err != nil {
		return Changes{}, classify(err)
	}
	figures, err := s.figures(ctx, routes)
	if err != nil {
		return Changes{}, classify(err)
	}
	found := compareFigures(routes, cursors, figures)
	if len(found.Folders()) == 0 {
		return found, nil
	}
	bounds, err := s.bounds(ctx, routes, figures)
	if err != nil {
		return Changes{}, classify(err)
	}
	if len(found.Changed) < len(routes) {
		if figures, err = s.figures(ctx, routes); err != nil {
			return Changes{}, classify(err)
		}
		found = compareFigures(routes, cursors, figures)
	}
	found.Bounds = bounds
	return found, nil
}

// compareFigures finds the folders that aren't as the cursors say.
func compareFigures(routes []route, cursors []migration.FolderCursor, figures map[string]map[string]uint64) (found Changes) {
	for _, r := range routes {
		i := slices.IndexFunc(cursors, func(c migration.FolderCursor) bool { return c.Source == r.name })
		if i < 0 || differs(cursors[i], figures[r.wire]) {
			found.Changed = append(found.Changed, r.name)
		}
	}
	for _, c := range cursors {
		// A folder whose messages are all accounted for as gone needs no further pass.
		if c.Messages > 0 && !slices.ContainsFunc(routes, func(r route) bool { return r.name == c.Source }) {
			found.Vanished = append(found.Vanished, c.Source)
		}
	}
	return found
}

// differs reports whether a folder's figures are not those of the last pass.
func differs(c migration.FolderCursor, now map[string]uint64) bool {
	next, known := now["UIDNEXT"]
	return c.Exceptions || now["UIDVALIDITY"] != uint64(c.UIDValidity) || now["MESSAGES"] != uint64(c.Messages) ||
		!known || next > uint64(c.Cursor)+1 || now["HIGHESTMODSEQ"] != c.ModSeq && c.ModSeq > 0
}

// sourceRoutes are the source folders that can hold mail, targets left open.
func (s *session) sourceRoutes(ctx context.Context, o Options) ([]route, error) {
	source, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	return mapFolders(source, place{separator: "/", exchange: true}, migration.MailboxState{}, o), nil
}

// figures asks for the STATUS of all folders at once.
func (s *session) figures(ctx context.Context, routes []route) (map[string]map[string]uint64, error) {
	items := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY"}
	if s.caps["CONDSTORE"] {
		items = append(items, "HIGHESTMODSEQ")
	}
	if s.caps["STATUS=SIZE"] {
		items = append(items, "SIZE")
	}
	all := map[string]map[string]uint64{}
	commands := make([]*imapwire.Command, len(routes))
	for i, r := range routes {
		all[r.wire] = map[string]uint64{}
		commands[i] = s.Send(statusCommand(r.wire, items, all[r.wire]))
	}
	for i, command := range commands {
		_, err := command.Wait(ctx)
		if err != nil && (!answered(err) || classify(err) != err) {
			return nil, fmt.Errorf("asking for the figures of folder %q: %w", routes[i].name, err)
		}
	}
	return all, nil
}

// Inspect lists what a source mailbox has, and where a copy into an Exchange mailbox would put it.
func Inspect(ctx context.Context, source Account, o Options) (migration.SourceFacts, error) {
	s, err := connect(ctx, "source", source)
	if err != nil {
		return migration.SourceFacts{}, fmt.Errorf("opening the source: %w", err)
	}
	defer s.leave()
	routes, err := s.sourceRoutes(ctx, o)
	if err != nil {
		return migration.SourceFacts{}, classify(err)
	}
	figures, err := s.figures(ctx, routes)
	if err != nil {
		return migration.SourceFacts{}, classify(err)
	}
	facts := migration.SourceFacts{Greeting: s.greeting, Capabilities: s.capList, Separator: s.separator, Prefix: s.prefix}
	for _, r := range routes {
		f := migration.FolderFacts{Name: r.name, Messages: int(figures[r.wire]["MESSAGES"]), Bytes: int64(figures[r.wire]["SIZE"]), Target: r.target}
		if r.use != useInbox {
			f.SpecialUse = specialUse(r.use)
		}
		facts.Folders = append(facts.Folders, f)
	}
	return facts, nil
}

// specialUse writes a use as RFC 6154 does: \Sent.
func specialUse(u use) string {
	if len(u) < 2 {
		return ""
	}
	return `\` + strings.ToUpper(string(u[1])) + string(u[2:])
}
