package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"sync"

	"fsmon/cmd/internal/kerberos"
)

// Login is who a probe logs in as. An empty User logs in anonymously. Password2
// is for the time of a rotation: it is tried when the server refuses Password.
type Login struct{ User, Password, Password2, Domain string }

// SplitDomain takes DOMAIN\user and DOMAIN/user apart, as smbclient does.
func (l Login) SplitDomain() Login {
	if at := strings.IndexAny(l.User, `\/`); at >= 0 && l.Domain == "" {
		l.Domain, l.User = l.User[:at], l.User[at+1:]
	}
	return l
}

// maxCredentials caps the size of a credentials file, in bytes.
const maxCredentials = 64 << 10

// readCredentials reads a file in the format of mount.cifs and smbclient: lines
// of username=, password=, password2= and domain=. A file that anyone but its
// owner has any right to is refused: assume that its password has leaked. No
// error quotes a value.
func readCredentials(path string) (Login, error) {
	data, err := kerberos.ReadSecret(path, maxCredentials)
	if err != nil {
		return Login{}, err
	}
	return parseCredentials(path, data)
}

func parseCredentials(path string, data []byte) (Login, error) {
	var l Login
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return Login{}, fmt.Errorf("%s is UTF-16; save it as UTF-8", path)
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
			return Login{}, fmt.Errorf("%s: line %d has no =", path, n)
		}
		value = strings.TrimLeft(value, " \t")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "username", "user":
			l.User = strings.TrimSpace(value)
		case "password", "pass": // to the end of the line: blanks may belong to it
			l.Password = value
		case "password2":
			l.Password2 = value
		case "domain", "dom", "workgroup":
			l.Domain = strings.TrimSpace(value)
		default:
			return Login{}, fmt.Errorf(
				"%s: line %d: %+.40q is not username, password, password2 or domain", path, n, key)
		}
		if len(value) > 255 {
			return Login{}, fmt.Errorf("%s: the value in line %d is longer than 255 bytes", path, n)
		}
	}
	if err := lines.Err(); err != nil {
		return Login{}, err
	}
	// Behind a domain as well: without a user the login would be anonymous.
	if l = l.SplitDomain(); l.User == "" {
		return Login{}, fmt.Errorf("%s names no user (username=)", path)
	}
	return l, nil
}

// Rotation follows a login whose password is changed while the watch runs, for
// one probe. Its methods may be called from any goroutine.
type Rotation struct {
	path string // of the credentials file; empty: there is none

	mu      sync.Mutex
	last    Login
	swapped bool // Password2 is in use
}

// NewRotation follows a login that does not change.
func NewRotation(l Login) *Rotation { return &Rotation{last: l} }

// ReadCredentials follows a credentials file, which it reads once now. Its error
// is wrong usage or configuration.
func ReadCredentials(path string) (*Rotation, error) {
	l, err := readCredentials(path)
	if err != nil {
		return nil, fmt.Errorf("--credentials: %w", err)
	}
	return &Rotation{path: path, last: l}, nil
}

// Again follows the same login for another probe, such as a witness's. With one
// Rotation for both, only the first to be refused would get the new password.
func (r *Rotation) Again() *Rotation { return &Rotation{path: r.path, last: r.Login()} }

// Login is the login as it was last read.
func (r *Rotation) Login() Login {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Try runs a login. When that is refused and the credentials file has changed
// since or has a second password, it runs again at once: a rotated password is
// not a failure of the server. use takes the next login into use.
func (r *Rotation) Try(run func() (refused bool), use func(Login)) {
	refused := run()
	for _, next := range []func() (Login, bool){r.changed, r.second} {
		if !refused {
			return
		}
		if l, found := next(); found {
			use(l)
			refused = run()
		}
	}
}

// changed returns a login that has changed in the credentials file.
func (r *Rotation) changed() (Login, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" {
		return Login{}, false
	}
	now, err := readCredentials(r.path)
	if err != nil || now == r.last {
		return Login{}, false
	}
	r.last, r.swapped = now, false
	return now, true
}

// second returns the login with the other password of the credentials file. It
// stays in use until it is refused, since each refused logon counts towards a
// lockout.
func (r *Rotation) second() (Login, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last.Password2 == "" {
		return Login{}, false
	}
	r.swapped = !r.swapped
	l := r.last
	if r.swapped {
		l.Password = l.Password2
	}
	return l, true
}
