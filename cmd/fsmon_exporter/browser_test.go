package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/lab/proc"
	"fsmon/smbprobe/smbtest"
)

// browser is a headless Chromium, driven over two pipes (Chrome DevTools
// Protocol, --remote-debugging-pipe: JSON ended by a zero byte).
type browser struct {
	to      io.Writer
	pipe    *os.File
	from    *bufio.Reader // pipe
	next    int
	session string
	said    []string // errors on the console, dialogs
}

// message is an answer or an event.
type message struct {
	ID     int
	Method string
	Result json.RawMessage
	Params json.RawMessage
	Error  *struct{ Message string }
}

// openBrowser starts Chromium with an empty page. It is tried again, since its
// start is what a busy machine may spoil.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		smbtest.Require(t, fmt.Errorf("%w (Debian package chromium)", err))
	}
	for try := 1; ; try++ {
		b, err := startBrowser(t, path)
		if err == nil {
			return b
		}
		if try == 3 {
			t.Fatal(err)
		}
		t.Log(err)
	}
}

func startBrowser(t *testing.T, path string) (*browser, error) {
	theirs, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, theirsToo, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: what has left Chromium's session may still write there for a
	// moment. It goes with the directory of all tests, at the latest.
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { os.RemoveAll(profile) })
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile) // crash reports and caches
	cmd.ExtraFiles = []*os.File{theirs, theirsToo}  // 3 and 4
	p, err := proc.Start(cmd)
	theirs.Close()
	theirsToo.Close()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		p.KillGroup()
		if err := errors.Join(p.Kill(), proc.Left(p), to.Close(), from.Close()); err != nil {
			t.Error(err)
		}
	})
	b := &browser{to: to, pipe: from, from: bufio.NewReader(from)}
	var tab struct{ TargetID string }
	if err := b.call(&tab, "Target.createTarget", `{"url": "about:blank"}`); err != nil {
		return nil, err
	}
	var s struct{ SessionID string }
	err = b.call(&s, "Target.attachToTarget", fmt.Sprintf(`{"targetId": %q, "flatten": true}`, tab.TargetID))
	b.session = s.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		if err == nil {
			err = b.call(nil, domain+".enable", `{}`)
		}
	}
	return b, err
}

// call sends a command, and waits for its answer. Events that come first are
// noted.
func (b *browser) call(result any, method, params string) error {
	b.next++
	session := ""
	if b.session != "" {
		session = fmt.Sprintf(`, "sessionId": %q`, b.session)
	}
	if _, err := fmt.Fprintf(b.to, "{\"id\": %d, \"method\": %q, \"params\": %s%s}\x00",
		b.next, method, params, session); err != nil {
		return err
	}
	for {
		m, err := b.read()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", method, err)
		case m.ID != b.next:
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

func (b *browser) read() (m message, err error) {
	if err := b.pipe.SetReadDeadline(time.Now().Add(cmdtest.Limit)); err != nil {
		return m, err
	}
	text, err := b.from.ReadBytes(0)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		return m, err
	}
	switch m.Method {
	case "Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
		b.said = append(b.said, string(m.Params))
	}
	return m, nil
}

// at waits until the page of this path has loaded. (The event that says so may
// come before the answer to what has loaded it.)
func (b *browser) at(t *testing.T, path string) {
	t.Helper()
	cmdtest.Eventually(t, path+" in the browser", func() bool {
		got, err := b.evaluate("document.readyState + ' ' + location.pathname")
		return err == nil && got == "complete "+path
	})
}

func (b *browser) must(t *testing.T, result any, method, params string) {
	t.Helper()
	if err := b.call(result, method, params); err != nil {
		t.Fatal(err)
	}
}

// evaluate runs an expression in the page, as the console does.
func (b *browser) evaluate(expression string) (string, error) {
	quoted, err := json.Marshal(expression)
	if err != nil {
		return "", err
	}
	var r struct{ Result struct{ Value any } }
	err = b.call(&r, "Runtime.evaluate", fmt.Sprintf(`{"expression": %s, "returnByValue": true}`, quoted))
	return fmt.Sprint(r.Result.Value), err
}

func (b *browser) eval(t *testing.T, expression string) string {
	t.Helper()
	value, err := b.evaluate(expression)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// A person opens the page, types a target and has it asked; then the page shows
// it. No script of anybody runs, and the console has nothing to say.
func TestBrowser(t *testing.T) {
	t.Parallel()
	u, _, targets := pageFor(t)
	b := openBrowser(t)
	home := fmt.Sprintf(`{"url": %q}`, u.url+"/")
	b.must(t, nil, "Page.navigate", home)
	b.at(t, "/")
	if got := b.eval(t, "document.querySelectorAll('details[open] .failed').length + ' ' + "+
		"document.scripts.length"); got != "1 0" {
		t.Errorf("%s failed targets are open, with scripts", got)
	}
	if got := b.eval(t, "document.querySelector('details b').textContent"); got != targets[1] {
		t.Errorf("the first target is %q, want %q", got, targets[1])
	}

	// By keyboard: into the field, the module, and the return key.
	b.eval(t, "document.querySelector('input[name=target]').focus()")
	b.must(t, nil, "Input.insertText", `{"text": "//x/typed"}`)
	b.eval(t, "document.querySelector('select').value = 'fake'")
	b.must(t, nil, "Input.dispatchKeyEvent",
		`{"type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}`)
	b.must(t, nil, "Input.dispatchKeyEvent",
		`{"type": "keyUp", "key": "Enter", "windowsVirtualKeyCode": 13}`)
	b.at(t, "/probe")
	if got := b.eval(t, "document.body.innerText"); !strings.Contains(got, "whole probe") ||
		!strings.Contains(got, `fsmon_up{id="//x/typed",kind="samba"} 1`) {
		t.Errorf("after the form: %s", got)
	}

	b.must(t, nil, "Page.navigate", home)
	b.at(t, "/")
	got := b.eval(t, "[...document.querySelectorAll('details b')].map(e => e.textContent).join()")
	if !strings.Contains(got, "//x/typed") {
		t.Errorf("the page shows %s", got)
	}
	b.eval(t, "document.querySelectorAll('details').forEach(d => d.open = true)")
	wide := "document.documentElement.scrollWidth <= window.innerWidth"
	for _, width := range []int{1000, 400} { // a telephone, too
		b.must(t, nil, "Emulation.setDeviceMetricsOverride",
			fmt.Sprintf(`{"width": %d, "height": 900, "deviceScaleFactor": 1, "mobile": false}`, width))
		if got := b.eval(t, wide); got != "true" {
			t.Errorf("the page is wider than %d", width)
		}
	}
	// For whoever wants to look: FSMON_SCREENSHOT names a file.
	if path := os.Getenv("FSMON_SCREENSHOT"); path != "" {
		var shot struct{ Data string }
		b.must(t, nil, "Emulation.setDeviceMetricsOverride",
			`{"width": 1000, "height": 1000, "deviceScaleFactor": 1, "mobile": false}`)
		b.must(t, &shot, "Page.captureScreenshot", `{}`)
		png, err := base64.StdEncoding.DecodeString(shot.Data)
		if err == nil {
			err = os.WriteFile(path, png, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if len(b.said) > 0 {
		t.Errorf("the browser says %s", b.said)
	}
}
