//go:build linux

// Package kerberostest starts private KDCs (MIT Kerberos) for tests: on
// loopback, with a configuration and a database in a directory of their own.
package kerberostest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = time.Minute          // limit of one start
	pollTime  = 5 * time.Millisecond // between two looks at a state
)

// Realm is that of a KDC without another one.
const Realm = "LAB.TEST"

// Config says what a KDC knows.
type Config struct {
	Address  string            // default 127.0.0.1
	Realm    string            // default Realm
	Users    map[string]string // passwords by name
	Services []string          // "cifs/files.lab.test"; KDC.Keytab has their keys
	Life     time.Duration     // the longest life of a ticket; 0: ten hours
	// Enctypes are those of all keys; empty: AES of both kinds.
	Enctypes string
	// Skew is how far the KDC's clock is ahead of this machine's.
	Skew time.Duration
	// In runs what starts the KDC and asks for it, perhaps in another network
	// namespace; nil: here.
	In func(func()) error
}

// KDC is a running KDC. Its methods may be called from any goroutine.
type KDC struct {
	Addr   string // HOST:PORT
	Dir    string // mode 0755, for everything that belongs to it
	Keytab string // the keys of all services, mode 0600
	Conf   string // a krb5.conf

	config Config
	mu     sync.Mutex
	shell  *exec.Cmd
	stdin  io.WriteCloser
	pid    int
}

// New starts a KDC for a test and ends it in t.Cleanup. If MIT Kerberos is not
// installed, the test is skipped, or fails if CI=true is in the environment.
func New(t testing.TB, c Config) *KDC {
	t.Helper()
	k, err := start(t.Context(), c)
	endWith(t, k.Close, err)
	return k
}

// endWith ends what a test has started with the test. err is why it could not
// be started.
func endWith(t testing.TB, end func() error, err error) {
	t.Helper()
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// start starts a KDC and returns when it answers. The caller must Close it. If
// this process dies first, the KDC ends and its directory is removed.
func start(ctx context.Context, c Config) (*KDC, error) {
	if c.Address == "" {
		c.Address = "127.0.0.1"
	}
	if c.Realm == "" {
		c.Realm = Realm
	}
	if c.Enctypes == "" {
		c.Enctypes = "aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal " +
			"aes256-sha2:normal aes128-sha2:normal"
	}
	if c.Life == 0 {
		c.Life = 10 * time.Hour
	}
	if c.In == nil {
		c.In = func(f func()) error { f(); return nil }
	}
	for _, program := range []string{"krb5kdc", "kdb5_util", "kadmin.local"} {
		if _, err := lookPath(program); err != nil {
			return nil, fmt.Errorf("kerberostest: %w (install krb5-kdc and krb5-admin-server)", err)
		}
	}
	if c.Skew != 0 && faketime() == "" {
		return nil, fmt.Errorf("kerberostest: libfaketime.so.1: %w (install faketime)",
			exec.ErrNotFound)
	}
	dir, err := os.MkdirTemp("", "kerberostest-")
	if err != nil {
		return nil, err
	}
	k := &KDC{Dir: dir, Keytab: filepath.Join(dir, "services.keytab"),
		Conf: filepath.Join(dir, "krb5.conf"), config: c}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := k.setUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("kerberostest: %w", err), k.Close())
	}
	return k, nil
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err2 := exec.LookPath("/usr/sbin/" + name); err2 == nil {
			return path, nil
		}
	}
	return path, err
}

func (k *KDC) setUp(ctx context.Context) error {
	if err := os.Chmod(k.Dir, 0o755); err != nil {
		return err
	}
	var port int
	if err := k.config.In(func() { port = freePort(k.config.Address) }); err != nil {
		return err
	}
	k.Addr = net.JoinHostPort(k.config.Address, strconv.Itoa(port))
	if err := k.writeConf(); err != nil {
		return err
	}
	_, err := k.run(ctx, "", "kdb5_util", "create", "-s", "-r", k.config.Realm, "-P",
		"master")
	if err != nil {
		return err
	}
	var script strings.Builder
	for name, password := range k.config.Users {
		fmt.Fprintf(&script, "addprinc -pw %s %s\n", password, name)
	}
	for _, name := range k.config.Services {
		fmt.Fprintf(&script, "addprinc -randkey %s\nktadd -k %s %s\n", name, k.Keytab, name)
	}
	if _, err := k.Admin(ctx, script.String()); err != nil {
		return err
	}
	return k.Start(ctx)
}

// freePort is a port that nobody listens on, below those of smbtest and of
// outgoing connections. It asks, and does not listen for a moment itself: a
// child that this process starts meanwhile would hold a copy of the listener,
// and so the port, until it has become its program.
func freePort(address string) int {
	for {
		n := 10000 + rand.IntN(10000)
		c, err := net.Dial("tcp", net.JoinHostPort(address, strconv.Itoa(n)))
		if err != nil {
			return n
		}
		c.Close()
	}
}

const krb5Conf = `[libdefaults]
 default_realm = @REALM@
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 @REALM@ = {
  kdc = @ADDR@
 }
[domain_realm]
 .lab.test = @REALM@
`

const kdcConf = `[kdcdefaults]
 kdc_listen = @ADDR@
 kdc_tcp_listen = @ADDR@
[realms]
 @REALM@ = {
  database_name = @DIR@/principal
  key_stash_file = @DIR@/stash
  acl_file = @DIR@/kadm5.acl
  disable_pac = true
  default_principal_flags = +preauth
  max_life = @LIFE@
  supported_enctypes = @ENCTYPES@
 }
[logging]
 kdc = FILE:@DIR@/kdc.log
 admin_server = FILE:@DIR@/kdc.log
`

func (k *KDC) writeConf() error {
	fill := strings.NewReplacer("@REALM@", k.config.Realm, "@ADDR@", k.Addr, "@DIR@", k.Dir,
		"@LIFE@", fmt.Sprintf("%ds", int(k.config.Life.Seconds())), "@ENCTYPES@", k.config.Enctypes)
	return errors.Join(
		os.WriteFile(k.Conf, []byte(fill.Replace(krb5Conf)), 0o644),
		os.WriteFile(filepath.Join(k.Dir, "kdc.conf"), []byte(fill.Replace(kdcConf)), 0o644))
}

// Env is the environment in which MIT's programs use this KDC.
func (k *KDC) Env() []string {
	return append(os.Environ(), "KRB5_CONFIG="+k.Conf,
		"KRB5_KDC_PROFILE="+filepath.Join(k.Dir, "kdc.conf"),
		"KRB5CCNAME=FILE:"+filepath.Join(k.Dir, "ccache"))
}

func (k *KDC) run(ctx context.Context, input, name string, args ...string) (string, error) {
	path, err := lookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stdin, cmd.Dir = k.Env(), strings.NewReader(input), "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), err
}

// Admin runs lines of kadmin.local(8).
func (k *KDC) Admin(ctx context.Context, lines string) (string, error) {
	return k.run(ctx, lines, "kadmin.local", "-r", k.config.Realm)
}

// UserKeytab writes a keytab for a user, whose password stays, and returns its
// name.
func (k *KDC) UserKeytab(t testing.TB, user string) string {
	t.Helper()
	path := filepath.Join(k.Dir, user+".keytab")
	_, err := k.Admin(t.Context(), fmt.Sprintf("ktadd -norandkey -k %s %s\n", path, user))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Kinit logs in with a password, as MIT's kinit does with further arguments, and
// returns the name of the credentials cache.
func (k *KDC) Kinit(t testing.TB, user, password string, args ...string) string {
	t.Helper()
	path := filepath.Join(k.Dir, user+".ccache")
	args = append(args, "-c", "FILE:"+path, user)
	out, err := k.run(t.Context(), password+"\n", "kinit", args...)
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err, out)
	}
	return path
}

// Start starts a KDC that Kill has ended.
func (k *KDC) Start(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	path, err := lookPath("krb5kdc")
	if err != nil {
		return err
	}
	// The shell ends the KDC when its standard input ends, however this process
	// ends, and removes the directory unless it is told "keep".
	// Of a killed process the library for another clock leaves two files.
	var clock, skew string
	if k.config.Skew != 0 {
		clock, skew = faketime(), fmt.Sprintf("%+ds", int(k.config.Skew.Seconds()))
	}
	cmd := exec.Command("/bin/sh", "-c",
		`LD_PRELOAD=$4 FAKETIME=$5 "$2" -n -r "$3" >>"$1/output" 2>&1 &
echo $!
read -r word
kill -s KILL $! 2>/dev/null
wait
rm -f "/dev/shm/faketime_shm_$!" "/dev/shm/sem.faketime_sem_$!"
[ "$word" = keep ] || rm -rf -- "$1"`, "sh", k.Dir, path, k.config.Realm, clock, skew)
	cmd.Env, cmd.Dir = k.Env(), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if k.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	var started error
	if err := k.config.In(func() { started = cmd.Start() }); err != nil || started != nil {
		return errors.Join(err, started)
	}
	k.shell = cmd
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	if k.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return err
	}
	log := filepath.Join(k.Dir, "output")
	return errors.Join(k.config.In(func() { err = await(ctx, k.Addr, log) }), err)
}

// await returns when somebody listens at an address.
func await(ctx context.Context, addr, log string) error {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			out, _ := os.ReadFile(log)
			return fmt.Errorf("nobody listens on %s: %w\n%s", addr, err,
				out[max(0, len(out)-2000):])
		case <-time.After(pollTime):
		}
	}
}

// faketime is the library that shifts a program's clock; empty: not installed.
func faketime() string {
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	return strings.Join(found[:min(1, len(found))], "")
}

// Freeze stops the KDC with SIGSTOP: the kernel still accepts connections, but
// nothing is answered. Thaw undoes it.
func (k *KDC) Freeze() error { return k.signal(syscall.SIGSTOP, "T") }

// Thaw undoes Freeze.
func (k *KDC) Thaw() error { return k.signal(syscall.SIGCONT, "RSDI") }

func (k *KDC) signal(s syscall.Signal, states string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := syscall.Kill(k.pid, s); err != nil {
		return fmt.Errorf("kerberostest: krb5kdc %d: %w", k.pid, err)
	}
	for until := time.Now().Add(startTime); ; time.Sleep(pollTime) { // a signal takes its time
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", k.pid))
		if err != nil {
			return err
		}
		state := b[bytes.LastIndexByte(b, ')')+2]
		if strings.IndexByte(states, state) >= 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("kerberostest: krb5kdc %d is in state %c", k.pid, state)
		}
	}
}

// Kill ends the KDC. Its port refuses connections until Start.
func (k *KDC) Kill() error { return k.end("keep\n") }

// Close ends the KDC and removes its directory.
func (k *KDC) Close() error { return errors.Join(k.end("\n"), os.RemoveAll(k.Dir)) }

func (k *KDC) end(word string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shell == nil {
		return nil
	}
	_, err := io.WriteString(k.stdin, word)
	err = errors.Join(err, k.stdin.Close(), k.shell.Wait())
	k.shell = nil
	return err
}
