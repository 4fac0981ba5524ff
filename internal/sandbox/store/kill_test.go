package store_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// childFile names the world's file to a copy of this test binary that only appends until it is killed.
const childFile = "MAILFERRY_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		fmt.Fprintln(os.Stderr, appendForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver appends numbered messages and says each number once it is acknowledged.
func appendForEver(path string) error {
	db, err := store.Open(path)
	if err != nil {
		return err
	}
	s, err := store.New(db, "source")
	if err != nil {
		return err
	}
	if err := s.Create(ada, nil); err != nil {
		return err
	}
	for {
		f, err := s.Folder(ada, store.Inbox)
		if err != nil {
			return err
		}
		if _, _, err := s.Append(ada, store.Inbox, numbered(f.UIDNext)); err != nil {
			return err
		}
		fmt.Println(f.UIDNext)
	}
}

func numbered(n uint32) store.Message {
	size := 100
	if n%50 == 0 {
		size = 600_000
	}
	return store.Message{Body: bytes.Repeat([]byte{byte(n)}, size+int(n)), Internal: time.Unix(int64(n), 0), Delivery: fmt.Sprint(n)}
}

func TestKilledStoreHasAllThatWasAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	for round := range 5 {
		acknowledged := killAfter(t, path, time.Duration(60+40*round)*time.Millisecond)
		db, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.New(db, "source")
		if err != nil {
			t.Fatal(err)
		}
		list := entries(t, s, folder(t, s, store.Inbox).ID)
		if len(list) < acknowledged || len(list) > acknowledged+1 {
			t.Fatalf("round %d: %d messages are there, %d were acknowledged", round, len(list), acknowledged)
		}
		for i, e := range list {
			body, err := s.Body(e).Bytes()
			if want := numbered(uint32(i + 1)).Body; err != nil || e.UID != uint32(i+1) || !bytes.Equal(body, want) {
				t.Fatalf("round %d: message %d is not what was appended: UID %d, %v", round, i+1, e.UID, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter lets a child append to the file, kills it some time after its first answer, and returns the last number
// that it said.
func killAfter(t *testing.T, path string, after time.Duration) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if last == 0 {
			time.AfterFunc(after, func() { child.Process.Kill() })
		}
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if err := child.Wait(); last == 0 {
		t.Fatalf("the child said nothing: %v", err)
	}
	return last
}
