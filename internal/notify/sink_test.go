package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

const smtpSink = "/usr/sbin/smtp-sink"

// sink runs Postfix's test server, which no one here wrote, and returns it with the folder that it writes mail to.
func sink(t *testing.T, arguments ...string) (Server, string) {
	t.Helper()
	if _, err := os.Stat(smtpSink); err != nil {
		t.Fatalf("this test runs Postfix's smtp-sink: install it (Debian: apt-get install postfix) and run the test again: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	folder, err := os.MkdirTemp("", "sink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if os.Getuid() == 0 { // It insists on being somebody else then, who must be able to write there.
		if err := os.Chmod(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "-u", "nobody")
	}
	command := exec.Command(smtpSink, append(arguments, "-d", "mail.", fmt.Sprintf("127.0.0.1:%d", port), "10")...)
	command.Dir = folder
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		if connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			connection.Close()
			return Server{Host: "127.0.0.1", Port: port, Security: migration.Plain}, folder
		}
	}
	t.Fatal("smtp-sink does not answer")
	return Server{}, ""
}

func TestPostfixSink(t *testing.T) {
	tests := []struct {
		name, option, commands string
		kind, text             string
		taken                  bool
	}{
		{"taken", "", "", "-", "", true},
		{"recipient refused", "-f", "rcpt", KindRefused, "refuses the recipient: 500", false},
		{"recipient refused for now", "-r", "rcpt", "", "does not take the recipient: 450", false},
		{"message refused", "-f", ".", KindRefused, "refuses the message: 500", false},
		{"message refused for now", "-r", ".", "", "does not take the message: 450", false},
		{"lost after the message", "-q", ".", "unknown", "was lost after it was handed the message", false},
		{"lost before the message", "-q", "data", "", "does not take the message", false},
		{"lost at the greeting", "-q", "connect", "", "connecting to", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var arguments []string
			if test.option != "" {
				arguments = []string{test.option, test.commands}
			}
			server, folder := sink(t, arguments...)
			err := Notify(context.Background(), "it@contoso.com", "", server, notice)
			if test.kind != "-" {
				wantError(t, err, test.kind, test.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if data := waitForMail(t, folder); !strings.Contains(data, "Message-ID: "+notice.MessageID) || !strings.Contains(data, "X-Rcpt-Args: <ada@contoso.com>") {
				t.Errorf("smtp-sink took\n%s", data)
			}
		})
	}
}

func waitForMail(t *testing.T, folder string) string {
	t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		found, err := filepath.Glob(filepath.Join(folder, "mail.*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 {
			if data, err := os.ReadFile(found[0]); err == nil && strings.HasSuffix(strings.TrimSpace(string(data)), "--") {
				return string(data)
			}
		}
	}
	t.Fatal("smtp-sink wrote no mail")
	return ""
}
