package mailcopy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

const (
	// tries is how often a folder is begun again on new connections without getting any further.
	tries = 3
	// lull is how long a server is given to finish what it had received when a connection broke: only then does its
	// folder show what was stored.
	lull = time.Second
)

// worker has one connection to each side.
type worker struct {
	*engine
	src, tgt *session
	unsure   atomic.Bool // an append was on its way when the target's connection broke
}

// open connects whichever side is not connected.
func (w *worker) open(ctx context.Context) error {
	var err error
	if w.src == nil {
		if w.src, err = connect(ctx, "source", w.source); err != nil {
			return fmt.Errorf("opening the source: %w", err)
		}
	}
	if w.tgt == nil {
		if w.tgt, err = w.openTarget(ctx); err != nil {
			return fmt.Errorf("opening the target: %w", err)
		}
		w.heed(appendLimit(w.tgt.capList))
	}
	// When even answers are not waited for, the connections are cut.
	src, tgt := w.src, w.tgt
	context.AfterFunc(w.hard, func() {
		src.Close()
		tgt.Close()
	})
	return nil
}

// heed takes a limit that the target tells, 0 for none, where no lower one is known.
func (e *engine) heed(limit int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if limit > 0 && (e.limit == 0 || limit < e.limit) {
		e.limit = limit
	}
}

// openTarget tries a mailbox that opens no folder once more: Exchange sometimes needs that.
func (w *worker) openTarget(ctx context.Context) (*session, error) {
	s, err := connect(ctx, "target", w.target)
	if errors.Is(err, ErrNoAccess) {
		s, err = connect(ctx, "target", w.target)
	}
	return s, err
}

// appendLimit reads APPENDLIMIT=n (RFC 7889).
func appendLimit(capabilities []string) int64 {
	for _, c := range capabilities {
		if number, ok := strings.CutPrefix(c, "APPENDLIMIT="); ok {
			var n int64
			if _, err := fmt.Sscanf(number, "%d", &n); err == nil {
				return n
			}
		}
	}
	return 0
}

// drop closes both connections at once.
func (w *worker) drop() {
	for _, s := range []*session{w.src, w.tgt} {
		if s != nil {
			s.Close()
		}
	}
	w.src, w.tgt = nil, nil
}

// leave signs out of both sides.
func (w *worker) leave() {
	if w.hard.Err() != nil {
		w.drop()
		return
	}
	for _, s := range []*session{w.src, w.tgt} {
		if s != nil {
			s.leave()
		}
	}
	w.src, w.tgt = nil, nil
}

// routes lists both sides and maps the folders.
func (w *worker) routes(ctx context.Context) ([]route, error) {
	source, err := w.src.place(ctx)
	if err != nil {
		return nil, classify(err)
	}
	target, err := w.tgt.place(ctx)
	if err != nil {
		return nil, classify(err)
	}
	w.folders, w.trash = source.folders, target.trash()
	w.sources = mapFolders(source, target, w.given, w.o)
	return w.sources, nil
}

// trash is the folder for deleted items, empty where there is none.
func (p *place) trash() string {
	for name, u := range p.ownUses() {
		if u == useTrash {
			return name
		}
	}
	return ""
}

func (s *session) place(ctx context.Context) (place, error) {
	folders, err := s.list(ctx)
	return place{folders: folders, separator: s.separator, prefix: s.prefix, foreign: s.foreign, exchange: s.exchange}, err
}

// do copies a job's folders. A connection that breaks is made anew and the folder begun again from its ledger, as long
// as that gets further; a server that asks to wait, and what needs a person, end the copy.
func (w *worker) do(j job) error {
	for _, r := range j.routes {
		l := w.ledger(r.name)
		for try := 1; ; {
			if w.stopped() != nil {
				return nil
			}
			before := l.progress()
			err := w.once(r, l)
			var folder *folderError
			if errors.As(err, &folder) {
				w.skip(folder)
				break
			}
			if err == nil || w.stopped() != nil {
				break
			}
			w.drop()
			if w.unsure.Swap(false) {
				if pause(w.ctx, lull) != nil {
					return nil
				}
			}
			err = classify(err)
			if l.progress() > before {
				try = 1
			}
			if final(err) || try >= tries {
				return inFolder(r.name, err)
			}
			try++
		}
	}
	return nil
}

// skip leaves a folder that can't be opened to a person, and goes on with the others.
func (w *worker) skip(err *folderError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unreadable == nil {
		w.unreadable = err
	}
}

// final reports whether an error ends the slice without another try.
func final(err error) bool {
	var later *migration.LaterError
	_, problem := migration.AsProblem(err)
	return problem || errors.As(err, &later) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// once makes one try at a folder.
func (w *worker) once(r route, l *ledger) error {
	if err := w.open(w.ctx); err != nil {
		return err
	}
	p := &pass{worker: w, route: r, ledger: l, src: w.src, tgt: w.tgt}
	return p.run(w.ctx)
}

// selected is what SELECT and EXAMINE tell of a folder.
type selected struct {
	exists      int
	uidValidity uint32
	uidNext     uint32
	modSeq      uint64
	// permanent are the flags that can be set, in lower case; nil where the server doesn't tell.
	permanent map[string]bool
}

// selectFolder sends SELECT or EXAMINE; the result is complete when the command is answered.
func (s *session) selectFolder(name, wire string) (*selected, *imapwire.Command) {
	sel := &selected{}
	command := s.Send(&imapwire.Command{
		Name: name,
		Args: func(w *imapwire.Writer) error {
			w.SP()
			w.AString(wire)
			return nil
		},
		Names: []string{"EXISTS", "OK"},
		Data: func(d *imapwire.Response) error {
			if d.Status == nil {
				sel.exists = int(d.Num)
				return nil
			}
			sel.read(d.Status)
			return nil
		},
	})
	return sel, command
}

func (s *selected) read(status *imapwire.Status) {
	number := func() uint64 {
		var n uint64
		fmt.Sscanf(status.Arg, "%d", &n)
		return n
	}
	switch status.Code {
	case "UIDVALIDITY":
		s.uidValidity = uint32(number())
	case "UIDNEXT":
		s.uidNext = uint32(number())
	case "HIGHESTMODSEQ":
		s.modSeq = number()
	case "PERMANENTFLAGS":
		s.permanent = map[string]bool{}
		for _, flag := range strings.Fields(strings.Trim(status.Arg, "()")) {
			s.permanent[strings.ToLower(flag)] = true
		}
	}
}
