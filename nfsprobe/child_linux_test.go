package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func init() {
	childRoles["without descriptors"] = withoutDescriptors
	childRoles["as nobody"] = asNobody
}

// childCommand is the test binary in a role.
func childCommand(ctx context.Context, t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	return cmd
}

// child runs the test binary in a role and returns its output.
func child(t *testing.T, role string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	out, err := childCommand(ctx, t, role, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", role, err, out)
	}
	return string(out)
}

// withoutDescriptors probes in a process that may open no more files, and
// prints how that ended.
func withoutDescriptors() {
	l, err := net.Listen("tcp", "127.0.0.1:0") // now the runtime's poller has its descriptor too
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{}); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port := l.Addr().(*net.TCPAddr).Port
	for _, version := range []string{"3", "4", "auto"} {
		_, err = New(Config{Address: "127.0.0.1", Dir: "/", MountPort: port, Port: port,
			Version: version}).Probe(ctx)
		printLocalFailure(err)
	}
	// A resolver without a descriptor says only that it failed.
	p := New(Config{Address: "files.example", Dir: "/"})
	p.lookup = func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "dial udp: too many open files", Name: "files.example",
			IsTemporary: true}
	}
	_, err = p.Probe(ctx)
	printLocalFailure(err)
}

func printLocalFailure(err error) {
	var failed *Error
	if errors.As(err, &failed) && failed.Step == Socket && errors.Is(err, syscall.EMFILE) {
		fmt.Println("no descriptors")
		return
	}
	fmt.Println(err)
}

func TestWithoutDescriptors(t *testing.T) {
	if out := child(t, "without descriptors"); out != strings.Repeat("no descriptors\n", 4) {
		t.Errorf("the probes ended with %q", out)
	}
}

// asNobody probes as a user who may bind no privileged port.
func asNobody() {
	if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		fmt.Println(err)
		return
	}
	mountPort, merr := strconv.Atoi(os.Args[1])
	port, err := strconv.Atoi(os.Args[2])
	if err := errors.Join(merr, err); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := New(Config{Address: "127.0.0.1", Dir: "/", MountPort: mountPort, Port: port,
		Version: "3"}).Probe(ctx)
	fmt.Println(r.Identity, err)
}

func TestWithoutPrivilege(t *testing.T) {
	asRoot(t)
	h, _ := hostile(t)
	out := child(t, "as nobody", strconv.Itoa(h.MountPort), strconv.Itoa(h.NFSPort))
	ports := sources3(h)
	if len(ports) != 2 || ports[0] < 1024 ||
		out != fmt.Sprintf("AUTH_SYS uid 65534, port %d <nil>\n", ports[1]) {
		t.Errorf("from %d: %q", ports, out)
	}
}
