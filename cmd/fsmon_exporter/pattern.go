package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fsmon/cmd/internal/cli"
)

// pattern is an entry of targets: in the configuration. It is written like a
// target, and is matched against the parts of one, never against its text.
type pattern struct {
	protocol *protocol
	any      bool         // "*": every name and every address
	suffix   string       // "*.example.com": ".example.com"
	network  netip.Prefix // "[192.0.2.0/24]"
	host     string       // otherwise: as in target

	anyPort bool
	port    int // as in target

	path  string // with * for any characters but /
	below bool   // "/srv/**": everything below path
}

func parsePattern(p *protocol, text string) (pattern, error) {
	pat := pattern{protocol: p}
	host, port, place, err := p.split(text)
	if err != nil && strings.HasPrefix(text, "//") != p.shares() {
		return pat, fmt.Errorf("%q is no target of the prober %s (%s)", text, p.name, p.forms)
	}
	if err != nil {
		return pat, fmt.Errorf("%q is %w", text, err)
	}
	if err := pat.setHost(host); err != nil {
		return pat, fmt.Errorf("%q: %w", text, err)
	}
	switch pat.anyPort = port == "*"; {
	case pat.anyPort:
	case port != "":
		if pat.port, err = parsePort(port); err != nil {
			return pat, fmt.Errorf("%q: %w", text, err)
		}
	}
	if pat.port == p.port {
		pat.port = 0
	}
	if !p.shares() {
		if above, found := strings.CutSuffix(place, "/**"); found {
			place, pat.below = cmp.Or(above, "/"), true
		}
	}
	if err := p.checkPath(place); err != nil {
		return pat, fmt.Errorf("%q: %w", text, err)
	}
	if pat.path = place; strings.Contains(place, "**") {
		return pat, fmt.Errorf("%q: ** stands only at the end of a directory", text)
	}
	return pat, nil
}

func (pat *pattern) setHost(host string) error {
	if host == "*" {
		pat.any = true
		return nil
	}
	if strings.Contains(host, "/") {
		network, err := netip.ParsePrefix(host)
		if err != nil || network != network.Masked() || network.Addr().Is4In6() {
			return errors.New("what stands in brackets is no network (192.0.2.0/24, 2001:db8::/32)")
		}
		pat.network = network
		return nil
	}
	name, wild := strings.CutPrefix(host, "*.")
	if strings.Contains(name, "*") {
		return errors.New("* stands for a whole host, or at the beginning of a name for its first labels")
	}
	name, err := cli.ParseAddress("host", name, "the port stands behind it")
	if _, ip := netip.ParseAddr(name); err != nil || strings.HasSuffix(name, ".") || wild && ip == nil {
		return errors.New("the host is neither an IP address nor a host name")
	}
	if pat.host = canonicalHost(name); wild {
		pat.host, pat.suffix = "", "."+pat.host
	}
	return nil
}

// matches compares part by part. Names are compared as names: what address they
// have is found out later, by the probe.
func (pat *pattern) matches(t target) bool {
	if t.protocol != pat.protocol || !pat.anyPort && t.port != pat.port {
		return false
	}
	ip, err := netip.ParseAddr(t.host)
	named := err != nil
	switch {
	case pat.any:
	case pat.network.IsValid():
		if named || !pat.network.Contains(ip) {
			return false
		}
	case pat.suffix != "":
		if !named || !strings.HasSuffix(t.host, pat.suffix) {
			return false
		}
	case pat.host != t.host:
		return false
	}
	ours, theirs := pat.path, t.path
	if t.protocol.shares() {
		ours, theirs = small(ours), small(theirs)
	}
	return sameNames(split(ours), split(theirs), pat.below)
}

// split returns the names of a path; the root has none.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// sameNames compares name by name. below: there are more of theirs.
func sameNames(ours, theirs []string, below bool) bool {
	if below {
		if len(theirs) <= len(ours) {
			return false
		}
		theirs = theirs[:len(ours)]
	}
	return slices.EqualFunc(ours, theirs, like)
}

// like compares a name with words that have * for any characters between them.
func like(words, name string) bool {
	parts := strings.Split(words, "*")
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(name, parts[0])
	if last == 0 {
		return ok && rest == ""
	}
	for _, part := range parts[1:last] {
		var found bool
		_, rest, found = strings.Cut(rest, part)
		ok = ok && found
	}
	return ok && strings.HasSuffix(rest, parts[last])
}
