//go:build system

package system

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/proc"
)

// releases are the Debian releases that are booted, and what has to be in them.
var releases = []string{"bookworm", "trixie"}

const packages = "systemd-sysv,dbus,samba,nfs-ganesha,nfs-ganesha-vfs,rpcbind,procps,iproute2," +
	"rpm,pacemaker,pacemaker-cli-utils,corosync,resource-agents," +
	"prometheus,prometheus-node-exporter,prometheus-alertmanager"

// files are the packages in shared.
var files = []string{"fsmon.deb", "fsmon.rpm", "fsmon-exporter.deb", "fsmon-exporter.rpm",
	"fsmon-templates.deb"}

var (
	images = map[string]string{} // by release, what is booted
	shared string                // /shared of every machine: the packages of fsmon
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, remove, err := proc.TempDir("fsmon-system-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	os.Setenv("TMPDIR", dir) // goes with this process, however that ends
	shared = dir
	for _, name := range files {
		pkg, kind, _ := strings.Cut(name, ".")
		found, err := filepath.Glob("../../../../dist/" + pkg + "?[0-9]*." + kind)
		if err != nil || len(found) != 1 {
			return 0, fmt.Errorf("dist has %d packages %s, want 1 (make packages; %w)",
				len(found), name, err)
		}
		b, err := os.ReadFile(found[0])
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			return 0, err
		}
	}
	cache, err := imageCache()
	if err != nil {
		return 0, err
	}
	for _, release := range releases {
		if images[release], err = image(cache, release); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// imageCache is where the trees are: $FSMON_SYSTEM_IMAGES, or else below the
// user's cache. It is this process's alone until that ends: another may want
// other packages in them.
func imageCache() (cache string, err error) {
	if cache = os.Getenv("FSMON_SYSTEM_IMAGES"); cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			return "", err
		}
		cache = filepath.Join(cache, "fsmon-system")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fd, err := unix.Open(cache, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	return cache, unix.Flock(fd, unix.LOCK_EX)
}

// image returns the tree of a release with the servers. It is made once, and
// takes a minute.
func image(cache, release string) (string, error) {
	dir := filepath.Join(cache, release)
	// What it was made of stands in it: if that has changed, it is made anew.
	if b, err := os.ReadFile(dir + "/.made-of"); err == nil && string(b) == packages {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	begun, err := os.MkdirTemp(cache, "begun-")
	if err != nil {
		return "", err
	}
	fmt.Printf("making %s\n", dir)
	out, err := exec.Command("mmdebstrap", "--mode=root", "--variant=apt", "--quiet",
		`--aptopt=APT::Install-Recommends "false"`, `--aptopt=APT::Sandbox::User "root"`,
		"--include="+packages, release, begun).CombinedOutput()
	if err == nil {
		err = errors.Join(os.WriteFile(begun+"/.made-of", []byte(packages), 0o644),
			os.Rename(begun, dir))
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(begun))
		return "", fmt.Errorf("mmdebstrap %s: %w\n%s", release, err, out)
	}
	return dir, nil
}
