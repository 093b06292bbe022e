package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// login is who the probe logs in as. An empty user logs in anonymously.
type login struct{ user, password, domain string }

// splitDomain takes DOMAIN\user apart, as smbclient does.
func (l login) splitDomain() login {
	if domain, user, found := strings.Cut(l.user, `\`); found && l.domain == "" {
		l.domain, l.user = domain, user
	}
	return l
}

// maxCredentials caps the size of a credentials file, in bytes.
const maxCredentials = 64 << 10

// readCredentials reads a file in the format of mount.cifs: lines of
// username=, password= and domain=. A file that anyone but its owner has any
// right to is refused: its password must be taken for known. No error quotes
// what stands in the file.
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
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return login{}, fmt.Errorf("others than its owner have rights to %s (mode %04o; chmod 600 it)", path, mode)
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
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxCredentials+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(lines.Text(), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			return login{}, fmt.Errorf("%s: line %d is not username=, password= or domain=", path, n)
		}
		switch strings.TrimSpace(key) {
		case "username", "user":
			l.user = strings.TrimSpace(value)
		case "password", "pass": // to the end of the line: blanks may belong to it
			l.password = value
		case "domain", "dom":
			l.domain = strings.TrimSpace(value)
		default:
			return login{}, fmt.Errorf("%s: line %d is not username=, password= or domain=", path, n)
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
