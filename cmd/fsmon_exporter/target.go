package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/nfsmon"
	"fsmon/cmd/internal/sambamon"
)

// protocol is what differs between the two probes, as far as targets go.
type protocol struct {
	name  string // the value of prober: in the configuration
	kind  string // as the watches' metrics have it
	forms string // of a target, for people
	port  int    // the port that a target need not name; 0: there is none

	service func() cli.Service
	// By their long names, the options of -check that a module may have, and those
	// about who asks, which belong to an entry of targets.
	options, logins []string
}

var (
	smb = &protocol{"smb", "samba", "//HOST/SHARE or //HOST:PORT/SHARE", 445, sambamon.Service,
		[]string{"timeout", "retry", "tolerate", "marker", "write-test", "lock-test", "kerberos", "realm",
			"kdc"},
		[]string{"credentials", "keytab", "ccache", "principal", "spn"}}
	nfs = &protocol{"nfs", "nfs", "HOST:/DIRECTORY or HOST:PORT:/DIRECTORY", 0, nfsmon.Service,
		[]string{"timeout", "retry", "tolerate", "marker", "write-test", "lock-test", "nfs-version",
			"nfs4-path", "port", "mount-port", "unprivileged-port", "sec", "realm", "kdc", "tls", "tls-ca"},
		[]string{"credentials", "keytab", "ccache", "principal", "spn", "tls-cert", "tls-key", "tls-name"}}
	// files are the options that name a file.
	files = []string{"credentials", "keytab", "ccache", "tls-ca", "tls-cert", "tls-key"}
)

// shares says how targets are written: with the name of a share, or a path.
func (p *protocol) shares() bool { return p.kind == "samba" }

// target is what a request asks to be probed: one spelling for one place, apart
// from the capitals of a share, which no server tells apart.
type target struct {
	protocol *protocol
	host     string // a name in small letters, or an address as netip writes it
	port     int    // 0: the usual one, or the module's
	path     string // the share, or the directory as a clean absolute path
}

// parseTarget reads a target strictly: what could be understood in two ways, by
// this program, a name server or the file server, is refused.
func parseTarget(p *protocol, text string) (target, error) {
	t := target{protocol: p}
	host, port, place, err := p.split(text)
	if err != nil {
		return t, err
	}
	if host, err = cli.ParseAddress("host", host, "the port stands behind it"); err != nil {
		return t, errors.New("the host is neither an IP address nor a host name")
	}
	if strings.HasSuffix(host, ".") {
		return t, errors.New("the host ends in a dot")
	}
	t.host = canonicalHost(host)
	if port != "" {
		if t.port, err = parsePort(port); err != nil {
			return t, err
		}
	}
	if t.port == p.port {
		t.port = 0
	}
	if err := p.checkPath(place); err != nil {
		return t, err
	}
	t.path = place
	return t, nil
}

// split takes a target or a pattern apart, without judging the parts. host has
// no brackets.
func (p *protocol) split(text string) (host, port, place string, err error) {
	malformed := fmt.Errorf("not of the form %s (IPv6 addresses in brackets)", p.forms)
	rest, ok := text, true
	if p.shares() {
		if rest, ok = strings.CutPrefix(text, "//"); !ok {
			return "", "", "", malformed
		}
	}
	if inner, found := strings.CutPrefix(rest, "["); found {
		host, rest, ok = strings.Cut(inner, "]")
		if !ok || !strings.ContainsAny(host, ":/") { // an address of version 6, or a network
			return "", "", "", malformed
		}
	} else {
		end := strings.IndexAny(rest, ":/")
		if end < 0 {
			return "", "", "", malformed
		}
		host, rest = rest[:end], rest[end:]
	}
	if host == "" {
		return "", "", "", malformed
	}
	if p.shares() {
		port, place, ok = strings.Cut(rest, "/")
		if port != "" {
			var colon bool
			port, colon = strings.CutPrefix(port, ":")
			ok = ok && colon && port != ""
		}
	} else {
		rest, ok = strings.CutPrefix(rest, ":")
		if before, after, found := strings.Cut(rest, ":"); found && !strings.Contains(before, "/") {
			port, rest = before, after
			ok = ok && port != ""
		}
		place = rest
	}
	if !ok || place == "" {
		return "", "", "", malformed
	}
	return host, port, place, nil
}

// canonicalHost takes away what makes no difference: capitals, and how an
// address is written.
func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(host)
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' {
		return 0, errors.New("the port is not a number from 1 to 65535")
	}
	return int(n), nil
}

// checkPath judges the share or the directory.
func (p *protocol) checkPath(place string) error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case len(place) > 255:
		return errors.New("the share or directory is longer than 255 bytes")
	case !utf8.ValidString(place), strings.ContainsFunc(place, unprintable):
		return errors.New("the share or directory has a character that is not printable")
	case p.shares() && strings.ContainsAny(place, `/\`):
		return errors.New("the share is not the name of a share alone")
	case p.shares() && (place == "." || place == ".."):
		return errors.New("the share has no name")
	case !p.shares() && place[0] != '/':
		return errors.New("the directory does not begin with /")
	case !p.shares() && path.Clean(place) != place:
		return errors.New("the directory is not written in the shortest way (no //, no . and .., no / at " +
			"the end)")
	}
	return nil
}

// String is the target as the metrics name it.
func (t target) String() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.port != 0 {
		host = net.JoinHostPort(t.host, strconv.Itoa(t.port))
	}
	if t.protocol.shares() {
		return "//" + host + "/" + t.path
	}
	return host + ":" + t.path
}

// key is the same for all spellings of a target.
func (t target) key() string {
	if t.protocol.shares() {
		t.path = small(t.path)
	}
	return t.String()
}

// options name the target to the probe, as -check has them.
func (t target) options() []string {
	options := []string{"--address=" + t.host}
	if t.port != 0 {
		options = append(options, "--port="+strconv.Itoa(t.port))
	}
	if t.protocol.shares() {
		return append(options, "--share="+t.path)
	}
	return append(options, "--directory="+t.path)
}

// small turns the ASCII capitals into small letters, and nothing else: the
// Kelvin sign stays what it is.
func small(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
