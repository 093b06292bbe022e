package kerberos

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// conf is what this package reads in krb5.conf(5). It ignores the rest, and what
// makes no sense.
type conf struct {
	realm   string              // default_realm
	kdcs    map[string][]string // HOST:PORT by realm
	domains map[string]string   // [domain_realm]
	noDNS   bool                // dns_lookup_kdc = false
	notes   []string            // what could not be read, for people
}

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
	place
	files int
}

// place is where in a file the reader is.
type place struct {
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
	data, _, err := ReadFile(path, maxConf)
	if err != nil {
		if !mayBeAbsent || !os.IsNotExist(err) {
			r.note(err.Error() + ": it is not read")
		}
		return
	}
	before := r.place
	r.place = place{} // an included file begins anew (krb5.conf(5))
	for line := range strings.Lines(string(data)) {
		r.line(strings.TrimSpace(line))
	}
	r.place = before
}

func (r *confReader) line(line string) {
	if line == "" || line[0] == '#' || line[0] == ';' {
		return
	}
	word, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	switch {
	case word == "include":
		r.file(strings.TrimSpace(rest), false)
	case word == "includedir":
		r.directory(strings.TrimSpace(rest))
	case line[0] == '[':
		r.place = place{section: strings.Trim(line, "[]* \t")}
	case line[0] == '}':
		if r.depth = max(0, r.depth-1); r.depth == 0 {
			r.place.realm = ""
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
			r.place.realm = strings.TrimSuffix(key, "*")
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
	case r.place.realm != "" && r.depth == 1 && key == "kdc":
		realm := r.place.realm
		host, err := hostPort(strings.TrimSuffix(value, "*"))
		if err != nil {
			r.note("[realms] " + realm + ": " + err.Error())
			return
		}
		if !slices.Contains(r.kdcs[realm], host) {
			r.kdcs[realm] = append(r.kdcs[realm], host)
		}
	}
}

// realmOf is the realm of a host by [domain_realm]; empty: it has none.
func (c conf) realmOf(host string) string {
	for domain := strings.ToLower(host); domain != ""; {
		if realm := c.domains[domain]; realm != "" {
			return realm
		}
		_, rest, found := strings.Cut(domain[1:], ".")
		if domain = ""; found {
			domain = "." + rest
		}
	}
	return ""
}
