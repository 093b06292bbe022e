package smbtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// users are in the private password database. Every Debian has both as Unix
// accounts.
var users = []struct{ name, password string }{{"root", "pw"}, {"games", "pw-games"}}

// defaultShares exist unless Config.Shares replaces them. IPC$ is built in.
var defaultShares = map[string][]string{
	"share":      {"guest ok = yes", "read only = no"},
	"priv":       {"read only = no"},
	"valid":      {"valid users = games"},
	"hostsdeny":  {"guest ok = yes", "hosts deny = ALL"},
	"missing":    {"guest ok = yes", "path = @DIR@/nowhere"},
	"encrypted":  {"server smb encrypt = required", "read only = no"},
	"unreadable": {"guest ok = yes", "path = @DIR@/unreadable"}, // 0700, root's
	"printer":    {"guest ok = yes", "printable = yes", "path = @DIR@/spool"},
}

// global is the [global] section before the lines of Config.Global. smbd writes
// only below @DIR@.
const global = `[global]
server role = standalone server
interfaces = @INTERFACE@
bind interfaces only = yes
smb ports = @PORT@
disable netbios = yes
private dir = @DIR@/private
lock directory = @DIR@/lock
state directory = @DIR@/state
cache directory = @DIR@/cache
pid directory = @DIR@/pid
ncalrpc dir = @DIR@/ncalrpc
winbindd socket directory = @DIR@/winbindd
usershare path = @DIR@/usershares
logging = file
passdb backend = tdbsam:@DIR@/private/passdb.tdb
map to guest = Bad User
guest account = nobody
load printers = no
printing = bsd
printcap name = /dev/null
lpq command = true
disable spoolss = yes
# Until smbd's notify daemon runs, a tree connect may be NO_MEMORY without this.
change notify = no
# RPC helpers would start a session of their own and outlive smbd. A probe does not need them.
rpc start on demand helpers = no
`

// writeTree fills dir with what smbd needs: directories, shares, smb.conf.
func writeTree(dir string, port int, c Config) error {
	ip, err := netip.ParseAddr(c.Address)
	if err != nil {
		return err
	}
	// With a prefix Samba accepts every address of 127.0.0.0/8, without one
	// only the interface's own.
	iface := netip.PrefixFrom(ip, 128).String()
	if ip.Is4() {
		iface = netip.PrefixFrom(ip, 8).String()
	}
	for name, mode := range map[string]os.FileMode{
		"": 0o755, "private": 0o700, "lock": 0o755, "state": 0o755, "cache": 0o755, "pid": 0o755,
		"ncalrpc": 0o755, "usershares": 0o755, "log": 0o755, "shares": 0o755,
		"unreadable": 0o700, "spool": 0o777 | os.ModeSticky,
	} {
		if err := mkdir(filepath.Join(dir, name), mode); err != nil {
			return err
		}
	}

	fill := strings.NewReplacer("@DIR@", dir, "@PORT@", fmt.Sprint(port), "@INTERFACE@", iface)
	var conf strings.Builder
	conf.WriteString(global)
	for _, line := range c.Global {
		fmt.Fprintln(&conf, line)
	}
	shares := maps.Clone(defaultShares)
	maps.Copy(shares, c.Shares)
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		fmt.Fprintf(&conf, "[%s]\n", name)
		if !slices.ContainsFunc(shares[name], isPath) {
			path := filepath.Join(dir, "shares", name)
			if err := mkdir(path, 0o777); err != nil {
				return err
			}
			fmt.Fprintln(&conf, "path =", path)
		}
		for _, line := range shares[name] {
			fmt.Fprintln(&conf, line)
		}
	}
	return os.WriteFile(filepath.Join(dir, "smb.conf"), []byte(fill.Replace(conf.String())), 0o644)
}

// Configure replaces the lines of Config.Global for the connections that come
// now. smbd reads them at each connection, so this is much quicker than another
// server. Only what the listening smbd itself decides stays as it was, such as
// hosts deny, and the users.
func (s *Server) Configure(global ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Global = global
	if err := writeTree(s.Dir, s.Port, s.config); err != nil {
		return fmt.Errorf("smbtest: configure smbd: %w", err)
	}
	// smbd tells two files apart by this time, in whole seconds.
	s.written = s.written.Add(time.Hour)
	return os.Chtimes(s.conf(), s.written, s.written)
}

func isPath(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	return strings.EqualFold(strings.TrimSpace(key), "path")
}

// mkdir makes a directory with exactly this mode, whatever the umask. An
// existing directory gets the mode too.
func mkdir(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func addUsers(ctx context.Context, conf string) error {
	path, err := lookPath("smbpasswd", "samba")
	if err != nil {
		return err
	}
	for _, u := range users {
		cmd := exec.CommandContext(ctx, path, "-s", "-c", conf, "-a", u.name)
		cmd.Stdin = strings.NewReader(u.password + "\n" + u.password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			err = cmp.Or(ctx.Err(), err) // "killed" alone does not say why
			return fmt.Errorf("smbpasswd -a %s: %w: %s", u.name, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// lookPath finds a program of Samba. It also looks where an ordinary user's
// PATH does not. An error wraps exec.ErrNotFound and says in one line that the
// Debian package pkg is missing.
func lookPath(name, pkg string) (string, error) {
	for _, p := range []string{name, "/usr/sbin/" + name, "/usr/local/samba/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w: install the Debian package %s, or run make servers",
		name, exec.ErrNotFound, pkg)
}
