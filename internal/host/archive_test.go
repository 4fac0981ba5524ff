package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestArchiveKeepsWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on demand")
	url := "file://" + dir
	var a fileArchive
	for name, content := range map[string]string{"t/l/mailboxes/ada@x.json": "1", "t/l/mailboxes/bob@x.json": "2", "t/l/report.txt": "3"} {
		for _, content := range []string{"older", content} {
			if err := a.Put(t.Context(), url, name, []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := a.Get(t.Context(), url, name)
		if err != nil || string(got) != content {
			t.Errorf("Get(%q) = %q, %v; want %q", name, got, err, content)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q has mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	// A worker that was killed while it wrote leaves this behind.
	if err := os.WriteFile(filepath.Join(dir, "t/l/mailboxes", unfinished+"XYZ"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string][]string{
		"t/l/mailboxes/":  {"t/l/mailboxes/ada@x.json", "t/l/mailboxes/bob@x.json"},
		"t/l/mailboxes/b": {"t/l/mailboxes/bob@x.json"},
		"t/l/r":           {"t/l/report.txt"},
		"":                {"t/l/mailboxes/ada@x.json", "t/l/mailboxes/bob@x.json", "t/l/report.txt"},
		"u/":              nil,
	} {
		got, err := a.List(t.Context(), url, prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("List(%q) = %v, %v; want %v", prefix, got, err, want)
		}
	}
	if _, err := a.Get(t.Context(), url, "t/l/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of a missing file: %v, want fs.ErrNotExist", err)
	}
}

// A file whose writing failed is not there, and the one before it still is.
func TestArchiveWritesWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	var a fileArchive
	if err := a.Put(t.Context(), "file://"+dir, "t/report.json", []byte("before")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("an account cannot be read")
	err := a.Write(t.Context(), "file://"+dir, "t/report.json", func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if got, err := a.Get(t.Context(), "file://"+dir, "t/report.json"); err != nil || string(got) != "before" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "t")); len(left) != 1 {
		t.Errorf("the folder has %v", left)
	}
}

// Two attempts at the same file, of which one was given up too early: each file is that of one of them.
func TestArchiveWithTwoWriters(t *testing.T) {
	dir := t.TempDir()
	url := "file://" + dir
	var a fileArchive
	contents := []string{strings.Repeat("one\n", 10_000), strings.Repeat("another\n", 10_000)}
	var writers errgroup.Group
	for _, content := range contents {
		writers.Go(func() error {
			for range 20 {
				if err := a.Put(t.Context(), url, "t/l/report.json", []byte(content)); err != nil {
					return err
				}
				got, err := a.Get(t.Context(), url, "t/l/report.json")
				if err != nil {
					return err
				}
				if !slices.Contains(contents, string(got)) {
					return fmt.Errorf("the file holds %d bytes that neither wrote", len(got))
				}
			}
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "t/l")); len(left) != 1 {
		t.Errorf("the folder has %v", left)
	}
}

// What the system says of an archive that can't be written to is told with what was to be done; it may pass, so that it is
// no problem for a person.
func TestArchiveThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inTheWay := t.TempDir()
	if err := os.MkdirAll(filepath.Join(inTheWay, "t/report.json/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	full := func(io.Writer) error { return syscall.ENOSPC }
	var a fileArchive
	for name, err := range map[string]error{
		"opening the archive":                                           a.Put(t.Context(), "file://"+file, "t/report.json", nil),
		`writing "report.json" to the archive`:                          a.Put(t.Context(), "file://"+inTheWay, "t/report.json", nil),
		`writing "report.html" to the archive: no space left on device`: a.Write(t.Context(), "file://"+inTheWay, "t/report.html", full),
	} {
		if _, problem := migration.AsProblem(err); err == nil || problem || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(inTheWay, "t")); len(left) != 1 {
		t.Errorf("the folder has %v", left)
	}
}

func TestArchiveStaysInItsDirectory(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var a fileArchive
	for _, name := range []string{"../x", "/x", "a/../../x", "link/x", "", ".", "a//b"} {
		if err := a.Put(t.Context(), "file://"+dir, name, []byte("x")); err == nil {
			t.Errorf("Put(%q) succeeded", name)
		}
		if _, err := a.Get(t.Context(), "file://"+dir, name); err == nil {
			t.Errorf("Get(%q) succeeded", name)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("%v was written outside", left)
	}
	for _, url := range []string{"", "/srv", "http://x/y", "file://host/x", "file:relative", "file://"} {
		if _, ok := migration.AsProblem(a.Put(t.Context(), url, "x", nil)); !ok {
			t.Errorf("the archive %q is no problem for a person", url)
		}
	}
}
