package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/mailferry/mailferry/internal/migration"
)

// writeJSON writes a [migration.Report] with the mailboxes as its last key, a line each.
func writeJSON(w io.Writer, r migration.Report, accounts Accounts) error {
	r.Mailboxes = nil
	head, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	b := bufio.NewWriter(w)
	b.Write(bytes.TrimSuffix(head, []byte("\n}"))) // the writer keeps its first error for Flush
	b.WriteString(",\n  \"mailboxes\": [")
	first := true
	for m, err := range accounts {
		if err != nil {
			return err
		}
		line, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding the account of %q: %w", m.Address, err)
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Flush()
}

// read reads a report's JSON and hands out each mailbox as it comes. The returned report has no mailboxes.
func read(r io.Reader, take func(migration.MailboxAccount)) (migration.Report, error) {
	decoder := json.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	var head migration.Report
	fields := map[string]json.RawMessage{}
	if err := expect(decoder, '{'); err != nil {
		return head, err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return head, err
		}
		if key == "mailboxes" {
			if err := readMailboxes(decoder, take); err != nil {
				return head, err
			}
			continue
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return head, err
		}
		fields[fmt.Sprint(key)] = value
	}
	if err := expect(decoder, '}'); err != nil {
		return head, err
	}
	if more, err := decoder.Token(); err != io.EOF {
		return head, fmt.Errorf("%v stands behind its end (%v)", more, err)
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		return head, err
	}
	return head, json.Unmarshal(whole, &head)
}

func readMailboxes(decoder *json.Decoder, take func(migration.MailboxAccount)) error {
	if err := expect(decoder, '['); err != nil {
		return err
	}
	for decoder.More() {
		var m migration.MailboxAccount
		if err := decoder.Decode(&m); err != nil {
			return err
		}
		take(m)
	}
	return expect(decoder, ']')
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v stands where %v should", token, want)
	}
	return err
}
