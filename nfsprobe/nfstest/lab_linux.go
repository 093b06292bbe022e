package nfstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startTime = time.Minute // limit for the start of a lab or of one server
	endTime   = time.Minute // limit for all that ends or changes one
	// answerTime is how long one question to a server that starts may take;
	// then it is asked again.
	answerTime = 2 * time.Second
	pollTime   = 2 * time.Millisecond // between two looks at a state
)

// Config says how a lab differs from the default: rpcbind on port 111, and
// Ganesha with versions 3 and 4.0 to 4.2 and the exports of Exports.
type Config struct {
	NFSPort   int      // 1 to 65535; default 2049
	MountPort int      // 1 to 65535; default 20048
	Minors    []int    // minor versions of NFS version 4; default 0, 1, 2
	NoV3      bool     // no version 3, and so no mount service
	NoV4      bool     // no version 4
	NoPortmap bool     // rpcbind is killed before New returns
	Locks     bool     // Ganesha also has a lock manager, and a status monitor runs
	Exports   []Export // in addition to those of Exports
	Forgetful bool     // Ganesha has no room for a security context: see Lab.Forget
	// Neither rpcbind nor Ganesha is started: the lab is a network for a
	// hostile server, or Restart starts them later.
	Empty bool
	// The lab is in this process's own network namespace, which Isolate must
	// have made. Only one such lab at a time.
	InPlace bool
}

// Address belongs to every lab, besides 127.0.0.1 and ::1. It is from the block
// for documentation and on an interface other than the loopback one, as the
// default address of a watch must be.
const Address = "198.51.100.10"

// Lab is a network of its own, in which rpcbind owns port 111 and Ganesha port
// 2049. Its processes also have mount and process namespaces of their own, so
// nothing of the machine is touched and labs run side by side. If this process
// dies first, even by SIGKILL, the lab ends and its directory is removed. The
// methods may be called from any goroutine.
type Lab struct {
	config  Config
	dir     string // mode 0755; holds export directories, ganesha.conf, log/
	network *os.File

	mu       sync.Mutex
	init     *exec.Cmd     // the shell that is process 1 of the lab
	ended    chan struct{} // closed after Wait
	control  *os.File      // its orders, line by line; at end of file it ends the lab
	answers  *bufio.Reader
	pids     map[Server]string // of the running servers, in the lab's process namespace
	exports  []Export
	numbered []string // names of exports; the export number is the index plus 1
	keytab   string   // of Ganesha; "": it has no Kerberos
	krb5Conf string
}

// New starts a lab for a test and closes it in t.Cleanup. If a program or the
// right to make namespaces is missing, the test is skipped, or fails if CI=true
// is in the environment.
func New(t testing.TB, c Config) *Lab {
	t.Helper()
	l, err := StartLab(t.Context(), c)
	switch {
	case (errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrPermission)) &&
		os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// StartLab starts a lab and returns when its servers answer; ctx limits the
// start only. The error wraps exec.ErrNotFound if a program is not installed,
// and os.ErrPermission if this process may not make namespaces (only root may).
// The caller must Close the lab.
func StartLab(ctx context.Context, c Config) (*Lab, error) {
	if c.NFSPort == 0 {
		c.NFSPort = 2049
	}
	if c.MountPort == 0 {
		c.MountPort = 20048
	}
	if c.Minors == nil {
		c.Minors = []int{0, 1, 2}
	}
	if err := installed(); err != nil {
		return nil, fmt.Errorf("nfstest: %w", err)
	}
	if c.InPlace {
		if err := isolated(); err != nil {
			return nil, fmt.Errorf("nfstest: %w", err)
		}
	}
	l := &Lab{config: c, pids: map[Server]string{}, exports: append(Exports(), c.Exports...)}
	if err := l.setUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("nfstest: start a lab: %w", err), l.Close())
	}
	return l, nil
}

// networkScript brings up the interfaces of a new network namespace. Address is
// on one end of a veth pair whose other end is unused, or on the loopback
// interface if the kernel has no veth.
const networkScript = `ip link set lo up &&
if ip link add name lab0 type veth peer name lab1 2>/dev/null; then
	ip addr add ` + Address + `/24 dev lab0 && ip link set lab0 up && ip link set lab1 up
else
	ip addr add ` + Address + `/32 dev lo
fi`

// initScript is process 1 of a lab. It sets up the namespaces, then runs the
// lines that it reads. At end of file, which the kernel causes however this
// process ends, it kills all other processes of the lab and removes the
// directory. The namespaces go when it ends.
const initScript = `
cd /
PATH=$PATH:/usr/sbin:/sbin
mount --make-rprivate / &&
for at in /run /var/lib/nfs; do mount -t tmpfs -o mode=0755 tmpfs $at || exit; done &&
mount -t proc proc /proc &&
{ test -n "$2" || { ` + networkScript + `
}; } || exit
echo 0
while read -r line; do
	eval "$line" >/dev/null
	echo "$? $!"
done
kill -s KILL -1
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.1; done`

func (l *Lab) setUp(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if l.dir, err = os.MkdirTemp("", "nfstest-"); err != nil {
		return err
	}
	if err = mkdir(l.dir, 0o755); err != nil {
		return err
	}
	if err = mkdir(l.path("log"), 0o755); err != nil {
		return err
	}
	if err = l.startInit(); err != nil {
		return err
	}
	if l.network, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", l.init.Process.Pid)); err != nil {
		return err
	}
	if l.config.Empty {
		return nil
	}
	if err = l.start(ctx, Rpcbind); err != nil {
		return err
	}
	if l.config.Locks {
		if err = l.start(ctx, Statd); err != nil {
			return err
		}
	}
	if err = l.start(ctx, Ganesha); err != nil {
		return err
	}
	if l.config.NoPortmap {
		return l.end(Rpcbind, "KILL") // Ganesha does not start without it
	}
	return nil
}

// startInit starts the lab's process 1 and waits until it is ready for orders.
func (l *Lab) startInit() error {
	in, control, err := os.Pipe()
	if err != nil {
		return err
	}
	l.control = control
	defer in.Close()
	answers, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	l.answers = bufio.NewReader(answers)
	log, err := os.Create(l.path("log/init"))
	if err != nil {
		return err
	}
	defer log.Close()
	flags := syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET
	inPlace := ""
	if l.config.InPlace {
		flags &^= syscall.CLONE_NEWNET
		inPlace = "yes"
	}
	cmd := exec.Command("/bin/sh", "-c", initScript, "sh", l.dir, inPlace)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, log
	// A session of its own, so that what ends this process's group or terminal
	// does not end the lab.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(flags), Setsid: true}
	if err := cmd.Start(); err != nil {
		answers.Close()
		return fmt.Errorf("make namespaces (only root may): %w", err)
	}
	l.init = cmd
	l.ended = make(chan struct{})
	go func(ended chan struct{}) {
		cmd.Wait() // process 1 ends last; the next order notices how
		answers.Close()
		close(ended)
	}(l.ended)
	_, err = l.answer()
	return err
}

// order makes the lab's process 1 run one line of shell. It returns the process
// ID, in the lab, of the last process started in the background. The caller
// holds mu, except during the start.
func (l *Lab) order(line string) (pid string, err error) {
	if l.control == nil {
		return "", os.ErrClosed
	}
	if _, err := fmt.Fprintln(l.control, line); err != nil {
		return "", err
	}
	return l.answer()
}

func (l *Lab) answer() (pid string, err error) {
	line, err := l.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the lab has ended: %w\n%s", err, l.logTail("init"))
	}
	code, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
	if code != "0" {
		return pid, fmt.Errorf("exit code %s in the lab\n%s", code, l.logTail("init"))
	}
	return pid, nil
}

// Close ends every process of the lab, frozen or not, and its network, and
// removes its directory. The caller must have ended the processes of Command
// before. A second Close does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.pids)
	var err error
	if l.config.InPlace && l.control != nil && l.init != nil {
		_, err = l.order(flush)
	}
	if l.control != nil {
		err = errors.Join(err, l.control.Close())
		l.control = nil
	}
	if l.init != nil {
		select {
		case <-l.ended:
		case <-time.After(endTime):
			err = errors.Join(err, errors.New("nfstest: the lab did not end and is killed"),
				l.init.Process.Kill())
			<-l.ended
		}
		l.init = nil
	}
	if l.network != nil {
		err = errors.Join(err, l.network.Close())
		l.network = nil
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir))
	}
	return err
}

// Dir is the directory of the export named export: its path in version 3. In
// version 4 the path is /export. It holds an empty directory sub and a regular
// file named file.
func (l *Lab) Dir() string { return l.Path("export") }

// Path is the directory of the export with this name: its path in version 3. In
// version 4 the path is /name.
func (l *Lab) Path(name string) string { return l.path(name) }

func (l *Lab) path(name string) string { return filepath.Join(l.dir, name) }

// AddrPort is 127.0.0.1 and Ganesha's NFS port.
func (l *Lab) AddrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(l.config.NFSPort))
}

// Command is a program to run in the lab's network. The rest it shares with
// this process: the process ID is the real one, and it sees the machine's files
// and processes. The command starts as nsenter(1), so a Credential in
// SysProcAttr does not work; use setpriv(1).
func (l *Lab) Command(name string, args ...string) *exec.Cmd {
	if l.config.InPlace {
		return exec.Command(name, args...)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path = name // nsenter will say so
	}
	nsenter, err := lookPath("nsenter")
	if err != nil {
		nsenter = "nsenter"
	}
	return exec.Command(nsenter,
		append([]string{fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), l.network.Fd()), "--",
			path}, args...)...)
}

// Do calls f on a thread in the lab's network. Sockets that f opens belong to
// that network for life, and so do processes that f starts. Goroutines that f
// starts do not; so f must not dial a name or use net.Dialer.FallbackDelay,
// since package net starts goroutines for them.
func (l *Lab) Do(f func()) error {
	if l.config.InPlace {
		f()
		return nil
	}
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		defer home.Close()
		err = unix.Setns(int(l.network.Fd()), unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("nfstest: enter the lab's network: %w", err)
	}
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with its goroutine, so that no other gets it
	}()
	f()
	return nil
}

// mkdir makes a directory with exactly this mode, whatever the umask.
func mkdir(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// Listen is net.Listen in the lab's network, for an IP address and a port.
func (l *Lab) Listen(network, address string) (listener net.Listener, err error) {
	if doErr := l.Do(func() { listener, err = net.Listen(network, address) }); doErr != nil {
		return nil, doErr
	}
	return listener, err
}
