package mailcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// fetched is what a FETCH response says of one message.
type fetched struct {
	uid   uint32
	flags []string
	// date is the INTERNALDATE as the server wrote it.
	date string
	size int64
	// header is the literal of a HEADER.FIELDS item.
	header string
	modSeq uint64
}

// when is the INTERNALDATE as a time; ok is false where it can't be read.
func (f *fetched) when() (t time.Time, ok bool) {
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", strings.TrimSpace(f.date))
	return t, err == nil
}

// readFetch reads the data of a FETCH response. The text of the whole message is given to body as it comes, which may
// be before the items behind it are known; ok is false where the server said NIL.
func readFetch(d *imapwire.Response, body func(f *fetched, l *imapwire.Literal, text string, ok bool) error) (fetched, error) {
	var f fetched
	if err := d.SP(); err != nil {
		return f, err
	}
	err := d.List(func() error {
		item, err := d.Item()
		if err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
		switch {
		case item == "UID":
			f.uid, err = d.Number32()
		case item == "FLAGS":
			f.flags = nil
			err = d.List(func() error {
				flag, err := d.Atom()
				f.flags = append(f.flags, flag)
				return err
			})
		case item == "INTERNALDATE":
			f.date, err = d.Quoted()
		case item == "RFC822.SIZE":
			var n uint64
			n, err = d.Number()
			f.size = int64(n)
		case item == "MODSEQ":
			err = d.List(func() (err error) {
				f.modSeq, err = d.Number()
				return err
			})
		case item == "BODY[]" && body != nil:
			err = readBody(d, &f, body)
		case strings.HasPrefix(item, "BODY[HEADER"):
			f.header, err = readHeader(d)
		default:
			err = d.Skip()
		}
		return err
	})
	return f, err
}

// maxHeader is how much is read of a message's header fields; nobody needs more to know it again.
const maxHeader = 256 << 10

func readHeader(d *imapwire.Response) (string, error) {
	if c, err := d.Peek(); err != nil || c != '{' {
		header, _, err := d.NString()
		return header, err
	}
	l, err := d.Literal()
	if err != nil {
		return "", err
	}
	header, err := io.ReadAll(io.LimitReader(l, maxHeader))
	return string(header), err
}

func readBody(d *imapwire.Response, f *fetched, body func(*fetched, *imapwire.Literal, string, bool) error) error {
	c, err := d.Peek()
	if err != nil {
		return err
	}
	if c == '{' || c == '~' {
		l, err := d.Literal()
		if err != nil {
			return err
		}
		return body(f, l, "", true)
	}
	text, ok, err := d.NString()
	if err != nil {
		return err
	}
	return body(f, nil, text, ok)
}

// fetch sends a UID FETCH and gives each response that has a UID to take.
func (s *session) fetch(ctx context.Context, set, items string, take func(fetched) error) error {
	_, err := s.Send(fetchCommand(set, items, take)).Wait(ctx)
	if err != nil {
		return fmt.Errorf("fetching from the %s: %w", s.side, err)
	}
	return nil
}

func fetchCommand(set, items string, take func(fetched) error) *imapwire.Command {
	return &imapwire.Command{
		Name:  "UID FETCH",
		Names: []string{"FETCH"},
		Args: func(w *imapwire.Writer) error {
			w.Raw(" " + set + " " + items)
			return nil
		},
		Data: func(d *imapwire.Response) error {
			f, err := readFetch(d, nil)
			if err == nil && f.uid != 0 {
				err = take(f)
			}
			return err
		},
	}
}

// fetchAll is fetch over sets that each fit into a command line, all on their way at once. A NO is let pass: servers say
// it when a message can't be read, and give the others.
func (s *session) fetchAll(ctx context.Context, uids []uint32, items string, take func(fetched) error) error {
	var commands []*imapwire.Command
	for _, set := range uidSets(uids, maxSet) {
		commands = append(commands, s.Send(fetchCommand(set, items, take)))
	}
	for _, c := range commands {
		if _, err := c.Wait(ctx); err != nil && !partial(err) {
			return fmt.Errorf("fetching from the %s: %w", s.side, err)
		}
	}
	return nil
}

// partial reports whether a FETCH was answered NO for the sake of some of its messages.
func partial(err error) bool {
	var status *imapwire.StatusError
	return errors.As(err, &status) && status.Kind == "NO" && classify(err) == err && !transient(&status.Status)
}

// listUIDs lists the UIDs of a range by SEARCH.
func (s *session) listUIDs(ctx context.Context, set string) ([]uint32, error) {
	return s.search(ctx, func(w *imapwire.Writer) { w.Raw(" UID " + set) })
}

// search sends a UID SEARCH with the key.
func (s *session) search(ctx context.Context, key func(*imapwire.Writer)) ([]uint32, error) {
	var found []uint32
	_, err := s.Send(&imapwire.Command{Name: "UID SEARCH", Names: []string{"SEARCH"}, Args: func(w *imapwire.Writer) error {
		key(w)
		return nil
	}, Data: func(d *imapwire.Response) error {
		for {
			if ok, err := d.Accept(' '); err != nil || !ok {
				return err
			}
			if c, err := d.Peek(); err != nil || c < '0' || c > '9' {
				return err // blanks at the end, or (MODSEQ n)
			}
			uid, err := d.Number32()
			if err != nil {
				return err
			}
			found = append(found, uid)
		}
	}}).Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("searching the %s: %w", s.side, err)
	}
	return found, nil
}
