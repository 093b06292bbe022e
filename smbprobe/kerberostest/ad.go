//go:build linux

package kerberostest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The domain of every AD.
const (
	adRealm   = "AD.LAB.TEST"
	ADAddress = "198.51.100.9" // of RFC 5737; it exists within the AD's network only
	ADUser    = "watch"
	ADPass    = "W4tch.pass"
)

// AD is a domain controller of Samba, which is a KDC and a file server (shares
// sysvol and netlogon), in a network of its own. It takes no NTLM.
type AD struct {
	Keytab string // of ADUser

	dir     string
	shell   *exec.Cmd
	stdin   io.WriteCloser
	network *os.File
}

// adScript is process 1 of the AD's namespaces. When its input ends, however
// this process ends, all others end, and the directory goes.
const adScript = `
cd /
PATH=$PATH:/usr/sbin:/sbin
quiet() { "$@" >>"$D/log" 2>&1 || { echo "$1 $2 failed: $(tail -n 5 "$D/log")"; exit 1; }; }
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run &&
for at in lib log cache; do mount -t tmpfs tmpfs /var/$at/samba || exit; done
mkdir -p /run/samba && ip link set lo up && ip addr add $ADDRESS/32 dev lo && hostname dc1
echo "$ADDRESS dc1.ad.lab.test dc1" >$D/hosts && mount --bind $D/hosts /etc/hosts
echo "nameserver 127.0.0.1" >$D/resolv.conf && mount --bind $D/resolv.conf /etc/resolv.conf
quiet samba-tool domain provision --realm=$REALM --domain=ADLAB --server-role=dc \
	--dns-backend=NONE --targetdir=$D/ad
conf=$D/ad/etc/smb.conf
sed -i '/server services/d
/\[global\]/a server services = s3fs, rpc, ldap, cldap, kdc, winbindd\
interfaces = lo\
bind interfaces only = yes\
ntlm auth = disabled' $conf
quiet samba-tool user create $NAME $PASS -s $conf
quiet samba-tool domain exportkeytab $D/watch.keytab --principal=$NAME -s $conf
chmod 600 $D/watch.keytab
samba -F -s $conf --debug-stdout >>$D/log 2>&1 </dev/null &
for try in $(seq 600); do # without winbindd no user gets a session
	wbinfo --user-info=$NAME >>$D/log 2>&1 && break
	[ $try -lt 600 ] || { echo "winbindd does not answer: $(tail -n 5 "$D/log")"; exit 1; }
	sleep 0.1
done
echo started
read -r word
kill -s KILL -1
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$D" && exit; sleep 0.1; done`

// NewAD starts a domain controller for a test and ends it in t.Cleanup. It takes
// five seconds of a processor to make the domain. If Samba's programs for that
// are not installed, the test is skipped, or fails if CI=true is in the
// environment.
func NewAD(t testing.TB) *AD {
	t.Helper()
	a, err := startAD(t.Context())
	endWith(t, a.close, err)
	return a
}

func startAD(ctx context.Context) (*AD, error) {
	for path, pkg := range map[string]string{"/usr/sbin/samba": "samba-ad-dc",
		"/usr/sbin/winbindd": "samba-ad-dc", "/usr/share/samba/setup": "samba-ad-provision"} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("kerberostest: %s: %w (install %s)", path, exec.ErrNotFound, pkg)
		}
	}
	dir, err := os.MkdirTemp("", "kerberostest-ad-")
	if err != nil {
		return nil, err
	}
	a := &AD{dir: dir, Keytab: filepath.Join(dir, "watch.keytab")}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("kerberostest: start an AD: %w", err), a.close())
	}
	return a, nil
}

func (a *AD) start(ctx context.Context) error {
	if err := os.Chmod(a.dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", adScript)
	cmd.Env = append(os.Environ(), "D="+a.dir, "ADDRESS="+ADAddress, "REALM="+adRealm,
		"NAME="+ADUser, "PASS="+ADPass)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS |
		syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if a.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	a.shell = cmd
	if a.network, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if strings.TrimSpace(line) != "started" {
		return fmt.Errorf("%s, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = nil
	log := filepath.Join(a.dir, "log")
	done := a.Do(func() {
		for _, port := range []string{"88", "445"} {
			err = errors.Join(err, await(ctx, net.JoinHostPort(ADAddress, port), log))
		}
	})
	return errors.Join(done, err)
}

// Do runs f in the network of the AD. Programs that it starts are there, too.
func (a *AD) Do(f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	if err := unix.Setns(int(a.network.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	f()
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.LockOSThread() // this thread is of no more use: it ends with its goroutine
		return err
	}
	return nil
}

func (a *AD) close() (err error) {
	if a.stdin != nil {
		err = errors.Join(a.stdin.Close(), a.shell.Wait())
	}
	if a.network != nil {
		err = errors.Join(err, a.network.Close())
	}
	return errors.Join(err, os.RemoveAll(a.dir))
}
