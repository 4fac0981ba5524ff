package store

import (
	"encoding/binary"
	"fmt"
	"io"
)

// chunkSize is how many bytes of a body are kept under one key, and so the most that is read at once.
const chunkSize = 256 << 10

// Body is a stored message's text. Each read is a short transaction of its own, so a body may be read as slowly as
// a client takes it.
type Body struct {
	store *Store
	id    uint64
	size  int64
}

var _ io.ReaderAt = Body{}

// Body returns the body of a message.
func (s *Store) Body(e Entry) Body { return Body{s, e.body, e.Size} }

// Size is the body's length in bytes.
func (b Body) Size() int64 { return b.size }

// Reader reads the body from its beginning.
func (b Body) Reader() io.Reader { return io.NewSectionReader(b, 0, b.size) }

// Bytes reads the whole body.
func (b Body) Bytes() ([]byte, error) {
	text := make([]byte, b.size)
	_, err := b.ReadAt(text, 0)
	if err == io.EOF {
		err = nil
	}
	return text, err
}

// ReadAt implements io.ReaderAt.
func (b Body) ReadAt(into []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("offset %d lies before the body", offset)
	}
	want := min(int64(len(into)), max(b.size-offset, 0))
	done := int64(0)
	err := b.store.view(func(t *transaction) error {
		for done < want {
			at := offset + done
			chunk := t.bodies.Get(bodyKey(b.id, uint32(at/chunkSize)))
			if int64(len(chunk)) <= at%chunkSize {
				return fmt.Errorf("body %d is damaged at byte %d", b.id, at)
			}
			done += int64(copy(into[done:want], chunk[at%chunkSize:]))
		}
		return nil
	})
	if err == nil && done < int64(len(into)) {
		err = io.EOF
	}
	return int(done), err
}

func (t *transaction) putBody(body []byte) (uint64, error) {
	id, err := t.bodies.NextSequence()
	if err != nil {
		return 0, err
	}
	for chunk := uint32(0); len(body) > 0; chunk++ {
		size := min(len(body), chunkSize)
		if err := t.bodies.Put(bodyKey(id, chunk), body[:size]); err != nil {
			return 0, err
		}
		body = body[size:]
	}
	return id, nil
}

func bodyKey(body uint64, chunk uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, body), chunk)
}
