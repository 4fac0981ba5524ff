package mailcopy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// logoutTimeout is how long a server may take to say good-bye.
const logoutTimeout = 5 * time.Second

// folder is one line of LIST.
type folder struct {
	// wire is the name as the server sent it, and as it must be sent back; name is the same in UTF-8.
	wire, name string
	separator  string
	// attributes are in lower case, with their backslash.
	attributes []string
}

func (f *folder) has(attribute string) bool { return slices.Contains(f.attributes, attribute) }

// selectable reports whether the folder can hold mail.
func (f *folder) selectable() bool { return !f.has(`\noselect`) && !f.has(`\nonexistent`) }

// decodeName turns a name on the wire into UTF-8. What is not modified UTF-7 stays: some servers send raw UTF-8.
func decodeName(wire string) string {
	if strings.EqualFold(wire, "INBOX") {
		return "INBOX"
	}
	if name, err := imapwire.DecodeUTF7(wire); err == nil {
		return name
	}
	return strings.ToValidUTF8(wire, "\uFFFD")
}

// list asks for all folders, in the server's order.
func (s *session) list(ctx context.Context) ([]folder, error) {
	var folders []folder
	_, err := s.Send(&imapwire.Command{Name: "LIST", Names: []string{"LIST"}, Args: func(w *imapwire.Writer) error {
		w.Raw(` "" "*"`)
		if s.caps["SPECIAL-USE"] && s.caps["LIST-EXTENDED"] && !s.exchange {
			w.Raw(" RETURN (SPECIAL-USE)")
		}
		return nil
	}, Data: func(d *imapwire.Response) error {
		f, err := readList(d)
		if err == nil && !slices.ContainsFunc(folders, func(have folder) bool { return have.wire == f.wire }) {
			folders = append(folders, f)
		}
		return err
	}}).Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the %s's folders: %w", s.side, err)
	}
	return folders, nil
}

// readList reads the data of a LIST response: the attributes, the separator, the name, and whatever follows.
func readList(d *imapwire.Response) (folder, error) {
	var f folder
	if err := d.SP(); err != nil {
		return f, err
	}
	err := d.List(func() error {
		attribute, err := d.Atom()
		f.attributes = append(f.attributes, strings.ToLower(attribute))
		return err
	})
	if err != nil {
		return f, err
	}
	if err := d.SP(); err != nil {
		return f, err
	}
	if f.separator, _, err = d.NString(); err != nil {
		return f, err
	}
	if err := d.SP(); err != nil {
		return f, err
	}
	// Names with blanks or control characters come unquoted from some servers: then the rest of the line is the name.
	if f.wire, err = d.AString(); err != nil {
		return f, err
	}
	if next, err := d.Peek(); err == nil && next != 0 {
		rest, err := d.Text()
		if err != nil {
			return f, err
		}
		if !strings.HasPrefix(rest, " (") {
			f.wire += rest
		}
	}
	f.name = decodeName(f.wire)
	return f, nil
}
