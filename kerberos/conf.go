package kerberos

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// conf is what this package takes of krb5.conf(5): the rest of a file, and what
// makes no sense in it, is passed over.
type conf struct {
	realm   string              // default_realm
	kdcs    map[string][]string // HOST:PORT by realm
	domains map[string]string   // [domain_realm]
	noDNS   bool                // dns_lookup_kdc = false
	notes   []string            // what could not be read, for people
}

// nonblock is for opening files: a FIFO in the place of one must not block the
// watch.
const nonblock = syscall.O_NONBLOCK | syscall.O_CLOEXEC

const (
	maxConf    = 256 << 10 // bytes of one file
	maxInclude = 64        // files, so that two that include each other end
)

// readConf reads files like krb5.conf, whose names have colons in between, with
// all that they include. A file that is not there is an empty one.
func readConf(paths string) conf {
	r := confReader{conf: conf{kdcs: map[string][]string{}, domains: map[string]string{}}}
	for _, path := range filepath.SplitList(paths) {
		r.file(path, true)
	}
	return r.conf
}

type confReader struct {
	conf
	files   int
	section string
	realm   string // whose block is open
	depth   int    // of braces
}

func (r *confReader) note(text string) {
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

func (r *confReader) file(path string, mayBeAbsent bool) {
	if r.files++; r.files > maxInclude {
		r.note(path + " is not read: too many files are included")
		return
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		if !mayBeAbsent || !os.IsNotExist(err) {
			r.note(err.Error() + ": it is not read")
		}
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		r.note(path + " is no regular file: it is not read")
		return
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConf+1))
	if err != nil || len(data) > maxConf {
		r.note(path + " cannot be read to its end, or is too long: it is not read")
		return
	}
	r.section, r.realm, r.depth = "", "", 0 // an included file begins anew (krb5.conf(5))
	for line := range strings.Lines(string(data)) {
		r.line(strings.TrimSpace(line))
	}
	r.section, r.realm, r.depth = "", "", 0
}

func (r *confReader) line(line string) {
	if line == "" || line[0] == '#' || line[0] == ';' {
		return
	}
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == "include":
		section, realm, depth := r.section, r.realm, r.depth
		r.file(rest, false)
		r.section, r.realm, r.depth = section, realm, depth
	case word == "includedir":
		section, realm, depth := r.section, r.realm, r.depth
		r.directory(rest)
		r.section, r.realm, r.depth = section, realm, depth
	case line[0] == '[':
		r.section, r.realm, r.depth = strings.Trim(line, "[]* \t"), "", 0
	case line[0] == '}':
		if r.depth = max(0, r.depth-1); r.depth == 0 {
			r.realm = ""
		}
	default:
		key, value, _ := strings.Cut(line, "=")
		r.relation(strings.TrimSpace(key), strings.TrimSpace(value))
	}
}

// directory reads the files of a directory whose names krb5.conf(5) allows.
func (r *confReader) directory(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		r.note(err.Error() + ": it is not read")
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".conf")
		plain := strings.Trim(name,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if name != e.Name() && e.Name()[0] != '.' || plain {
			r.file(filepath.Join(path, e.Name()), false)
		}
	}
}

// relation takes one key and its value. A key of which there are several means
// the first, kdc all of them.
func (r *confReader) relation(key, value string) {
	value, opens := strings.CutPrefix(value, "{")
	if opens {
		if r.depth++; r.depth == 1 && r.section == "realms" {
			r.realm = strings.TrimSuffix(key, "*")
		}
		if value = strings.TrimSpace(value); strings.HasSuffix(value, "}") {
			r.line("}")
		}
		return
	}
	value = strings.Trim(value, `"`)
	switch {
	case r.section == "libdefaults" && r.depth == 0 && key == "default_realm" && r.conf.realm == "":
		r.conf.realm = value
	case r.section == "libdefaults" && r.depth == 0 && key == "dns_lookup_kdc":
		switch strings.ToLower(value) {
		case "false", "f", "no", "n", "nil", "off", "0":
			r.noDNS = true
		}
	case r.section == "domain_realm" && r.depth == 0 && value != "":
		if key = strings.ToLower(key); r.domains[key] == "" {
			r.domains[key] = value
		}
	case r.realm != "" && r.depth == 1 && key == "kdc":
		host, err := hostPort(strings.TrimSuffix(value, "*"))
		if err != nil {
			r.note("[realms] " + r.realm + ": " + err.Error())
			return
		}
		if !slices.Contains(r.kdcs[r.realm], host) {
			r.kdcs[r.realm] = append(r.kdcs[r.realm], host)
		}
	}
}

// realmOf is the realm of a host by [domain_realm]; empty: it has none.
func (c conf) realmOf(host string) string {
	host = strings.ToLower(host)
	if realm := c.domains[host]; realm != "" {
		return realm
	}
	for at := strings.IndexByte(host, '.'); at >= 0; {
		domain := host[at:]
		if realm := c.domains[domain]; realm != "" {
			return realm
		}
		next := strings.IndexByte(domain[1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return ""
}
