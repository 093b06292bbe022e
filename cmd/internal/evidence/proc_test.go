package evidence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeProc is a /proc with the given files.
func fakeProc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hexAddress returns an address as /proc/net/tcp shows it on this machine.
func hexAddress(text string) string {
	a := netip.MustParseAddrPort(text)
	b := a.Addr().AsSlice()
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	return fmt.Sprintf("%X:%04X", b, a.Port())
}

func found(t *testing.T, proc string, port uint16, name string) (string, error) {
	t.Helper()
	for _, c := range machine(proc, port) {
		if c.name == name {
			var out bytes.Buffer
			err := c.run(t.Context(), &out)
			return out.String(), err
		}
	}
	t.Fatalf("no collector writes %s", name)
	return "", nil
}

// A machine whose server hangs on its disk, as the kernel shows it.
func TestMachine(t *testing.T) {
	row := func(local, remote, state, queues, inode string) string {
		return fmt.Sprintf("   0: %s %s %s %s 01:00000014 00000003     0        0 %s 1 0 100 0 0 "+
			"10 0\n", hexAddress(local), hexAddress(remote), state, queues, inode)
	}
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt " +
		"  uid  timeout inode\n"
	proc := fakeProc(t, map[string]string{
		"net/tcp": heading + row("0.0.0.0:445", "0.0.0.0:0", "0A", "00000000:00000033", "4711") +
			row("192.0.2.1:445", "192.0.2.9:50000", "01", "00000010:00000020", "4712") +
			row("0.0.0.0:22", "0.0.0.0:0", "0A", "00000000:00000000", "22"),
		"net/tcp6": heading +
			row("[2001:db8::1]:445", "[2001:db8::9]:50001", "08", "00000000:00000001", "4713"),
		"net/rpc/nfsd":   "rc 0 1 2\n",
		"7/comm":         "smbd\n",
		"7/fd/0":         "-> /dev/null",
		"7/fd/5":         "-> socket:[4711]",
		"7/task/7/stat":  "7 (smbd) S 1 7 7 0 -1",
		"7/task/7/wchan": "do_epoll_wait",
		"7/task/8/stat":  "8 (smb) D (x) D 1 7 7 0 -1", // a name may hold anything
		"7/task/8/wchan": "folio_wait_bit_common",
		"7/task/8/stack": "[<0>] folio_wait_bit_common+0x13b\n[<0>] filemap_read+0x2\n",
		"7/status": "Name:\tsmbd\nUid:\t0\t0\t0\t0\nVmRSS:\t  8 " +
			"kB\nThreads:\t2\nCpus_allowed:\tff\n",
		"7/task/9/stat":           "damaged",
		"8/comm":                  "rpc.mountd\n",
		"8/task/8/stat":           "8 (rpc.mountd) S 1 8 8",
		"9/comm":                  "bash\n",
		"9/fd/0":                  "-> socket:[22]",
		"9/task/9/stat":           "9 (bash) S 1 9 9",
		"self/mountinfo":          "99 1 8:1 / / ro\n", // of the watch's sandbox
		"1/mountinfo":             "21 1 8:1 / / rw\n",
		"7/mountinfo":             "21 1 8:1 / / rw\n22 21 8:2 / /srv rw\n", // of a container
		"8/mountinfo":             "not asked\n",
		"loadavg":                 "9.00 8.00 7.00 1/2 3\n",
		"pressure/io":             "full avg10=99.00\n",
		"meminfo":                 "MemTotal: 1 kB\n",
		"sys/kernel/not/asked/of": "x",
	})
	for name, c := range map[string]struct{ has, hasNot []string }{
		"blocked.txt": {
			[]string{"process 7: Name smbd, Uid 0 0 0 0, VmRSS 8 kB, Threads 2\n  thread 8 " +
				"(smb) D (x) state D waits in folio_wait_bit_common\n",
				"    [<0>] filemap_read+0x2\n",
				"\n1 threads in uninterruptible sleep (state D), of 4 processes.\n"},
			[]string{"do_epoll_wait", "Cpus_allowed"}},
		"server.txt": {
			[]string{"1 sockets listen on port 445; processes that hold them: [7]; " +
				"other processes of file servers: [8]\n", "thread 7 (smbd) state S",
				"thread 8 (smb) D (x) state D",
				"process 8: ended, or not to be read\n  thread 8 (rpc.mountd)",
				"no kernel stack"},
			[]string{"bash"}},
		"sockets.txt": {
			[]string{"LISTEN       0.0.0.0:445 ", "ESTABLISHED  192.0.2.1:445 ",
				"CLOSE_WAIT   [2001:db8::1]:445 ", " 192.0.2.9:50000 ", "4713\n",
				"\n3 sockets of port 445."},
			[]string{":22"}},
		"nfsd.txt": {[]string{"== /proc/net/rpc/nfsd\nrc 0 1 2\n"}, []string{"pool_stats"}},
		"mounts.txt": {[]string{"== /proc/1/mountinfo\n21 1 8:1 / / rw\n== /proc/7/mountinfo\n21 1 8:1"},
			[]string{"/ ro", "not asked"}},
		"load.txt": {[]string{"9.00 8.00", "full avg10=99.00", "MemTotal"}, nil},
	} {
		got, err := found(t, proc, 445, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range c.has {
			if !strings.Contains(got, part) {
				t.Errorf("%s does not say %q:\n%s", name, part, got)
			}
		}
		for _, part := range c.hasNot {
			if strings.Contains(got, part) {
				t.Errorf("%s says %q:\n%s", name, part, got)
			}
		}
	}
	// The backlog of the listening socket, and what a connection has not had
	// acknowledged or read.
	got, _ := found(t, proc, 445, "sockets.txt")
	for line, queues := range map[string]string{"LISTEN": " 0 51 ", "ESTABLISHED": " 16 32 "} {
		for _, row := range strings.Split(got, "\n") {
			if strings.HasPrefix(row, line) &&
				!strings.Contains(strings.Join(strings.Fields(row), " ")+" ", queues) {
				t.Errorf("%q does not show the queues %q", row, queues)
			}
		}
	}
}

// A server with hundreds of threads and processes that all wait for work is
// described in a few lines.
func TestManyThreads(t *testing.T) {
	files := map[string]string{"net/tcp": ""}
	idle := func(pid, tid int, wait string) {
		task := fmt.Sprintf("%d/task/%d/", pid, tid)
		files[fmt.Sprintf("%d/comm", pid)] = "ganesha.nfsd\n"
		files[task+"stat"] = fmt.Sprintf("%d (worker) S 1 1 1", tid)
		files[task+"wchan"] = wait
		files[task+"stack"] = strings.Repeat("[<0>] "+wait+"+0x13b/0x1c0\n", 10)
	}
	for tid := 100; tid < 400; tid++ {
		idle(100, tid, "futex_do_wait")
	}
	idle(100, 400, "folio_wait_bit_common")
	for pid := 1000; pid < 1020; pid++ {
		idle(pid, pid, "futex_do_wait")
	}
	got, err := found(t, fakeProc(t, files), 2049, "server.txt")
	if err != nil || len(got) > 4000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, part := range []string{"  thread 100 (worker) state S waits in futex_do_wait\n",
		"  thread 400 (worker) state S waits in folio_wait_bit_common\n",
		"  299 like thread 100 of process 100\n",
		"process 1019: ended, or not to be read\n  1 like thread 100 of process 100\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("it does not say %q:\n%s", part, got)
		}
	}
	// If every thread waits elsewhere, the file has an end nevertheless.
	for tid := 100; tid < 400; tid++ {
		idle(100, tid, fmt.Sprintf("elsewhere_%d", tid))
	}
	if got, err := found(t, fakeProc(t, files), 2049, "server.txt"); err == nil ||
		strings.Count(got, "  thread ") != maxKinds {
		t.Errorf("%d threads described, %v", strings.Count(got, "  thread "), err)
	}
}

// In the real /proc, this process is one that listens.
func TestRealProc(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", network)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		address := netip.MustParseAddrPort(l.Addr().String())
		got, err := found(t, "/proc", address.Port(), "server.txt")
		want := fmt.Sprintf(`listen on port %d; processes that hold them: \[(\d+ )*%d( \d+)*\];`,
			address.Port(), os.Getpid())
		if !regexp.MustCompile(want).MatchString(got) || err != nil &&
			!errors.Is(err, fs.ErrPermission) {
			t.Errorf("without %q (%v):\n%s", want, err, got)
		}
		if got, err := found(t, "/proc", address.Port(), "sockets.txt"); err != nil ||
			!strings.Contains(got, "LISTEN       "+address.String()+" ") {
			t.Errorf("%v:\n%s", err, got)
		}
	}
	for _, name := range []string{"blocked.txt", "nfsd.txt", "mounts.txt", "load.txt"} {
		if _, err := found(t, "/proc", 445, name); err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without CAP_SYS_ADMIN, as under the systemd units, the kernel shows no stacks:
// the file says so once, and what helps.
func TestHiddenStacks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	// The thread does not go back to others: it has lost the capability for good.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err := unix.Capget(&head, &sets[0]); err != nil {
			t.Error(err)
		}
		sets[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
		if err := unix.Capset(&head, &sets[0]); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"server.txt", "blocked.txt"} {
			got, _ := found(t, "/proc", port, name)
			if strings.Contains(got, "no kernel stack") {
				t.Errorf("%s says it for each thread:\n%s", name, got)
			}
			if name == "server.txt" && strings.Count(got, "Kernel stacks cannot be read here "+
				"(permission denied): that takes CAP_SYS_ADMIN") != 1 {
				t.Errorf("%s:\n%s", name, got)
			}
		}
	}()
	<-done
}

// A collector whose time is up says what it has not looked at.
func TestCollectorsHeedTheirDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range machine("/proc", 445)[:2] {
		if err := c.run(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	f.Add("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0     " +
		"   0 12345 1 0000000000000000 100 0 0 10 0")
	f.Add("   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 FF " +
		": x x x x x x")
	f.Fuzz(func(t *testing.T, line string) {
		if s, ok := parseSocket(line); ok && (!s.local.IsValid() || !s.remote.IsValid()) {
			t.Errorf("%q: %+v", line, s)
		}
	})
}
