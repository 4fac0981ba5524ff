package corpus_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// childFile names the world's file to a copy of this test binary that only fills it.
const childFile = "MAILFERRY_CORPUS_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := fill(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// many is a corpus that takes long enough to be interrupted.
var many = corpus.Spec{Addresses: spec.Addresses, Messages: 2000}

func fill(path string) error {
	db, err := store.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := store.New(db, "source")
	if err != nil {
		return err
	}
	return corpus.Fill(s, 7, many)
}

func TestKilledFillGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	killed := 0
	for wait := 30 * time.Millisecond; ; wait += wait / 2 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childFile+"="+path)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(wait, func() { child.Process.Kill() })
		err := child.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		killed++
	}
	t.Logf("killed %d times", killed)
	if killed == 0 {
		t.Error("it was never interrupted: the corpus is too small for this test")
	}
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := store.New(db, "source")
	if err != nil {
		t.Fatal(err)
	}
	whole := fresh(t)
	if err := corpus.Fill(whole, 7, many); err != nil {
		t.Fatal(err)
	}
	for _, address := range many.Addresses {
		if got, want := stored(t, s, address), stored(t, whole, address); !slices.Equal(got, want) {
			t.Errorf("%s: %d messages, want %d, or they differ", address, len(got), len(want))
		}
	}
}
