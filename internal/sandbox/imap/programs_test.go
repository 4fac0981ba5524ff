package imap_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/sandbox/corpus"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// mbsync, which no one here wrote, pulls the whole corpus into a Maildir.
func TestMbsyncPullsTheWholeSource(t *testing.T) {
	mbsync := program(t, "mbsync", "isync")
	w := serve(t, imap.Source(), withTLS(t))
	spec := corpus.Spec{Addresses: []string{ada}, Messages: 300, Big: true}
	if err := corpus.Fill(w.store, 11, spec); err != nil {
		t.Fatal(err)
	}
	w.withoutHeadless(t)
	dir := t.TempDir()
	roots := writeRoots(t, w, dir)
	maildir := filepath.Join(dir, "mail")
	config := fmt.Sprintf(`IMAPStore source
Host %s
Port %s
User %s
Pass %s
SSLType IMAPS
CertificateFile %s
AuthMechs LOGIN

MaildirStore local
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel pull
Far :source:
Near :local:
Patterns *
Create Near
Sync Pull
SyncState *
CopyArrivalDate yes
`, "localhost", w.port, ada, password, roots, maildir, maildir)
	if err := os.MkdirAll(maildir, 0o700); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second run must find nothing new
		out, err := exec.CommandContext(t.Context(), mbsync, "-c", rc, "-a", "-q").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Fatalf("mbsync complained: %v\n%s", err, out)
		}
	}
	want := make(map[string][]string)
	if err := corpus.Each(11, spec, func(item corpus.Item) error {
		if !headless(item.Message.Body) {
			want[item.Folder] = append(want[item.Folder], asMbsync(item.Message.Body))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	folders, err := w.store.Folders(ada)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		compareMaildir(t, filepath.Join(maildir, filepath.FromSlash(imapwire.EncodeUTF7(f.Name))), f.Name, want[f.Name])
	}
}

// headless tells of a message whose header doesn't end, if it has one: mbsync doesn't take such from anyone.
func headless(body []byte) bool {
	return !bytes.HasPrefix(body, []byte("\r\n")) && !bytes.Contains(body, []byte("\n\r\n")) && !bytes.Contains(body, []byte("\n\n"))
}

func (w *world) withoutHeadless(t *testing.T) {
	t.Helper()
	folders, err := w.store.Folders(ada)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		for _, e := range w.entries(t, f.Name) {
			if headless([]byte(w.body(t, e))) {
				if _, err := w.store.Expunge(f.ID, []uint32{e.UID}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// asMbsync is a message as mbsync stores it in a Maildir: without CRs, wherever they stand.
func asMbsync(body []byte) string {
	return string(bytes.ReplaceAll(body, []byte("\r"), nil))
}

// ownMark is a header line that mbsync puts into what it pulls.
var ownMark = regexp.MustCompile(`(?m)^X-TUID: .{12}\r?\n`)

func compareMaildir(t *testing.T, dir, name string, want []string) {
	t.Helper()
	var got []string
	for _, sub := range []string{"cur", "new"} {
		files, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Errorf("folder %q: %v", name, err)
			return
		}
		for _, file := range files {
			body, err := os.ReadFile(filepath.Join(dir, sub, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, asMbsync(ownMark.ReplaceAll(body, nil)))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) != len(want) {
		t.Errorf("folder %q: %d messages came, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			at := 0
			for at < min(len(got[i]), len(want[i])) && got[i][at] == want[i][at] {
				at++
			}
			t.Errorf("folder %q: a message of %d bytes differs at %d:\n got %.60q\nwant %.60q", name, len(want[i]), at, got[i][at:], want[i][at:])
		}
	}
}

// curl appends to the target with XOAUTH2 and reads the message back.
func TestCurlAppendsAndReadsBack(t *testing.T) {
	curl := program(t, "curl", "curl")
	d := imap.ExchangeOnline(imap.Classic)
	d.Rewrites = imap.Rewriting{}
	w := serve(t, d, withTLS(t))
	if err := w.store.Create(ada, imap.ExchangeFolders("en")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	roots := writeRoots(t, w, dir)
	message := "From: a@b.example\r\nSubject: by curl\r\nMessage-ID: <1@b.example>\r\n\r\n" + strings.Repeat("line\r\n", 20_000)
	file := filepath.Join(dir, "message.eml")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(arguments ...string) string {
		t.Helper()
		arguments = append([]string{"--silent", "--show-error", "--cacert", roots, "--user", ada + ":", "--oauth2-bearer", token, "--login-options", "AUTH=XOAUTH2"}, arguments...)
		var complaints bytes.Buffer
		command := exec.CommandContext(t.Context(), curl, arguments...)
		command.Stderr = &complaints
		out, err := command.Output()
		if err != nil || complaints.Len() > 0 {
			t.Fatalf("curl complained: %v\n%s", err, &complaints)
		}
		return string(out)
	}
	base := "imaps://" + w.addr
	run("--upload-file", file, base+"/Sent%20Items")
	if got := run(base + "/Sent%20Items;UID=1"); got != message {
		t.Errorf("%d bytes came back, %d were appended", len(got), len(message))
	}
	if got := run(base + "/Sent%20Items?SUBJECT%20curl"); strings.TrimSpace(got) != "* SEARCH 1" {
		t.Errorf("the search said %q", got)
	}
	if list := run(base + "/"); !strings.Contains(list, `\Sent) "/" "Sent Items"`) {
		t.Errorf("the list has no Sent Items:\n%s", list)
	}
	if e := w.entries(t, "Sent Items"); len(e) != 1 || !slices.Equal(e[0].Flags, []string{`\Seen`}) {
		t.Errorf("the store has %+v", e)
	}
}

// writeRoots writes the server's certificate, as it gives it itself, into a file.
func writeRoots(t *testing.T, w *world, dir string) string {
	t.Helper()
	c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	der := c.ConnectionState().PeerCertificates[0].Raw
	path := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
