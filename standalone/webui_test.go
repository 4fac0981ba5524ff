package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"go.temporal.io/sdk/client"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/operator"
	"github.com/mailferry/mailferry/workflows"
)

// approver is who approves in the Web UI's form; the closing report must name them.
const approver = "Ines at the Web UI"

// TestWebUI looks at a running demo with a browser: the workflow's details must show the eleven steps and, at the
// gate, what will change; then it approves by the Web UI's own signal form, and the demo must end well. It is a small
// world, in which nothing waits for anybody else.
func TestWebUI(t *testing.T) {
	data := t.TempDir()
	port, ui, flags := ports(t)
	demo := run(t, append([]string{"demo", "--data", data, "--organisation=false", "--exit"}, flags...)...)
	status := waitForGate(t, demo, port)
	page := openBrowser(t)
	open(t, page, fmt.Sprintf("http://127.0.0.1:%d/namespaces/default/workflows/%s/%s/user-metadata", ui, status.Tenant, status.RunID))
	checkDetails(t, page, status)
	sendSignal(t, page, workflows.SignalApprove, workflows.Decision{Digest: status.Gate.Digest, By: approver, Note: "by the form"})
	screenshot(t, page)
	checkEnd(t, demo, 1000)
	report, err := os.ReadFile(filepath.Join(data, reportFile))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(report), approver) {
		t.Errorf("the report does not say that %q approved", approver)
	}
}

// waitForGate waits until the demo's tenant asks for approval.
func waitForGate(t *testing.T, demo *command, port int) operator.Status {
	t.Helper()
	var c client.Client
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if c == nil {
			dialled, err := client.Dial(client.Options{HostPort: fmt.Sprintf("127.0.0.1:%d", port)})
			if err != nil {
				continue
			}
			c = dialled
			t.Cleanup(c.Close)
		}
		tenants, err := operator.New(c).Tenants(t.Context())
		if err != nil || len(tenants) == 0 {
			continue
		}
		if status, err := operator.New(c).Status(t.Context(), tenants[0]); err == nil && status.Gate != nil {
			return status
		}
	}
	t.Fatalf("the demo did not come to the gate:\n%s", demo.printed())
	panic("unreachable")
}

func openBrowser(t *testing.T) context.Context {
	t.Helper()
	const chromium = "/usr/bin/chromium"
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("%v; install it with make tools", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.WindowSize(1500, 1600),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	page, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	page, cancel = context.WithTimeout(page, 2*time.Minute)
	t.Cleanup(cancel)
	return page
}

func open(t *testing.T, page context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(page, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

// checkDetails waits until the page's frames show everything that an operator must see there.
func checkDetails(t *testing.T, page context.Context, status operator.Status) {
	t.Helper()
	wanted := []string{status.Gate.Digest}
	for _, step := range migration.Steps() {
		wanted = append(wanted, fmt.Sprintf("%d. %s", step, step.Title()))
	}
	for _, change := range status.Gate.Changes {
		wanted = append(wanted, change.Before.Data[0], change.After.Data[0])
	}
	wait(t, page, "see the eleven steps and the gate", func() (bool, error) {
		text, err := chromedp.Run(page, chromedp.Evaluate[string](
			`[...document.querySelectorAll("iframe")].map(frame => frame.contentDocument?.body?.innerText).join("\n")`))
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				return false, errors.Join(err, fmt.Errorf("the details do not show %q", want))
			}
		}
		return true, err
	})
}

// sendSignal fills the Web UI's form in and sends it, as a person does.
func sendSignal(t *testing.T, page context.Context, name string, payload any) {
	t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	press(t, page, "button", "More Actions")
	press(t, page, "[role=menuitem]", "Signal")
	press(t, page, "dialog[open] [data-testid=signal-select-button]", "")
	press(t, page, "dialog[open] [role=option]", name)
	shows(t, page, "dialog[open] [data-testid=signal-select-button]", name)
	// An editor that isn't ready yet forgets what is typed into it.
	wait(t, page, "type the payload", func() (bool, error) {
		press(t, page, "dialog[open] [role=textbox]", "")
		_, selecting := chromedp.Run(page, chromedp.Evaluate[bool](`document.execCommand("selectAll")`))
		_, typing := chromedp.Call(page, input.InsertText, input.InsertTextParams{Text: string(text)})
		if err := errors.Join(selecting, typing); err != nil {
			return false, err
		}
		return eventually(page, 3*time.Second, func() (bool, error) {
			return showsNow(page, "dialog[open] [role=textbox]", string(text))
		}) == nil, nil
	})
	// Leaving the editor lays the form out anew under the mouse, so the first click may miss the button.
	wait(t, page, "send the form", func() (bool, error) {
		press(t, page, "dialog[open] button[type=submit]:not([disabled])", "Submit")
		closed := eventually(page, 2*time.Second, func() (bool, error) {
			return chromedp.Run(page, chromedp.Evaluate[bool](`document.querySelector("dialog[open]") === null`))
		})
		return closed == nil, nil
	})
}

// press clicks the first visible element that the selector and the text find, once it stands still.
func press(t *testing.T, page context.Context, selector, text string) {
	t.Helper()
	find := fmt.Sprintf(`(() => {
		for (const e of document.querySelectorAll(%q)) {
			const r = e.getBoundingClientRect();
			if (r.width > 0 && r.height > 0 && e.innerText.includes(%q)) {
				e.scrollIntoView({block: "nearest"});
				return [r.x + r.width / 2, r.y + r.height / 2];
			}
		}
		return [];
	})()`, selector, text)
	var at []float64
	still := 0
	wait(t, page, fmt.Sprintf("press %q %q", selector, text), func() (bool, error) {
		now, err := chromedp.Run(page, chromedp.Evaluate[[]float64](find))
		if still++; len(now) != 2 || !slices.Equal(now, at) {
			still = 0
		}
		at = now
		return still == 5, err
	})
	if err := chromedp.Do(page, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		t.Fatalf("press %q %q: %v", selector, text, err)
	}
}

// shows waits until the element that the selector finds shows the text.
func shows(t *testing.T, page context.Context, selector, text string) {
	t.Helper()
	wait(t, page, fmt.Sprintf("see %q in %q", text, selector), func() (bool, error) { return showsNow(page, selector, text) })
}

func showsNow(page context.Context, selector, text string) (bool, error) {
	read := fmt.Sprintf(`(e => e ? e.innerText + [...e.querySelectorAll("input")].map(i => i.value).join() : "")(document.querySelector(%q))`, selector)
	now, err := chromedp.Run(page, chromedp.Evaluate[string](read))
	return strings.Contains(strings.Join(strings.Fields(now), " "), strings.Join(strings.Fields(text), " ")), err
}

// wait waits for something to hold on the page, and keeps a picture of it where it doesn't come.
func wait(t *testing.T, page context.Context, what string, holds func() (bool, error)) {
	t.Helper()
	if err := eventually(page, 20*time.Second, holds); err != nil {
		screenshot(t, page)
		t.Fatalf("%s: %v", what, err)
	}
}

func eventually(ctx context.Context, most time.Duration, holds func() (bool, error)) error {
	var last error
	for deadline := time.Now().Add(most); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		ok, err := holds()
		if ok && err == nil {
			return nil
		}
		last = err
	}
	return errors.Join(fmt.Errorf("it did not come within %s", most), last, ctx.Err())
}

// screenshot keeps a picture of the page where -test.artifacts asks for it, for people.
func screenshot(t *testing.T, page context.Context) {
	t.Helper()
	picture, err := chromedp.Run(page, chromedp.CaptureScreenshot())
	if err != nil {
		t.Logf("no screenshot: %v", err)
		return
	}
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("page-%d.png", time.Now().UnixMilli()))
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.Logf("no screenshot: %v", err)
	}
}
