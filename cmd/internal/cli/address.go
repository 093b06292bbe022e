package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// ParseAddress checks the address after -a, so that a slip of the pen is wrong
// usage and no failover. It returns the address without brackets. port is the
// option that takes the port. The error names the accepted forms.
func ParseAddress(text, port string) (string, error) {
	address := text
	if inner, found := strings.CutPrefix(text, "["); found {
		if inner, found = strings.CutSuffix(inner, "]"); found && strings.Contains(inner, ":") {
			address = inner
		}
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case err == nil && ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return "", fmt.Errorf("-a: %q is not accepted (an address that begins with fe80 needs its "+
			"interface: %s%%eth0)", text, address)
	case err != nil && !hostName(address):
		return "", fmt.Errorf("-a: %q is not accepted (192.0.2.1, 2001:db8::1, fe80::1%%eth0 or a "+
			"host name alone; the port goes with %s)", text, port)
	}
	return address, nil
}

// hostName reports whether text can be the name of a host (RFC 1123 2.1), with
// the underscores that many networks have. A name whose last label is a number
// would be an IPv4 address, spelt wrongly.
func hostName(text string) bool {
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	last := strings.ToLower(labels[len(labels)-1])
	return strings.Trim(last, "0123456789") != "" &&
		(!strings.HasPrefix(last, "0x") || strings.Trim(last[2:], "0123456789abcdef") != "")
}

// CheckName returns an error if the name of a share, directory or file is not
// UTF-8, as SMB and NFS version 4 have it: a terminal or script of another
// encoding wrote it, and no server would find it.
func CheckName(option, name string) error {
	if utf8.ValidString(name) {
		return nil
	}
	return fmt.Errorf("%s: %q is not accepted (%w)", option, name, errEncoding)
}

var errEncoding = errors.New("a name in UTF-8; this one is in another encoding, such as Shift_JIS " +
	"or EUC-JP: look at the locale of the terminal or script")
