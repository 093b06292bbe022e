package smbprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"

	"go.uber.org/goleak"
)

// patience is the deadline of a probe whose deadline is not tested, and how
// long a test waits for what must come.
const patience = time.Minute

func TestMain(m *testing.M) {
	if role, ok := childRoles[os.Getenv(childEnv)]; ok {
		role()
		return
	}
	goleak.VerifyTestMain(suite{m})
}

// Wire constants (MS-SMB2 2.2).
const (
	maxFrame     = 64 << 10 // longest frame that is read
	transformLen = 52
	unsolicited  = 1<<64 - 1

	sessionGuest   = 0x1
	sessionNull    = 0x2
	sessionEncrypt = 0x4
	shareEncrypt   = 0x8000

	cmdSessionSetup = 1
)

// request returns a request: its length and its message.
func request(cmd uint16, id uint64) (prefix, message []byte) {
	m := make([]byte, headerLen+36)
	copy(m, "\xfeSMB")
	le.PutUint16(m[4:], headerLen)
	le.PutUint16(m[12:], cmd)
	le.PutUint64(m[24:], id)
	return be.AppendUint32(nil, uint32(len(m))), m
}

// isSessionSetup reports whether a message is a plain session setup.
func isSessionSetup(m []byte) bool {
	return len(m) >= headerLen && string(m[:4]) == "\xfeSMB" && le.Uint16(m[12:]) == cmdSessionSetup
}

// message returns an answer with this body, its header and its length prefix.
func message(cmd uint16, id uint64, status Status, body []byte) []byte {
	_, m := request(cmd, id)
	le.PutUint32(m[8:], uint32(status))
	le.PutUint32(m[16:], flagResponse)
	m = append(m[:headerLen], body...)
	return append(be.AppendUint32(nil, uint32(len(m))), m...)
}

// childEnv makes the test binary a child process with one of the roles: a test
// cannot kill its own process, for example.
const childEnv = "SMBPROBE_CHILD"

var childRoles = map[string]func(){}

// suite runs the tests and ends the shared servers, so that goleak looks at
// what is left.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	code := s.m.Run()
	servers.Lock()
	defer servers.Unlock()
	for _, one := range servers.running {
		if err := one.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

var servers = struct {
	sync.Mutex
	running map[string]*smbtest.Server
}{running: map[string]*smbtest.Server{}}

// samba returns the smbd with these global lines, which all tests share. The
// first use starts it. A test that freezes or kills a server starts its own
// with smbtest.Samba.
func samba(t testing.TB, global ...string) *smbtest.Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	key := strings.Join(global, "\n")
	if s, ok := servers.running[key]; ok {
		return s
	}
	s, err := smbtest.StartSamba(context.Background(), smbtest.Config{Global: global})
	smbtest.Require(t, err)
	servers.running[key] = s
	for _, share := range []string{"share", "priv", "encrypted"} {
		writeShared(t, s, share, marker, markerText)
	}
	return s
}

// marker is a file in some shares of the shared servers.
const (
	marker     = "MOUNTED"
	markerText = "the shared disk\n"
)

// writeShared puts a file into a share.
func writeShared(t testing.TB, s *smbtest.Server, share, name, text string) {
	t.Helper()
	path := filepath.Join(s.Dir, "shares", share, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// files adds the steps that open files.
func (c Config) files() Config {
	c.Marker, c.WriteTest, c.LockTest = marker, true, true
	return c
}

// at returns the configuration of a probe of the server at "address:port".
func at(t testing.TB, addr, share string) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Address: host, Port: n, Share: share}
}

// as adds user and password.
func (c Config) as(user, password string) Config {
	c.User, c.Password = user, password
	return c
}

// probe probes once, with patience.
func probe(t testing.TB, c Config) (Report, error) {
	t.Helper()
	return probeWith(t, New(c))
}

func probeWith(t testing.TB, p *Prober) (Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return probeIn(t, ctx, p)
}

// probeIn probes once and asserts what holds for every probe.
func probeIn(t testing.TB, ctx context.Context, p *Prober) (Report, error) {
	t.Helper()
	r, err := p.Probe(ctx)
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("failed with %T %v, want an *Error", err, err)
	}
	last := Step(-1)
	for _, rung := range r.Rungs {
		if rung.Step <= last {
			t.Errorf("%v after %v: rungs not in wire order", rung.Step, last)
		}
		last = rung.Step
		if rung.Took < 0 {
			t.Errorf("%v took %v", rung.Step, rung.Took)
		}
	}
	switch {
	// A server that closes the connection at the tree disconnect cannot be
	// asked to log off. A warning says so.
	case err == nil && last != Logoff && !(last == TreeDisconnect && len(r.Warnings) > 0):
		t.Errorf("healthy, but the last rung is %v", last)
	case failed != nil && failed.Step != Socket && failed.Step != ShareType && last != failed.Step:
		t.Errorf("failed at %v, but the last rung is %v", failed.Step, last)
	}
	return r, err
}

// fails asserts the step and the cause of a failed probe.
func fails(t testing.TB, err error, step Step, cause error) {
	t.Helper()
	if !failedAt(err, step, cause) {
		t.Errorf("got %v (%#v), want a failure of %v: %v", err, errors.Unwrap(err), step, cause)
	}
}

// failedAt reports whether a probe failed at this step with this cause. The
// cause is a value that errors.Is finds, or of a type below, whose fields must
// agree. Of a *MalformedError a part of the text is enough.
func failedAt(err error, step Step, cause error) bool {
	var failed *Error
	if !errors.As(err, &failed) || failed.Step != step {
		return false
	}
	ok := errors.Is(err, cause)
	switch want := cause.(type) {
	case *MalformedError:
		var got *MalformedError
		ok = errors.As(err, &got) && strings.Contains(got.What, want.What)
	case *NetBIOSError:
		var got *NetBIOSError
		ok = errors.As(err, &got) && *got == *want
	case *ShareTypeError:
		var got *ShareTypeError
		ok = errors.As(err, &got) && *got == *want
	case *net.DNSError:
		var got *net.DNSError
		ok = errors.As(err, &got) && got.Name == want.Name && got.IsNotFound == want.IsNotFound
	case *net.OpError:
		var got *net.OpError
		ok = errors.As(err, &got) && got.Op == want.Op && errors.Is(got, want.Err)
	}
	return ok
}

// broken is the error of a connection that failed in a read, write or dial.
func broken(op string, cause error) error { return &net.OpError{Op: op, Err: cause} }

// expiring is a context whose deadline passes when a test says so.
type expiring struct {
	context.Context
	done chan struct{}
	once *sync.Once
}

func newExpiring() expiring {
	return expiring{context.Background(), make(chan struct{}), new(sync.Once)}
}

func (e expiring) expire()               { e.once.Do(func() { close(e.done) }) }
func (e expiring) Done() <-chan struct{} { return e.done }

func (e expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// failsAtDeadline probes until a short deadline and asserts the step and the
// cause of the failure, and that the probe keeps the deadline.
func failsAtDeadline(t testing.TB, p *Prober, step Step, cause error) {
	t.Helper()
	_, end, err := probeInTime(t, p, func(err error) bool { return failedAt(err, step, cause) })
	fails(t, err, step, cause)
	// The connection's own timer may fire a moment before the context's.
	if off := time.Since(end); off < -50*time.Millisecond || off > patience {
		t.Errorf("ended %v after the deadline", off)
	}
}

// probeInTime probes with a short deadline. A busy machine may be too slow to
// reach the wanted result in this time: then it doubles the deadline and probes
// again. It returns the last deadline.
func probeInTime(
	t testing.TB, p *Prober, wanted func(error) bool,
) (Report, time.Time, error) {
	t.Helper()
	for limit := time.Second / 2; ; limit *= 2 {
		end := time.Now().Add(limit)
		ctx, cancel := context.WithDeadline(context.Background(), end)
		r, err := probeIn(t, ctx, p)
		cancel()
		if wanted(err) || !errors.Is(err, context.DeadlineExceeded) || limit > patience {
			return r, end, err
		}
	}
}

func isHealthy(err error) bool { return err == nil }

// waitFor polls until done returns true.
func waitFor(t *testing.T, what string, done func() bool) bool {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if done() {
			return true
		}
	}
	t.Errorf("waited in vain for %s", what)
	return false
}
