//go:build kernel

// Package kernel watches the NFS server of a Linux kernel, in a virtual machine.
// `make kernel-test` runs it.
package kernel

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
)

func TestMain(m *testing.M) {
	cmdtest.Main(m, map[string]string{"clp_nfsmon": "../../../clp_nfsmon"})
}

const service = "nfs/files.lab.test"

// breaksSealing are the kernels that cannot read what krb5p seals.
var breaksSealing = []string{"6.1.192-2"}

// machine serves /export on the usual ports of a network of its own.
type machine struct {
	*testing.T
	network *nfstest.Lab
	qemu    *exec.Cmd
	kdc     *kerberostest.KDC
	keytab  string // of who watches
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// boot boots the kernel of the package $FSMON_KERNEL, or else of Debian's newest
// for clouds.
func boot(t *testing.T) *machine {
	m := &machine{T: t, network: nfstest.New(t, nfstest.Config{Empty: true})}
	m.kdc = kerberostest.New(t, kerberostest.Config{In: m.network.Do,
		Users: map[string]string{"probe": "secret"}, Services: []string{service}})
	m.keytab = m.kdc.UserKeytab(t, "probe")
	cache, err := os.UserCacheDir()
	must(t, err)
	name := os.Getenv("FSMON_KERNEL")
	if name == "" {
		out, err := exec.Command("apt-cache", "depends", "--important",
			"linux-image-cloud-amd64").Output()
		must(t, err)
		_, name, _ = strings.Cut(string(out), "Depends: ")
		name, _, _ = strings.Cut(name, "\n")
	}
	dir := t.TempDir()
	made, err := exec.Command("./image.sh", name, filepath.Join(cache, "fsmon-kernel"),
		m.kdc.Keytab, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, made)
	}
	ports := ""
	for _, port := range []int{111, 2049, 20048, 9999} {
		ports += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", port, port)
	}
	m.qemu = m.network.Command("qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max",
		"-m", "512", "-nographic", "-no-reboot", "-kernel", dir+"/vmlinuz", "-initrd", dir+"/initrd.gz",
		"-append", "console=ttyS0 quiet panic=-1", "-nic", "user,model=virtio-net-pci,restrict=on"+ports)
	console, err := os.Create(dir + "/console")
	must(t, err)
	defer console.Close()
	m.qemu.Stdout, m.qemu.Stderr = console, console
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, m.qemu.Start())
	t.Cleanup(func() {
		m.qemu.Process.Kill()
		m.qemu.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(dir + "/console")
			t.Logf("the console:\n%s", said)
		}
	})
	cmdtest.Eventually(t, "the machine serves", func() bool {
		said, err := os.ReadFile(dir + "/console")
		return err == nil && strings.Contains(string(said), "serving")
	})
	return m
}

// do runs a line of shell in the machine.
func (m *machine) do(line string) string {
	m.Helper()
	var said []byte
	var err error
	failed := m.network.Do(func() {
		var c net.Conn
		if c, err = net.Dial("tcp", "127.0.0.1:9999"); err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "%s\nexit\n", line)
		said, err = io.ReadAll(c)
	})
	must(m.T, failed)
	must(m.T, err)
	return string(said)
}

// check runs -check, which must end with this code and say all of this.
func (m *machine) check(code int, version, sec string, more []string, phrases ...string) {
	m.Helper()
	args := []string{"-a", "127.0.0.1", "-d", "/export", "--nfs-version", version, "--sec", sec}
	if sec != "sys" {
		args = append(args, "--keytab", m.keytab, "--kdc", m.kdc.Addr, "--spn", service)
	}
	if more == nil {
		more = []string{"-r", "60"}
	}
	l := cmdtest.NewLab(m, "clp_nfsmon")
	l.Exec = m.network.Command
	p := l.Check(append(args, more...)...)
	p.Exits(code)
	said := cmdtest.Flat(p.Output())
	for _, phrase := range phrases {
		if !strings.Contains(said, phrase) {
			m.Errorf("version %s, %s: no %q in\n%s", version, sec, phrase, p.Output())
		}
	}
}

var versions = []string{"3", "4.0", "4.1", "4.2"}

func TestKernelServer(t *testing.T) {
	m := boot(t)
	version := m.do("cat /proc/version")
	t.Log(version)
	broken := false
	for _, one := range breaksSealing {
		broken = broken || strings.Contains(version, "Debian "+one+" ")
	}
	for _, v := range versions {
		for _, sec := range []string{"sys", "krb5", "krb5i", "krb5p"} {
			if sec == "krb5p" && broken {
				m.check(1, v, sec, nil, " security context ", ": Server can't decode arguments",
					"what --sec krb5p protects", "Class server: ")
				continue
			}
			m.check(0, v, sec, []string{"--write-test", "-r", "60"}, "healthy")
		}
	}

	// It loses the context before the call of this index, 0 being NULL.
	for at, v := range map[int]string{2: "3", 4: "4.1"} {
		m.check(0, v, "krb5i", []string{"-n", m.relay(func(p *nfstest.Passing) nfstest.End {
			if !p.FromServer && p.Index == at {
				m.do("echo 1 >/proc/net/rpc/auth.rpcsec.context/flush")
			}
			return nil
		}), "-r", "60"}, "the server had lost the security context (Authentication error; why = "+
			"RPCSEC_GSS_CREDPROBLEM), so a new one was made")
	}

	// What reads tickets for it hangs; then its key is an old one.
	m.do("killall -STOP rpc.svcgssd")
	m.check(1, "4.2", "krb5", nil, "failed at security context: ECONNRESET", "gssproxy or rpc.svcgssd",
		"Class server: ")
	m.do("killall -CONT rpc.svcgssd")
	m.check(0, "4.2", "krb5", nil, "healthy")
	_, err := m.kdc.Admin(t.Context(), "cpw -randkey "+service+"\n")
	must(t, err)
	m.check(1, "3", "krb5", nil, "failed at security context: KRB_AP_ERR_BADKEYVER", "compare kvno",
		"Class server: ")

	must(t, m.qemu.Process.Signal(syscall.SIGSTOP))
	cmdtest.Eventually(t, "frozen", func() bool { return proc.Stopped(m.qemu.Process.Pid) })
	m.check(1, "4.1", "sys", []string{"-r", "3"}, "failed at null: ETIMEDOUT", "Class server: ")
}

// relay puts a relay before the NFS port and returns its port.
func (m *machine) relay(filter nfstest.Filter) (port string) {
	l, err := m.network.Listen("tcp", "127.0.0.1:0")
	must(m.T, err)
	nfstest.Relay(m, l, func() (c net.Conn, err error) {
		if failed := m.network.Do(func() { c, err = net.Dial("tcp", "127.0.0.1:2049") }); failed != nil {
			return nil, failed
		}
		return c, err
	}, filter)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}
