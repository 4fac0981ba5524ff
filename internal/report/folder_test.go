package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mailferry/mailferry/internal/migration"
)

// kept is a launch's folder as the archive keeps it.
func kept(t *testing.T) fstest.MapFS {
	t.Helper()
	r, _ := sample()
	r.Account, r.Refusals, r.Total = migration.Account{}, 0, 3
	r, all := finish(r, mailboxes()[6:9])
	folder := fstest.MapFS{
		"mailboxes/user07@contoso.com.json": {Data: []byte("{\n}\n")},
		"audit/tenant/0000000001.json":      {Data: []byte("[]\n")},
		"audit/tenant/.unfinished-XYZ":      {Data: []byte("left by a worker that was killed")},
	}
	for _, name := range Names() {
		folder[name] = &fstest.MapFile{Data: []byte(written(t, name, r, Of(all)))}
	}
	seal(folder)
	return folder
}

// seal lists the hashes of all files.
func seal(folder fstest.MapFS) {
	var sums strings.Builder
	delete(folder, Sums)
	for _, name := range slices.Sorted(maps.Keys(folder)) {
		if !strings.Contains(name, "/.") {
			fmt.Fprintf(&sums, "%s  %s\n", hashOf(folder[name].Data), name)
		}
	}
	folder[Sums] = &fstest.MapFile{Data: []byte(sums.String())}
}

func TestVerifyFolder(t *testing.T) {
	whole, err := VerifyFolder(kept(t))
	if err != nil || whole.FaultCount != 0 || whole.Files != 8 || whole.Mailboxes != 3 || whole.SumsHash == "" {
		t.Fatalf("a whole folder: %+v, %v", whole, err)
	}
	for _, test := range []struct {
		name   string
		change func(fstest.MapFS)
		fault  string
	}{
		{"a file taken away", func(f fstest.MapFS) { delete(f, Refusals) }, "refusals.csv cannot be read"},
		{"the JSON taken away", func(f fstest.MapFS) { delete(f, JSON) }, "report.json cannot be read"},
		{"a mailbox taken away", func(f fstest.MapFS) { delete(f, "mailboxes/user07@contoso.com.json") }, "mailboxes/user07@contoso.com.json cannot be read"},
		{"a mailbox added", func(f fstest.MapFS) { f["mailboxes/eve@contoso.com.json"] = &fstest.MapFile{} }, "mailboxes/eve@contoso.com.json was added"},
		{"something behind the JSON", func(f fstest.MapFS) { f[JSON].Data = append(f[JSON].Data, "{}"...); seal(f) }, "report.json is not a report: { stands behind its end"},
		{"a file taken away with its line", func(f fstest.MapFS) { delete(f, HTML); seal(f) }, "SHA256SUMS doesn't list report.html"},
		{"a line twice", func(f fstest.MapFS) { f[Sums].Data = append(f[Sums].Data, f[Sums].Data...) }, "line 9 of SHA256SUMS is none that was written"},
		{"a file elsewhere", func(f fstest.MapFS) {
			f[Sums].Data = append(f[Sums].Data, strings.Repeat("0", 64)+"  ../../etc/passwd\n"...)
		}, "line 9 of SHA256SUMS is none that was written"},
	} {
		folder := kept(t)
		test.change(folder)
		v, err := VerifyFolder(folder)
		if err != nil || !strings.Contains(strings.Join(v.Faults, "\n"), test.fault) {
			t.Errorf("%s: %v, %v; want %q", test.name, v.Faults, err, test.fault)
		}
	}
	forged := kept(t)
	forged[HTML].Data = []byte("all is well")
	seal(forged)
	if v, err := VerifyFolder(forged); err != nil || v.SumsHash == whole.SumsHash {
		t.Errorf("with new sums: %+v, %v", v, err)
	}
	unfinished := kept(t)
	delete(unfinished, Sums)
	if _, err := VerifyFolder(unfinished); err == nil {
		t.Error("a folder without SHA256SUMS is whole")
	}
}

// Whichever line of whichever file is changed, the file is named.
func TestVerifyFolderNamesWhatWasChanged(t *testing.T) {
	folder := kept(t)
	for name, file := range folder {
		if strings.Contains(name, "/.") {
			continue
		}
		whole, at := file.Data, 0
		for line := range strings.Lines(string(whole)) {
			changed := slices.Clone(whole)
			changed[at+len(line)/2] ^= 1
			at += len(line)
			folder[name] = &fstest.MapFile{Data: changed}
			v, err := VerifyFolder(folder)
			if faults := strings.Join(v.Faults, "\n"); err != nil || !strings.Contains(faults, name) {
				t.Errorf("%s, line %q: %q, %v", name, line, faults, err)
			}
		}
		folder[name] = file
	}
}
