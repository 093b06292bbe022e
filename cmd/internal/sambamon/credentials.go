package sambamon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"fsmon/cmd/internal/cli"
	"fsmon/smbprobe"
)

// login is who the probe logs in as. An empty user logs in anonymously.
// password2 is for the time of a rotation: it is tried when the server refuses
// password.
type login struct{ user, password, password2, domain string }

// splitDomain takes DOMAIN\user and DOMAIN/user apart, as smbclient does.
func (l login) splitDomain() login {
	if at := strings.IndexAny(l.user, `\/`); at >= 0 && l.domain == "" {
		l.domain, l.user = l.user[:at], l.user[at+1:]
	}
	return l
}

// maxCredentials caps the size of a credentials file, in bytes.
const maxCredentials = 64 << 10

// readCredentials reads a file in the format of mount.cifs and smbclient: lines
// of username=, password=, password2= and domain=. A file that anyone but its
// owner has any right to is refused: assume that its password has leaked. Only in
// $CREDENTIALS_DIRECTORY its group may read it, since systemd (systemd.exec(5))
// and Kubernetes (a Secret's volume with an fsGroup) hand it over like that. No
// error quotes a value.
func readCredentials(path string) (login, error) {
	// A FIFO in its place must not block the watch.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return login{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return login{}, err
	}
	if !info.Mode().IsRegular() {
		return login{}, fmt.Errorf("%s is not a regular file", path)
	}
	strangers := os.FileMode(0o077)
	if handed := os.Getenv("CREDENTIALS_DIRECTORY"); handed != "" &&
		filepath.Dir(path) == filepath.Clean(handed) {
		strangers = 0o037
	}
	if mode := info.Mode().Perm(); mode&strangers != 0 {
		return login{}, fmt.Errorf("others than its owner have rights to %s (mode %04o; chmod 600 it)",
			path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxCredentials+1))
	if err != nil {
		return login{}, err
	}
	if len(data) > maxCredentials {
		return login{}, fmt.Errorf("%s is longer than %d bytes", path, maxCredentials)
	}
	return parseCredentials(path, data)
}

func parseCredentials(path string, data []byte) (login, error) {
	var l login
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return login{}, fmt.Errorf("%s is UTF-16; save it as UTF-8", path)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // byte order mark of UTF-8
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxCredentials+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(lines.Text(), " \t")
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found { // a password, perhaps: do not quote it
			return login{}, fmt.Errorf("%s: line %d has no =", path, n)
		}
		value = strings.TrimLeft(value, " \t")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "username", "user":
			l.user = strings.TrimSpace(value)
		case "password", "pass": // to the end of the line: blanks may belong to it
			l.password = value
		case "password2":
			l.password2 = value
		case "domain", "dom", "workgroup":
			l.domain = strings.TrimSpace(value)
		default:
			return login{}, fmt.Errorf(
				"%s: line %d: %+.40q is not username, password, password2 or domain", path, n, key)
		}
		if len(value) > 255 {
			return login{}, fmt.Errorf("%s: the value in line %d is longer than 255 bytes", path, n)
		}
	}
	if err := lines.Err(); err != nil {
		return login{}, err
	}
	// Behind a domain as well: without a user the login would be anonymous.
	if l = l.splitDomain(); l.user == "" {
		return login{}, fmt.Errorf("%s names no user (username=)", path)
	}
	return l, nil
}

// prober is the probe of one watch, with the rotation of its credentials. A
// probe that was cancelled may still be ending while the next one runs.
type prober struct {
	smb *smbprobe.Prober
	// reread returns the login as the credentials file has it now; nil when
	// there is no such file.
	reread func() (login, error)

	mu      sync.Mutex
	last    login
	swapped bool   // password2 is in use
	domain  string // that the server belongs to
}

// Probe asks once. When the login is refused and the credentials file has
// changed since or has a second password, it asks again at once, within the
// same deadline: a rotated password is not a failure of the server.
func (p *prober) Probe(ctx context.Context) (cli.Report, error) {
	report, err := p.smb.Probe(ctx)
	if refused(err) && p.rotated() {
		report, err = p.smb.Probe(ctx)
	}
	if refused(err) && p.second() {
		report, err = p.smb.Probe(ctx)
	}
	p.mu.Lock()
	p.domain = report.Domain
	p.mu.Unlock()
	w := forWatch(report)
	if err != nil { // else nobody wants it, and memory counts
		for _, s := range report.Wire {
			w.Wire = append(w.Wire, cli.Segment(s))
		}
	}
	return w, err
}

// keep lets the write test's file stay between probes.
func (p *prober) keep() (cleanUp func(context.Context) error) {
	p.smb.Keep()
	return p.smb.CleanUp
}

// unseen says what an anonymous login does not see. With a user it sees
// everything.
func (p *prober) unseen() (note, warning string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const blind = "an anonymous watch asks for no password to be checked, so it does not see when " +
		"users cannot log in"
	switch {
	case p.last.user != "":
		return "", ""
	case p.domain != "":
		return "", fmt.Sprintf("the server belongs to the domain %s, and %s, for example because "+
			"no domain controller answers: give it a user (-u or --credentials)", p.domain, blind)
	}
	return "Without -u, " + blind + ". -u or --credentials gives it a user.", ""
}

// refused reports whether the server did not accept user or password.
func refused(err error) bool {
	var status smbprobe.Status
	return errors.As(err, &status) && status.LogonRefused()
}

// rotated takes over a login that has changed in the credentials file.
func (p *prober) rotated() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reread == nil {
		return false
	}
	now, err := p.reread()
	if err != nil || now == p.last {
		return false
	}
	p.last, p.swapped = now, false
	p.smb.Login(now.user, now.password, now.domain)
	return true
}

// second takes the other password of the credentials file into use. It stays in
// use until it is refused, since each refused logon counts towards a lockout.
func (p *prober) second() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.password2 == "" {
		return false
	}
	p.swapped = !p.swapped
	password := p.last.password
	if p.swapped {
		password = p.last.password2
	}
	p.smb.Login(p.last.user, password, p.last.domain)
	return true
}

func forWatch(r smbprobe.Report) cli.Report {
	w := cli.Report{Target: r.Address, Warnings: r.Warnings, RootID: r.RootID}
	if r.Dialect != "" {
		w.Dialect = "SMB " + r.Dialect
	}
	for _, r := range r.Rungs {
		rung := cli.Rung{Name: r.Step.String(), Took: r.Took, Learnt: r.Learnt}
		w.Rungs = append(w.Rungs, rung)
	}
	return w
}
