package nfstest

import (
	"fmt"
	"os/exec"
	"strings"
)

// lookPath also finds a program in /usr/sbin, which is not in every user's
// PATH.
func lookPath(name string) (string, error) {
	for _, p := range []string{name, "/usr/sbin/" + name, "/usr/bin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// installed returns an error, of one line, that names the programs of a lab
// that are missing and the packages that have them.
func installed() error {
	var missing, packages []string
	for _, p := range []struct{ name, packages string }{
		{"ganesha.nfsd", "nfs-ganesha nfs-ganesha-vfs"}, {"rpcbind", "rpcbind"},
		{"rpc.statd", "nfs-common"},
		{"ip", "iproute2"}, {"iptables", "iptables"}, {"nsenter", "util-linux"},
	} {
		if _, err := lookPath(p.name); err != nil {
			missing, packages = append(missing, p.name), append(packages, p.packages)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: install the Debian packages %s, or run make servers",
		strings.Join(missing, ", "), exec.ErrNotFound, strings.Join(packages, " "))
}
