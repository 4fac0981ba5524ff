package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// fileArchive keeps an archive below the directory that a file: URL names (RFC 8089). Nothing reaches outside of that
// directory, not even over a symbolic link. Files are the owner's alone, mode 0600.
type fileArchive struct{}

// unfinished marks files that are being written; they are never listed.
const unfinished = ".unfinished-"

// Put implements activities.Archive.
func (f fileArchive) Put(ctx context.Context, archive, name string, content []byte) error {
	return f.Write(ctx, archive, name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Write implements activities.Archive: the file is written beside, flushed to the disk, and renamed.
func (fileArchive) Write(_ context.Context, archive, name string, write func(io.Writer) error) (err error) {
	root, err := openArchive(archive)
	if err != nil {
		return err
	}
	defer root.Close()
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("%q is not a name in an archive", name)
	}
	folder, file := path.Split(name)
	if folder != "" {
		if err := root.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("making a folder in the archive: %w", err)
		}
	}
	temporary := folder + unfinished + rand.Text()
	defer func() {
		if err != nil {
			_ = root.Remove(temporary)
		}
	}()
	if err := writeWhole(root, temporary, write); err != nil {
		return fmt.Errorf("writing %q to the archive: %w", file, err)
	}
	if err := root.Rename(temporary, name); err != nil {
		return fmt.Errorf("writing %q to the archive: %w", file, err)
	}
	return flush(root, path.Dir(name))
}

func writeWhole(root *os.Root, name string, write func(io.Writer) error) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Sync(), f.Close())
}

// flush has the folder's entries survive a loss of power. File systems that can't do it for folders say so; the file
// itself is safe by then.
func flush(root *os.Root, folder string) error {
	d, err := root.Open(folder)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// Get implements activities.Archive.
func (fileArchive) Get(_ context.Context, archive, name string) ([]byte, error) {
	root, err := openArchive(archive)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(name)
}

// List implements activities.Archive.
func (fileArchive) List(_ context.Context, archive, prefix string) ([]string, error) {
	root, err := openArchive(archive)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var names []string
	err = fs.WalkDir(root.FS(), path.Clean(path.Dir(prefix)), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if !d.IsDir() && strings.HasPrefix(name, prefix) && !strings.HasPrefix(d.Name(), unfinished) {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// openArchive opens the directory, making it where it isn't.
func openArchive(archive string) (*os.Root, error) {
	u, err := url.Parse(archive)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
		return nil, migration.NeedsPerson("archive-unusable", fmt.Sprintf("the archive %q is not a file: URL with an absolute path", archive),
			"write the plan's archive as file:///path and launch again", nil)
	}
	if err := os.MkdirAll(u.Path, 0o700); err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	root, err := os.OpenRoot(u.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	return root, nil
}
