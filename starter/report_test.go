package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/internal/report"
)

// verifying runs starter report --verify.
func verifying(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	began := false
	root := newRoot(&began)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"report", "--verify", path}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

const keptReport = "../internal/report/testdata/report.json"

func TestReportIsVerified(t *testing.T) {
	out, err := verifying(t, keptReport)
	if err != nil || !strings.Contains(out, "every audit trail is whole") || !strings.Contains(out, "62 mailboxes") {
		t.Errorf("a whole report: %v\n%s", err, out)
	}
	content, err := os.ReadFile(keptReport)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(changed, bytes.Replace(content, []byte("not before the audit"), []byte("go ahead"), 2), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = verifying(t, changed)
	if !operator.IsKind(err, operator.Invalid) || !strings.Contains(out, "! entry 3 of the audit trail of contoso/20261123-1, or one before it, was changed") {
		t.Errorf("a changed report: %v\n%s", err, out)
	}
	out, err = verifying(t, changed, "--json")
	var verdict report.Verdict
	if json.Unmarshal([]byte(out), &verdict) != nil || err == nil || verdict.FaultCount != 1 {
		t.Errorf("a changed report, as JSON: %v\n%s", err, out)
	}
	if _, err := verifying(t, filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no report: %v", err)
	}
	if _, err := verifying(t, "report.go"); err == nil || !strings.Contains(err.Error(), "report.go cannot be checked: it is not a report") {
		t.Errorf("something else: %v", err)
	}
	if _, err := verifying(t, keptReport, "contoso"); err == nil || !strings.Contains(err.Error(), `unexpected argument "contoso"`) {
		t.Errorf("with a tenant: %v", err)
	}
}

func TestFolderIsVerified(t *testing.T) {
	folder := t.TempDir()
	if err := writeReport(io.Discard, folder, readReport(t)); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(folder, report.HTML)
	for _, path := range []string{folder, filepath.Join(folder, report.JSON)} {
		out, err := verifying(t, path)
		if err != nil || !strings.Contains(out, "6 files compared") || !strings.Contains(out, "every file is as it was written") {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
	if err := os.WriteFile(page, []byte("all is well"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := verifying(t, folder)
	if !operator.IsKind(err, operator.Invalid) || !strings.Contains(out, "! report.html was changed") {
		t.Errorf("a changed page: %v\n%s", err, out)
	}
	if out, err := verifying(t, t.TempDir()); !operator.IsKind(err, operator.Invalid) || !strings.Contains(err.Error(), "not a whole one") {
		t.Errorf("an empty folder: %v\n%s", err, out)
	}
}

// A report that can't be written leaves an older file as it is, nothing half written, and nothing that says it is whole.
func TestReportIsWrittenWholeOrNotAtAll(t *testing.T) {
	folder := t.TempDir()
	r := readReport(t)
	if err := writeReport(io.Discard, folder, r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, report.JSON)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	err = writeFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of")
		return full
	})
	if after, _ := os.ReadFile(path); !errors.Is(err, full) || !bytes.Equal(before, after) {
		t.Errorf("on a full disk: %v, and the file holds %.20q", err, after)
	}
	if err := os.Remove(filepath.Join(folder, report.HTML)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, report.HTML, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeReport(io.Discard, folder, r); err == nil {
		t.Error("the report was written over a folder")
	}
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if file.Name() == report.Sums || strings.HasPrefix(file.Name(), ".") {
			t.Errorf("%s is left", file.Name())
		}
	}
	inTheWay := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeReport(io.Discard, filepath.Join(inTheWay, "report"), r); err == nil || !strings.Contains(err.Error(), inTheWay) {
		t.Errorf("below a file: %v", err)
	}
}

func readReport(t *testing.T) migration.Report {
	t.Helper()
	content, err := os.ReadFile(keptReport)
	if err != nil {
		t.Fatal(err)
	}
	var r migration.Report
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportIsWritten(t *testing.T) {
	r := readReport(t)
	folder := filepath.Join(t.TempDir(), "made", "for it")
	for range 2 { // over those of an earlier time
		var out bytes.Buffer
		if err := writeReport(&out, folder, r); err != nil {
			t.Fatal(err)
		}
		for _, name := range report.Names() {
			path := filepath.Join(folder, name)
			got, err := os.ReadFile(path)
			want, wantErr := os.ReadFile(filepath.Join(filepath.Dir(keptReport), name))
			if err := errors.Join(err, wantErr); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s isn't what the archive would have", name)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
			if !strings.Contains(out.String(), path+"\n") {
				t.Errorf("%s isn't named: %s", name, out.String())
			}
		}
	}
}
