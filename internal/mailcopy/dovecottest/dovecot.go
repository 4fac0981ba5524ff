// Package dovecottest runs real Dovecot servers for tests: Debian's dovecot-imapd on free loopback ports, as children of
// the test's process, gone when the test is. It needs root, since Dovecot's own processes change users.
//
// Every user name is accepted with [Password]; the mailbox is made at the first sign-in.
package dovecottest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Password is every user's.
const Password = "pass"

// program is where Debian puts the server.
const program = "/usr/sbin/dovecot"

// Options say what a server shall be like; the zero value is a stock Dovecot with all that it can do.
type Options struct {
	// Capabilities replaces what the server says it can do, and XOAUTH2 is the only way to sign in.
	Capabilities string
	// Separator between the parts of folder names; "/" where empty. Prefix of the user's folders, "INBOX." for example.
	Separator, Prefix string
}

// Exchange are the capabilities of Exchange Online: no CONDSTORE, no SPECIAL-USE.
const Exchange = "IMAP4rev1 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"

// Server is a running Dovecot.
type Server struct {
	// Address takes connections in the clear, TLSAddress with TLS, whose certificate Roots trusts for localhost and 127.0.0.1.
	Address, TLSAddress string
	Roots               *x509.CertPool

	dir string
}

// secret signs the tokens; the server validates them by itself.
var secret = []byte("a secret that only this test has")

// Token is an access token for a user.
func (s *Server) Token(name string) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": name, "upn": name, "iat": now.Add(-5 * time.Second).Unix(), "nbf": now.Add(-5 * time.Second).Unix(), "exp": now.Add(time.Hour).Unix(),
	}).SignedString(secret)
}

// Log returns what the server wrote into its log.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Start runs a server until the test ends. Without an installed Dovecot the test fails.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Fatal("install dovecot-imapd (make tools)")
	}
	mail, err := user.Lookup("mail")
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the paths of Unix sockets are short.
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{dir: dir}
	uid, _ := strconv.Atoi(mail.Uid)
	gid, _ := strconv.Atoi(mail.Gid)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "mail"), 0o755))
	must(t, os.Chown(filepath.Join(dir, "mail"), uid, gid))
	s.Roots = certificates(t, dir)
	keys := filepath.Join(dir, "keys", "default", "HS256")
	must(t, os.MkdirAll(keys, 0o755))
	must(t, os.WriteFile(filepath.Join(keys, "default"), []byte(base64.StdEncoding.EncodeToString(secret)), 0o644))
	ports := freePorts(t, 2)
	s.Address, s.TLSAddress = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	if o.Separator == "" {
		o.Separator = "/"
	}
	values := map[string]any{"Dir": dir, "Plain": ports[0], "TLS": ports[1], "UID": uid, "GID": gid, "Options": o}
	write(t, filepath.Join(dir, "oauth2.conf"), oauth2, values)
	write(t, filepath.Join(dir, "dovecot.conf"), config, values)
	s.run(t)
	return s
}

// run starts the master process and waits until it listens.
func (s *Server) run(t testing.TB) {
	t.Helper()
	command := exec.Command(program, "-F", "-c", filepath.Join(s.dir, "dovecot.conf"))
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	must(t, command.Start())
	done := make(chan struct{})
	go func() {
		command.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		<-done
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", s.Address); err == nil {
			conn.Close()
			return
		}
		select {
		case <-done:
			t.Fatalf("dovecot ended at once: %s\n%s", output.String(), s.Log())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("dovecot doesn't listen: %s\n%s", output.String(), s.Log())
		}
	}
}

func write(t testing.TB, path, text string, values any) {
	t.Helper()
	var b bytes.Buffer
	must(t, template.Must(template.New("").Parse(text)).Execute(&b, values))
	must(t, os.WriteFile(path, b.Bytes(), 0o644))
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const oauth2 = `introspection_mode = local
local_validation_key_dict = fs:posix:prefix={{.Dir}}/keys/
username_attribute = upn
username_format = %u
`

const config = `base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
instance_name = {{.Plain}}
log_path = {{.Dir}}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{{.Dir}}/server.pem
ssl_key = <{{.Dir}}/server.key
disable_plaintext_auth = no
first_valid_uid = 1
mail_fsync = never
mail_max_userip_connections = 1000
login_trusted_networks = 127.0.0.0/8
auth_failure_delay = 0
mail_location = {{if .Options.Capabilities}}sdbox:~/sdbox{{else}}maildir:~/Maildir:LAYOUT=fs{{end}}
userdb {
  driver = static
  args = allow_all_users=yes uid={{.UID}} gid={{.GID}} home={{.Dir}}/mail/%u
}
{{if .Options.Capabilities}}
imap_capability = {{.Options.Capabilities}}
auth_mechanisms = plain xoauth2
passdb {
  driver = oauth2
  mechanisms = xoauth2
  args = {{.Dir}}/oauth2.conf
}
{{end}}
passdb {
  driver = static
  mechanisms = plain login
  args = password=` + Password + `
}
service imap-login {
  inet_listener imap {
    port = {{.Plain}}
  }
  inet_listener imaps {
    port = {{.TLS}}
    ssl = yes
  }
}
namespace inbox {
  inbox = yes
  separator = {{.Options.Separator}}
  prefix = {{.Options.Prefix}}
  mailbox Sent {
    special_use = \Sent
  }
  mailbox Drafts {
    special_use = \Drafts
  }
  mailbox Trash {
    special_use = \Trash
  }
  mailbox Junk {
    special_use = \Junk
  }
}
`
