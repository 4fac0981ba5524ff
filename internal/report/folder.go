package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Sums is the file that lists the SHA-256 of all others of a report's folder, as sha256sum does. It is written last, so a
// folder without it isn't whole.
const Sums = "SHA256SUMS"

// VerifyFolder checks a report's folder, or a launch's in the archive: that each file is as [Sums] says, that none is
// missing and none was added below its folders, and the JSON as [Verify] does. The error is one of reading Sums; what
// isn't as it should be is in the verdict.
func VerifyFolder(folder fs.FS) (Verdict, error) {
	var v Verdict
	sums, err := fs.ReadFile(folder, Sums)
	if err != nil {
		return v, err
	}
	v.SumsHash = hashOf(sums)
	listed := v.files(folder, sums)
	for _, name := range Names() {
		if !listed[name] {
			v.fault("%s doesn't list %s", Sums, name)
		}
	}
	v.strangers(folder, listed)
	f, err := folder.Open(JSON)
	if err != nil {
		return v, nil // which is a fault already
	}
	defer f.Close()
	if err := v.read(f); err != nil {
		v.fault("%s is not a report: %v", JSON, err)
	}
	return v, nil
}

// files compares each file with its line, and returns the names of those that are listed.
func (v *Verdict) files(folder fs.FS, sums []byte) map[string]bool {
	listed := map[string]bool{}
	number := 0
	for line := range strings.Lines(string(sums)) {
		number++
		want, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if len(want) != hex.EncodedLen(sha256.Size) || !fs.ValidPath(name) || listed[name] {
			v.fault("line %d of %s is none that was written: %.100q", number, Sums, line)
			continue
		}
		listed[name] = true
		v.Files++
		switch got, err := hashFile(folder, name); {
		case err != nil:
			v.fault("%s cannot be read: %v", name, err)
		case got != want:
			v.fault("%s was changed: its SHA-256 is %s, and %s says %s", name, got, Sums, want)
		}
	}
	return listed
}

// strangers finds files that aren't listed, below the folders where every file should be.
func (v *Verdict) strangers(folder fs.FS, listed map[string]bool) {
	_ = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			v.fault("%s cannot be read: %v", name, err)
		case d.IsDir(), path.Dir(name) == ".", listed[name]:
		case strings.HasPrefix(path.Base(name), "."): // left by a worker that was killed while it wrote
		default:
			v.fault("%s was added: %s doesn't list it", name, Sums)
		}
		return nil
	})
}

func hashFile(folder fs.FS, name string) (string, error) {
	f, err := folder.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
